package loadgen

import (
	"context"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// books is what the slots, the driver of an open loop and the probe share: the
// level of the load, the requests in flight, and the probe that is being measured.
// A slot asks begin for permission to send a request and hands its record to end;
// raise moves the load from one probe's level to the next.
//
// One mutex guards everything in level and in the stage of each probe. It is locked twice
// a request, for a few map operations, and never held while anything waits.
//
// Note: separate atomic counters would be cheaper and would not do. A request's
// serial, its start time, its index in the cohort and the phase of the window must
// be taken in one step; otherwise a request could be counted in a window that had
// closed before the request started.
type books struct {
	slot  func(ctx context.Context, id int) *slot    // makes a slot; its id is −1 in an open loop
	drive func(ctx context.Context, schedule *pacer) // runs an open loop until ctx ends
	freed chan struct{}                              // has a capacity of 1: a slot of an open loop has come back

	// running counts the goroutines of slots and drivers.
	running sync.WaitGroup

	mu sync.Mutex
	level
}

// level is the state inside the books. Its methods neither lock nor wait: whoever
// can call them has locked the books.
type level struct {
	now    func() time.Duration // the generator's clock
	closed bool

	// ctx is the running load's. stopLoad ends it and is nil when no load runs;
	// unhook detaches it from the context of the last probe.
	ctx      context.Context
	stopLoad context.CancelFunc
	unhook   func() bool
	// stopDriver ends the running open loop; it is nil when none runs.
	stopDriver context.CancelFunc

	// size is the number of slots that should be alive, 0 in an open loop. alive
	// holds those that are, by their ids; while the load goes down, it also holds
	// slots above size, which end after their current request.
	size  int
	alive map[int]*slot
	// idle holds the slots of an open loop that have no request, and lent counts those that
	// have one, from before it is sent.
	idle []*slot
	lent int

	// flying holds the requests in flight with their start times.
	flying map[*slot]time.Duration
	// serial counts the requests that were started.
	serial uint64
	// items is one more than the largest item of a replay that was started, and conversations
	// counts those that were begun. waiting holds those of an open loop, by the time from
	// which on their next turns may be sent.
	items         uint64
	conversations uint64
	waiting       []*talk
	// refused counts the dials that failed since the last one that did not.
	refused int

	// work makes the bodies of new requests, and probe is the one they are
	// measured for, nil between probes. probes counts the probes so far.
	work   *workload
	probe  *probe
	probes int
	// part is what of the load is this generator's, and total the slots of all generators
	// together.
	part  share.Part
	total int

	// times is how long requests take at this level, and last what it was at the level
	// before, of so many slots.
	times, last share.Tempo
	lastSize    int
	// took is how long requests took at each level so far, by its number of slots, for as long as
	// their lengths are those of asked, the load before this one.
	took      map[int]time.Duration
	asked     Load
	reachedAt time.Duration // when every slot had started a request of this level, or part
	rng       *rand.Rand    // draws phases
	// gate is closed when the last request before a new part of the window has ended.
	gate chan struct{}
}

// frozen reports that a slot's next request takes as long as its last one, so that the
// slots keep the phases that they have: the pattern in which they meet the server's steps
// then stays the same however long it is looked at.
func frozen(t share.Tempo) bool {
	return t.Pairs > 0 && t.Moved/time.Duration(t.Pairs) < t.Mean()/steady
}

const (
	// steady is how many times a request's time is that of the change from a slot's one
	// request to its next, where phases are as good as frozen: in the few turnovers of a
	// window they then do not come out of step with themselves.
	steady = 4
	// patterns is the number of parts of a window, each with phases of its own and of one
	// turnover or more: a pattern that repeats says nothing new. Of the engines that were
	// tried one pattern moves p95 TTFT by 4%, and three by 2%; and since a percentile of
	// few patterns lies below that of many, three answered 4% too high. Eight were no
	// better than five, and took half as long again.
	patterns = 5
	// patternTime bounds what drawing phases anew may take of one probe: about three
	// requests' time each.
	patternTime = 12 * time.Second
)

// entry is a slot's own line in the books. Only methods of books touch it.
type entry struct {
	fresh bool          // the slot has started a request of the current probe, or part of it
	delay time.Duration // how long it must wait before its next request
	// refused counts the requests in a row that the server did not take.
	refused int
	again   bool          // it must wait for the others before its next request, and draw its phase anew
	gate    chan struct{} // closed once it may go on; nil when it need not wait
	took    time.Duration // by its last request; 0 before the first
}

// ticket is a slot's permission to send one request.
type ticket struct {
	// probe is the one being measured when the request started; nil for none.
	probe *probe
	// index is the request's place in the cohort of probe, −1 for a request that
	// is not measured.
	index  int
	serial uint64
	order  uint64 // by which endpoints take turns
	// at is when the request was entered in the books, just before it was sent.
	at time.Duration
	// item is the number of the request's body in the workload. It is the serial, except in a
	// replay and in conversations, and where several generators share a load.
	item uint64
	work *workload
	// talk is the conversation, nil if the request stands alone. turn is the request's place
	// in it, from 0, and said what is said by then, of which before bytes were said in earlier
	// turns.
	talk   *talk
	turn   int
	said   []byte
	before int
	// givenUp says that the request is cancelled so long after its sending.
	givenUp bool
	after   time.Duration
}

const (
	// dialsRefused is the least number of failed dials in a row, with no answered
	// request between them, after which the server counts as gone.
	dialsRefused = 3
	// leastPause keeps a slot that the server refuses from spinning. It doubles with each
	// refusal in a row, up to mostPause. A server's own Retry-After is heeded up to
	// mostRetry.
	leastPause = 100 * time.Millisecond
	mostPause  = time.Second
	mostRetry  = 10 * time.Second
	// pauseStep is how often a slot that pauses looks whether the load has moved on.
	pauseStep = 100 * time.Millisecond
)

// absent reports how many of the slots 0 … n−1 are not alive.
func (b *books) absent(n int) (count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range n {
		if b.alive[id] == nil {
			count++
		}
	}
	return count
}

// raise brings the load to the level and workload of p, and makes p the probe
// being measured. request is about how long one request of p takes on an idle
// server. The load outlives the call, but not ctx.
func (b *books) raise(ctx context.Context, p *probe, request time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopLoad == nil {
		b.ctx, b.stopLoad = context.WithCancel(context.Background())
	} else {
		b.unhook()
	}
	b.unhook = context.AfterFunc(ctx, b.stop)

	if b.gate != nil { // the last probe was cut between two parts of its window
		close(b.gate)
		b.gate = nil
	}
	b.part, b.probes, b.total = p.part, p.part.Probes, p.total
	request = b.expect(p, request)
	p.window.turnover = b.turnover(p, request)
	b.work, b.size, b.probe, b.times = p.work, p.load.Concurrency, p, share.Tempo{}
	b.probes++
	b.refused = 0
	b.rng = rand.New(rand.NewPCG(p.load.Seed, uint64(b.probes)))
	p.window.divide(b.size, p.work)
	if p.window.parts > 1 && (b.last.Pairs == 0 || frozen(b.last)) { // phases that move come into no order
		p.window.orderly = settleTurns * b.size
	}
	if p.led != nil { // whoever leads divides the window
		p.window.parts = 1
		if p.pacer != nil {
			p.window.turnover = (p.window.turnover + p.part.Active - 1) / p.part.Active
		}
	}
	p.window.inFlight = len(b.flying)
	for _, s := range b.alive {
		s.entry.fresh, s.entry.again, s.entry.took = false, false, 0
	}
	if b.stopDriver != nil {
		b.stopDriver()
		b.stopDriver = nil
	}
	if p.pacer != nil {
		switch {
		case p.pacer.replay != nil && p.led != nil:
			p.pacer.replay.begin(p.led.begin.Lead, p.led.begin.Used)
			p.window.turnover = 0
		case p.pacer.replay != nil:
			p.pacer.replay.begin(p.window.turnover, max(b.serial, b.items, p.part.Used))
			p.window.turnover = 0
		case p.pacer.stages != nil && p.led != nil:
			p.pacer.stages.begin(p.pacer, p.led.begin.Lead)
			p.window.turnover = 0
		case p.pacer.stages != nil:
			p.pacer.stages.begin(p.pacer, p.window.turnover)
			p.window.turnover = 0
		}
		ctx, cancel := context.WithCancel(b.ctx)
		b.stopDriver = cancel
		b.running.Go(func() { b.drive(ctx, p.pacer) })
		return
	}
	_, think := p.work.cycle()
	b.spread(min(request+think, max(request, p.load.Window)))
}

// spread starts the missing slots, and lets every slot's first request at the new
// level wait for a random part of the time that a user has for one request: until it is
// answered and, in conversations, until the user has thought.
//
// Two other ways were tried. New slots that all start at once march in step for
// the whole probe, a herd that no real server meets. Slots that go on as they were
// keep the spacing of the last level, so that what is measured at a level depends
// on the levels before it: with answers of equal length, the phases are frozen.
//
// Of several generators each draws the phases of all slots and takes its own, so that
// together they have those of one.
func (b *books) spread(cycle time.Duration) {
	delays := b.phases(b.total, cycle)
	for id := range b.size {
		delay := delays[id]
		if s := b.alive[id]; s != nil {
			s.entry.delay = delay
			continue
		}
		s := b.slot(b.ctx, id)
		s.entry.delay = delay
		b.alive[id] = s
		b.running.Go(s.run)
	}
}

// phases draws random parts of cycle for so many slots of all generators, and returns those
// of this one's.
func (l *level) phases(total int, cycle time.Duration) (own []time.Duration) {
	for k := range total {
		delay := time.Duration(l.rng.Float64() * float64(cycle))
		if l.part.Has(k) {
			own = append(own, delay)
		}
	}
	return own
}

// expect returns how long a request of p will take, which is so long on an idle server. It
// takes longer under load, at most in proportion to the load, and no longer than at a larger one.
// Each level so far is a bound, where the lengths were the same: by the last one alone, a visit
// of 36 in flight after one of a single request spread its starts over 47 s where 3 s would do.
func (l *level) expect(p *probe, request time.Duration) time.Duration {
	if l.times.N > 0 {
		l.last, l.lastSize = l.times, l.size
		if l.took == nil {
			l.took = map[int]time.Duration{}
		}
		if l.size > 0 { // a load at a rate has none
			l.took[l.size] = l.times.Mean()
		}
	}
	if l.asked.ISL != p.load.ISL || l.asked.OSL != p.load.OSL || !reflect.DeepEqual(l.asked.Workload, p.load.Workload) {
		clear(l.took)
	}
	l.asked = p.load
	grown := func(took time.Duration, size int) time.Duration {
		return time.Duration(float64(took) * max(1, float64(p.load.Concurrency)/float64(size)))
	}
	if l.lastSize == 0 {
		return request
	}
	most := grown(l.last.Mean(), l.lastSize)
	for size, took := range l.took {
		most = min(most, grown(took, size))
	}
	return max(request, most)
}

// stop cancels the running load without waiting for it.
func (b *books) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopLoad == nil {
		return
	}
	b.stopLoad()
	b.unhook()
	b.stopLoad, b.stopDriver, b.size, b.idle, b.lent, b.waiting = nil, nil, 0, nil, 0, nil
	// The slots are about to end. The next load makes new ones, and must not find
	// these in the books.
	clear(b.alive)
	clear(b.flying)
}

// pause stops an open loop from sending more, and leaves what is in flight.
func (b *books) pause() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopDriver != nil {
		b.stopDriver()
		b.stopDriver = nil
	}
}

// busy returns the number of requests in flight.
func (b *books) busy() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.flying)
}

// close stops the load for good.
func (b *books) close() {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// isClosed reports whether close was called.
func (b *books) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// begin hands a slot of a closed loop its next request. ok is false when the slot
// must end, because the load was stopped or the level is now below the slot.
func (b *books) begin(s *slot) (tk ticket, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alive[s.id] != s {
		return tk, false // the load was stopped
	}
	if s.id >= b.size {
		delete(b.alive, s.id)
		return tk, false
	}
	return b.ticket(s, b.now(), turn{}), true
}

// admit hands a slot of an open loop the request whose turn it is. ok is false when the load
// was stopped, or when the conversation is of other requests than those that are sent now.
func (b *books) admit(s *slot, turn turn) (tk ticket, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.ctx.Err() != nil || turn.talk != nil && (!b.work.talks() || turn.talk.of != b.work.talking.key) {
		return tk, false
	}
	return b.ticket(s, b.now(), turn), true
}

// gateOf returns what a slot must wait for before its next request; nil for nothing.
func (b *books) gateOf(s *slot) (gate chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gate, s.entry.gate = s.entry.gate, nil
	return gate
}

// hold returns how long a slot must wait before its first request at a new level.
func (b *books) hold(s *slot) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.entry.take()
}

// end takes a slot's finished record and reports how long the slot must pause
// before its next request. wanted is false when no probe wants the record, which
// then remains the caller's; otherwise it belongs to the collector of the probe.
func (b *books) end(s *slot, rec *record) (pause time.Duration, wanted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.flying, s)
	rec.paused = s.entry.rest(rec)
	b.times.Sheds = b.times.Sheds || rec.paused > 0
	b.timed(s, rec)
	if s.entry.again {
		// A slot that was retired before its last request ended finds no gate: the others
		// have gone on without it.
		s.entry.again = false
		s.entry.gate = b.gate
		if b.gate != nil && len(b.flying) == 0 {
			b.drained()
		}
	}
	pause = max(s.entry.take(), rec.paused)
	if rec.status == 0 && failureOf(rec.err, FailedBroken) == FailedDial {
		b.refused++
	} else {
		b.refused = 0
	}
	p := b.probe
	// Between probes, when the load was stopped, and when a cut has counted the request among those
	// in flight.
	if p == nil || s.ctx.Err() != nil || p.window.phase == finished {
		return pause, false
	}
	p.stage.end(rec.ticket.serial)
	// A server with a limit on connections refuses some and serves others. One that is
	// gone refuses every slot.
	if b.refused >= max(dialsRefused, len(b.alive)) {
		p.stage.fail(rec.err)
	}
	p.queue.put(rec)
	return pause, true
}

// moved reports whether a slot that pauses must stop to do so: the level is now another
// one, or below the slot. probes is the number of probes when the pause began.
func (b *books) moved(s *slot, probes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.probes != probes || s.id >= b.size
}

// begun returns the number of probes so far.
func (b *books) begun() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.probes
}

// vacant returns a slot for a request of an open loop that is now due. It returns
// nil when most requests are in flight already, and counts the request as skipped.
func (b *books) vacant(most int) *slot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopLoad == nil { // the load was stopped, and nobody would take the slot back
		return nil
	}
	if len(b.flying) >= most {
		if b.probe != nil {
			b.probe.skipped++
		}
		return nil
	}
	b.lent++
	if last := len(b.idle) - 1; last >= 0 {
		s := b.idle[last]
		b.idle = b.idle[:last]
		return s
	}
	return b.slot(b.ctx, -1)
}

// full reports whether as many requests of an open loop are in flight as its load allows.
func (b *books) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.probe
	return p != nil && p.pacer != nil && p.pacer.most > 0 && b.lent >= p.pacer.most
}

// vacate takes back a slot from vacant whose request has ended.
func (b *books) vacate(s *slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	b.idle = append(b.idle, s)
	b.lent--
	select {
	case b.freed <- struct{}{}:
	default:
	}
}

// onLoan returns how many slots of an open loop have a request.
func (b *books) onLoan() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lent
}

// expire ends the phase of p that has lasted too long: it closes a window that has
// reached its length, and opens one whose transition does not end.
func (b *books) expire(p *probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probe == p {
		p.stage.expire(b.now(), b.serial)
	}
}

// cut ends p where it stands, for the given reason.
func (b *books) cut(p *probe, why Ended) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.stage.cut(b.now(), why, b.flying)
}

// underway returns when the window of p opened, and the starts of the requests that are in
// flight. ok is false before the window has opened and once the probe is over.
func (b *books) underway(p *probe) (opened time.Duration, starts []time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probe != p || p.window.phase < measuring || p.window.phase > draining {
		return 0, nil, false
	}
	for _, start := range b.flying {
		starts = append(starts, start)
	}
	return p.window.open, starts, true
}

// held says for how long the request of an open loop that is sent now was held back because
// too many were in flight.
func (b *books) held(by time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.probe; p != nil && p.window.phase == measuring {
		p.stage.held = by
	}
}

// release takes p out of the books and returns the stage that it has reached. No
// record reaches p any more.
func (b *books) release(p *probe) stage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probe = nil
	return p.stage
}

// ticket enters a request of s that starts at now.
func (l *level) ticket(s *slot, now time.Duration, turn turn) ticket {
	tk := ticket{probe: l.probe, index: -1, serial: l.serial, at: now, item: l.part.Number(l.serial), work: l.work}
	tk.order = tk.serial + uint64(l.part.Index)
	if turn.fixed {
		tk.item = turn.item
		l.items = max(l.items, turn.item+1)
	}
	if l.work.talks() {
		if turn.fixed {
			s.talk = l.replayed(turn)
		} else if s.id < 0 {
			s.talk = l.next(now)
		}
		if s.talk == nil || s.talk.of != l.work.talking.key {
			s.talk = &talk{number: l.part.Number(l.conversations), of: l.work.talking.key}
			l.conversations++
		}
		tk.talk = s.talk
	}
	l.serial++
	l.flying[s] = now
	s.entry.fresh = !s.entry.again
	p := l.probe
	if p == nil {
		return tk
	}
	if w := &p.window; w.part+1 < w.parts && w.phase == measuring && w.cohort-w.began >= w.share() {
		w.parts = max(w.part+1, min(w.parts, l.worthwhile()))
	}
	// Whether the level is reached is looked up only on the way to it: it is a walk
	// over all slots.
	was := p.window.phase
	reached := (was == ramping || was == rephasing) && l.reached()
	if turn.timed { // the window of a schedule opens with a request of its own
		reached = reached && turn.opens
	}
	if turn.ends && was == measuring {
		p.window.requests = min(p.window.requests, p.window.cohort)
	}
	tk.index = p.stage.start(now, tk.serial, reached)
	if was <= rephasing && p.window.phase > rephasing {
		l.reachedAt = now
	}
	if was != rephasing && p.window.phase == rephasing {
		l.rephase()
	}
	if p.led != nil {
		p.led.started(p, was, tk, now)
	}
	return tk
}

// rephase lets every slot wait behind its request for a new part of the window.
func (l *level) rephase() {
	l.gate = make(chan struct{})
	for _, other := range l.alive {
		other.entry.fresh, other.entry.again = false, true
	}
}

// drained says that no request is in flight any more, and every slot waits. They go on at
// once or, of several generators, when all have come so far.
func (l *level) drained() {
	if p := l.probe; p != nil && p.led != nil {
		p.led.mark(share.Drained, l.now())
		return
	}
	l.restart(l.times.Mean())
}

// worthwhile returns in how many parts the window of this level should be, with phases
// drawn anew between them: one if they move by themselves, and no more than there is time
// for. Before anything is known at any level it sets no bound.
func (l *level) worthwhile() int {
	return worthwhile(l.times, l.last, l.size)
}

// worthwhile is level.worthwhile of a level with so many slots whose requests take so long, as
// those of the level before took.
func worthwhile(times, last share.Tempo, size int) int {
	switch {
	case times.Sheds: // slots that pause have no phase, and would miss the parts
		return 1
	case times.Pairs < size/2 && last.Pairs > 0 && !frozen(last):
		return 1 // as at the level before
	case times.Pairs < size/2:
		return patterns
	case !frozen(times):
		return 1
	}
	return int(patternTime / (3 * times.Mean()))
}

// restart lets the slots go on that wait for a new part of the window, each after a random
// part of one request's time at this level.
//
// The server is empty by then. To let each slot draw its phase when its own request ends
// was tried: the load then dips to a half and no lower, and the patterns came out more
// even than those of a server that is started anew, whose boundary is 4% lower.
//
// mean is the mean time of a request at this level.
func (l *level) restart(mean time.Duration) {
	most := l.size
	for id := range l.alive {
		most = max(most, id+1)
	}
	delays := l.phases(max(l.total, most*l.part.Active), mean)
	for id, s := range l.alive {
		s.entry.again = false // also of a slot that pauses after a failure, and has nothing in flight
		s.entry.delay = delays[id]
	}
	close(l.gate)
	l.gate = nil
}

// timed enters how long a request took.
func (l *level) timed(s *slot, rec *record) {
	took := rec.eof - rec.start
	if rec.err != nil || took <= 0 {
		return
	}
	// On the way to the level, and to the next part, a request meets a smaller load.
	if rec.start < l.reachedAt || l.probe == nil || l.probe.window.phase != measuring {
		return
	}
	l.times.Sum, l.times.N = l.times.Sum+took, l.times.N+1
	if last := s.entry.took; last > 0 {
		l.times.Moved, l.times.Pairs = l.times.Moved+(took-last).Abs(), l.times.Pairs+1
	}
	s.entry.took = took
}

// reached reports whether every slot of the level has started a request of this
// probe, and no retired slot is left.
func (l *level) reached() bool {
	if len(l.alive) != l.size {
		return false
	}
	for _, s := range l.alive {
		if !s.entry.fresh {
			return false
		}
	}
	return true
}

// rest returns how long a slot must pause behind a request that the server did not take:
// a 429 or 503, or a connection that was closed or refused before there was an answer. A
// slot that sends at once again would only measure how fast the server refuses. It is 0
// behind any other request.
func (e *entry) rest(rec *record) time.Duration {
	switch {
	case rec.status == http.StatusTooManyRequests, rec.status == http.StatusServiceUnavailable:
	case rec.status == 0 && failureOf(rec.err, FailedBroken) != FailedCancelled:
	default:
		e.refused = 0
		return 0
	}
	e.refused++
	if d, ok := retryAfter(rec.retry, time.Now()); ok && rec.status != 0 {
		return min(max(d, leastPause), mostRetry)
	}
	return min(leastPause<<min(e.refused-1, 10), mostPause)
}

// retryAfter reads the header Retry-After, which is a number of seconds or a date (RFC
// 9110, 10.2.3). ok is false if it is neither.
func retryAfter(header string, now time.Time) (d time.Duration, ok bool) {
	if s, err := strconv.ParseFloat(header, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second)), true
	}
	at, err := http.ParseTime(header)
	return at.Sub(now), err == nil
}

// take returns the delay and resets it.
func (e *entry) take() (delay time.Duration) {
	delay, e.delay = e.delay, 0
	return delay
}
