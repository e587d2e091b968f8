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

// slot is one client. In a closed loop it sends a request, reads the answer to its end,
// and at once sends the next; in an open loop it sends the requests that it is given.
type slot struct {
	g  *Generator
	id int // −1 in an open loop
	// ctx is the load's context with this slot's trace.
	ctx context.Context
	// to is where requests go, nil to send them to all endpoints in turn.
	to    *endpoint
	guard guard
	trace trace
	entry entry
	// sending is called when the current request is about to be written, nil for nothing.
	sending func()
	// talk is the conversation that goes on with the slot's next request, nil if another
	// begins.
	talk *talk
	// lingers says that the last answer's body had not ended in time behind [DONE].
	lingers bool
}

// trace is what the hooks of net/http saw of the current request. They run on the
// slot's goroutine, so there is no lock.
type trace struct {
	// asked is when net/http asked for a connection, start when it first had one, and dial
	// the time between the two if that was new. again is when it asked for a second one.
	asked, start, dial, again time.Duration
	// conns counts the connections of the request: one, and one more for each
	// replay. connected says that the last of them was had.
	conns     int
	connected bool
	// kept says that the first of them had carried other requests before, and reused
	// that the last of them had.
	kept, reused bool
}

// newSlot returns a slot that works until ctx ends. Its trace is made once and not for
// every request.
func newSlot(ctx context.Context, g *Generator, id int) *slot {
	s := &slot{g: g, id: id}
	s.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			s.trace.asked, s.trace.connected = g.now(), false
			if s.trace.conns == 1 {
				s.trace.again = s.trace.asked
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			// Start is when the first connection was had: whoever waits for the answer
			// of a replayed request also waits for its first attempt.
			//
			// Note: the hook WroteRequest would be later by the write itself. But it
			// runs on another goroutine of the transport, so that the trace would
			// need a lock, and it can come after the first byte of the answer.
			s.trace.conns++
			s.trace.connected = true
			s.trace.reused = info.Reused
			if s.trace.conns > 1 {
				return
			}
			s.trace.kept = info.Reused
			s.trace.start = g.now()
			if s.sending != nil {
				s.sending()
			}
			if !info.Reused {
				s.trace.dial = s.trace.start - s.trace.asked
			}
		},
	})
	return s
}

// run sends requests until the slot is retired or the load stops. A request is due when
// the last one has ended, so that its lag holds whatever the client did in between.
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
		body := tk.body()
		rec.ticket, rec.scheduled = tk, scheduled
		s.perform(rec, body)
		s.heard(rec)
		scheduled = rec.eof
		next := rec.eof + rec.thought
		pause := s.finish(rec)
		if gate := s.g.books.gateOf(s); gate != nil {
			select {
			case <-gate:
			case <-s.ctx.Done():
				return
			}
			pause = max(pause, s.g.books.hold(s))
		}
		if think := next - s.g.now(); next > scheduled && think >= pause {
			began := s.g.books.begun()
			if !s.pause(think) {
				return
			}
			if scheduled = next; s.g.books.begun() != began {
				scheduled = s.g.now() // at another level the user has not thought to the end
			}
		} else if pause > 0 {
			if !s.pause(pause) {
				return
			}
			scheduled = s.g.now()
		}
	}
}

// pause waits for d, or until the load has moved to another level, and reports whether the
// load still runs. At another level, the slot waits as all slots do there.
func (s *slot) pause(d time.Duration) bool {
	for probes := s.g.books.begun(); d > 0; d -= pauseStep {
		if !sleep(s.ctx, min(d, pauseStep)) {
			return false
		}
		if s.g.books.moved(s, probes) {
			return sleep(s.ctx, s.g.books.hold(s))
		}
	}
	return true
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

// perform sends one request and fills in rec. It is the hot path: after the send, each
// event costs a read, one clock reading and a copy. Nothing is parsed here, and the
// arena of rec grows only while a slot has not yet seen an answer as long.
func (s *slot) perform(rec *record, body []byte) {
	g := s.g
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.trace = trace{start: g.now()} // remains if no connection is had
	s.guard.begin(g, cancel, rec.ticket.work.idle)
	s.sending = nil
	if rec.ticket.givenUp {
		var up *time.Timer
		s.sending = func() { up = time.AfterFunc(rec.ticket.after, func() { cancel(errGivenUp) }) }
		defer func() {
			if up != nil {
				up.Stop()
			}
		}()
	}

	order := rec.ticket.order
	if k := rec.ticket.talk; k != nil { // all turns go to the server that has the history
		order = k.number
	}
	rec.to = int(order % uint64(len(g.ends)))
	e := g.ends[rec.to]
	if s.to != nil {
		e = s.to
	}
	req := g.request(ctx, e, &rec.ticket, body)
	resp, err := e.transport.RoundTrip(req)
	for (s.trace.reused || req.Close) && s.trace.conns <= replaysMost && isClosed(err) && ctx.Err() == nil {
		req = g.request(ctx, e, &rec.ticket, body)
		resp, err = e.transport.RoundTrip(req)
	}
	if s.trace.kept {
		e.closing.note(s.trace.conns > 1 && s.trace.again-s.trace.start < lostMost)
	}
	rec.start, rec.dial, rec.replays = s.trace.start, s.trace.dial, max(s.trace.conns-1, 0)
	if err != nil {
		defer cancel(nil)
		defer s.guard.end()
		rec.eof, rec.err = g.now(), cause(ctx, err)
		if !s.trace.connected && s.ctx.Err() == nil && !errors.Is(rec.err, errGivenUp) {
			// Whatever the error says: a dial that gets no answer is ended by the
			// guard, which knows nothing of dials.
			rec.err = &dialError{rec.err}
		}
		return
	}
	rec.status = resp.StatusCode
	rec.ctype = resp.Header.Get("Content-Type")
	rec.encoding = resp.Header.Get("Content-Encoding")
	rec.retry = resp.Header.Get("Retry-After")
	if rec.status >= 300 && rec.status < 400 {
		rec.location = resp.Header.Get("Location")
	}
	for {
		rec.body = slices.Grow(rec.body, 4096)
		n, err := resp.Body.Read(rec.body[len(rec.body):cap(rec.body)])
		now := g.now()
		if n > 0 {
			rec.body = rec.body[:len(rec.body)+n]
			rec.reads = append(rec.reads, read{len(rec.body), now})
			s.guard.seen(now)
		}
		switch {
		case rec.size() > rec.charged && !g.budget.charge(rec):
			err = errBudget
		case err == nil && len(rec.body) > largestAnswer:
			err = errLarge
		}
		if err == nil && atDone(rec.body) {
			s.guard.end()
			s.leave(rec, resp.Body, cancel)
			return
		}
		if err != nil {
			rec.eof = now
			if err != io.EOF {
				rec.err = cause(ctx, err)
			}
			s.guard.end()
			resp.Body.Close()
			cancel(nil)
			return
		}
	}
}

// atDone reports whether body ends in the event [DONE], or in message_stop. It is asked after each read, and
// looks at the last bytes alone.
func atDone(body []byte) bool {
	i := len(body)
	for i > 0 && (body[i-1] == '\n' || body[i-1] == '\r') {
		i--
	}
	if i == 0 || i == len(body) {
		return false
	}
	// The last event of the messages API. No text ends like this, since its quotes are escaped.
	if bytes.HasSuffix(body[:i], []byte(`"message_stop"}`)) {
		return true
	}
	if body[i-1] != ']' {
		return false
	}
	body, ok := bytes.CutSuffix(body[:i], []byte("[DONE]"))
	if !ok {
		return false
	}
	body, ok = bytes.CutSuffix(bytes.TrimRight(body, " "), []byte("data:"))
	return ok && (len(body) == 0 || body[len(body)-1] == '\n' || body[len(body)-1] == '\r')
}

// How long a slot waits behind [DONE] for the end of the body, which normally comes with it
// and gives the connection back: first, and after an answer whose end was late. Beyond
// lingerMost, the connection is given up.
const (
	lingerFirst = 5 * time.Millisecond
	lingerNext  = 500 * time.Microsecond
	lingerMost  = 2 * time.Second
)

// leave ends a request at [DONE]. Some servers and gateways end the body much later, and
// a client of OpenAI's goes on meanwhile; so does the slot, while the rest of the body is
// read beside it.
func (s *slot) leave(rec *record, body io.ReadCloser, cancel context.CancelCauseFunc) {
	ended := make(chan struct{})
	s.g.books.running.Go(func() {
		defer close(ended)
		limit := time.AfterFunc(lingerMost, func() { cancel(nil) })
		_, _ = io.Copy(io.Discard, body) // what follows [DONE] does not count
		limit.Stop()
		body.Close()
		cancel(nil)
	})
	wait := lingerFirst
	if s.lingers {
		wait = lingerNext
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
		rec.late = true
	}
	s.lingers = rec.late
	rec.eof = s.g.now()
}

// request makes the HTTP request for a body. http.NewRequest would parse the URL again
// for every request. GetBody lets net/http replay the request, see Target.headers.
func (g *Generator) request(ctx context.Context, e *endpoint, tk *ticket, body []byte) *http.Request {
	session := ""
	if tk.talk != nil {
		session = sessionID(g.run, tk.talk.number)
	}
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           e.route(g.target.path()),
		Host:          e.host,
		Header:        e.requestHeader(requestID(g.run, tk.serial), session),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Close:         e.closing.is(),
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// cause puts the reason why the request was cancelled before the error that the
// cancelling made.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(err, c) {
		return fmt.Errorf("%w (%v)", c, err)
	}
	return err
}

// guard cancels a request that receives nothing for too long or does not end.
//
// Its timer is armed once a request and not once a read, which keeps the timers of the
// runtime out of the hot path. If it fires while the request is alive, it looks at the
// last read and sleeps for the rest.
type guard struct {
	mu sync.Mutex
	g  *Generator
	// cancel is nil while there is no request.
	cancel context.CancelCauseFunc
	// begun is when the request began, and last when something was last received.
	begun, last time.Duration
	// idle is how long nothing may be received.
	idle  time.Duration
	timer *time.Timer
}

// begin watches a request until end.
func (gd *guard) begin(g *Generator, cancel context.CancelCauseFunc, idle time.Duration) {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	gd.g, gd.cancel, gd.idle = g, cancel, idle
	gd.begun = g.now()
	gd.last = gd.begun
	d := min(idle, g.target.Timeout)
	if gd.timer == nil {
		gd.timer = time.AfterFunc(d, gd.check)
		return
	}
	gd.timer.Reset(d)
}

// seen notes that something was received.
func (gd *guard) seen(now time.Duration) {
	gd.mu.Lock()
	gd.last = now
	gd.mu.Unlock()
}

// end stops watching. A check that is under way finds no request.
func (gd *guard) end() {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	gd.timer.Stop()
	gd.cancel = nil
}

// check cancels the request if it is overdue, and sleeps again otherwise.
func (gd *guard) check() {
	gd.mu.Lock()
	defer gd.mu.Unlock()
	if gd.cancel == nil {
		return
	}
	now := gd.g.now()
	idle := gd.idle - (now - gd.last)
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

// sleep waits for d and reports whether ctx is still alive. It returns at once if d is
// not positive.
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
