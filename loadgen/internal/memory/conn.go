package memory

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// room is how many bytes a direction of a connection holds that nobody has read yet. A
// write waits for room, as it does for TCP's window.
const room = 64 << 10

// pipe returns the two ends of a connection that keeps what was written until it is read.
// With net.Pipe, which keeps nothing, writer and reader wait for each other at every event of a
// stream, which took a tenth of the time of the tests in virtual time.
func pipe(a net.Addr) (client, server *conn) {
	up, down := newStream(), newStream()
	return &conn{addr: a, in: down, out: up}, &conn{addr: a, in: up, out: down}
}

// A conn is one end of a connection.
type conn struct {
	addr    net.Addr
	in, out *stream
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions: the other end reads what was written, and then io.EOF.
func (c *conn) Close() error {
	c.in.end(true)
	c.out.end(false)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.addr }
func (c *conn) RemoteAddr() net.Addr { return c.addr }

func (c *conn) SetDeadline(t time.Time) error {
	c.in.readers.set(c.in, t)
	c.out.writers.set(c.out, t)
	return nil
}
func (c *conn) SetReadDeadline(t time.Time) error  { c.in.readers.set(c.in, t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.writers.set(c.out, t); return nil }

// A stream is one direction of a connection.
type stream struct {
	mu               sync.Mutex
	moved            sync.Cond // something below has changed
	kept             bytes.Buffer
	ended, gone      bool // by the writer, and by the reader
	readers, writers deadline
}

func newStream() *stream {
	s := &stream{}
	s.moved.L = &s.mu
	return s
}

// A deadline is when the reads or the writes of a stream end; its zero value is never. The stream
// guards it.
type deadline struct {
	passed bool
	timer  *time.Timer
}

func (d *deadline) set(s *stream, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.passed = false
	switch left := time.Until(at); {
	case at.IsZero():
	case left <= 0:
		d.passed = true
		s.moved.Broadcast()
	default:
		var t *time.Timer
		t = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if d.timer == t { // or another was set meanwhile
				d.passed = true
				s.moved.Broadcast()
			}
		})
		d.timer = t
	}
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.gone:
			return 0, io.ErrClosedPipe
		case s.readers.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.kept.Len() > 0:
			s.moved.Broadcast()
			return s.kept.Read(p)
		case s.ended:
			return 0, io.EOF
		}
		s.moved.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.ended || s.gone:
			return n, io.ErrClosedPipe
		case s.writers.passed:
			return n, os.ErrDeadlineExceeded
		}
		if free := min(room-s.kept.Len(), len(p)); free > 0 {
			s.kept.Write(p[:free])
			n, p = n+free, p[free:]
			s.moved.Broadcast()
		}
		if len(p) == 0 {
			return n, nil
		}
		s.moved.Wait()
	}
}

// end ends the stream by its reader or by its writer.
func (s *stream) end(byReader bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if byReader {
		s.gone = true
		s.readers.stop()
	} else {
		s.ended = true
		s.writers.stop()
	}
	s.moved.Broadcast()
}
