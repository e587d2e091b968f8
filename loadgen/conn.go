package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// dialer opens connections before they are needed and hands them to net/http. The
// first requests of a probe then start on open connections, and no dial or TLS
// handshake hides in a TTFT.
//
// Note: net/http could dial by itself and httptrace tell how long it took. But c
// requests that all dial first are not in flight together, and the level is reached
// only when the slowest handshake is done.
type dialer struct {
	dial          func(ctx context.Context, network, addr string) (net.Conn, error)
	tls           *tls.Config // nil for plain HTTP
	network, addr string
	most          time.Duration // how long connections may take to open ahead
	// through says that net/http dials the proxy, asks it for the server, and does the
	// handshake with the server itself. Nothing is opened ahead.
	through bool

	mu sync.Mutex
	// alive counts the connections that are not closed.
	alive int
	// open holds the connections that were opened ahead and not yet handed out, the latest
	// at the end.
	open []opened
	// h2 says that the server speaks HTTP/2, where one connection carries all
	// requests.
	h2     bool
	closed bool
}

// opened is a connection that was opened ahead, and when that was.
type opened struct {
	net.Conn
	at time.Time
}

// freshMost is how long a connection that was opened ahead may wait for its first request.
// Servers and gateways close one on which nothing is sent; nginx waits a minute, and others
// five seconds. net/http would not repeat a request that is lost that way, since it takes
// the connection for a new one.
const freshMost = 5 * time.Second

// dialError marks an error as one of connecting, before any byte of HTTP was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialMost is how long a connection may take to open. Linux gives up after 127 seconds.
const dialMost = 128 * time.Second

// newDialer returns a dialer for e: for its socket, or for the host of its URL, with the
// port that the scheme implies if there is none.
func newDialer(t Target, e *endpoint) *dialer {
	u := e.base
	d := &dialer{dial: t.Dial, network: "tcp", addr: u.Host, most: min(dialMost, t.idle(Load{}), t.Timeout), through: e.proxy != nil}
	if d.dial == nil {
		d.dial = (&net.Dialer{}).DialContext
	}
	if e.socket != "" {
		d.network, d.addr = "unix", e.socket
		return d
	}
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "https" {
			port = "443"
		}
		d.addr = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "https" {
		d.tls = t.TLS.Clone() // a clone of nil is nil
		if d.tls == nil {
			d.tls = &tls.Config{}
		}
		if d.tls.ServerName == "" {
			d.tls.ServerName = u.Hostname()
		}
		if len(d.tls.NextProtos) == 0 {
			d.tls.NextProtos = []string{"h2", "http/1.1"}
		}
	}
	return d
}

// connect opens one connection and does its TLS handshake. Errors are *dialError.
func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialMost)
	defer cancel()
	c, err := d.dial(ctx, d.network, d.addr)
	if err != nil {
		return nil, &dialError{err}
	}
	c = d.counted(c)
	if d.tls == nil {
		return c, nil
	}
	tc := tls.Client(c, d.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, &dialError{fmt.Errorf("tls handshake: %w", err)}
	}
	if tc.ConnectionState().NegotiatedProtocol == "h2" {
		d.mu.Lock()
		d.h2 = true
		d.mu.Unlock()
	}
	return tc, nil
}

// shares reports that all requests go over one connection.
func (d *dialer) shares() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.h2
}

// counted adds a connection to those that are alive, until it is closed.
func (d *dialer) counted(c net.Conn) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alive++
	return &counted{Conn: c, closed: sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.alive--
	})}
}

// counted is a connection that says when it is closed.
type counted struct {
	net.Conn
	closed func()
}

// Close closes the connection.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.closed()
	return err
}

// vacant returns how many connections are open beyond those that busy requests use.
func (d *dialer) vacant(busy int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.alive-busy, 0)
}

// take is the dial function of net/http. It returns a connection that was opened
// ahead, or else a new one.
func (d *dialer) take(ctx context.Context, _, _ string) (net.Conn, error) {
	if c := d.fresh(); c != nil {
		return c, nil
	}
	return d.connect(ctx)
}

// fresh returns the latest connection that was opened ahead, nil if there is none. If that
// is too old, so are all others, and they are closed.
func (d *dialer) fresh() net.Conn {
	d.mu.Lock()
	n := len(d.open)
	if n == 0 {
		d.mu.Unlock()
		return nil
	}
	if last := d.open[n-1]; time.Since(last.at) < freshMost {
		d.open = d.open[:n-1]
		d.mu.Unlock()
		return last.Conn
	}
	d.mu.Unlock()
	d.drop(false)
	return nil
}

// ahead opens n connections for the requests that are about to start, at most 64 at
// once. It reports no failure: a request that finds no connection dials for itself
// and records what happens.
func (d *dialer) ahead(ctx context.Context, n int) {
	const atOnce = 64
	ctx, cancel := context.WithTimeout(ctx, d.most)
	defer cancel()
	gate := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for range n {
		d.mu.Lock()
		stop := d.h2 || d.closed || d.through
		d.mu.Unlock()
		if stop || ctx.Err() != nil {
			break
		}
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			c, err := d.connect(ctx)
			if err != nil {
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.closed {
				go c.Close() // which takes the lock
				return
			}
			d.open = append(d.open, opened{c, time.Now()})
		})
	}
	wg.Wait()
}

// drop closes the connections that were opened ahead and not handed out. forever says
// that none may be opened ahead any more.
func (d *dialer) drop(forever bool) {
	d.mu.Lock()
	open := d.open
	d.open, d.closed = nil, d.closed || forever
	d.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

// transport returns an HTTP transport on d, or one through the proxy if that is not nil. Its connections live as long as the
// generator, and the probes of one search share them.
func (d *dialer) transport(proxy *url.URL) *http.Transport {
	t := &http.Transport{
		DialContext:         d.take,
		MaxIdleConns:        0, // no limit
		MaxIdleConnsPerHost: 1 << 20,
		DisableCompression:  true, // a gzip reader would hold events back
		ReadBufferSize:      16 << 10,
		// The default is 10 MiB, which slots without number could fill.
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
	}
	switch {
	case proxy != nil:
		t.Proxy, t.DialContext, t.TLSClientConfig = http.ProxyURL(proxy), d.dial, d.tls
	case d.tls != nil:
		t.DialTLSContext = d.take
	}
	return t
}

// replaysMost is how often a slot itself sends a request again whose connection was closed
// before an answer began. net/http does so for kept connections if nothing was written or
// the reading failed; it gives up a request whose writing failed in the middle, as that of
// a long prompt does, and those on connections of their own.
const replaysMost = 3

// lostMost is the time within which the loss of a kept connection shows if the server had
// closed it before. A gateway that drops requests does so later.
const lostMost = 20 * time.Millisecond

// isClosed reports whether err says that the other side closed the connection before it
// answered.
func isClosed(err error) bool {
	for _, closed := range []error{io.EOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed, io.ErrClosedPipe} {
		if errors.Is(err, closed) {
			return true
		}
	}
	return false
}

// closing learns whether a server closes connections behind its answers although it says
// that it keeps them, as llama.cpp's does. Every request that meets such a connection is
// sent twice, and the first time is a part of its TTFT. Each request to such a server gets
// a connection of its own.
type closing struct{ kept, lost atomic.Int64 }

// note counts a request that was sent on a kept connection. lost says that the server had
// closed it.
func (c *closing) note(lost bool) {
	c.kept.Add(1)
	if lost {
		c.lost.Add(1)
	}
}

// is reports whether the server has closed at least four kept connections, and a tenth of
// all. Servers that close one after some seconds or some hundred requests, which all do,
// stay below that.
func (c *closing) is() bool {
	lost := c.lost.Load()
	return lost >= 4 && 10*lost >= c.kept.Load()
}
