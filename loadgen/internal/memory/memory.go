// Package memory has a listener without sockets, so that a server works inside a
// testing/synctest bubble, where whoever waits for a socket does not count as waiting.
package memory

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// A Listener is one whose connections stay in memory.
type Listener struct {
	addr   addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener with a made-up address.
func Listen(address string) *Listener {
	return &Listener{addr: addr(address), conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the server's end of the next connection, or net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and refuses further connections. Its error is always nil.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address that Listen was given.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial returns the client's end of a new connection. After Close it fails as TCP does,
// with "connection refused".
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := pipe(l.addr)
	// A select that finds both ready would choose at random, so ctx comes first.
	err := ctx.Err()
	if err == nil {
		err = l.offer(ctx, server)
	}
	if err == nil {
		return client, nil
	}
	client.Close()
	server.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.addr, Err: err}
}

// offer hands the server's end of a connection to Accept.
func (l *Listener) offer(ctx context.Context, server net.Conn) error {
	select {
	case l.conns <- server:
		return nil
	case <-l.closed:
		return syscall.ECONNREFUSED
	case <-ctx.Done():
		return ctx.Err()
	}
}

type addr string

func (addr) Network() string  { return "memory" }
func (a addr) String() string { return string(a) }
