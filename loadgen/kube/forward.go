package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// direct reports whether pods are reached by their addresses.
func (c *client) direct(o Options) bool { return c.within || o.Direct }

// connect opens a connection to the worker of a pod.
func (f *fleet) connect(ctx context.Context, p *corev1.Pod) (net.Conn, error) {
	if f.direct(f.o) {
		if p.Status.PodIP == "" {
			return nil, errNoPod
		}
		d := net.Dialer{Timeout: asking}
		return d.DialContext(ctx, "tcp", net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port)))
	}
	return f.forward(ctx, p)
}

// forward opens a connection through the API server. Each has a session of its own, since a
// session may end with the first of its connections that is reset.
func (f *fleet) forward(ctx context.Context, p *corev1.Pod) (net.Conn, error) {
	u := f.core.RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return nil, fmt.Errorf("forward a port of pod %s: %w", p.Name, err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	if !f.o.SPDY {
		socket, err := portforward.NewSPDYOverWebsocketDialer(u, f.config)
		if err != nil {
			return nil, fmt.Errorf("forward a port of pod %s: %w", p.Name, err)
		}
		dialer = portforward.NewFallbackDialer(socket, dialer, noSocket)
	}
	type opened struct {
		c   *stream
		err error
	}
	done := make(chan opened, 1)
	go func() { // a dialer has no context
		c, err := opening(dialer)
		done <- opened{c, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("forward a port of pod %s: %w", p.Name, o.err)
		}
		return o.c, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.c != nil {
				o.c.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// noSocket reports whether a WebSocket could not be opened where SPDY may be. The error is of the
// package that client-go's WebSockets use, whose twin in apimachinery has a type of its own.
func noSocket(err error) bool {
	return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err)
}

// opening opens a session and the two streams of one connection in it.
func opening(dialer httpstream.Dialer) (*stream, error) {
	session, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set(corev1.PortHeader, strconv.Itoa(port))
	h.Set(corev1.PortForwardRequestIDHeader, "0")
	h.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := session.CreateStream(h)
	if err != nil {
		session.Close()
		return nil, err
	}
	_ = failures.Close() // nothing is written to it
	s := &stream{session: session, failed: make(chan struct{})}
	go func() {
		defer close(s.failed)
		text, _ := io.ReadAll(io.LimitReader(failures, 1024)) // ends with the session at the latest
		s.failure = strings.TrimSpace(string(text))
	}()
	h.Set(corev1.StreamType, corev1.StreamTypeData)
	if s.Stream, err = session.CreateStream(h); err != nil {
		err = s.because(err)
		session.Close()
		return nil, err
	}
	return s, nil
}

// because is the error of a stream that the other end has ended, for the reason that it gives.
func (s *stream) because(err error) error {
	select {
	case <-s.failed:
	case <-time.After(100 * time.Millisecond): // both streams end together
		return err
	}
	if s.failure != "" {
		return &net.OpError{Op: "dial", Net: "portforward", Err: errors.New(s.failure)}
	}
	return err
}

// stream is a forwarded connection. A port that nobody listens on is forwarded as well; then the
// first read says so.
type stream struct {
	httpstream.Stream
	session httpstream.Connection
	// failure is what the other end says about the connection, once failed is closed.
	failed  chan struct{}
	failure string

	mu          sync.Mutex
	read, write time.Time
	once        sync.Once
}

// Read reads until the deadline that was set before it, at which the connection is closed.
func (s *stream) Read(b []byte) (int, error) {
	late := s.until(&s.read)
	n, err := s.Stream.Read(b)
	if err = late(err); err == nil || n > 0 {
		return n, err
	}
	return n, s.because(err)
}

// Write writes until the deadline that was set before it, at which the connection is closed.
func (s *stream) Write(b []byte) (int, error) {
	late := s.until(&s.write)
	n, err := s.Stream.Write(b)
	return n, late(err)
}

// until closes the connection at a deadline, unless what it returns is called before.
func (s *stream) until(deadline *time.Time) (late func(error) error) {
	s.mu.Lock()
	at := *deadline
	s.mu.Unlock()
	if at.IsZero() {
		return func(err error) error { return err }
	}
	t := time.AfterFunc(time.Until(at), func() { s.Close() })
	return func(err error) error {
		if !t.Stop() && err != nil {
			return os.ErrDeadlineExceeded
		}
		return err
	}
}

// Close ends the connection and its session.
func (s *stream) Close() (err error) {
	s.once.Do(func() {
		_ = s.Stream.Reset() // Close alone would wait for what is still to be read
		err = s.session.Close()
	})
	return err
}

// SetDeadline sets both deadlines. They hold for calls that begin later.
func (s *stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of later reads.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = t
	return nil
}

// SetWriteDeadline sets the deadline of later writes.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write = t
	return nil
}

// LocalAddr and RemoteAddr are not known.
func (s *stream) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is not known.
func (s *stream) RemoteAddr() net.Addr { return &net.TCPAddr{} }
