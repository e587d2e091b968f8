package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"
)

// slot is one client of the closed loop: it sends a request, reads the answer to
// its end, and at once sends the next.
type slot struct {
	g     *Generator
	id    int
	ctx   context.Context // the load's, with this slot's trace
	guard guard
	trace trace
	entry entry
}

// trace is where net/http's hooks put what they see of the current request. They
// run on the slot's goroutine.
type trace struct {
	asked, start, dial time.Duration
	conns              int
	connected          bool
}

func newSlot(ctx context.Context, g *Generator, id int) *slot {
	s := &slot{g: g, id: id}
	s.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.trace.asked, s.trace.connected = g.now(), false },
		GotConn: func(info httptrace.GotConnInfo) {
			// The last connection counts: on a replay the first attempt's time
			// must not hide in TTFT.
			s.trace.start = g.now()
			s.trace.conns++
			s.trace.connected = true
			if !info.Reused {
				s.trace.dial += s.trace.start - s.trace.asked
			}
		},
	})
	return s
}

// run sends requests until the slot is retired or the load stops.
func (s *slot) run() {
	if !sleep(s.ctx, s.g.books.hold(s)) {
		return
	}
	scheduled := s.g.now()
	for {
		tk, ok := s.g.books.begin(s)
		if !ok {
			return
		}
		rec := s.g.records.Get().(*record)
		rec.ticket, rec.scheduled = tk, scheduled
		s.perform(rec, tk.work.body(tk.serial))
		scheduled = rec.eof
		if pause := s.finish(rec); pause > 0 {
			if !sleep(s.ctx, pause) {
				return
			}
			scheduled = s.g.now()
		}
	}
}

// finish hands a record to the books, or drops it when no probe wants it, and
// returns how long the slot must pause.
func (s *slot) finish(rec *record) (pause time.Duration) {
	pause, wanted := s.g.books.end(s, rec)
	if !wanted {
		if s.g.dropped != nil {
			s.g.dropped(rec)
		}
		s.g.recycle(rec)
	}
	return pause
}

// largestAnswer bounds what is kept of one answer.
const largestAnswer = 64 << 20

var errLarge = errors.New("the answer is larger than 64 MiB")

// perform is the hot path: send, then read, one clock reading, copy.
func (s *slot) perform(rec *record, body []byte) {
	g := s.g
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	s.trace = trace{start: g.now()} // stands when no connection is had
	s.guard.begin(g, cancel)
	defer s.guard.end()

	resp, err := g.transport.RoundTrip(g.request(ctx, body))
	rec.start, rec.dial, rec.replays = s.trace.start, s.trace.dial, max(s.trace.conns-1, 0)
	if err != nil {
		rec.eof, rec.err = g.now(), cause(ctx, err)
		if !s.trace.connected && s.ctx.Err() == nil {
			rec.err = &dialError{rec.err} // of whatever kind: a dial that gets no answer ends by the guard
		}
		return
	}
	defer resp.Body.Close()
	rec.status = resp.StatusCode
	rec.ctype = resp.Header.Get("Content-Type")
	rec.encoding = resp.Header.Get("Content-Encoding")
	rec.retry = resp.Header.Get("Retry-After")
	for {
		rec.body = slices.Grow(rec.body, 4096)
		n, err := resp.Body.Read(rec.body[len(rec.body):cap(rec.body)])
		now := g.now()
		if n > 0 {
			rec.body = rec.body[:len(rec.body)+n]
			rec.reads = append(rec.reads, read{len(rec.body), now})
			s.guard.seen(now)
		}
		if err == nil && len(rec.body) > largestAnswer {
			err = errLarge
		}
		if err != nil {
			rec.eof = now
			if err != io.EOF {
				rec.err = cause(ctx, err)
			}
			return
		}
	}
}

// request makes the HTTP request for a body.
func (g *Generator) request(ctx context.Context, body []byte) *http.Request {
	u := *g.base
	u.Path += g.target.path()
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           &u,
		Host:          u.Host,
		Header:        g.header,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// cause prefers the reason why the request was cancelled over the error that the
// cancelling made.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(err, c) {
		return fmt.Errorf("%w (%v)", c, err)
	}
	return err
}

// guard cancels a request that receives nothing for too long or does not end.
// Its timer is armed once a request, not once a read: when it fires early it
// looks at the last read and sleeps for the rest.
type guard struct {
	mu     sync.Mutex
	g      *Generator
	cancel context.CancelCauseFunc
	begun  time.Duration
	last   time.Duration
	timer  *time.Timer
}

func (gd *guard) begin(g *Generator, cancel context.CancelCauseFunc) {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	gd.g, gd.cancel = g, cancel
	gd.begun = g.now()
	gd.last = gd.begun
	d := min(g.target.IdleTimeout, g.target.Timeout)
	if gd.timer == nil {
		gd.timer = time.AfterFunc(d, gd.check)
		return
	}
	gd.timer.Reset(d)
}

func (gd *guard) seen(now time.Duration) {
	gd.mu.Lock()
	gd.last = now
	gd.mu.Unlock()
}

func (gd *guard) end() {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	gd.timer.Stop()
	gd.cancel = nil
}

func (gd *guard) check() {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	if gd.cancel == nil {
		return
	}
	now := gd.g.now()
	idle := gd.g.target.IdleTimeout - (now - gd.last)
	total := gd.g.target.Timeout - (now - gd.begun)
	switch {
	case total <= 0:
		gd.cancel(errTimeout)
	case idle <= 0:
		gd.cancel(errIdle)
	default:
		gd.timer.Reset(min(idle, total))
	}
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
