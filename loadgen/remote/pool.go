package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// Pool measures with N workers, as a [loadgen.Generator] does alone. It is a recipes.Prober
// with all of its further methods. Target, N and Dial are required; the fields must not
// change once Ready or Probe was called, and the methods must be called from one goroutine
// at a time.
type Pool struct {
	// Target is the endpoint, as the workers reach it. What is no data cannot travel: Dial and
	// TLS must be nil, and Protocol must be a codec that the workers have. Files that it names
	// are read here and sent. The servers' metrics are read from here, too.
	Target loadgen.Target
	// N is the number of workers, at least 1.
	N int
	// Dial opens a connection to worker i, from 0 to N−1. It is called from several
	// goroutines at once, and again for each worker when one of them was lost. See the package
	// comment.
	Dial func(ctx context.Context, i int) (net.Conn, error)
	// Keys are the client's. If it is nil, connections are neither encrypted nor
	// authenticated, as between processes of one machine.
	Keys *Keys

	// Worker returns the name of worker i for messages, and the node or host that it runs on.
	// What is empty, or a nil Worker, is as the worker itself says.
	Worker func(i int) (name, node string)
	// Kind is what a worker is called in reports, and Place what it runs on, in the singular:
	// "worker" and "host" if they are empty.
	Kind, Place string
	// StartTimeout is how long Ready, and a Probe behind a loss, wait for all workers to be
	// there. 0 means one minute.
	StartTimeout time.Duration
	// Run is the name of the run that holds the workers: pools with the same Run share them, as
	// those of the two endpoints of a comparison, and a pool of another one is refused. If it is
	// empty, the pool makes one. Who says for others who holds them; if it is empty, it is this
	// process.
	Run, Who string

	// beat is the time between two pings, 0 for the usual one.
	beat time.Duration
	// g has the target here. It sends no load: it reads the servers' metrics, leads the probes,
	// and makes bodies again for reports.
	g      *loadgen.Generator
	packed share.Target
	// members are the workers, nil entries those that are to be dialed. facts is what the first
	// has learnt, nil before.
	members []*member
	facts   *share.Facts
	// probes counts the probes and attempts, so that nobody takes what is said of one for
	// another's.
	probes uint64
	// unhook detaches the load from the context of the last probe.
	unhook func() bool
	closed bool
	// skew is how far apart the windows of the last probe opened.
	skew time.Duration
	read int64 // bytes that came from workers
}

const (
	// beat is the time between two pings, and missed how many may go without an answer.
	beat   = 2 * time.Second
	missed = 3
	// offsetPings is how many pings are sent at the beginning to learn how clocks differ, and
	// offsetsKept of how many the one with the least round trip is believed.
	offsetPings, offsetsKept = 5, 8
)

// start makes what the pool needs of its target. Nothing is sent.
func (p *Pool) start() error {
	switch {
	case p.closed:
		return errors.New("the pool of workers is closed")
	case p.g != nil:
		return nil
	case p.N < 1:
		return &loadgen.TargetError{Field: "N", Problem: fmt.Sprintf("is %d; a pool needs at least 1 worker", p.N)}
	case p.Dial == nil:
		return &loadgen.TargetError{Field: "Pool.Dial", Problem: "is nil; it opens the connections to the workers"}
	}
	packed, err := p.Target.Pack()
	if err != nil {
		return err
	}
	g, err := loadgen.New(p.Target)
	if err != nil {
		return err
	}
	p.g, p.packed, p.members = g, packed, make([]*member, p.N)
	if p.Run == "" {
		p.Run = rand.Text()
	}
	if p.Who == "" {
		host, _ := os.Hostname()
		p.Who = fmt.Sprintf("process %d on %s", os.Getpid(), host)
	}
	if p.StartTimeout == 0 {
		p.StartTimeout = time.Minute
	}
	if p.beat == 0 {
		p.beat = beat
	}
	return nil
}

// Ready waits for all workers, and until the endpoint answers each of them a real inference,
// as [loadgen.Generator.Ready] does. What the first worker learns of the endpoint, such as
// how words map to tokens, holds for all. Errors are those of Generator.Ready, a
// *[WorkerError], and a *loadgen.TargetError for a target that cannot travel.
func (p *Pool) Ready(ctx context.Context) error {
	if err := p.start(); err != nil {
		return err
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	return p.greet(ctx)
}

// connect dials the workers that are not connected, and tells each what to load.
func (p *Pool) connect(ctx context.Context) error {
	if slices.ContainsFunc(p.members, func(m *member) bool { return m != nil && m.lost() }) {
		p.disconnect() // all are to be as fresh as the one that is dialed
	}
	wait, cancel := context.WithTimeout(ctx, p.StartTimeout)
	defer cancel()
	errs := make([]error, p.N)
	var wg sync.WaitGroup
	var told sync.Once
	for i := range p.N {
		if p.members[i] == nil {
			wg.Go(func() {
				if p.members[i], errs[i] = p.dial(wait, i, &told); errs[i] != nil {
					cancel() // one is missing, and nobody waits for the others
				}
			})
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		p.disconnect()
		return fmt.Errorf("wait for the workers: %w", context.Cause(ctx))
	}
	for _, err := range errs { // those that were only told not to wait are no news
		if err != nil && !errors.Is(err, context.Canceled) {
			p.disconnect()
			return err
		}
	}
	return nil
}

// dial connects to worker i, and waits for it to be there. Target.Waiting is told once. A forwarded port opens even where
// nobody listens, so that only a welcome proves a worker.
func (p *Pool) dial(ctx context.Context, i int, told *sync.Once) (*member, error) {
	const first, most = 50 * time.Millisecond, time.Second
	var last error
	for pause := first; ; pause = min(2*pause, most) {
		m, err := p.try(ctx, i)
		if err == nil {
			return m, nil
		}
		var final interface{ Final() bool }
		if errors.As(err, new(*VersionError)) || errors.As(err, new(*loadgen.TargetError)) || errors.As(err, &final) && final.Final() {
			return nil, p.failed(i, m, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if p.Target.Waiting != nil && ctx.Err() == nil {
			told.Do(func() {
				p.Target.Waiting(fmt.Errorf("waiting up to %v for %s: %w", p.StartTimeout, placed(p.called(i, m)), err))
			})
		}
		if !p.Wait(ctx, pause) {
			if context.Cause(ctx) == context.Canceled {
				return nil, ctx.Err()
			}
			return nil, p.failed(i, m, fmt.Errorf("not there after %v: %w", p.StartTimeout, last))
		}
	}
}

// failed is the error of a worker. m is what is known of it, which may be nil.
func (p *Pool) failed(i int, m *member, err error) error {
	if already := (*WorkerError)(nil); errors.As(err, &already) || errors.As(err, new(*loadgen.TargetError)) {
		return err
	}
	name, node := p.called(i, m)
	return &WorkerError{Worker: name, Node: node, Err: err}
}

// called returns what worker i is called, and where it runs.
func (p *Pool) called(i int, m *member) (name, node string) {
	if p.Worker != nil {
		name, node = p.Worker(i)
	}
	if m != nil {
		if name == "" {
			name = m.name
		}
		if node == "" {
			node = m.node
		}
	}
	if name == "" {
		name = fmt.Sprint(i)
	}
	return name, node
}

// names are those of the first n workers, for messages and reports.
func (p *Pool) names(n int) (names []string) {
	for i := range n {
		name, node := p.called(i, p.members[i])
		names = append(names, placed(name, node))
	}
	return names
}

// greet lets the endpoint answer the first worker, and then all others, and has them measured
// by what the first has learnt.
func (p *Pool) greet(ctx context.Context) error {
	first, err := p.ask(ctx, p.members[0], down{Ready: true})
	if err != nil {
		return p.unreachable(ctx, []error{err})
	}
	if p.facts == nil || first.Facts.Model != p.facts.Model {
		p.facts = first.Facts
		p.facts.Salt = p.g.Facts().Salt
		p.g.Adopt(ctx, *p.facts, true)
	}
	errs := p.each(p.members, func(m *member) error {
		if m.i > 0 {
			if _, err := p.ask(ctx, m, down{Ready: true}); err != nil {
				return err
			}
		}
		if _, err := p.ask(ctx, m, down{Adopt: p.facts}); err != nil {
			return err
		}
		return m.pings(ctx, p)
	})
	return p.unreachable(ctx, errs)
}

// unreachable is the error of several workers' attempts to reach the endpoint, nil if all are.
func (p *Pool) unreachable(ctx context.Context, errs []error) error {
	var first *loadgen.UnreachableError
	var who []string
	for i, err := range errs {
		if u := (*loadgen.UnreachableError)(nil); errors.As(err, &u) {
			who = append(who, p.names(p.N)[i])
			if first == nil {
				first = u
			}
		}
	}
	if first == nil || p.N == 1 {
		for i, err := range errs {
			if err != nil && ctx.Err() == nil && p.members[i] != nil && p.members[i].lost() {
				defer p.disconnect()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if len(errs) == 1 { // the first waited alone, as long as the target allows
		who = p.names(1)
	}
	text, remedy := share.CannotReach(who, p.N)
	if remedy == "" || len(errs) == 1 {
		remedy = first.Remedy
	}
	if len(errs) == 1 {
		text = who[0] + " cannot"
	}
	return &loadgen.UnreachableError{URL: first.URL, Err: fmt.Errorf("%s: %w", text, first.Err), Remedy: remedy}
}

// each does something with every member at the same time, and returns the errors in their
// order.
func (p *Pool) each(members []*member, do func(*member) error) []error {
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { errs[i] = do(m) })
	}
	wg.Wait()
	return errs
}

// ask sends a message and returns the answer to it. An error that the worker reports is
// returned as it was there; a worker that is lost is a *WorkerError.
func (p *Pool) ask(ctx context.Context, m *member, d down) (up, error) {
	if err := m.send(d); err != nil {
		return up{}, p.failed(m.i, m, m.loss(err))
	}
	for {
		select {
		case u, ok := <-m.in:
			switch {
			case !ok:
				return u, p.failed(m.i, m, m.loss(nil))
			case u.Waiting != "":
				if p.Target.Waiting != nil {
					p.Target.Waiting(errors.New(u.Waiting))
				}
			case u.Fault != nil && u.Fault.Probe == 0:
				return u, u.Fault.errorOf()
			case u.Done || u.Facts != nil:
				return u, nil
			}
		case <-ctx.Done():
			m.close() // what it answers later is not to be taken for another answer
			return up{}, fmt.Errorf("wait for %s: %w", placed(p.called(m.i, m)), context.Cause(ctx))
		}
	}
}

// Probe measures the load l over all workers, as [loadgen.Generator.Probe] does with one
// generator, whose errors it has. A worker that is lost ends it with a *[WorkerError], and
// the next Probe dials all workers again.
func (p *Pool) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	if err := p.start(); err != nil {
		return nil, err
	}
	if p.facts == nil || slices.ContainsFunc(p.members, func(m *member) bool { return m == nil || m.lost() }) {
		if err := p.Ready(ctx); err != nil {
			return nil, err
		}
	}
	load, err := l.Pack()
	if err != nil {
		return nil, err
	}
	lead, err := p.g.Lead(l, d, p.N)
	if err != nil {
		return nil, err
	}
	defer lead.Stop()
	parts := lead.Parts()
	if err := p.rest(ctx, p.members[len(parts):]); err != nil {
		return nil, p.spoilt(err)
	}
	p.probes++
	if p.unhook != nil {
		p.unhook()
	}
	h := &hearing{pool: p, probe: p.probes, active: slices.Clone(p.members[:len(parts)]), lead: lead, news: make(chan struct{}, 1)}
	err = p.carry(ctx, h, l, load, parts)
	if h.stop(); err != nil {
		return nil, err
	}
	p.skew = lead.Skew()
	held := slices.Clone(p.members)
	p.unhook = context.AfterFunc(ctx, func() { stopAll(held) })
	m, err := lead.Measurement(p.names(len(parts)))
	if err != nil {
		p.end()
	}
	return m, err
}

// carry has the workers carry out a probe of the load l, until all are at its end.
func (p *Pool) carry(ctx context.Context, h *hearing, l loadgen.Load, packed []byte, parts []share.Part) error {
	for rank, m := range h.active {
		m.hears.Store(&ear{h, rank})
		if m.lost() { // before it was to be heard
			ear{h, rank}.said(nil)
		} else if err := m.send(down{Raise: &raise{h.probe, packed, parts[rank]}}); err != nil {
			return p.spoilt(p.failed(m.i, m, m.loss(err)))
		}
	}
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		orders, in, timed, done, err := h.todo()
		switch {
		case err != nil && h.faulty: // set with the error, and never again
			p.end()
			return err
		case err != nil:
			return p.spoilt(err)
		}
		for rank, m := range h.active {
			for _, o := range orders[rank] {
				if err := m.send(down{Order: &order{h.probe, o}}); err != nil {
					return p.spoilt(p.failed(m.i, m, m.loss(err)))
				}
			}
		}
		if done {
			return nil
		}
		if timed {
			due.Reset(in)
		} else {
			due.Stop()
		}
		select {
		case <-h.news:
		case <-due.C:
			h.expire()
		case <-ctx.Done():
			p.end()
			return fmt.Errorf("probe %s: %w", l, context.Cause(ctx))
		}
	}
}

// spoilt lets go of all workers, since the load of those that are left is another one, and
// returns err.
func (p *Pool) spoilt(err error) error {
	p.disconnect()
	return err
}

// end ends the load, without waiting for it.
func (p *Pool) end() { stopAll(p.members) }

func stopAll(members []*member) {
	for _, m := range members {
		if m != nil {
			_ = m.send(down{Stop: true}) // one that is lost has none
		}
	}
}

// disconnect lets go of all workers, whose load ends with that.
func (p *Pool) disconnect() {
	for i, m := range p.members {
		if m != nil {
			m.close()
			p.read += m.read.Load()
		}
		p.members[i] = nil
	}
}

// Server returns what is known of the endpoint. It is complete once Ready has returned nil.
func (p *Pool) Server() loadgen.Server {
	if p.g == nil {
		return loadgen.Server{}
	}
	return p.g.Server()
}

// Skew returns how far apart the workers' parts of the window opened, at most, in the last
// probe that has been measured. It only says which requests count: each worker's load had settled.
func (p *Pool) Skew() time.Duration { return p.skew }

// Where says where the load comes from, for example "8 pods on 5 nodes". It is complete once
// Ready has returned nil.
func (p *Pool) Where() string {
	nodes := map[string]bool{}
	for i, m := range p.members {
		if _, node := p.called(i, m); node != "" {
			nodes[node] = true
		}
	}
	text := counted(p.N, p.Kind, "worker")
	if len(nodes) > 0 {
		text += " on " + counted(len(nodes), p.Place, "host")
	}
	return text
}

// counted is a number of things in words.
func counted(n int, what, other string) string {
	if what == "" {
		what = other
	}
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Alive asks the endpoint for one short inference from the first worker, as
// [loadgen.Generator.Alive] does.
func (p *Pool) Alive(ctx context.Context) error {
	if len(p.members) == 0 || p.members[0] == nil {
		return p.Ready(ctx)
	}
	_, err := p.ask(ctx, p.members[0], down{Alive: true})
	return err
}

// Rest ends the load of all workers, and waits until none has a request in flight.
func (p *Pool) Rest() {
	ctx, cancel := context.WithTimeout(context.Background(), writePatience)
	defer cancel()
	if p.rest(ctx, p.members) != nil { // its load ends with its connection
		p.disconnect()
	}
}

// rest ends the load of some of the workers, and waits until none has a request in flight.
func (p *Pool) rest(ctx context.Context, members []*member) error {
	return errors.Join(p.each(members, func(m *member) error {
		if m == nil {
			return nil
		}
		_, err := p.ask(ctx, m, down{Rest: true})
		return err
	})...)
}

// Wait lets d pass and reports whether ctx is still alive.
func (p *Pool) Wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends the load and lets go of the workers, which then wait for the next pool. It always
// returns nil, and may be called more than once.
func (p *Pool) Close() error {
	p.closed = true
	if p.unhook != nil {
		p.unhook()
	}
	p.disconnect()
	if p.g != nil {
		return p.g.Close()
	}
	return nil
}
