package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// member is a worker as its pool sees it: a connection, and two goroutines that read from it
// and ping.
type member struct {
	*link
	i          int
	name, node string
	// in has what the worker says, and is closed when it is lost. gone is closed then, too, and
	// by close.
	in   chan up
	gone chan struct{}
	read atomic.Int64
	wg   sync.WaitGroup
	// hears is told what the worker says of the probe that is measured, nil if there is none.
	hears atomic.Pointer[ear]

	mu sync.Mutex
	// why it was lost, nil as long as it is not.
	why error
	// offsets are the latest of the clock, and heard is when anything came last.
	offsets []offset
	heard   time.Time
}

// offset is what the worker's clock must be added to be the pool's, as a ping that took so long
// has shown: it is off by half of that at most.
type offset struct{ by, took time.Duration }

// errSilent is the error of a worker that does not answer pings.
var errSilent = errors.New("it has not answered for too long; it hangs, or the network lost it")

// counter counts what is read.
type counter struct {
	net.Conn
	n *atomic.Int64
}

func (c counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// try connects to worker i once.
func (p *Pool) try(ctx context.Context, i int) (*member, error) {
	c, err := p.Dial(ctx, i)
	if err != nil {
		return nil, err
	}
	m := &member{i: i, in: make(chan up, 64), gone: make(chan struct{})}
	plain := counter{c, &m.read}
	defer context.AfterFunc(ctx, func() { plain.Close() })()
	c = plain
	_ = c.SetDeadline(time.Now().Add(handshakePatience))
	if p.Keys != nil {
		config, err := p.Keys.config()
		if err != nil {
			c.Close()
			return nil, err
		}
		secure := tls.Client(c, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			// A forwarded port says only now that nobody listens.
			if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
				return nil, err
			}
			return nil, fmt.Errorf("its keys do not fit: %w", err)
		}
		c = secure
	}
	m.link = newLink(c)
	if err := p.hello(ctx, m); err != nil {
		c.Close()
		return m, err
	}
	_ = c.SetReadDeadline(time.Time{})
	m.heard = time.Now()
	m.wg.Go(func() { m.follow(p) })
	m.wg.Go(func() { m.ping(p) })
	if _, err := p.ask(ctx, m, down{Setup: &setup{p.packed}}); err != nil {
		m.close()
		return m, err
	}
	return m, nil
}

// hello takes the worker, unless it is another run's or of another version.
func (p *Pool) hello(ctx context.Context, m *member) error {
	if err := m.send(down{Hello: &hello{protocol, version(), p.Run, p.Who, m.i, p.N}}); err != nil {
		return err
	}
	var u up
	if err := m.dec.Decode(&u); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the connection was closed before it said anything")
		}
		return err
	}
	switch f := u.Fault; {
	case f != nil && f.Kind == "version":
		return &VersionError{Pool: version(), Worker: f.Version, Protocol: [2]int{protocol, f.Protocol}}
	case f != nil:
		return errors.New(f.Text)
	case u.Welcome == nil:
		return errors.New("what answers is no worker of aiperf")
	}
	m.name, m.node = u.Welcome.Name, u.Welcome.Node
	return p.speaks(m, u.Welcome.Codecs)
}

// follow reads what the worker says until it is lost.
func (m *member) follow(p *Pool) {
	defer func() {
		close(m.in)
		if e := m.hears.Load(); e != nil {
			e.said(nil)
		}
	}()
	for {
		u, err := m.receive()
		if err != nil {
			m.lose(err)
			return
		}
		now := time.Now()
		m.mu.Lock()
		m.heard = now
		if a := u.Pong; a != nil {
			back := p.g.Elapsed()
			m.offsets = append(m.offsets, offset{(a.Sent+back)/2 - a.At, back - a.Sent})
			m.offsets = m.offsets[max(len(m.offsets)-offsetsKept, 0):]
		}
		m.mu.Unlock()
		if probe := u.of(); probe != 0 {
			if e := m.hears.Load(); e != nil && e.probe == probe { // and not of one that was given up
				e.said(&u)
			}
			continue
		}
		if u.Pong != nil {
			continue
		}
		select {
		case m.in <- u:
		case <-m.gone:
			return
		}
	}
}

// ping asks every beat whether the worker is there, and gives it up if it is not.
func (m *member) ping(p *Pool) {
	var pinging atomic.Bool
	t := time.NewTicker(p.beat)
	defer t.Stop()
	for {
		select {
		case <-m.gone:
			return
		case <-t.C:
		}
		m.mu.Lock()
		silent := time.Since(m.heard) > missed*p.beat
		m.mu.Unlock()
		if silent {
			m.lose(errSilent)
			return
		}
		if pinging.CompareAndSwap(false, true) { // one that does not read holds up one ping, and not this loop
			m.wg.Go(func() {
				defer pinging.Store(false)
				if err := m.send(down{Ping: &ping{p.g.Elapsed()}}); err != nil {
					m.lose(err)
				}
			})
		}
	}
}

// pings learns how the worker's clock differs from the pool's.
func (m *member) pings(ctx context.Context, p *Pool) error {
	m.mu.Lock()
	m.offsets = nil // those from before its generator was made
	m.mu.Unlock()
	for n := 1; n <= offsetPings; n++ {
		if err := m.send(down{Ping: &ping{p.g.Elapsed()}}); err != nil {
			return p.failed(m.i, m, m.loss(err))
		}
		for m.answers() < n {
			if m.lost() {
				return p.failed(m.i, m, m.loss(nil))
			}
			if !p.Wait(ctx, 200*time.Microsecond) {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// answers is the number of pings that were answered lately.
func (m *member) answers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.offsets)
}

// offset is what the worker's clock must be added to be the pool's.
func (m *member) offset() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var best offset
	for i, o := range m.offsets {
		if i == 0 || o.took < best.took {
			best = o
		}
	}
	return best.by
}

// lose notes that the worker is lost, and why.
func (m *member) lose(err error) {
	m.mu.Lock()
	if m.why == nil {
		m.why = err
		close(m.gone)
	}
	m.mu.Unlock()
	m.link.Close()
}

// lost reports whether the worker is.
func (m *member) lost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why != nil
}

// loss is why the worker was lost, in words; err is what was noticed if nothing else is known.
func (m *member) loss(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why != nil {
		err = m.why
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return errors.New("its connection ended; the process has ended, or was killed")
	}
	if errors.Is(err, errSilent) || errors.Is(err, os.ErrDeadlineExceeded) { // it does not even read
		return errSilent
	}
	// The kernel resets the connections of a killed process that had not read all that was sent.
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("its connection broke; the process was killed, or something on the way ended it: %w", err)
	}
	return fmt.Errorf("its connection broke: %w", err)
}

// close lets go of the worker and waits for the goroutines.
func (m *member) close() {
	m.lose(net.ErrClosed)
	m.wg.Wait()
}
