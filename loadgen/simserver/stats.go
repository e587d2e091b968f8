package simserver

import (
	"maps"
	"sync"
	"time"
)

// Stats are a server's counters at one moment. Every inference that started is
// in exactly one of the groups below, so
//
//	Started = Completed + Rejected + Refused + Failed + Cancelled + InFlight
type Stats struct {
	At       time.Time
	Requests map[string]int64 // by path, all of the server's endpoints

	Started   int64 // inferences whose handler was entered
	Completed int64 // answered in full
	Rejected  int64 // bad request, unauthorized, unknown model: 400, 401, 404, 413
	Refused   int64 // no room in the queue (429) or the KV cache (503)
	Failed    int64 // hit by an injected fault
	Cancelled int64 // the client left, or the server closed, before the end

	PromptTokens int64 // of the inferences that the engine accepted
	OutputTokens int64 // sent

	// In flight means from the entry of an inference's handler to its exit; the
	// end of the body reaches the client after that.
	InFlight     int
	MaxInFlight  int           // since the start or the last ResetMax
	InFlightTime time.Duration // integral of InFlight over time: see MeanInFlight
}

// MeanInFlight reports the time-weighted mean of inferences in flight between
// before and s, two Stats of the same server; 0 when no time lies between.
func (s Stats) MeanInFlight(before Stats) float64 {
	d := s.At.Sub(before.At)
	if d <= 0 {
		return 0
	}
	return float64(s.InFlightTime-before.InFlightTime) / float64(d)
}

// Stats reports the server's counters. It also works after Close.
func (s *Server) Stats() Stats { return s.count.snapshot() }

// ResetMax sets MaxInFlight to what is in flight now, so that a test can
// measure one window.
func (s *Server) ResetMax() {
	s.count.update(func(st *Stats) { st.MaxInFlight = st.InFlight })
}

// counters guards a Stats.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func newCounters() *counters {
	return &counters{s: Stats{At: time.Now(), Requests: map[string]int64{}}}
}

// update brings the integral up to date and applies f.
func (c *counters) update(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.s.InFlightTime += time.Duration(c.s.InFlight) * now.Sub(c.s.At)
	c.s.At = now
	f(&c.s)
}

// enter counts an inference in and reports its number, from 1.
func (c *counters) enter() (n int64) {
	c.update(func(s *Stats) {
		s.Started++
		s.InFlight++
		s.MaxInFlight = max(s.MaxInFlight, s.InFlight)
		n = s.Started
	})
	return n
}

// leave counts an inference out, into the group of its end.
func (c *counters) leave(end outcome, tokens int) {
	c.update(func(s *Stats) {
		s.InFlight--
		s.OutputTokens += int64(tokens)
		switch end {
		case completed:
			s.Completed++
		case rejected:
			s.Rejected++
		case refused:
			s.Refused++
		case failed:
			s.Failed++
		case cancelled:
			s.Cancelled++
		}
	})
}

func (c *counters) snapshot() (s Stats) {
	c.update(func(now *Stats) {
		s = *now
		s.Requests = maps.Clone(now.Requests)
	})
	return s
}

// An outcome is how an inference ended.
type outcome uint8

const (
	cancelled outcome = iota
	completed
	rejected
	refused
	failed
)
