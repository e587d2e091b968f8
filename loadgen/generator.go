package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
)

// Generator loads one target. Its slots and connections live across probes: one
// probe's load goes on while a search decides on the next, and going from one
// concurrency to another adds or retires slots instead of draining to zero.
//
// Ready, Probe, Rest and Close must be called from one goroutine at a time.
type Generator struct {
	// What New makes of the target. It does not change.
	target    Target
	base      *url.URL
	header    http.Header
	dialer    *dialer
	transport *http.Transport
	tokenizer *bpe.Tokenizer // nil if there is none
	prompts   []prompt       // nil if prompts are made up

	// epoch is the time that all times count from.
	epoch time.Time

	// What Ready learns of the server. extra holds body fields that the server has
	// proved to accept.
	server Server
	extra  map[string]any
	cal    calibration
	pace   pace

	// inspect sees each record before it is parsed, and dropped each record that no
	// probe wants. Both are nil except in tests and benchmarks.
	inspect, dropped func(*record)
	// records holds empty records. Their arenas are as large as an answer, and a
	// new one for every request would keep the garbage collector busy.
	records sync.Pool

	books books
}

// New returns a generator for t. It reads the files that t names, and sends nothing.
// Errors are *TargetError. The caller must call Close when it is done.
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
	g := &Generator{
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
	}
	g.books = books{
		now:   g.now,
		slot:  func(ctx context.Context, id int) *slot { return newSlot(ctx, g, id) },
		drive: g.drive,
		level: level{alive: make(map[int]*slot), flying: make(map[*slot]time.Duration)},
	}
	return g, nil
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
	g.dialer.drop(true)
	g.transport.CloseIdleConnections()
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
	request := g.pace.request(p.load)
	ahead := g.books.absent(p.load.Concurrency)
	if p.pacer != nil {
		// Twice what is in flight on average: arrivals come in bursts.
		ahead = min(int(2*p.load.Rate*request.Seconds()), 1000)
	}
	g.dialer.ahead(ctx, ahead)
	g.books.raise(ctx, p, request)
}

// recycle empties a record that nobody needs any more and keeps its storage.
func (g *Generator) recycle(rec *record) {
	rec.reset()
	g.records.Put(rec)
}

// pace is how fast an idle server answers, as the readiness inference shows: the time
// to the first token, and from each token to the next.
type pace struct{ first, token time.Duration }

// request returns about how long a request of the load takes on an idle server.
func (p pace) request(l Load) time.Duration { return p.first + time.Duration(l.OSL-1)*p.token }
