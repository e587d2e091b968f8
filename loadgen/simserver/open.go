package simserver

import (
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals are an open loop: requests that arrive as a Poisson process, whatever has become
// of those before.
type Arrivals struct {
	// Rate is the number of requests a second, above 0.
	Rate float64
	// ISL and OSL are the prompt and output tokens of each request, at least 1.
	ISL, OSL int
	// Requests is the number of requests that are measured, 6,000 if 0. A fifth as many
	// before them are discarded.
	Requests int
	// Seed determines the arrivals.
	Seed uint64
}

// Open runs the model's engine under an open loop in virtual time, and returns the requests
// that are measured in the order of their arrivals. It ends when each of them has ended. The
// server is warm and shows no faults.
func (m Model) Open(a Arrivals) []Trace {
	m.ColdStart = 0
	n := a.Requests
	if n <= 0 {
		n = defaultRequests
	}
	discard := n / 5
	e := newEngine(m, func(s *sequence, at time.Duration) {
		if s.emitted == 1 {
			s.trace.First = at
		}
		if s.emitted == s.osl {
			s.trace.Last = at
		}
	})
	rng := rand.New(rand.NewPCG(a.Seed, 2))
	sent := make([]*sequence, 0, n+discard)
	at := 0.0
	for range n + discard {
		at += rng.ExpFloat64() / a.Rate
		now := time.Duration(math.Round(at * float64(time.Second)))
		for e.stepping && e.end <= now {
			e.advance(e.end)
		}
		s := newSequence(max(a.ISL, 1), max(a.OSL, 1))
		s.trace.Arrived = now
		s.trace.Refused = e.offer(now, s) != nil
		sent = append(sent, s)
	}
	for e.stepping {
		e.advance(e.end)
	}
	traces := make([]Trace, 0, n)
	for _, s := range sent[discard:] {
		traces = append(traces, s.trace)
	}
	return traces
}

// HighestRate reports the largest rate from lo to hi, in requests a second, at which ok holds
// for the traces of the model under an open loop, to within a thousandth. It is 0 if ok fails
// at lo. A rate that the server does not keep up with must fail, which a limit on a latency
// does for a simulation that is long enough. a.Rate is ignored.
//
// Unlike Boundary it bisects. Rates are no whole numbers that could all be tried, and what an
// open loop waits for grows with the rate.
func (m Model) HighestRate(a Arrivals, lo, hi float64, ok func([]Trace) bool) float64 {
	at := func(rate float64) bool {
		a.Rate = rate
		return ok(m.Open(a))
	}
	if !at(lo) {
		return 0
	}
	if at(hi) {
		return hi
	}
	for hi/lo > 1.001 {
		if mid := math.Sqrt(lo * hi); at(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
