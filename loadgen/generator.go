package loadgen

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
)

// Generator loads one target. Its slots and connections live across probes: one
// probe's load goes on while the next is being thought about, and going from one
// concurrency to another adds or retires slots instead of draining to zero.
//
// Ready, Probe and Close are called from one goroutine at a time.
type Generator struct {
	target    Target
	base      *url.URL
	header    http.Header
	dialer    *dialer
	transport *http.Transport
	epoch     time.Time      // all times are counted from here
	tokenizer *bpe.Tokenizer // nil: none
	prompts   []prompt       // nil: made-up ones

	server Server         // known after Ready
	extra  map[string]any // body fields that the server has proved to accept
	cal    calibration

	inspect func(*record) // sees each record before it is parsed; nil but in benchmarks of the client's own share
	dropped func(*record) // sees each record that no probe wants, under mu; nil but in the soak test
	records sync.Pool
	slots   sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	stopLoad   context.CancelFunc // ends the running load; nil when none runs
	loadCtx    context.Context
	unhook     func() bool // detaches the running load from the last probe's context
	level      int
	alive      map[int]*slot
	work       *workload
	flying     map[*slot]time.Duration // requests in flight, by when they started
	idle       []*slot                 // of an open loop
	stopDriver context.CancelFunc      // ends the running open loop; nil when none runs
	serial     uint64                  // requests started so far
	probe      *probe                  // nil between probes
	pace       pace
	refused    int // dials that failed in a row
	probes     int
}

// New returns a generator for t. It reads the files that t names and sends
// nothing. Errors are *TargetError.
func New(t Target) (*Generator, error) {
	t, base, err := t.normalize()
	if err != nil {
		return nil, err
	}
	var tokenizer *bpe.Tokenizer
	if t.Tokenizer != "" {
		if tokenizer, err = bpe.ReadFile(t.Tokenizer); err != nil {
			return nil, &TargetError{Field: "Tokenizer", Problem: fmt.Sprintf("cannot be used: %v", err)}
		}
	}
	prompts, err := t.prompts()
	if err != nil {
		return nil, err
	}
	d := newDialer(t, base)
	return &Generator{
		target:    t,
		base:      base,
		header:    t.headers(),
		dialer:    d,
		transport: d.transport(),
		epoch:     time.Now(),
		tokenizer: tokenizer,
		prompts:   prompts,
		server:    Server{Model: t.Model},
		cal:       calibration{slope: 1},
		records:   sync.Pool{New: func() any { return new(record) }},
		alive:     make(map[int]*slot),
		flying:    make(map[*slot]time.Duration),
	}, nil
}

func (g *Generator) now() time.Duration { return time.Since(g.epoch) }

// Server returns what is known of the server; complete after Ready.
func (g *Generator) Server() Server { return g.server }

// Close ends the load, waits for its slots and closes all connections. It may be
// called more than once.
func (g *Generator) Close() error {
	g.stop()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.slots.Wait()
	g.dialer.drop(true)
	g.transport.CloseIdleConnections()
	return nil
}

// stop cancels the running load without waiting for it.
func (g *Generator) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopLoad == nil {
		return
	}
	g.stopLoad()
	g.unhook()
	g.stopLoad, g.stopDriver, g.level, g.idle = nil, nil, 0, nil
	// The slots are on their way out; ones that start anew must not find them.
	clear(g.alive)
	clear(g.flying)
}

// raise brings the load to the level and workload of p and makes p the probe
// being measured.
func (g *Generator) raise(ctx context.Context, p *probe, w *workload) {
	g.dialer.ahead(ctx, g.missing(p))

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopLoad == nil {
		g.loadCtx, g.stopLoad = context.WithCancel(context.Background())
	} else {
		g.unhook()
	}
	level := p.load.Concurrency
	// The load outlives this call, but not the context.
	g.unhook = context.AfterFunc(ctx, g.stop)

	g.work = w
	g.level, g.probe = level, p
	g.probes++
	g.refused = 0
	p.window.turnover = level
	if g.probes == 1 {
		p.window.turnover = 2 * level // the warm-up, discarded
	}
	p.window.inFlight = len(g.flying)
	for _, s := range g.alive {
		s.fresh = false
	}
	if g.stopDriver != nil {
		g.stopDriver()
		g.stopDriver = nil
	}
	if p.pacer != nil {
		// An open loop has no slots to turn over: what a request's time brings
		// is discarded instead.
		p.window.turnover = max(1, int(math.Ceil(p.load.Rate*g.pace.request(p.load).Seconds())))
		ctx, cancel := context.WithCancel(g.loadCtx)
		g.stopDriver = cancel
		g.slots.Go(func() { g.drive(ctx, p.pacer) })
		return
	}
	// Every slot's first request at this level waits for a random part of one
	// request's time. All at once, new slots would march in step for the whole
	// probe, as a herd that no server meets; and slots that go on as they were
	// keep the spacing that the last level gave them, so that what is measured
	// at a level would depend on the levels before it: with answers of one
	// length, phases are frozen.
	rng := rand.New(rand.NewPCG(p.load.Seed, uint64(g.probes)))
	spread := float64(g.pace.request(p.load))
	for id := range level {
		delay := time.Duration(rng.Float64() * spread)
		if s := g.alive[id]; s != nil {
			s.delay = delay
			continue
		}
		s := newSlot(g.loadCtx, g, id)
		s.delay = delay
		g.alive[id] = s
		g.slots.Go(s.run)
	}
}

// missing is how many connections to open ahead for p: one for each slot that has
// yet to be added, twice what is in flight on average for an open loop.
func (g *Generator) missing(p *probe) int {
	if p.pacer != nil {
		return min(int(2*p.load.Rate*g.pace.request(p.load).Seconds()), 1000)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for id := range p.load.Concurrency {
		if g.alive[id] == nil {
			n++
		}
	}
	return n
}

// ticket is a slot's leave to send one request.
type ticket struct {
	probe  *probe // being measured at the start; nil: none
	index  int    // in its cohort; −1: not measured
	serial uint64
	work   *workload
}

// begin hands the slot its next request; ok is false when the slot is to end.
func (g *Generator) begin(s *slot) (tk ticket, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.alive[s.id] != s {
		return tk, false // the load was stopped
	}
	if s.id >= g.level {
		delete(g.alive, s.id)
		return tk, false
	}
	return g.ticket(s), true
}

// ticket starts a request in the books; mu is held.
func (g *Generator) ticket(s *slot) ticket {
	tk := ticket{probe: g.probe, index: -1, serial: g.serial, work: g.work}
	g.serial++
	now := g.now()
	g.flying[s] = now
	s.fresh = true
	if p := g.probe; p != nil {
		was := p.window.phase
		tk.index = p.window.start(now, tk.serial, was == ramping && g.reached())
		p.changed(was)
	}
	return tk
}

// reached reports whether every slot of the level has started a request of this
// probe, and no retired one is left.
func (g *Generator) reached() bool {
	if len(g.alive) != g.level {
		return false
	}
	for _, s := range g.alive {
		if !s.fresh {
			return false
		}
	}
	return true
}

// hold returns how long the slot is to wait before its first request at a new
// level.
func (g *Generator) hold(s *slot) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := s.delay
	s.delay = 0
	return d
}

// end takes a slot's finished record and reports how long the slot should pause
// before its next request.
func (g *Generator) end(s *slot, rec *record) (pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.flying, s)
	kind := FailureKind("")
	if rec.status == 0 {
		kind = failureOf(rec.err, FailedBroken)
	}
	pause, s.delay = s.delay, 0
	if kind == FailedDial {
		g.refused++
		pause = max(pause, dialPause)
	} else {
		g.refused = 0
	}
	p := g.probe
	if p == nil || s.ctx.Err() != nil { // nobody is measuring, or this load was stopped
		if g.dropped != nil {
			g.dropped(rec)
		}
		rec.reset()
		g.records.Put(rec)
		return pause
	}
	was := p.window.phase
	p.window.end(rec.ticket.serial)
	p.changed(was)
	if g.refused >= dialsRefused {
		p.fail(&UnreachableError{URL: g.target.Redacted(), Err: rec.err})
	}
	p.queue.put(rec) // from here on it is the collector's
	return pause
}

const (
	// dialsRefused failed dials in a row, none served between, mean that the
	// server is gone.
	dialsRefused = 3
	// dialPause keeps a slot without a server from spinning.
	dialPause = 100 * time.Millisecond
)

// pace is how fast an idle server answers, by the readiness inference.
type pace struct{ first, token time.Duration }

// request is about how long a request of the load takes on an idle server.
func (p pace) request(l Load) time.Duration { return p.first + time.Duration(l.OSL-1)*p.token }
