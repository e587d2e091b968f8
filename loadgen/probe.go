package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Ways in which a probe ends, as Measurement.Ended says them.
const (
	EndedRequests = "requests" // the window had all its requests
	EndedTime     = "time"     // the window reached its length
	EndedDecided  = "decided"  // the Decider had seen enough
	EndedFailures = "failures" // too many failures in a row, and nothing but failures
)

// probe is one measurement under way.
type probe struct {
	load   Load
	work   *workload
	raised int // the request count asked for, when it was too small for the load; else 0
	window window
	ended  string // set when the window closes; under Generator.mu
	timer  *time.Timer
	done   chan struct{} // closed when the window is finished
	err    error         // why it could not be measured

	queue   queue
	decider Decider
	pacer   *pacer          // nil: closed loop
	running []time.Duration // starts of the requests that a cut left in flight; under Generator.mu
	skipped int             // requests of an open loop that were not sent; under Generator.mu
	stream  bool

	// What follows belongs to the collector.
	cohort   map[int]Request
	others   []Request // ended inside the window or after, started before it
	fed      int       // cohort requests the decider has seen
	stopped  bool      // it has said stop
	failures int       // in a row
	valid    int
}

// changed reacts to a change of the window's phase; Generator.mu is held.
func (p *probe) changed(was phase) {
	now := p.window.phase
	if was < measuring && now == measuring {
		p.timer.Reset(p.window.most)
	}
	if was < draining && now >= draining && p.ended == "" {
		p.ended = EndedRequests
		if p.window.cohort < p.window.requests {
			p.ended = EndedTime
		}
	}
	if was != finished && now == finished {
		close(p.done)
	}
}

// fail ends the probe without a measurement; Generator.mu is held.
func (p *probe) fail(err error) {
	if was := p.window.phase; was != finished {
		p.err = err
		p.window.phase = finished
		p.changed(was)
	}
}

// Probe brings the target to the load, measures one window of it and returns
// what was measured. The load goes on at this level until the next Probe, the
// end of ctx, or Close. A nil Decider never stops a probe early.
//
// Failed requests are measurements. Errors are: *TargetError for a load that
// makes no sense; *UnreachableError when connections are refused; ctx's own.
func (g *Generator) Probe(ctx context.Context, l Load, d Decider) (*Measurement, error) {
	asked := l.Requests
	l, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	var pace *pacer
	if l.Rate != 0 {
		if pace, err = newPacer(l.Rate, l.Arrival, l.Seed); err != nil {
			return nil, err
		}
	}
	w, err := newWorkload(g.target, g.server.Model, l, g.cal, g.extra)
	if err != nil {
		return nil, err
	}
	w.tokenizer, w.prompts = g.tokenizer, g.prompts
	if g.closed {
		return nil, fmt.Errorf("probe %s: the generator is closed", g.target.Redacted())
	}
	p := &probe{
		load:    l,
		work:    w,
		window:  window{requests: l.Requests, most: l.Window},
		done:    make(chan struct{}),
		queue:   queue{ready: make(chan struct{}, 1)},
		decider: d,
		pacer:   pace,
		stream:  !g.target.NoStream,
		cohort:  make(map[int]Request, l.Requests),
	}
	if 0 < asked && asked < l.Requests {
		p.raised = asked
	}
	begun := g.now()
	health := watchHealth()
	// Armed by the opening of the window; until then it bounds the transition,
	// so that a server which never answers does not hold a probe for ever.
	p.timer = time.AfterFunc(transitionLimit(l, g.target), func() { g.expire(p) })
	defer p.timer.Stop()

	g.raise(ctx, p, w)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		g.collect(p)
	}()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.probe = nil // from here on no record reaches p
	ended, err, skipped := p.ended, p.err, p.skipped
	whole := p.window.phase == finished
	g.mu.Unlock()
	p.queue.shut()
	<-collected
	seen := health.end()
	switch {
	case err != nil:
		g.stop()
		return nil, fmt.Errorf("probe %s: %w", l.level(), err)
	case !whole:
		return nil, fmt.Errorf("probe %s: %w", l.level(), context.Cause(ctx))
	}
	m := p.measure(ended, g.epoch, begun, g.now(), seen)
	if skipped > 0 {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %d requests were due and not sent, since %d were in flight", ErrUnsaturated, skipped, mostInFlight))
	}
	return m, nil
}

// transitionLimit bounds ramp and settling: the window's own length, but long
// enough for two requests that only just stay within their timeout.
func transitionLimit(l Load, t Target) time.Duration {
	return max(l.Window, 2*t.Timeout)
}

// expire ends the phase that has lasted too long: it closes a window at its
// length, and opens one whose transition does not end.
func (g *Generator) expire(p *probe) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probe != p {
		return
	}
	was := p.window.phase
	if was < measuring {
		p.window.phase, p.window.open = measuring, g.now()
	} else {
		p.window.shut(g.now(), g.serial)
	}
	p.changed(was)
}

// collect parses records as they end, keeps what the window wants, and feeds the
// decider. It is the only goroutine that does so.
func (g *Generator) collect(p *probe) {
	for {
		recs, open := p.queue.take()
		for _, rec := range recs {
			if g.inspect != nil {
				g.inspect(rec)
			}
			p.keep(rec.parse(p.stream), rec.ticket.probe == p)
			rec.reset()
			g.records.Put(rec)
		}
		if why := p.enough(); why != "" {
			g.cut(p, why)
		}
		if !open {
			return
		}
	}
}

func (p *probe) keep(q Request, own bool) {
	q.Good = len(p.load.SLO) > 0 && q.meets(p.load.SLO)
	if q.Failure != nil {
		p.failures++
	} else {
		p.failures = 0
		p.valid++
	}
	if own && q.Index >= 0 {
		p.cohort[q.Index] = q
		return
	}
	q.Index = -1
	p.others = append(p.others, q)
}

// enough says why the probe may end before its window is over; empty: it may
// not.
func (p *probe) enough() (why string) {
	if p.stopped {
		return ""
	}
	if p.valid == 0 && p.failures >= max(20, 2*p.load.Concurrency) && len(p.cohort) > 0 {
		p.stopped = true
		return EndedFailures
	}
	for p.decider != nil {
		q, ok := p.cohort[p.fed]
		if !ok {
			break
		}
		p.fed++
		if p.decider.Seen(q) {
			p.stopped = true
			return EndedDecided
		}
	}
	return ""
}

// cut ends the probe where it stands.
func (g *Generator) cut(p *probe, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := p.window.phase
	if was == finished {
		return
	}
	if was == measuring {
		p.window.close = g.now()
	}
	for _, start := range g.flying {
		p.running = append(p.running, start)
	}
	p.window.phase, p.ended = finished, why
	p.changed(was)
}

// queue hands records from slots to the collector without ever blocking a slot:
// a full channel would hold up the load it measures.
type queue struct {
	mu    sync.Mutex
	recs  []*record
	shutd bool
	ready chan struct{}
}

func (q *queue) put(rec *record) {
	q.mu.Lock()
	q.recs = append(q.recs, rec)
	q.mu.Unlock()
	q.wake()
}

func (q *queue) shut() {
	q.mu.Lock()
	q.shutd = true
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for records and returns all there are; open is false when these
// were the last.
func (q *queue) take() (recs []*record, open bool) {
	<-q.ready
	q.mu.Lock()
	defer q.mu.Unlock()
	recs, q.recs = q.recs, nil
	return recs, !q.shutd
}
