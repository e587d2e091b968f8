package loadgen

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
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
	epoch     time.Time // all times are counted from here

	server Server         // known after Ready
	extra  map[string]any // body fields that the server has proved to accept
	cal    calibration

	records sync.Pool
	slots   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	stopLoad context.CancelFunc // ends the running load; nil when none runs
	loadCtx  context.Context
	unhook   func() bool // detaches the running load from the last probe's context
	level    int
	alive    map[int]*slot
	work     *workload
	serial   uint64 // requests started so far
	probe    *probe // nil between probes
	latency  time.Duration
	refused  int // dials that failed in a row
	probes   int
}

// New returns a generator for t. It sends nothing. Errors are *TargetError.
func New(t Target) (*Generator, error) {
	t, base, err := t.normalize()
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
		server:    Server{Model: t.Model},
		cal:       calibration{slope: 1},
		records:   sync.Pool{New: func() any { return new(record) }},
		alive:     make(map[int]*slot),
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
	g.stopLoad, g.level = nil, 0
	// The slots are on their way out; ones that start anew must not find them.
	clear(g.alive)
}

// raise brings the load to the level and workload of p and makes p the probe
// being measured.
func (g *Generator) raise(ctx context.Context, p *probe, w *workload) {
	level := p.load.Concurrency
	g.mu.Lock()
	missing := 0
	for id := range level {
		if g.alive[id] == nil {
			missing++
		}
	}
	g.mu.Unlock()
	g.dialer.ahead(ctx, missing)

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopLoad == nil {
		g.loadCtx, g.stopLoad = context.WithCancel(context.Background())
	} else {
		g.unhook()
	}
	// The load outlives this call, but not the context.
	g.unhook = context.AfterFunc(ctx, g.stop)

	same := g.work != nil && g.work.same(w)
	if !same {
		g.work = w
	}
	g.level, g.probe = level, p
	g.probes++
	g.refused = 0
	p.window.turnover = level
	if g.probes == 1 {
		p.window.turnover = 2 * level // the warm-up, discarded
	}
	for _, s := range g.alive {
		if s.busy {
			p.window.inFlight++
			s.fresh = same // what is in flight is this probe's load already
		}
	}
	// New slots start spread over about one request time: all at once they
	// would march in step for the whole probe, as a herd that no server meets.
	k := 0
	for id := range level {
		if g.alive[id] != nil {
			continue
		}
		s := newSlot(g.loadCtx, g, id)
		g.alive[id] = s
		delay := time.Duration(0)
		if g.latency > 0 {
			delay = g.latency * time.Duration(k) / time.Duration(missing)
		}
		k++
		g.slots.Go(func() { s.run(delay) })
	}
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
	tk = ticket{probe: g.probe, index: -1, serial: g.serial, work: g.work}
	g.serial++
	s.busy, s.fresh = true, true
	if p := g.probe; p != nil {
		was := p.window.phase
		tk.index = p.window.start(g.now(), tk.serial, was == ramping && g.reached())
		p.changed(was)
	}
	return tk, true
}

// reached reports whether all slots of the level are in flight with this
// probe's workload, and no others are.
func (g *Generator) reached() bool {
	if len(g.alive) != g.level {
		return false
	}
	for _, s := range g.alive {
		if !s.busy || !s.fresh {
			return false
		}
	}
	return true
}

// end takes a slot's finished record and reports how long the slot should pause
// before its next request.
func (g *Generator) end(s *slot, rec *record) (pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.busy = false
	if rec.status == http.StatusOK && rec.err == nil {
		g.latency = rec.eof - rec.start
	}
	kind := FailureKind("")
	if rec.status == 0 {
		kind = failureOf(rec.err, FailedBroken)
	}
	if kind == FailedDial {
		g.refused++
		pause = dialPause
	} else {
		g.refused = 0
	}
	p := g.probe
	if p == nil || g.alive[s.id] != s { // nobody is measuring, or this load was stopped
		rec.reset()
		g.records.Put(rec)
		return pause
	}
	was := p.window.phase
	p.window.end(rec.ticket.serial)
	p.changed(was)
	p.put(rec)
	if g.refused >= dialsRefused {
		p.fail(&UnreachableError{URL: g.target.Redacted(), Err: rec.err})
	}
	return pause
}

const (
	// dialsRefused failed dials in a row, none served between, mean that the
	// server is gone.
	dialsRefused = 3
	// dialPause keeps a slot without a server from spinning.
	dialPause = 100 * time.Millisecond
)
