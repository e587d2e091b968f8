package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// Options are those of a worker. The zero Options is a worker without keys.
type Options struct {
	// Keys are the worker's. If it is nil, the listener must be that of a loopback address or of
	// no network at all, unless Open is set.
	Keys *Keys
	// Open lets a worker without keys listen on any address: whoever reaches it can aim it.
	Open bool
	// Name and Node are what the worker calls itself and where it runs, for messages. They are
	// the host's name if they are empty.
	Name, Node string
	// Orphan is how long the worker waits for a pool, at its beginning and between two of them,
	// until Serve returns nil. 0 means for ever.
	Orphan time.Duration
	// Log, if not nil, is told in one line whenever a pool has come, left or been refused.
	Log func(text string)
	// APIKey is the endpoint's key for targets that come without one, so that whoever runs the
	// test need not have it.
	APIKey string
	// Dial opens connections to the endpoint. If it is nil, a net.Dialer does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// worker is a process that serves pools.
type worker struct {
	Options
	tls  *tls.Config
	beat time.Duration

	mu sync.Mutex
	// run and who are the run that holds the worker and how it is called, empty if there is
	// none; since is when it came, and links its connections.
	run, who string
	since    time.Time
	links    int
	orphan   *time.Timer
}

// handshakePatience is how long a connection may take until its hello is there.
const handshakePatience = 10 * time.Second

// Serve is a worker: it serves the pools that connect to l, one run after another, until ctx
// ends or Orphan is over, and closes l. The load of a pool ends with its connection. The
// error is the listener's, nil at a planned end.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	defer l.Close()
	w := &worker{Options: o, beat: beat}
	if o.Keys != nil {
		config, err := o.Keys.config()
		if err != nil {
			return err
		}
		w.tls = config
	} else if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && !o.Open {
		return fmt.Errorf("listen on %s without keys: whoever reaches a worker can aim it at anything; "+
			"give it keys, or listen on 127.0.0.1", a)
	}
	host, _ := os.Hostname()
	if w.Name == "" {
		w.Name = host
	}
	if w.Node == "" {
		w.Node = host
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Orphan > 0 {
		w.orphan = time.AfterFunc(o.Orphan, cancel)
		defer w.orphan.Stop()
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel() // before the sessions are waited for
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("listen for pools: %w", err)
		}
		sessions.Go(func() {
			if err := w.session(ctx, c); err != nil && ctx.Err() == nil {
				w.log("connection of %s: %v", c.RemoteAddr(), err)
			}
		})
	}
}

func (w *worker) log(format string, args ...any) {
	if w.Log != nil {
		w.Log(fmt.Sprintf(format, args...))
	}
}

// take lets a run have the worker. The fault says who has it otherwise.
func (w *worker) take(h *hello) *fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.links > 0 && w.run != h.Run {
		return &fault{Text: fmt.Sprintf("it is held by %s, since %v", w.who, time.Since(w.since).Round(time.Second))}
	}
	if w.links == 0 {
		w.run, w.who, w.since = h.Run, h.Who, time.Now()
		if w.orphan != nil {
			w.orphan.Stop()
		}
		w.log("held by %s", h.Who)
	}
	w.links++
	return nil
}

// release takes back what take gave.
func (w *worker) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.links--; w.links > 0 {
		return
	}
	w.log("released by %s", w.who)
	if w.run = ""; w.orphan != nil {
		w.orphan.Reset(w.Orphan)
	}
}

// session serves one pool until its connection ends.
func (w *worker) session(ctx context.Context, c net.Conn) error {
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	plain := c
	defer context.AfterFunc(ctx, func() { plain.Close() })()
	_ = c.SetReadDeadline(time.Now().Add(handshakePatience))
	if w.tls != nil {
		c = tls.Server(c, w.tls)
	}
	s := &session{worker: w, link: newLink(c)}
	var first down
	if err := s.dec.Decode(&first); err != nil {
		return err
	}
	if first.Hello == nil {
		return errors.New("it did not begin with a hello")
	}
	refused := first.Hello.greeted(version())
	if refused == nil {
		if refused = w.take(first.Hello); refused == nil {
			defer w.release()
		}
	}
	if refused != nil {
		_ = s.send(up{Fault: refused})
		return errors.New(refused.Text)
	}
	if err := s.send(up{Welcome: &welcome{Name: w.Name, Node: w.Node, Codecs: codec.Names()}}); err != nil {
		return err
	}
	defer s.end()
	defer cancel() // before it is waited for what the session does
	for {
		_ = s.SetReadDeadline(time.Now().Add(missed * w.beat))
		var d down
		if err := s.dec.Decode(&d); err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := s.handle(ctx, d); err != nil {
			return err
		}
	}
}

// session is the connection of one pool, and what works for it.
type session struct {
	*worker
	*link
	working sync.WaitGroup
	g       *loadgen.Generator
	// orders leads to the probe with the number probe, and cancel ends its load.
	orders chan share.Order
	probe  uint64
	cancel context.CancelFunc
	// measured is closed once the last thing that was to be done is; nil before the first.
	measured chan struct{}
}

// end waits for what the session does, and closes its generator.
func (s *session) end() {
	s.stop()
	s.working.Wait()
	if s.g != nil {
		_ = s.g.Close()
	}
}

// stop ends the load of the session.
func (s *session) stop() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// reply says done, or what is wrong.
func (s *session) reply(err error) {
	if err != nil {
		_ = s.send(up{Fault: faultOf(err, 0)}) // whoever does not hear it is gone
		return
	}
	_ = s.send(up{Done: true})
}

// handle does what the pool says. What takes time is done beside: pings are always answered.
func (s *session) handle(ctx context.Context, d down) error {
	switch {
	case d.Ping != nil:
		p := &pong{Sent: d.Ping.At}
		if s.g != nil {
			p.At = s.g.Elapsed()
		}
		return s.send(up{Pong: p})
	case d.Setup != nil:
		s.reply(s.setup(d.Setup))
		return nil
	case s.g == nil:
		return errors.New("it did not say what to load")
	case d.Order != nil:
		if d.Order.Probe == s.probe && s.orders != nil {
			select {
			case s.orders <- d.Order.Order:
			case <-ctx.Done():
			}
		}
	case d.Ready:
		s.beside(func() {
			if err := s.g.Ready(ctx); err != nil {
				s.reply(err)
				return
			}
			f := s.g.Facts()
			_ = s.send(up{Facts: &f})
		})
	case d.Adopt != nil:
		s.g.Adopt(ctx, *d.Adopt, false)
		s.reply(nil)
	case d.Alive:
		s.beside(func() { s.reply(s.g.Alive(ctx)) })
	case d.Rest:
		s.beside(func() {
			s.g.Rest()
			s.reply(nil)
		})
	case d.Stop:
		s.stop()
	case d.Raise != nil:
		s.raise(ctx, d.Raise)
	}
	return nil
}

// beside does something beside the session, behind what was to be done before: the generator's
// methods are called one at a time.
func (s *session) beside(do func()) {
	before, done := s.measured, make(chan struct{})
	s.measured = done
	s.working.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		do()
	})
}

// setup makes the generator of the session.
func (s *session) setup(d *setup) error {
	t, err := loadgen.Target{}.Unpack(d.Target)
	if err != nil {
		return err
	}
	t.Dial = s.Dial
	if t.APIKey == "" {
		t.APIKey = s.APIKey
	}
	t.Waiting = func(err error) { _ = s.send(up{Waiting: err.Error()}) }
	s.g, err = loadgen.New(t)
	return err
}

// raise measures a part of a probe. Its load goes on behind it, until the next one or stop.
func (s *session) raise(ctx context.Context, d *raise) {
	before := s.cancel
	load, cancel := context.WithCancel(ctx)
	orders := make(chan share.Order, 64)
	s.probe, s.orders, s.cancel = d.Probe, orders, cancel
	s.beside(func() {
		say := func(r share.Report) error { return s.report(&report{d.Probe, r}) }
		l, err := loadgen.Load{}.Unpack(d.Load)
		if err == nil {
			err = s.g.Share(load, l, d.Part, orders, say)
		}
		if before != nil {
			before() // the load hangs on the new context
		}
		if err != nil && load.Err() == nil {
			_ = s.send(up{Fault: faultOf(err, d.Probe)})
		}
	})
}
