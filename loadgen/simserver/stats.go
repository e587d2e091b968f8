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
	// At is the moment of the counters.
	At time.Time
	// Requests counts the requests to all of the server's endpoints by path.
	Requests map[string]int64

	// Started counts the inferences whose handler was entered.
	Started int64
	// Completed counts those that were answered in full.
	Completed int64
	// Rejected counts bad and unauthorized requests and unknown models: 400, 401, 404
	// and 413.
	Rejected int64
	// Refused counts those that found no room in the queue (429) or in the KV cache
	// (503).
	Refused int64
	// Failed counts those that an injected fault hit.
	Failed int64
	// Cancelled counts those before whose end the client left or the server closed.
	Cancelled int64

	// PromptTokens counts the prompt tokens of the inferences that the engine
	// accepted, and OutputTokens the tokens sent.
	PromptTokens, OutputTokens int64

	// InFlight counts the inferences in flight, from the entry of the handler to its
	// exit. The end of the body reaches the client after that.
	InFlight int
	// MaxInFlight is the largest InFlight since the start or the last ResetMax.
	MaxInFlight int
	// InFlightTime is the integral of InFlight over time, see MeanInFlight.
	InFlightTime time.Duration
}

// MeanInFlight reports the time-weighted mean of inferences in flight between before and
// s, two Stats of the same server. It is 0 if no time lies between them.
func (s Stats) MeanInFlight(before Stats) float64 {
	d := s.At.Sub(before.At)
	if d <= 0 {
		return 0
	}
	return float64(s.InFlightTime-before.InFlightTime) / float64(d)
}

// Stats reports the server's counters. It also works after Close.
func (s *Server) Stats() Stats { return s.count.snapshot() }

// ResetMax sets MaxInFlight to what is in flight now, so that a test can measure one
// window.
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

// update brings the integral up to date and applies f. Counters of their own would be
// faster, but the sum in the comment of Stats must hold at every moment.
func (c *counters) update(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.s.InFlightTime += time.Duration(c.s.InFlight) * now.Sub(c.s.At)
	c.s.At = now
	f(&c.s)
}

// enter counts an inference in and reports its number of arrival, from 1.
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

// snapshot returns a copy of the counters as they are now.
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
