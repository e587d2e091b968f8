package loadgen

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// Health is how the client itself fared during a probe. When it was the
// bottleneck, the probe's numbers are not the server's.
type Health struct {
	SendLagP99 time.Duration // start − scheduled − dial: how late the client sent its requests, 99th percentile
	BeatLagP99 time.Duration // how late a goroutine woke that sleeps 10 ms at a time, 99th percentile
	CPU        float64       // of this process, share of all cores it may use, 0 … 1; 0 where unknown
	GCPause    time.Duration // sum of the collector's pauses
	Bytes      int64         // received in answers' bodies
}

// beat is the heartbeat's interval: short against what a server takes for a
// token, long enough to cost nothing.
const beat = 10 * time.Millisecond

// healthWatch measures the client while a probe runs.
type healthWatch struct {
	stop  chan struct{}
	lags  chan []time.Duration
	begun time.Time
	cpu   time.Duration
	gc    time.Duration
}

func watchHealth() *healthWatch {
	w := &healthWatch{stop: make(chan struct{}), lags: make(chan []time.Duration, 1), begun: time.Now(), cpu: cpuTime(), gc: gcPause()}
	go w.run()
	return w
}

// run notes how late each wake-up is against an absolute schedule, which one
// late wake-up does not shift.
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

func (w *healthWatch) end() Health {
	close(w.stop)
	h := Health{BeatLagP99: lagP99(<-w.lags), GCPause: gcPause() - w.gc}
	if wall := time.Since(w.begun); wall > 0 {
		h.CPU = float64(cpuTime()-w.cpu) / float64(wall) / float64(runtime.GOMAXPROCS(0))
	}
	return h
}

// lag fills in what the requests know of the client.
func (h *Health) lag(requests []Request) {
	lags := make([]time.Duration, 0, len(requests))
	for i := range requests {
		// A connection that the server closed is not the client being slow.
		lags = append(lags, requests[i].Start-requests[i].Scheduled-requests[i].Dial)
		h.Bytes += int64(requests[i].Bytes)
	}
	h.SendLagP99 = lagP99(lags)
}

// hiccups is how many late events are no sign of a slow client, however short
// the probe: one in a hundred beats is a hundredth, and still only one.
const hiccups = 2

// lagP99 is the 99th percentile of lags, or a lower one where that would be one
// of the largest two.
func lagP99(lags []time.Duration) time.Duration {
	n := len(lags)
	if n <= hiccups {
		return 0
	}
	slices.Sort(lags)
	return max(lags[min(n*99/100, n-1-hiccups)], 0)
}

func gcPause() time.Duration {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return s.PauseTotal
}
