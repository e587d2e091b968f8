package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// dialer opens connections before they are needed and hands them to net/http:
// a probe's first requests then start on open connections, and no dial or TLS
// handshake hides in a TTFT.
type dialer struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  *tls.Config // nil: plain
	addr string
	most time.Duration // that a connection may take to open

	mu     sync.Mutex
	open   []net.Conn // opened ahead, not yet handed out
	h2     bool       // the server multiplexes: one connection carries all
	closed bool
}

// dialError marks an error as one of connecting, before any byte of HTTP.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func newDialer(t Target, u *url.URL) *dialer {
	d := &dialer{dial: t.Dial, addr: u.Host, most: min(t.IdleTimeout, t.Timeout)}
	if d.dial == nil {
		d.dial = (&net.Dialer{}).DialContext
	}
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "https" {
			port = "443"
		}
		d.addr = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "https" {
		d.tls = t.TLS.Clone() // of nil is nil
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

// connect opens one connection, with its TLS handshake done.
func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	c, err := d.dial(ctx, "tcp", d.addr)
	if err != nil {
		return nil, &dialError{err}
	}
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

// take is net/http's dial function: an open connection, or a new one.
func (d *dialer) take(ctx context.Context, _, _ string) (net.Conn, error) {
	d.mu.Lock()
	if n := len(d.open); n > 0 {
		c := d.open[n-1]
		d.open = d.open[:n-1]
		d.mu.Unlock()
		return c, nil
	}
	d.mu.Unlock()
	return d.connect(ctx)
}

// ahead opens n connections for the slots about to start. Failures are left to
// the requests that will dial for themselves and record them.
func (d *dialer) ahead(ctx context.Context, n int) {
	const atOnce = 64
	ctx, cancel := context.WithTimeout(ctx, d.most)
	defer cancel()
	gate := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for range n {
		d.mu.Lock()
		stop := d.h2 || d.closed
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
				c.Close()
				return
			}
			d.open = append(d.open, c)
		})
	}
	wg.Wait()
}

// drop closes what was opened ahead and not handed out.
func (d *dialer) drop(forever bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.open {
		c.Close()
	}
	d.open, d.closed = nil, d.closed || forever
}

// transport returns an HTTP transport on d. Its connections live as long as the
// generator: probes of one search share them.
func (d *dialer) transport() *http.Transport {
	t := &http.Transport{
		DialContext:         d.take,
		MaxIdleConns:        0, // no limit
		MaxIdleConnsPerHost: 1 << 20,
		DisableCompression:  true, // a gzip reader would hold events back
		ReadBufferSize:      16 << 10,
		ForceAttemptHTTP2:   true,
	}
	if d.tls != nil {
		t.DialTLSContext = d.take
	}
	return t
}
