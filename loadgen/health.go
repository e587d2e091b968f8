package loadgen

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// Health is how the client itself fared during a probe. If the client was the
// bottleneck, the probe's numbers are not the server's.
type Health struct {
	// SendLagP99 is the 99th percentile of how late requests were sent: start −
	// scheduled − dial.
	SendLagP99 time.Duration
	// BeatLagP99 is the 99th percentile of how late a goroutine woke that sleeps
	// 10 ms at a time. Reads of answers can be as late.
	BeatLagP99 time.Duration
	// CPU is the processor time of this process as a share of all cores that it may
	// use, from 0 to 1. It is 0 where the system does not tell.
	CPU float64
	// GCPause is the sum of the garbage collector's pauses.
	GCPause time.Duration
	// Bytes is the size of all answers of the cohort.
	Bytes int64
	// Worker names the one of several workers whose lags these are, the latest of all, and Workers
	// is how many there were. CPU is then the greatest, and GCPause and Bytes are sums. They are
	// zero for load of this process.
	Worker  string
	Workers int
}

// beat is the interval of the heartbeat. It is short against what a server takes for a
// token, and long enough to cost next to nothing.
const beat = 10 * time.Millisecond

// healthWatch measures the client while a probe runs.
type healthWatch struct {
	stop  chan struct{}
	lags  chan []time.Duration
	begun time.Time
	cpu   time.Duration
	gc    time.Duration
}

// watchHealth starts to watch, until end.
func watchHealth() *healthWatch {
	w := &healthWatch{
		stop: make(chan struct{}), lags: make(chan []time.Duration, 1),
		begun: time.Now(), cpu: cpuTime(), gc: gcPause(),
	}
	go w.run()
	return w
}

// run notes how late each wake-up is against an absolute schedule. A ticker would
// shift its schedule, or drop ticks, after a late wake-up, and so hide part of it.
func (w *healthWatch) run() {
	var lags []time.Duration
	due := w.begun.Add(beat)
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for {
		select {
		case <-w.stop:
			w.lags <- lags
			return
		case <-timer.C:
		}
		now := time.Now()
		lags = append(lags, now.Sub(due))
		for !due.After(now) {
			due = due.Add(beat)
		}
		timer.Reset(time.Until(due))
	}
}

// end stops watching and returns what was seen, but for what the requests know.
func (w *healthWatch) end() Health {
	close(w.stop)
	h := Health{BeatLagP99: lagP99(<-w.lags), GCPause: gcPause() - w.gc}
	if wall := time.Since(w.begun); wall > 0 {
		h.CPU = float64(cpuTime()-w.cpu) / float64(wall) / float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	}
	return h
}

// lag fills in what those requests know of the client that are its own; all are if own is nil.
func (h *Health) lag(requests []Request, own func(*Request) bool) {
	lags := make([]time.Duration, 0, len(requests))
	for i := range requests {
		q := &requests[i]
		if own != nil && !own(q) {
			continue
		}
		// A connection that the server closed is not the client being slow.
		lags = append(lags, q.Start-q.Scheduled-q.Dial)
		h.Bytes += int64(q.Bytes)
	}
	h.SendLagP99 = lagP99(lags)
}

// hiccups is the number of late events that do not yet mean a slow client, however
// short the probe is. A single late beat among a hundred is the 99th percentile, and
// still a single one.
const hiccups = 2

// lagP99 returns the 99th percentile of lags, or a lower one if that would be one of
// the largest two. It sorts lags.
func lagP99(lags []time.Duration) time.Duration {
	n := len(lags)
	if n <= hiccups {
		return 0
	}
	slices.Sort(lags)
	return max(lags[min(n*99/100, n-1-hiccups)], 0)
}

// gcPause returns the sum of all pauses of the garbage collector so far.
func gcPause() time.Duration {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return s.PauseTotal
}
