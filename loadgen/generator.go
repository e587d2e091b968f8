package loadgen

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// Generator loads one target. Its slots and connections live across probes: one
// probe's load goes on while a search decides on the next, and going from one
// concurrency to another adds or retires slots instead of draining to zero.
//
// Ready, Probe, Rest and Close must be called from one goroutine at a time.
type Generator struct {
	// What New makes of the target. It does not change.
	target    Target
	run       uint64 // part of the names of requests
	censor    censor
	ends      []*endpoint    // at least one
	tokenizer *bpe.Tokenizer // nil if there is none
	prompts   []prompt       // nil if prompts are made up

	// epoch is the time that all times count from.
	epoch time.Time

	// endpoint is the one that Ready is talking to.
	*endpoint

	// What Ready learns of the server. identified says that it was asked for what is of
	// use and not needed.
	server     Server
	identified bool
	// hides says that a whole answer had no text: its tokens are not shown.
	hides bool
	// asked says that a server which does not have the target's route was asked for all
	// others.
	asked  bool
	fields fields
	cal    calibration
	// salt makes the prompts of this run differ from those of any other, 0 for a target
	// whose prompts are the same.
	salt uint64

	// pages fetches what the servers say of themselves; nobody's until Ready has found any.
	// sought says that it has looked, and readers are what connects to them.
	pages   *servermetrics.Scraper
	sought  bool
	readers []*endpoint

	// inspect sees each record before it is parsed, and dropped each record that no
	// probe wants. Both are nil except in tests and benchmarks.
	inspect, dropped func(*record)
	// room asks how many connections the process can have.
	room func() room
	// records holds empty records. Their arenas are as large as an answer, and a
	// new one for every request would keep the garbage collector busy.
	records sync.Pool
	// budget bounds what the records hold.
	budget budget

	books books
}

// New returns a generator for t. It reads the files that t names, and sends nothing.
// Errors are *TargetError. The caller must call Close when it is done.
func New(t Target) (*Generator, error) {
	t, trimmed, err := t.normalize()
	if err != nil {
		return nil, err
	}
	notes := []error{trimmed}
	api := t.API()
	var ends []*endpoint
	for _, raw := range append([]string{t.URL}, t.Others...) {
		e, said, err := newEndpoint(t, raw)
		if err != nil {
			return nil, err
		}
		ends, notes = append(ends, e), append(notes, said...)
	}
	for _, e := range ends {
		if e.protocol != "" && e.protocol != api {
			return nil, &TargetError{Field: "URL",
				Problem: fmt.Sprintf("%s is that of the %s API, and Protocol is %q; leave one of them out", e.name, e.protocol, api)}
		}
	}
	t.Protocol = api
	var tokenizer *bpe.Tokenizer
	if t.Tokenizer != "" {
		if tokenizer, err = t.readTokenizer(); err != nil {
			return nil, &TargetError{Field: "Tokenizer", Problem: fmt.Sprintf("cannot be used: %v", err)}
		}
	}
	prompts, note, err := t.prompts(tokenizer)
	if err != nil {
		return nil, err
	}
	g := &Generator{
		target:    t,
		censor:    newCensor(t),
		run:       rand.Uint64(),
		ends:      ends,
		endpoint:  ends[0],
		epoch:     time.Now(),
		room:      roomOfProcess,
		tokenizer: tokenizer,
		prompts:   prompts,
		server:    Server{Model: t.Model},
		cal:       calibration{slope: 1},
		fields:    fields{fixed: len(t.speaks().Spec().Limits) < 2},
		pages:     servermetrics.New(),
		records:   sync.Pool{New: func() any { return new(record) }},
	}
	if !t.SamePrompts {
		g.salt = rand.Uint64()
	}
	for _, note := range append(notes, note) {
		g.note(note)
	}
	g.budget.most.Store(leastBudget)
	g.books = books{
		slot:  func(ctx context.Context, id int) *slot { return newSlot(ctx, g, id) },
		drive: g.drive,
		freed: make(chan struct{}, 1),
		level: level{now: g.now, part: share.Whole, alive: make(map[int]*slot), flying: make(map[*slot]time.Duration)},
	}
	return g, nil
}

// note adds to what is known of the server, unless err is nil. An error of several is noted
// as several.
func (g *Generator) note(err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			g.note(one)
		}
		return
	}
	if err != nil {
		g.server.Notes = append(g.server.Notes, err)
	}
}

// now is the only clock of the package: the monotonic time since the epoch. A step of
// the system's clock does not change it.
func (g *Generator) now() time.Duration { return time.Since(g.epoch) }

// Server returns what is known of the server. It is complete once Ready has returned
// nil.
func (g *Generator) Server() Server { return g.server }

// Close ends the load, waits for its slots and closes all connections. It always
// returns nil, and may be called more than once. A Probe after it is an error.
func (g *Generator) Close() error {
	g.books.close()
	g.books.running.Wait()
	for _, e := range append(g.ends, g.readers...) {
		e.close()
	}
	return nil
}

// Rest ends the load and waits until no request is in flight, so that the next Probe
// starts from an idle server. Connections stay open.
func (g *Generator) Rest() {
	g.books.stop()
	g.books.running.Wait()
}

// raise opens the connections that p will need, and then brings the load to its
// level.
func (g *Generator) raise(ctx context.Context, p *probe) {
	request := g.server.Request(p.load)
	ahead := g.books.absent(p.load.Concurrency)
	if p.pacer != nil {
		// Twice what is in flight on average: arrivals come in bursts. Those that an earlier
		// probe has left are used again.
		own := request.Seconds() / float64(p.part.Active)
		g.drain(ctx, p.load, int(2*p.pacer.first()*own))
		ahead = max(min(int(2*p.pacer.highest()*own), 1000)-g.dialer.vacant(g.books.busy()), 0)
	}
	for _, e := range g.ends { // requests go to them in turn
		e.dialer.ahead(ctx, (ahead+len(g.ends)-1)/len(g.ends))
	}
	if p.pacer != nil && p.led != nil && !g.books.prepared(ctx, p, request) {
		return
	}
	g.books.raise(ctx, p, request)
}

// drain waits until the backlog of an open loop is gone, down to about what the next load
// has in flight. For as long as a window may last it lets the server answer what it was
// sent, and then gives the rest up.
func (g *Generator) drain(ctx context.Context, l Load, most int) {
	const look = 20 * time.Millisecond
	if g.books.busy() <= max(most, leastBacklog) {
		return
	}
	g.books.pause()
	for until := g.now() + l.Window; g.books.busy() > max(most, leastBacklog); {
		if g.now() >= until {
			g.Rest()
			return
		}
		if !sleep(ctx, look) {
			return
		}
	}
}

// leastBacklog is the number of requests in flight that is no backlog at any rate. Two were: at nine
// tenths of what a server can do, the second delays the seven requests that come next.
const leastBacklog = 1

// recycle empties a record that nobody needs any more and keeps its storage.
func (g *Generator) recycle(rec *record) {
	g.budget.refund(rec)
	rec.reset()
	g.records.Put(rec)
}
