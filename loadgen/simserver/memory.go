package simserver

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// memoryAddr is the made-up host of an in-memory server.
const memoryAddr = "simserver.invalid:80"

// A memory is a listener whose connections are net.Pipes. It has no sockets, so that the
// server works inside a testing/synctest bubble, where only channels and timers count as
// waiting.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory {
	return &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memory) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memory) Addr() net.Addr { return addr{} }

// dial returns the client's end of a new connection. After Close it fails as TCP does,
// with "connection refused".
func (l *memory) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
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
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: err}
}

// offer hands the server's end of a connection to Accept.
func (l *memory) offer(ctx context.Context, server net.Conn) error {
	select {
	case l.conns <- server:
		return nil
	case <-l.closed:
		return syscall.ECONNREFUSED
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addr is the address of every memory.
type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return memoryAddr }
