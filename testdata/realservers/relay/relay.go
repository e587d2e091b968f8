// Package relay passes bytes between a load generator and a server, and keeps an
// account of its own of every request: when it passed, what the server said of its
// tokens, and when each part of the answer came. Join holds that account against what
// the load generator reports, request by request.
//
// The package shares no code with the load generator that it checks. While it relays,
// it reads, looks at the clock, and writes; what the bytes mean is worked out once the
// relay is closed.
package relay

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// patience is how long the relay goes on reading an answer whose client has left.
const patience = 30 * time.Second

// A Relay listens on the loopback interface and gives each connection one of its own to
// the server.
//
// A client that leaves in the middle of an answer does not end it. The relay reads the
// rest and drops it, so that its account has the tokens of every request, as the
// server's own counters do.
type Relay struct {
	// URL is the base URL of the relay.
	URL string

	to       string
	listener net.Listener
	begun    time.Time
	serving  sync.WaitGroup

	mu     sync.Mutex
	pairs  []*pair
	closed bool
}

// New returns a relay to the server at the address to, which has a host and a port. It
// listens on a port of the loopback interface, on any free one if port is 0.
func New(to string, port int) (*Relay, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("listen for a relay to %s: %w", to, err)
	}
	r := &Relay{URL: "http://" + l.Addr().String(), to: to, listener: l, begun: time.Now()}
	r.serving.Go(r.accept)
	return r, nil
}

// Close stops listening, waits for the answers that are under way, and returns the
// account of all requests in the order in which they began.
func (r *Relay) Close() []Exchange {
	r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for _, p := range r.pairs {
		p.client.Close()
	}
	r.mu.Unlock()
	r.serving.Wait()
	return account(r.pairs)
}

// accept serves connections until the listener is closed.
func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to)
		if err != nil {
			client.Close()
			continue
		}
		p := &pair{client: client, server: server, begun: r.begun}
		r.mu.Lock()
		r.pairs = append(r.pairs, p)
		if r.closed {
			client.Close()
		}
		r.mu.Unlock()
		r.serving.Go(p.up)
		r.serving.Go(p.down)
	}
}

// pair is a connection to a client and the one to the server that belongs to it.
type pair struct {
	client, server net.Conn
	begun          time.Time

	mu sync.Mutex
	// requests and answers are what was read from the client and from the server.
	requests, answers []read
	// left says that the client has closed its connection, and early is the number of
	// reads of answers at that time.
	left  bool
	early int
	// ended says that the server has closed its connection.
	ended bool
}

// read is what one read returned, and when.
type read struct {
	data []byte
	at   time.Duration
}

// up passes requests on until the client has left. The server's connection stays open for
// as long as an answer is under way, since a server gives up an answer when its client
// closes even one direction.
func (p *pair) up() {
	_ = p.pass(p.server, p.client, &p.requests)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.early = true, len(p.answers)
	if p.answered() {
		p.server.Close()
		return
	}
	_ = p.server.SetReadDeadline(time.Now().Add(patience))
}

// down passes answers on until the server has closed its connection or the client has left
// and every answer is complete.
func (p *pair) down() {
	err := p.pass(p.client, p.server, &p.answers)
	p.mu.Lock()
	p.ended = err == io.EOF
	p.mu.Unlock()
	p.client.Close()
	p.server.Close()
}

// pass reads from one connection and writes to the other, and returns why it ended: nil if
// the client has left and everything was answered. A failed write ends it on the way to
// the server; on the way to the client it does not matter.
func (p *pair) pass(to, from net.Conn, reads *[]read) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		at := time.Since(p.begun)
		if n > 0 {
			_, failed := to.Write(buf[:n])
			p.mu.Lock()
			*reads = append(*reads, read{slices.Clone(buf[:n]), at})
			done := p.left && p.answered()
			p.mu.Unlock()
			if done {
				return nil
			}
			if failed != nil && to == p.server {
				return failed
			}
		}
		if err != nil {
			return err
		}
	}
}

// answered reports whether every request that was read has a complete answer. It is asked
// only once the client has left.
func (p *pair) answered() bool {
	for _, x := range exchanges(p, false) {
		if !x.Complete {
			return false
		}
	}
	return true
}
