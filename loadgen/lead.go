package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

const (
	// beginAfter is how long after the last generator is prepared a schedule begins: longer than
	// the order takes to all of them.
	beginAfter = 100 * time.Millisecond
	// unreachableGrace is how long the others have to say that they cannot reach the endpoint
	// either, once one has said so.
	unreachableGrace = time.Second
	// calmShare is the part of a window for which reports may be seldom. A generator that is slower
	// than the others by more than what is left may close it late.
	calmShare = 0.75
	// usedSpare is added to the requests of a file that are known to be used, for those that
	// start until the next schedule begins.
	usedSpare = 1 << 20
)

// lead measures one probe with several generators. It is told what they report, and has
// orders for them; it neither waits nor sends. It is used from one goroutine.
//
// How a part of the window goes, with two generators A and B and time to the right:
//
//	A   ....settled|  open|111111111111|rephase  .....|
//	B   ......settled| open|222222222222|rephase ...|
//	                       ^ from here on starts count   ^ restart, once both are drained
//
// Starts count from the latest of the times at which the generators had opened, by the leader's
// clock. The first of them opens the window, and the one that is one too many closes it, whoever
// sent it.
//
// The window is the one of a single generator (window.go), which is told the starts of all in
// the order of their times. A start is told once every generator has reported beyond it, some
// tellEvery or tellSeldom later, and tellCalm later as long as it cannot close the window. So the
// window closes that much late, and what has started meanwhile is not part of the cohort; which
// requests are does not depend on when anything was told.
type lead struct {
	g     *Generator
	p     *probe
	begun time.Duration
	all   []*follower
	watch *servermetrics.Watch
	phase leading

	// opened is from when on starts are of the part of the window that is open, +∞ if none is,
	// and until when no longer, +∞ as long as that is not known.
	opened, until time.Duration
	// due is when the window, or the transition before it, has lasted long enough; 0 if it must
	// not end by time.
	due time.Duration
	// said is what due was when it was last asked for.
	said time.Duration
	// skew is how far apart the parts of the window opened, at most.
	skew time.Duration
	// cut says that the probe ends where it stands, and lost that a generator cannot reach the
	// endpoint.
	cut, lost bool
	// slab has the memory of what is reported.
	slab slab
}

// leading is what a lead waits for. Each order leads from one to the next, and a report moves
// nothing on but what is waited for, so that a state that was told twice, or late, does no harm.
type leading uint8

const (
	preparing leading = iota // that all are prepared: an open loop
	raising                  // that all have settled
	opening                  // that the window of all is open
	counting                 // for nothing: the window is open
	emptying                 // that no request of any is in flight
	ending                   // that all end
)

// follower is one of the generators.
type follower struct {
	part   share.Part
	orders []share.Order
	run    uint64
	// offset is what its clock must be added to be the leader's, and through the time up to
	// which it has reported; heard says that it has.
	offset, through time.Duration
	heard           bool
	// starts are those of its window, by the numbers that it gives them, and told is how many of
	// them the window has been told of.
	starts []started
	told   int
	// reached has the states that it has come to since the last order.
	reached map[share.State]time.Duration
	lead    int
	used    uint64
	tempo   share.Tempo
	end     *share.End
}

// started is a request that started in a generator's window.
type started struct {
	at time.Duration
	// index is its place in the cohort, −1 if it is none of it, once the window has been told
	// of it.
	index int
	// early is the request if it ended before that, and ended says that it has ended at all.
	early *Request
	ended bool
}

const never = time.Duration(math.MaxInt64)

// Lead begins a probe of the load l over so many generators, of which as many take part as
// there is something for. d is as in [Generator.Probe]. The generator itself sends nothing: it
// has the target, the prompts, and what Adopt was told. Errors are *TargetError.
//
// Told takes in reports, Orders has what is to be sent, and Due says when Expire is to be
// called, until Done; Measurement then returns what was measured. Stop must be called.
func (g *Generator) Lead(l Load, d Decider, of int) (*lead, error) {
	part := share.Whole
	part.Probes = g.books.begun()
	p, err := g.newProbe(l, part)
	if err != nil {
		return nil, g.censor.failure(err)
	}
	n := of
	if most := cmp.Or(p.load.Concurrency, p.load.MostInFlight); most > 0 {
		n = min(n, most)
	}
	ld := &lead{g: g, p: p, begun: g.now(), opened: never, until: never, watch: g.pages.Watch(g.now)}
	p.decider, p.mark = d, ld.watch.Mark
	p.timer = time.NewTimer(time.Hour) // the stage sets it, and nobody waits for it
	for rank := range n {
		ld.all = append(ld.all, &follower{
			part: share.Part{Index: rank, Of: of, Rank: rank, Active: n, Probes: part.Probes, Used: g.books.usedBy(share.Whole),
				Patient: d == nil},
			reached: map[share.State]time.Duration{},
		})
	}
	if p.pacer == nil {
		ld.phase = raising
	}
	if !ld.alone() {
		ld.due = ld.begun + transitionLimit(p.load, g.target)
	}
	g.books.lead(p)
	return ld, nil
}

// lead enters a probe that others carry out.
func (b *books) lead(p *probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.times.N > 0 {
		b.last, b.lastSize = b.times, b.size
	}
	b.times, b.size = share.Tempo{}, p.load.Concurrency
	b.probes++
	p.window.divide(p.load.Concurrency, p.work)
}

// Parts returns the parts of the generators that take part, those with the lowest numbers.
func (ld *lead) Parts() (parts []share.Part) {
	for _, f := range ld.all {
		parts = append(parts, f.part)
	}
	return parts
}

// Stop ends what runs beside the probe.
func (ld *lead) Stop() { ld.p.timer.Stop(); ld.watch.Stop() }

// Skew returns how far apart the windows of the generators opened, at most. A request belongs to
// the cohort from the last of them on.
func (ld *lead) Skew() time.Duration { return ld.skew }

// alone reports whether there is one generator, which leads itself.
func (ld *lead) alone() bool { return len(ld.all) == 1 }

// Orders returns what is to be sent to the generator with the given rank, and forgets it.
func (ld *lead) Orders(rank int) (orders []share.Order) {
	f := ld.all[rank]
	orders, f.orders = f.orders, nil
	return orders
}

// order gives an order to all generators that are not at their end, and waits for what it
// leads to.
func (ld *lead) order(o share.Order, next leading) {
	ld.phase = next
	for _, f := range ld.all {
		clear(f.reached)
		if f.end == nil {
			own := o
			if o.Do == share.Begin {
				own.At -= f.offset
			}
			f.orders = append(f.orders, own)
		}
	}
}

// Due returns in what time Expire is to be called; ok is false if it need not be.
func (ld *lead) Due() (in time.Duration, ok bool) {
	ld.said = ld.due
	if ld.due == 0 || ld.Done() {
		return 0, false
	}
	return max(ld.due-ld.g.now(), 0), true
}

// News reports whether something is to be done since the last time: there are orders, Due says
// something else, or all generators are Done.
func (ld *lead) News() bool {
	return ld.due != ld.said || ld.Done() || slices.ContainsFunc(ld.all, func(f *follower) bool { return len(f.orders) > 0 })
}

// Done reports whether all generators are at their end.
func (ld *lead) Done() bool {
	return !slices.ContainsFunc(ld.all, func(f *follower) bool { return f.end == nil })
}

// Told takes in a report of the generator with the given rank, whose clock must be added
// offset to be the leader's. The error is that of a report that cannot be read.
func (ld *lead) Told(rank int, r share.Report, offset time.Duration) error {
	f := ld.all[rank]
	if !f.heard { // one offset for the whole probe: no duration mixes two clocks
		f.heard, f.offset, f.run = true, offset, r.Run
	}
	f.through, f.tempo = r.At+f.offset, r.Tempo
	for _, at := range r.Tickets {
		f.starts = append(f.starts, started{at: at + f.offset})
	}
	for _, m := range r.Marks {
		f.reached[m.State] = m.At + f.offset
		f.lead, f.used = max(f.lead, r.Lead), max(f.used, r.Used)
		if ld.alone() {
			ld.watch.Mark()
		}
	}
	if err := ld.slab.read(r.Requests, f.run, f.offset, func(q *Request, own bool) error { return ld.take(f, q, own) }); err != nil {
		return err
	}
	if r.End != nil {
		ld.ended(f, r.End)
	}
	if !ld.alone() {
		ld.advance()
	}
	ld.decide()
	return nil
}

// mostOpen is how many requests of an open loop are taken to be in flight at most where the length of
// the window says how many there are.
const mostOpen = 1 << 16

// take takes in a request that has ended. One that the window has not been told the start of
// yet waits for that: its place in the cohort is not known. One whose start nobody has reported
// cannot be.
func (ld *lead) take(f *follower, q *Request, own bool) error {
	known := len(f.starts)
	if ld.alone() {
		if known = ld.p.load.Requests; ld.p.load.Least > 0 { // there are more, at most as many as have ended and are in flight
			known = max(known, ld.p.cohort.ended+max(ld.p.load.Concurrency, mostOpen))
		}
	}
	switch {
	case !own || q.Index < 0:
	case q.Index >= known:
		return errParcel
	case !ld.alone():
		s := &f.starts[q.Index]
		s.ended = true
		if q.Index >= f.told {
			s.early = q
			return nil
		}
		q.Index = s.index
	}
	ld.p.keep(q, own)
	return nil
}

// have reports whether every generator that is not at its end has come to a state, and the
// first and the last time of it.
func (ld *lead) have(state share.State) (first, last time.Duration, all bool) {
	first, last, all = never, -never, true
	for _, f := range ld.all {
		if at, ok := f.reached[state]; ok {
			first, last = min(first, at), max(last, at)
		} else if f.end == nil {
			all = false
		}
	}
	return first, last, all
}

// timed reports whether the schedule says with which request the window opens.
func (ld *lead) timed() bool {
	return ld.p.pacer != nil && (ld.p.pacer.replay != nil || ld.p.pacer.stages != nil)
}

// The states of a generator that is at its end are not waited for: it has measured what it could,
// and its end is told to Measurement.

// advance gives the orders that follow from the states of the generators, and tells the window
// what is known by now.
func (ld *lead) advance() {
	switch ld.phase {
	case preparing:
		if _, _, all := ld.have(share.Prepared); all {
			o := share.Order{Do: share.Begin, At: ld.g.now() + beginAfter}
			for _, f := range ld.all {
				o.Lead, o.Used = max(o.Lead, f.lead), max(o.Used, f.used+usedSpare, f.part.Used)
			}
			ld.order(o, raising)
			ld.due = o.At + transitionLimit(ld.p.load, ld.g.target)
		}
	case raising:
		if first, _, _ := ld.have(share.Opened); ld.timed() {
			if first != never { // each opens with the first request of the window that is its own
				ld.opens(-never, first)
			}
		} else if _, _, all := ld.have(share.Settled); all {
			ld.order(share.Order{Do: share.Open, Calm: ld.calm()}, opening)
		}
	case opening:
		if first, last, all := ld.have(share.Opened); all && last > -never {
			ld.skew = max(ld.skew, last-first)
			ld.opens(last, last)
		}
	case emptying:
		if _, _, all := ld.have(share.Drained); all {
			ld.order(share.Order{Do: share.Restart, Mean: ld.tempo().Mean()}, raising)
		}
	}
	through := never
	for _, f := range ld.all {
		if f.end == nil {
			through = min(through, f.through)
		}
	}
	ld.tell(through)
}

// calm is how many requests of the part that opens may start in each generator before anything
// hangs on when it is told of them: most of its share. An open loop may end early at any time.
func (ld *lead) calm() int {
	if ld.p.pacer != nil {
		return 0
	}
	return int(calmShare * float64(ld.p.window.share()) / float64(len(ld.all)))
}

// A window that opened at different times in different generators could begin at the first of
// them, at the last, or at a time that was agreed on before. At the first, those that are not open
// yet have requests in flight that nobody counts. A time that is agreed on needs clocks that agree
// and a guess at how long the order takes. So it is the last: all of them are known to be at their
// level by then, and what a generator has counted too early is left out again.

// opens says that starts from the given time on are of the window, which is open since at.
func (ld *lead) opens(from, at time.Duration) {
	w := &ld.p.window
	ld.phase, ld.opened = counting, from
	w.phase, w.turnover, w.settled, w.open = settling, 0, 0, at
	ld.due = at + w.most - w.measured(at)
	ld.p.mark()
}

// tempo is that of all generators together: whether phases are frozen is a matter of the server,
// and a generator with two slots has seen too little of it.
func (ld *lead) tempo() (t share.Tempo) {
	for _, f := range ld.all {
		t = t.Add(f.tempo)
	}
	return t
}

// The window must be told in the order of times, and a generator that has said nothing for a while
// may yet say of an earlier start. Hence the time up to which all have reported, and a report
// every tellEvery or tellSeldom even of one that has nothing to say.

// tell tells the window of the starts up to a time, in their order, unless it is not known yet
// from when on it is open.
func (ld *lead) tell(through time.Duration) {
	for ld.phase != opening {
		var next *follower
		for _, f := range ld.all {
			if f.told < len(f.starts) && (next == nil || f.starts[f.told].at < next.starts[next.told].at) {
				next = f
			}
		}
		if next == nil || next.starts[next.told].at > through {
			return
		}
		s := &next.starts[next.told]
		next.told++
		s.index = ld.start(s.at)
		if q := s.early; q != nil {
			q.Index, s.early = s.index, nil
			ld.p.keep(q, true)
		}
	}
}

// start tells the window of one start, and returns its place in the cohort, −1 if it is none
// of it.
func (ld *lead) start(at time.Duration) (index int) {
	p, w := ld.p, &ld.p.window
	switch {
	case at < ld.opened || w.phase > measuring:
		return -1
	case at >= ld.until:
		ld.close()
		return -1
	}
	if w.part+1 < w.parts && w.phase == measuring && w.cohort-w.began >= w.share() {
		w.parts = max(w.part+1, min(w.parts, worthwhile(ld.tempo(), ld.g.books.last, w.size)))
	}
	was := w.phase
	index = p.stage.start(at, 0, false)
	if was == settling && w.phase == measuring { // time counts from the first start
		ld.due = at + w.most - w.measured(at)
	}
	switch {
	case w.phase == rephasing:
		ld.opened = never
		ld.order(share.Order{Do: share.Rephase}, emptying)
	case w.phase > measuring && ld.phase != ending:
		ld.due = 0
		ld.order(share.Order{Do: share.Shut}, ending)
	}
	return index
}

// close closes the window at the time until.
func (ld *lead) close() {
	w := &ld.p.window
	was := w.phase
	if was == settling && ld.opened != never { // nothing has started since it was opened
		w.phase = measuring
	}
	w.shut(max(ld.until, w.open), math.MaxUint64)
	ld.p.stage.changed(was)
}

// Expire ends what has lasted long enough: the transition, or the window. A transition that does
// not end is that of a server which never answers; its window is opened all the same, and holds
// what there is. Where an endpoint cannot be reached, it ends the wait for others to say so.
func (ld *lead) Expire() {
	w, at := &ld.p.window, ld.due
	ld.due = 0
	switch {
	case ld.phase == ending && !ld.lost:
	case ld.lost:
		ld.end(EndedFailures)
	case len(w.spans) == 0 && ld.phase < opening:
		ld.order(share.Order{Do: share.Open, Calm: ld.calm()}, opening)
	default:
		// What started before is told of later.
		ld.until = min(ld.until, at)
		ld.order(share.Order{Do: share.Shut}, ending)
	}
}

// end cuts the probe for the given reason. The generators stop at different times, and the
// window is over at the first of them: beyond it the load was another one.
func (ld *lead) end(why Ended) {
	if !ld.cut {
		ld.cut, ld.due = true, 0
		ld.p.stage.ended = why
		ld.order(share.Order{Do: share.Cut, Why: why}, ending)
	}
}

// decide ends a probe of which enough was seen: by the Decider, by failures alone, or by an open
// loop that the server does not keep up with. The failures are those of all generators, as are
// the requests in flight.
func (ld *lead) decide() {
	p := ld.p
	if why := p.enough(); why != "" {
		ld.end(why)
		return
	}
	if ld.alone() || ld.phase != counting || p.window.phase != measuring {
		return
	}
	if p.overloaded(ld.g.now(), ld.underway) {
		ld.end(EndedOverload)
	}
}

// underway returns when the window opened, and the starts of its requests that are in flight.
func (ld *lead) underway() (opened time.Duration, starts []time.Duration, ok bool) {
	for _, f := range ld.all {
		for _, s := range f.starts {
			if !s.ended {
				starts = append(starts, s.at)
			}
		}
	}
	return ld.p.window.open, starts, true
}

// ended takes in the end of a generator, whose window has closed. It closed behind that of the
// cohort, or when it was cut.
func (ld *lead) ended(f *follower, end *share.End) {
	f.end = end
	ld.g.books.use(end.Used)
	if end.Unreachable != "" && !ld.lost {
		ld.lost, ld.due = true, ld.g.now()+unreachableGrace
	}
	if n := len(end.Spans); n > 0 {
		ld.until = min(ld.until, end.Spans[n-1][1]+f.offset)
	}
}

// use notes that requests of a file up to a number are used.
func (b *books) use(items uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = max(b.items, items)
}

// Measurement returns what was measured, once all are done. names are what the generators are
// called, by their ranks.
func (ld *lead) Measurement(names []string) (*Measurement, error) {
	p, g := ld.p, ld.g
	var refused []string
	var why string
	for i, f := range ld.all {
		if f.end.Unreachable != "" {
			refused, why = append(refused, names[i]), f.end.Unreachable
		}
	}
	if len(refused) > 0 {
		return nil, g.censor.failure(fmt.Errorf("probe %s: %w", p.load, unreachableBy(g.name, errors.New(why), refused, len(ld.all))))
	}
	begun, over := ld.finish()
	m := p.measure(p.stage.ended, g.epoch, begun, over, Health{})
	m.Health = ld.health(m, names)
	g.join(m, g.cleaned(ld.watch.Stop()), p)
	skipped := 0
	for _, f := range ld.all {
		skipped += f.end.Skipped
	}
	m.unsent(skipped)
	return m, nil
}

// finish puts the ends of all generators together: it tells the window the rest, and closes it.
// begun and over are those of the first and of the last generator. One that was alone has closed
// its window itself, and its times are taken as they are.
func (ld *lead) finish() (begun, over time.Duration) {
	p := ld.p
	begun, over = never, 0
	for _, f := range ld.all {
		e := f.end
		begun, over = min(begun, e.Begun+f.offset), max(over, e.Over+f.offset)
		p.stage.held = max(p.stage.held, e.Held)
		for _, at := range e.Running {
			p.stage.running = append(p.stage.running, at+f.offset)
		}
	}
	ld.g.books.timesOf(ld.tempo())
	if ld.alone() {
		f := ld.all[0]
		p.stage.ended, p.served, p.window.spans = f.end.Ended, f.end.Served, nil
		for _, open := range f.end.Spans {
			p.window.spans = append(p.window.spans, span{open[0] + f.offset, open[1] + f.offset})
		}
		return begun, over
	}
	if ld.phase == opening { // it was cut before all were open
		ld.phase = ending
	}
	if ld.tell(never); p.window.phase <= measuring && ld.until != never {
		ld.close()
	}
	// They were told as they ended, worker by worker. Sums must not depend on who told what.
	slices.SortStableFunc(p.others, func(a, b *Request) int { return cmp.Or(cmp.Compare(a.EOF, b.EOF), cmp.Compare(a.at, b.at)) })
	return begun, over
}

// timesOf notes how long requests of the level took.
func (b *books) timesOf(t share.Tempo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.times = t
}

// health is that of the generator which fared worst. What cannot be the worst of several is a sum,
// or the greatest share of a processor of all.
//
// Note: the percentile over the requests of all was tried. Of eight workers, one that is late with
// every request is then hidden behind the other seven at the median, and diluted at the 99th.
func (ld *lead) health(m *Measurement, names []string) (worst Health) {
	for i, f := range ld.all {
		h := Health{BeatLagP99: f.end.BeatLag}
		h.lag(m.Requests, func(q *Request) bool { return q.run == f.run })
		if i == 0 || max(h.SendLagP99, h.BeatLagP99) > max(worst.SendLagP99, worst.BeatLagP99) {
			worst.SendLagP99, worst.BeatLagP99, worst.Worker = h.SendLagP99, h.BeatLagP99, names[i]
		}
		worst.Bytes, worst.GCPause, worst.CPU = worst.Bytes+h.Bytes, worst.GCPause+f.end.GCPause, max(worst.CPU, f.end.CPU)
	}
	worst.Workers = len(ld.all)
	return worst
}
