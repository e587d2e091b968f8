package loadgen

import (
	"context"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// Several generators may measure one probe together; package share says how. This file is the
// side of each of them, and lead.go that of the one that leads.

// What leads is in another process. Nothing that a slot does waits for it: an order changes the
// phase of the window between two requests, and what is to be said is put down and taken later.
//
// Three things differ in the books from those of a generator by itself, all of them where
// probe.led is not nil:
//
//   - The window is held: it settles, and then waits for the order to open. A schedule that says
//     which request opens the window opens it itself, since every generator has the schedule.
//   - The window has one part, no number of requests and no end in time. Rephase and Shut are
//     orders.
//   - When the last request before a new part has ended, the slots wait until those of all
//     generators have come so far, for the phases are drawn for all of them together.

// led is what the books say to whoever leads, and were told. It belongs to the books.
type led struct {
	// begin is the order that a schedule begins with, which begun is closed by.
	begin share.Order
	begun chan struct{}
	// calm is that of the order to open, and began says that a start of the part of the window
	// has been told since: the window opens with it, and the server's metrics are read then.
	calm  int
	began bool
	// settled says that the turnover of this part of the window was told to be over.
	settled bool
	marks   []share.Mark
	tickets []time.Duration
	// lead and used go with the mark Prepared.
	lead int
	used uint64
	out  *outbox
}

// mark notes that a state was reached.
func (d *led) mark(state share.State, at time.Duration) {
	d.marks = append(d.marks, share.Mark{State: state, At: at})
	d.out.hurry()
}

// started notes the start of a request of p, before which its window was in the phase was.
func (d *led) started(p *probe, was phase, tk ticket, now time.Duration) {
	w := &p.window
	if was < measuring && w.phase == measuring { // a schedule opens its window itself
		d.mark(share.Opened, now)
	}
	if tk.index >= 0 {
		d.tickets = append(d.tickets, now)
	}
	if w.held && !d.settled && w.settles(now) {
		d.settled = true
		d.mark(share.Settled, now)
	}
}

// outbox holds what is to be said, until it is taken. It has a lock of its own: the collector puts
// requests in, and must not hold up the slots.
type outbox struct {
	mu       sync.Mutex
	requests []byte
	edges    int
	// ready says that requests are there, and urgent that something else is. Both have a capacity
	// of 1.
	ready, urgent chan struct{}
}

// put appends a request that has ended.
func (o *outbox) put(q *Request, own bool) {
	o.mu.Lock()
	o.requests = appendRequest(o.requests, q, own)
	o.mu.Unlock()
	o.wake()
}

// wake says that there is something to take.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// edge notes that the window of a generator that is alone has opened or closed.
func (o *outbox) edge() {
	o.mu.Lock()
	o.edges++
	o.mu.Unlock()
	o.hurry()
}

// hurry says that there is something to take which whoever leads waits for.
func (o *outbox) hurry() {
	select {
	case o.urgent <- struct{}{}:
	default:
	}
}

// empty reports whether no request is there.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.requests) == 0
}

// take returns, as one parcel, the requests and the number of edges that were put in since the last call.
func (o *outbox) take() (requests []byte, edges int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	requests, edges = o.requests, o.edges
	o.requests, o.edges = nil, 0
	return requests, edges
}

// prepared says that the schedule of p can begin, waits for the order to, and reports whether
// it came. How many requests come before the window, and which of a file were used, is agreed on:
// with a schedule of its own for each generator, some requests would be sent twice and others not
// at all.
//
// request is how long a request of p takes on an idle server.
func (b *books) prepared(ctx context.Context, p *probe, request time.Duration) bool {
	b.mu.Lock()
	p.led.lead = b.turnover(p, b.expect(p, request))
	p.led.used = b.used(p.part)
	p.led.mark(share.Prepared, b.now())
	b.mu.Unlock()
	select {
	case <-p.led.begun:
		return true
	case <-ctx.Done():
		return false
	}
}

// used is more than the number of any request of a file that was sent, those of the other
// generators left out of account.
func (l *level) used(part share.Part) uint64 { return max(part.Number(l.serial), l.items) }

// obey carries out an order for p, unless p is over. Orders that do not fit the phase are those
// that have crossed a report on the way, and change nothing: a window that is open stays so, and
// one that has closed is not opened again.
func (b *books) obey(p *probe, o share.Order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := p.led; o.Do == share.Begin && d != nil && d.begin.Do == 0 {
		d.begin, p.pacer.start = o, o.At
		close(d.begun)
		return
	}
	if b.probe != p {
		return
	}
	now, w := b.now(), &p.window
	was := w.phase
	switch {
	case o.Do == share.Cut:
		p.stage.cut(now, o.Why, b.flying)
		return
	case p.led == nil: // a generator that is alone knows better
		return
	case o.Do == share.Open && was < measuring:
		w.phase, w.open, p.led.settled, p.led.calm, p.led.began = measuring, now, false, o.Calm, false
		p.led.mark(share.Opened, now)
	case o.Do == share.Rephase && was == measuring:
		w.spans = append(w.spans, span{w.open, now})
		w.part++
		w.began, w.phase = w.cohort, rephasing
		if b.rephase(); len(b.flying) == 0 {
			b.drained()
		}
	case o.Do == share.Restart && b.gate != nil:
		b.restart(o.Mean)
	case o.Do == share.Shut:
		w.shut(now, b.serial)
		if b.gate != nil && len(b.flying) == 0 {
			b.restart(b.times.Mean())
		}
	}
	p.stage.changed(was)
}

// measures reports whether the window of p is open. Only then is the time up to which everything
// is told of use to whoever leads; calm says that it is not waited for yet.
func (b *books) measures(p *probe) (open, calm bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &p.window
	open = p.led != nil && w.phase == measuring
	return open, !open || p.led.began && w.cohort-w.began < p.led.calm
}

// report returns what the books have to say of p since the last call.
func (b *books) report(p *probe) share.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := share.Report{At: b.now(), Tempo: b.times}
	if d := p.led; d != nil {
		r.Marks, r.Tickets, r.Lead, r.Used = d.marks, d.tickets, d.lead, d.used
		d.began = d.began || len(d.tickets) > 0
		d.marks, d.tickets = nil, nil
	}
	return r
}

const (
	// tellEvery is how often a generator that shares its probe says how far it has come, even
	// if nothing has ended: the order of all requests is known up to the least of these times.
	tellEvery = 20 * time.Millisecond
	// tellSeldom is the same for a probe without a Decider, which nothing ends early, and
	// tellCalm while nothing is waited for, as a start is that may close the window.
	tellSeldom = 50 * time.Millisecond
	tellCalm   = 250 * time.Millisecond
	// At most tellMost reports are sent at once, and one each tellPause from then on. Each costs
	// both sides a system call or two, which is too much for every request of a fast server.
	tellMost  = 64
	tellPause = 5 * time.Millisecond
)

// A report could also wait for a number of requests, or always for some milliseconds. The first
// holds back the last requests of a slow server, and the second delays every early end of a probe
// by half its time on average, where most servers end some ten requests a second.

// Share measures a part of a probe for whoever leads it, from another process. l is the whole
// load. It obeys orders, and calls say, from one goroutine, with what there is to report; the
// last report has an End. As after [Generator.Probe] the load goes on behind it, until the end
// of ctx at most.
//
// Errors are *TargetError for a load that makes no sense, the first of say, and the cause
// of ctx.
func (g *Generator) Share(ctx context.Context, l Load, part share.Part, orders <-chan share.Order, say func(share.Report) error) error {
	return g.censor.failure(g.share(ctx, l, part, orders, say))
}

// share is Share with errors that may hold what a server said in full.
func (g *Generator) share(ctx context.Context, l Load, part share.Part, orders <-chan share.Order, say func(share.Report) error) error {
	p, err := g.newProbe(l, part)
	if err != nil {
		return err
	}
	p.out = &outbox{ready: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
	if part.Alone() {
		p.mark = p.out.edge
	} else {
		p.led = &led{out: p.out, begun: make(chan struct{})}
		p.window.held = p.pacer == nil || p.pacer.replay == nil && p.pacer.stages == nil
		p.window.requests, p.window.most = int(^uint(0)>>1), 1<<62
	}
	var beside sync.WaitGroup
	over := make(chan struct{})
	beside.Go(func() {
		for {
			select {
			case o := <-orders:
				g.books.obey(p, o)
			case <-over:
				return
			}
		}
	})
	tell := &teller{g: g, p: p, say: say}
	var unheard error
	beside.Go(func() {
		if unheard = tell.run(over); unheard != nil { // nobody leads any more
			g.books.cut(p, EndedDecided)
		}
	})
	r, err := g.carry(ctx, p)
	close(over)
	beside.Wait()
	end := &share.End{Used: g.books.usedBy(part)}
	switch {
	case unheard != nil:
		return unheard
	case r.reached.err != nil:
		end.Unreachable = r.reached.err.Error()
	case err != nil:
		return err
	}
	s := &r.reached
	end.Ended, end.Served, end.Begun, end.Over = s.ended, p.served, r.begun, r.over
	end.Running, end.Skipped, end.Held = s.running, s.skipped, s.held
	end.BeatLag, end.GCPause, end.CPU = r.health.BeatLagP99, r.health.GCPause, r.health.CPU
	for _, open := range s.window.spans {
		end.Spans = append(end.Spans, [2]time.Duration{open.open, open.close})
	}
	return tell.tell(end)
}

// usedBy is level.used for callers that have not locked the books.
func (b *books) usedBy(part share.Part) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used(part)
}

// teller says what there is to say of a probe. With a Decider it sends at once what it can: with one
// generator and no time on the way, the probe then ends in the same instant as without a leader.
// Without one, nothing waits for single requests.
type teller struct {
	g   *Generator
	p   *probe
	say func(share.Report) error
	// credit is the number of reports that may be sent at once.
	credit int
	paid   time.Duration // up to when credit was given
	told   int           // reports
	last   time.Duration // when the last one was made
}

// run reports until over is closed.
func (t *teller) run(over <-chan struct{}) error {
	t.credit, t.paid = tellMost, t.g.now()
	every, ready := tellEvery, t.p.out.ready
	if t.p.part.Patient {
		every, ready = tellSeldom, nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-t.p.out.urgent:
		case <-ready:
		case <-tick.C:
			open, calm := t.g.books.measures(t.p)
			if !open && t.p.out.empty() || calm && t.p.part.Patient && t.g.now()-t.last < tellCalm {
				continue
			}
		case <-over:
			return nil
		}
		now := t.g.now()
		earned := int((now - t.paid) / tellPause)
		t.paid += time.Duration(earned) * tellPause
		if t.credit = min(t.credit+earned, tellMost); t.credit == 0 {
			time.Sleep(tellPause)
			t.credit++
			t.paid += tellPause
		}
		t.credit--
		if err := t.tell(nil); err != nil {
			return err
		}
	}
}

// tell makes a report and sends it. The requests are taken before the books are asked, so
// that none is reported whose start is not.
func (t *teller) tell(end *share.End) error {
	requests, edges := t.p.out.take()
	r := t.g.books.report(t.p)
	if edges > 0 {
		r.Marks = append(r.Marks, share.Mark{State: share.Opened, At: r.At})
	}
	r.Requests, r.End, t.last = requests, end, r.At
	if t.told++; t.told == 1 {
		r.Run = t.g.run
	}
	if t.p.led == nil && end == nil {
		r.Tempo = share.Tempo{} // nobody divides the window but the generator itself
	}
	return t.say(r)
}
