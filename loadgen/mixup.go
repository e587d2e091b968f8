package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// How long a server may take to show whether it speaks TLS. Together they stay below a
// second.
const (
	handshakePatience = 600 * time.Millisecond
	plainPatience     = 250 * time.Millisecond
)

// mixedUp calls greet, and says so if http was asked for where https is served, or the
// other way round: many servers then answer nothing at all, and waiting would not mend it.
func (g *Generator) mixedUp(ctx context.Context, greet func(context.Context) error) error {
	if g.dialer.through {
		return greet(ctx) // the proxy says what is wrong
	}
	if g.base.Scheme == "https" {
		if !g.shook && g.speaksPlain(ctx) {
			return &UnreachableError{URL: g.name, Err: errors.New("the server speaks http and not https"), Remedy: "write the URL with http://"}
		}
		return greet(ctx)
	}
	err := greet(ctx)
	if err != nil && suspicious(err) && g.speaksTLS(ctx) {
		return &UnreachableError{URL: g.name, Err: fmt.Errorf("the server speaks https and not http (%v)", err),
			Remedy: "write the URL with https://"}
	}
	return err
}

// suspicious reports whether an error of plain HTTP may be that of a server which speaks
// TLS: it breaks the connection, answers with what is no HTTP, or says so.
func suspicious(err error) bool {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"https", "ssl", "tls", "eof", "reset", "broken pipe", "closed", "malformed http"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// speaksTLS reports whether a handshake succeeds, whoever signed the certificate.
func (g *Generator) speaksTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakePatience)
	defer cancel()
	c, err := g.dialer.dial(ctx, g.dialer.network, g.dialer.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: g.base.Hostname()}) // nothing is sent through it
	err = t.HandshakeContext(ctx)
	return err == nil || strings.Contains(err.Error(), "remote error: tls") // it wants a client's certificate, for example
}

// speaksPlain reports whether a server to which https is spoken answers plain HTTP: it
// does not do the handshake, and answers a request without secrets as HTTP. Servers that
// speak TLS also answer such a request, with status 400.
//
// A handshake that succeeds is kept for the first request.
func (g *Generator) speaksPlain(ctx context.Context) bool {
	short, cancel := context.WithTimeout(ctx, handshakePatience)
	defer cancel()
	c, err := g.dialer.connect(short)
	if err == nil {
		g.shook = true
		g.dialer.keep(c)
		return false
	}
	var record tls.RecordHeaderError
	if !errors.As(err, &record) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, io.EOF) {
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	short, cancel = context.WithTimeout(ctx, plainPatience)
	defer cancel()
	p, err := g.dialer.dial(short, g.dialer.network, g.dialer.addr)
	if err != nil {
		return false
	}
	defer p.Close()
	p.SetDeadline(time.Now().Add(plainPatience))
	fmt.Fprintf(p, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", g.base.Host)
	head := make([]byte, len("HTTP/1.1 400"))
	n, _ := io.ReadFull(p, head)
	return strings.HasPrefix(string(head[:n]), "HTTP/1.") && !strings.HasSuffix(string(head[:n]), " 400")
}

// keep hands a connection that was opened for another purpose to the first request, of
// HTTP/2, too: net/http then speaks HTTP/2 on it.
func (d *dialer) keep(c net.Conn) {
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.open = append(d.open, opened{c, time.Now()})
	}
	d.mu.Unlock()
	if closed { // Close takes the lock
		c.Close()
	}
}
