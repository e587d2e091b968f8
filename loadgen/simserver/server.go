package simserver

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/memory"
)

// A Server is a simulated inference server that listens on the loopback interface or in
// memory. Stop it with Close.
type Server struct {
	// URL is the base URL of the form http://127.0.0.1:port, without a trailing slash
	// or /v1.
	URL string

	model  Model // with defaults filled in
	dial   func(context.Context) (net.Conn, error)
	http   *http.Server
	client *http.Client
	driver *driver
	count  *counters
	// wg counts goroutines and connections.
	wg sync.WaitGroup
	// stop is closed by Close, once.
	stop chan struct{}
	once sync.Once
	// down says that no connection is served any more.
	down atomic.Bool
}

// memoryAddr is the made-up host of an in-memory server.
const memoryAddr = "simserver.invalid:80"

// New starts a server on a port of the loopback interface that the system chooses. If
// it cannot listen, the server that it returns is closed from the start, and Dial
// reports why.
func New(m Model) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s := start(m, memory.Listen(memoryAddr), nil, nil)
		s.Close()
		s.URL = "http://127.0.0.1:0"
		s.dial = func(context.Context) (net.Conn, error) { return nil, err }
		return s
	}
	pause, free := newPause()
	s := start(m, l, pause, free)
	address := l.Addr().String()
	s.URL = "http://" + address
	s.dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	return s
}

// NewInMemory starts a server without a socket, reached through Dial and
// Client alone. Inside a testing/synctest bubble it runs in virtual time with
// exact numbers; it must then be made and closed inside the bubble.
func NewInMemory(m Model) *Server {
	l := memory.Listen(memoryAddr)
	s := start(m, l, nil, nil)
	s.URL = "http://" + memoryAddr
	s.dial = l.Dial
	return s
}

// start serves on l. pause is the driver's, and free frees it at the end; nil for neither.
func start(m Model, l net.Listener, pause func(time.Duration), free func()) *Server {
	s := &Server{model: m.withDefaults(), count: newCounters(), stop: make(chan struct{})}
	s.driver = newDriver(m, pause, s.stop)
	s.http = &http.Server{
		Handler:   s.routes(),
		ConnState: s.connState,
		// Faults end in aborted handlers, and clients leave when they like. Neither
		// is worth a line in a log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext:         s.Dial,
		MaxIdleConnsPerHost: 1 << 20,
		DisableCompression:  true,
	}}
	s.wg.Go(func() {
		s.driver.run()
		if free != nil {
			free()
		}
	})
	s.wg.Go(func() { _ = s.http.Serve(l) })
	return s
}

// Dial connects to the server, whatever the network and the address say. It is
// made for http.Transport.DialContext.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.dial(ctx)
}

// Client returns an HTTP client that reaches the server by Dial. Its connections
// end with Close.
func (s *Server) Client() *http.Client { return s.client }

// Close stops the server: it cuts what is in flight and returns when every
// goroutine and connection of the server is gone. Closing again does nothing.
//
// Note: httptest.Server waits for outstanding requests instead. Here a stalled
// stream is a feature, and it would wait forever.
func (s *Server) Close() {
	s.once.Do(func() { close(s.stop) })
	s.die()
	s.wg.Wait()
}

// die closes the listener and all connections.
func (s *Server) die() {
	s.down.Store(true)
	_ = s.http.Close()
}

// connState lets Close wait for connections, and closes them early when that
// is the fault to show.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		// This is called by the goroutine that accepts, which wg counts, so that
		// the counter is not zero here and Close still waits.
		s.wg.Add(1)
		if s.down.Load() {
			c.Close() // http.Server.Close has not seen it
		}
	case http.StateIdle:
		if s.model.Faults.CloseAfter {
			c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.wg.Done()
	}
}
