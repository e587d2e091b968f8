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
	h := Health{BeatLagP99: quantile(<-w.lags, 0.99), GCPause: gcPause() - w.gc}
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
	h.SendLagP99 = quantile(lags, 0.99)
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}

func gcPause() time.Duration {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return s.PauseTotal
}
