package simserver

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Clients are a closed loop: so many clients, each of which sends its next
// request a turnaround after its last one ended.
type Clients struct {
	Concurrency int           // at least 1
	ISL, OSL    int           // tokens of each request, at least 1
	Requests    int           // measured; 0: 6000, twenty probes of 300
	Turnaround  time.Duration // from the end of a request to the start of the client's next; 0: 300 µs
	Seed        uint64        // of the clients' starts
	// Spread is the time over which the clients' first requests are spread at random;
	// 0 means the time of one request on the idle server. With answers of one length the
	// phases that the clients start with stay for ever, so that a simulation is one draw
	// of a pattern; see Pooled.
	Spread time.Duration
}

// A Trace is one request as its client sees it, without network. Times count
// from the start of the simulation.
type Trace struct {
	Arrived time.Duration
	First   time.Duration // its first token
	Last    time.Duration // its last token
	Refused bool          // by the KV cache or the queue; First and Last are 0
}

const (
	defaultRequests   = 6000
	defaultTurnaround = 300 * time.Microsecond
)

func (c Clients) withDefaults() Clients {
	c.Concurrency, c.ISL, c.OSL = max(c.Concurrency, 1), max(c.ISL, 1), max(c.OSL, 1)
	if c.Requests <= 0 {
		c.Requests = defaultRequests
	}
	if c.Turnaround <= 0 {
		c.Turnaround = defaultTurnaround
	}
	return c
}

// Simulate runs the model's engine under a closed loop in virtual time: the
// truth that a measurement over HTTP is held against. The clients start spread
// over one unloaded request's time; the first turnover, two requests a client,
// is discarded; then c.Requests requests in order of start are followed, under
// full load, to their end and returned. The server is warm and shows no faults.
//
// Of the turnaround only that it is not negative matters much: a request that
// arrives as a step starts is not in it. (In an engine that lets it in, clients
// without a turnaround join the very step that follows their last one, and the
// boundary comes out up to twice too high.)
func (m Model) Simulate(c Clients) []Trace {
	c = c.withDefaults()
	m.ColdStart = 0
	return m.simulate(c, 2*c.Concurrency)
}

// Pooled simulates so many restarts and returns the requests of all of them: what
// clients of random phases see. Each client's first request is spread over the time that
// a request takes at this load, which the restarts before have shown.
func (m Model) Pooled(c Clients, restarts int) []Trace {
	c = c.withDefaults()
	seed := c.Seed
	var all []Trace
	for i := range restarts + 2 { // two before, which only say how long a request takes
		c.Seed = seed + uint64(i)
		traces := m.Simulate(c)
		var sum time.Duration
		for _, t := range traces {
			sum += t.Last - t.Arrived
		}
		c.Spread = sum / time.Duration(max(len(traces), 1))
		if i >= 2 {
			all = append(all, traces...)
		}
	}
	return all
}

// simulate is Simulate with the number of requests to discard.
func (m Model) simulate(c Clients, discard int) []Trace {
	var due arrivals
	var measured []*sequence
	open := c.Requests
	e := newEngine(m, func(s *sequence, at time.Duration) {
		if s.emitted == 1 {
			s.trace.First = at
		}
		if s.emitted == s.osl {
			s.trace.Last = at
			if s.measured {
				open--
			}
			due.add(at + c.Turnaround)
		}
	})
	for _, at := range c.starts(m) {
		due.add(at)
	}
	for open > 0 {
		if e.stepping && (len(due.at) == 0 || e.end <= due.at[0]) {
			e.advance(e.end)
			continue
		}
		now := due.pop()
		s := newSequence(c.ISL, c.OSL)
		s.trace.Arrived = now
		if discard > 0 {
			discard--
		} else if len(measured) < c.Requests {
			s.measured = true
			measured = append(measured, s)
		}
		if e.offer(now, s) != nil {
			s.trace.Refused = true
			if s.measured {
				open--
			}
			due.add(now + c.Turnaround)
		}
	}
	traces := make([]Trace, len(measured))
	for i, s := range measured {
		traces[i] = s.trace
	}
	return traces
}

// starts reports when each client sends its first request: spread at random
// over one unloaded request's time.
func (c Clients) starts(m Model) []time.Duration {
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	alone := float64(c.Spread)
	if alone <= 0 {
		alone = float64(m.alone(c.ISL, c.OSL))
	}
	at := make([]time.Duration, c.Concurrency)
	for i := range at {
		at[i] = time.Duration(rng.Float64() * alone)
	}
	return at
}

// alone reports how long a request takes on the idle server, without jitter.
func (m Model) alone(isl, osl int) (last time.Duration) {
	m.Jitter, m.KVTokens = 0, 0
	e := newEngine(m, func(_ *sequence, at time.Duration) { last = at })
	_ = e.offer(0, newSequence(isl, osl))
	for e.stepping {
		e.advance(e.end)
	}
	return last
}

// arrivals are the times at which clients will send, in order. Nearly every
// one is added at the end: a sorted list does better than a heap.
type arrivals struct{ at []time.Duration }

func (a *arrivals) add(t time.Duration) {
	i := len(a.at)
	for i > 0 && a.at[i-1] > t {
		i--
	}
	a.at = slices.Insert(a.at, i, t)
}

func (a *arrivals) pop() time.Duration {
	t := a.at[0]
	a.at = append(a.at[:0], a.at[1:]...)
	return t
}
