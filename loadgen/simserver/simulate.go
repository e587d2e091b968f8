package simserver

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/workload"
)

// Clients are a closed loop: a number of clients, each of which sends its next request a
// turnaround after its last one ended.
type Clients struct {
	// Concurrency is the number of clients, at least 1.
	Concurrency int
	// ISL and OSL are the prompt and output tokens of each request, at least 1.
	ISL, OSL int
	// Workload says more of the requests, which are then those of its Source with Seed. The
	// ITL of a request is that of its own length; see Trace.OSL. A client is the user of one
	// conversation after the other, and thinks between their turns.
	Workload workload.Workload
	// Requests is the number of requests that are measured, 6,000 if 0: that is 20
	// probes of 300.
	Requests int
	// Turnaround is the time from the end of a request to the start of the client's
	// next, 300 µs if 0.
	Turnaround time.Duration
	// Seed determines the clients' starts.
	Seed uint64
	// Spread is the time over which the clients' first requests are spread at random;
	// 0 means the time of one request on the idle server. With answers of one length the
	// phases that the clients start with stay as they are, so that a simulation is one
	// draw of a pattern; see Pooled.
	Spread time.Duration
}

// A Trace is one request as its client sees it, without a network. Times count from the
// start of the simulation.
type Trace struct {
	// Arrived, First and Last are the times of the request, of its first token and of
	// its last.
	Arrived, First, Last time.Duration
	// OSL is the number of tokens of the answer, 0 if it is the clients'.
	OSL int
	// Refused says that the KV cache or the queue was full. First and Last are then 0.
	Refused bool
}

const (
	defaultRequests   = 6000
	defaultTurnaround = 300 * time.Microsecond
)

// withDefaults returns c with its zero fields filled in.
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

// Simulate runs the model's engine under a closed loop in virtual time. The result is the
// truth that a measurement over HTTP is held against. The clients start spread over one
// unloaded request's time. The first two requests of each client, on average, are
// discarded, and as many times more as its conversations have turns. Then c.Requests
// requests in the order of starts are followed to their end, under full load, and returned.
// The server is warm and shows no faults.
//
// Note: the length of the turnaround matters little, because a request that arrives as a
// step starts is not in that step. An engine that lets it in was tried: clients without a
// turnaround then join the very step that follows their last one, and the boundary comes
// out up to twice too high.
func (m Model) Simulate(c Clients) []Trace {
	c = c.withDefaults()
	m.ColdStart = 0
	return m.simulate(c, c.settles())
}

// settles is the number of requests that are discarded: two turnovers of the clients, of whole
// conversations if they have any.
func (c Clients) settles() int { return int(2 * c.Workload.Length() * float64(c.Concurrency)) }

// Observe is Simulate with the engine's pages of metrics, one each so often from the first
// request that is measured to the end of the last.
func (m Model) Observe(c Clients, every time.Duration) (traces []Trace, pages []Page) {
	c = c.withDefaults()
	m.ColdStart = 0
	var next time.Duration
	traces = m.watched(c, c.settles(), func(e *engine, until time.Duration, begun bool) {
		for next = max(next, (until/every)*every); begun && next <= until; next += every {
			pages = append(pages, Page{At: next, Text: e.page(next)})
		}
	})
	return traces, pages
}

// Page is the engine's page of metrics at a time of a simulation.
type Page struct {
	At   time.Duration
	Text []byte
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
func (m Model) simulate(c Clients, discard int) []Trace { return m.watched(c, discard, nil) }

// watched is simulate with a look, if it is not nil, before each event: with its time, and
// whether a request is measured by now.
func (m Model) watched(c Clients, discard int, look func(e *engine, until time.Duration, begun bool)) []Trace {
	var due arrivals
	var measured []*sequence
	open := c.Requests
	next, following := c.requests(m)
	e := newEngine(m, func(s *sequence, at time.Duration) {
		if s.emitted == 1 {
			s.trace.First = at
		}
		if s.emitted == s.osl {
			s.trace.Last = at
			if s.measured {
				open--
			}
			item, think := following(s)
			due.add(visit{at + c.Turnaround + think, item})
		}
	})
	for _, at := range c.starts(m) {
		due.add(visit{at, another})
	}
	for open > 0 {
		stepping := e.stepping && (len(due.at) == 0 || e.end <= due.at[0].at)
		if look != nil && stepping {
			look(e, e.end, len(measured) > 0)
		} else if look != nil {
			look(e, due.at[0].at, len(measured) > 0)
		}
		if stepping {
			e.advance(e.end)
			continue
		}
		arrived := due.pop()
		now := arrived.at
		s := next(arrived.item)
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
			due.add(visit{now + c.Turnaround, another})
		}
	}
	traces := make([]Trace, len(measured))
	for i, s := range measured {
		traces[i] = s.trace
	}
	return traces
}

// another stands for the first turn of a conversation that has not begun.
const another = -1

// requests returns what makes the request that a client sends, and what says which request
// it sends when that one is answered, and how long it thinks before.
func (c Clients) requests(m Model) (next func(item int64) *sequence, following func(*sequence) (item int64, think time.Duration)) {
	if c.Workload.IsZero() {
		return func(int64) *sequence { return newSequence(c.ISL, c.OSL) }, func(*sequence) (int64, time.Duration) { return another, 0 }
	}
	source, begun := c.Workload.Source(c.ISL, c.OSL, c.Seed), uint64(0)
	kinds := source.Kinds()
	next = func(item int64) *sequence {
		if item == another {
			item = int64(source.Number(begun, 0))
			begun++
		}
		r := source.Request(uint64(item))
		s := newSequence(m.Template+r.Prompt(), r.OSL)
		s.item = item
		s.trace.OSL = s.osl
		if m.PrefixCache > 0 {
			s.blocks = blocksFor(r, m.Template, kinds[r.Kind].Turns.Scripted)
		}
		return s
	}
	following = func(s *sequence) (int64, time.Duration) {
		conversation, turn := source.Place(uint64(s.item))
		if turn+1 >= source.Turns(conversation) {
			return another, 0
		}
		item := source.Number(conversation, turn+1)
		return int64(item), source.Request(item).Think
	}
	return next, following
}

// starts reports when each client sends its first request. The starts are spread at
// random over one unloaded request's time.
func (c Clients) starts(m Model) []time.Duration {
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	alone := float64(c.Spread)
	if alone <= 0 {
		isl, osl, _ := c.Workload.Means(c.ISL, c.OSL)
		alone = float64(m.alone(int(isl), int(osl)))
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

// visit is when a client will send, and what.
type visit struct {
	at   time.Duration
	item int64
}

// arrivals are those of all clients, in order. Nearly every one is added at the end, so that
// a sorted list is faster than a heap.
type arrivals struct{ at []visit }

// add inserts a visit behind those at the same time.
func (a *arrivals) add(t visit) {
	i := len(a.at)
	for i > 0 && a.at[i-1].at > t.at {
		i--
	}
	a.at = slices.Insert(a.at, i, t)
}

// pop removes the earliest visit and returns it.
func (a *arrivals) pop() visit {
	t := a.at[0]
	a.at = append(a.at[:0], a.at[1:]...)
	return t
}
