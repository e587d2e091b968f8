package loadgen

import (
	"context"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// probe is one measurement under way.
type probe struct {
	// What does not change.
	load    Load
	work    *workload
	raised  int // the request count asked for if it was too small, 0 otherwise
	decider Decider
	pacer   *pacer // nil in a closed loop
	stream  bool
	ends    int // the number of endpoints
	// part is what of the probe is this generator's, and total the number of slots of all
	// generators together. out takes what goes to whoever leads; nil if there is nobody.
	part  share.Part
	total int
	out   *outbox

	// What the books own.
	stage

	// queue leads from the slots to the collector.
	queue queue

	// What the collector owns. others are the requests outside of the cohort, which
	// rates need; fed is how many of the cohort the decider has seen, stopped whether
	// the probe has been told to stop, and failures how many failed in a row.
	// They include the requests that were given up.
	cohort   cohort
	others   []*Request
	fed      int
	stopped  bool
	failures int
	valid    int
	// looked is how many requests had ended when the collector last looked whether the
	// server of an open loop keeps up, and served how many a second it then served.
	looked int
	served float64
}

// cohort holds the requests of a window that have ended, by their places. A map of them was
// tried: it costs more than reading the requests of workers does, and has no order.
type cohort struct {
	places []*Request // nil for one that has not ended
	ended  int        // how many have
}

// put takes in the request of a place.
func (c *cohort) put(q *Request) {
	if n := q.Index + 1 - len(c.places); n > 0 {
		c.places = append(c.places, make([]*Request, n)...)
	}
	if c.places[q.Index] == nil {
		c.ended++
	}
	c.places[q.Index] = q
}

// at returns the request of a place, nil if it has not ended.
func (c *cohort) at(place int) *Request {
	if place < len(c.places) {
		return c.places[place]
	}
	return nil
}

// Probe brings the target to the load l, measures one window of it, and returns what
// was measured. The load goes on at this level until the next Probe, Rest, Close, or
// the end of ctx. d may end the probe early; if it is nil, nothing does.
//
// Failed requests are part of a measurement and not errors. Errors are *TargetError
// for a load that makes no sense, *UnreachableError if connections are refused, and
// the cause of ctx if it ends first; they are wrapped with the level.
func (g *Generator) Probe(ctx context.Context, l Load, d Decider) (*Measurement, error) {
	m, err := g.measure(ctx, l, d)
	return m, g.censor.failure(err)
}

// measure is Probe with errors that may hold what a server said in full.
func (g *Generator) measure(ctx context.Context, l Load, d Decider) (*Measurement, error) {
	part := share.Whole
	part.Probes = g.books.begun()
	p, err := g.newProbe(l, part)
	if err != nil {
		return nil, err
	}
	p.decider = d
	watch := g.pages.Watch(g.now)
	defer watch.Stop()
	p.mark = watch.Mark
	r, err := g.carry(ctx, p)
	if err != nil {
		return nil, err
	}
	m := p.measure(r.reached.ended, g.epoch, r.begun, r.over, r.health)
	g.join(m, g.cleaned(watch.Stop()), p)
	m.unsent(r.reached.skipped)
	return m, nil
}

// unsent warns of requests of an open loop that were due and not sent.
func (m *Measurement) unsent(skipped int) {
	if skipped > 0 {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %d requests were due and not sent, because %d were in flight",
			ErrUnsaturated, skipped, mostInFlight))
	}
}

// newProbe returns a generator's part of a probe of the load l, which is that of all
// generators. Errors are *TargetError.
func (g *Generator) newProbe(l Load, part share.Part) (*probe, error) {
	asked := l.Requests
	l, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	if w := l.Workload; w.File != "" && (w.File != g.target.Prompts || w.Replay != 0 && g.target.workload.Replay == 0) {
		return nil, &TargetError{Field: "Load.Workload",
			Problem: fmt.Sprintf("sends the file %s, which the generator was not made for; make it with New(target.For(workload))", w.File)}
	}
	var again *replay
	if again, l.Rate, err = newReplay(l, g.prompts); err != nil {
		return nil, err
	}
	var pace *pacer
	if l.Rate != 0 {
		if pace, err = newPacer(l.Rate, l.Arrival, l.Seed+uint64(part.Probes)); err != nil {
			return nil, err
		}
		pace.replay, pace.stages, pace.part = again, newStages(l), part
		pace.most = part.Share(l.MostInFlight)
	}
	t := g.target
	if len(l.Body) > 0 {
		t.Body = maps.Clone(t.Body)
		if t.Body == nil {
			t.Body = map[string]any{}
		}
		maps.Copy(t.Body, l.Body)
	}
	w, err := newWorkload(t, g.server.Model, l, g.cal, g.fields)
	if err != nil {
		return nil, err
	}
	w.tokenizer, w.salt, w.run, w.hides = g.tokenizer, g.salt, g.run, g.hides
	w.send(g.prompts)
	if err := w.follow(g.target, l); err != nil {
		return nil, err
	}
	if again != nil && w.talks() {
		w.talking.replay = again.scale
	}
	if g.books.isClosed() {
		return nil, fmt.Errorf("probe %s: the generator is closed", g.target.Redacted())
	}
	p := &probe{
		load:   l,
		work:   w,
		stage:  stage{window: window{requests: l.Requests, least: l.Least, most: l.Window}, done: make(chan struct{})},
		queue:  queue{ready: make(chan struct{}, 1)},
		pacer:  pace,
		stream: !g.target.NoStream,
		ends:   len(g.ends),
		part:   part,
		total:  l.Concurrency,
	}
	p.load.Concurrency = part.Share(l.Concurrency)
	if 0 < asked && asked < l.Requests {
		p.raised = asked
	}
	return p, nil
}

// ran is how a probe went.
type ran struct {
	reached     stage
	begun, over time.Duration
	health      Health
}

// carry brings the load to the level of p and waits until its window has closed and its cohort
// has ended.
func (g *Generator) carry(ctx context.Context, p *probe) (ran, error) {
	if err := g.fits(p); err != nil {
		return ran{}, err
	}
	l := p.load
	g.budget.most.Store(budgetOf(l, p.work))
	begun := g.now()
	health := watchHealth()
	// The opening of the window arms the timer again. Until then it bounds the
	// transition, so that a server which never answers does not hold a probe
	// forever.
	p.timer = time.AfterFunc(p.patience(g.target), func() { g.books.expire(p) })
	defer p.timer.Stop()

	g.raise(ctx, p)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		g.collect(p)
	}()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	reached := g.books.release(p)
	p.queue.shut()
	<-collected
	seen := health.end()
	switch {
	case reached.err != nil:
		g.books.stop()
		return ran{reached: reached}, fmt.Errorf("probe %s: %w", l, &UnreachableError{URL: g.name, Err: reached.err})
	case reached.window.phase != finished:
		return ran{}, fmt.Errorf("probe %s: %w", l, context.Cause(ctx))
	}
	return ran{reached, begun, g.now(), seen}, nil
}

// patience is how long the transition may take; for ever where somebody leads, who knows when
// it is enough.
func (p *probe) patience(t Target) time.Duration {
	if p.led != nil {
		return math.MaxInt64
	}
	return transitionLimit(p.load, t)
}

// transitionLimit returns how long ramp and settling may take: as long as the window,
// but at least as long as two requests that only just stay within their timeout.
func transitionLimit(l Load, t Target) time.Duration {
	return max(l.Window, 2*min(t.idle(l), t.Timeout))
}

// collect parses records as they end, keeps what the window wants, and feeds the
// decider, until the queue is shut. It runs on a goroutine of its own: parsing costs
// more than reading, and a slot that parsed would send its next request late.
func (g *Generator) collect(p *probe) {
	for {
		recs, open := p.queue.take()
		for _, rec := range recs {
			if g.inspect != nil {
				g.inspect(rec)
			}
			q, own := rec.parse(p.stream), rec.ticket.probe == p
			if p.out != nil {
				p.out.put(&q, own)
			}
			if p.led == nil {
				p.keep(&q, own)
			}
			g.recycle(rec)
		}
		if p.led != nil { // whoever leads sees the requests of all
			if !open {
				return
			}
			continue
		}
		if why := p.enough(); why != "" {
			g.books.cut(p, why)
		} else if p.overloaded(g.now(), func() (time.Duration, []time.Duration, bool) { return g.books.underway(p) }) {
			g.books.cut(p, EndedOverload)
		}
		if !open {
			return
		}
	}
}

// keep takes in a request that has ended. own says that it started for this probe and
// not for an earlier one.
func (p *probe) keep(q *Request, own bool) {
	q.Good = len(p.load.SLO) > 0 && q.meets(p.load.SLO)
	switch {
	case q.Cancelled:
	case q.Failure != nil:
		p.failures++
	default:
		p.failures = 0
		p.valid++
	}
	if own && q.Index >= 0 {
		p.cohort.put(q)
		return
	}
	q.Index = -1
	p.others = append(p.others, q)
}

// enough says why the probe may end before its window is over. It is empty if the
// probe must go on. The decider sees the cohort in the order of starts: in the order
// of ends, short requests would come first and look like the whole.
func (p *probe) enough() (why Ended) {
	if p.stopped {
		return ""
	}
	if p.valid == 0 && p.failures >= max(20, 2*p.load.Concurrency) && p.cohort.ended > 0 {
		p.stopped = true
		return EndedFailures
	}
	for p.decider != nil {
		q := p.cohort.at(p.fed)
		if q == nil {
			break
		}
		p.fed++
		if !q.Cancelled && p.decider.Seen(*q) {
			p.stopped = true
			return EndedDecided
		}
	}
	return ""
}

// queue hands records from the slots to the collector, and never blocks a slot. A
// buffered channel would be simpler, but a slot that finds it full waits, and the
// load that is measured waits with it.
type queue struct {
	mu    sync.Mutex
	recs  []*record
	shutd bool
	ready chan struct{} // has a capacity of 1
}

// put appends a record.
func (q *queue) put(rec *record) {
	q.mu.Lock()
	q.recs = append(q.recs, rec)
	q.mu.Unlock()
	q.wake()
}

// shut says that no record will follow.
func (q *queue) shut() {
	q.mu.Lock()
	q.shutd = true
	q.mu.Unlock()
	q.wake()
}

// wake lets take look again. One pending wake-up is enough, however many records
// there are.
func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for records and returns all there are. open is false if these were the
// last.
func (q *queue) take() (recs []*record, open bool) {
	<-q.ready
	q.mu.Lock()
	defer q.mu.Unlock()
	recs, q.recs = q.recs, nil
	return recs, !q.shutd
}
