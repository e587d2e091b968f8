package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/memory"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// closedLoad is a small closed loop.
var closedLoad = loadgen.Load{Concurrency: 6, ISL: 50, OSL: 8, Requests: 60}

// counting stops a probe at so many requests, and notes their places.
type counting struct {
	until int
	seen  []int
}

func (c *counting) Seen(q loadgen.Request) bool {
	c.seen = append(c.seen, q.Index)
	return len(c.seen) >= c.until
}

// TestEarlyEnd: the Decider sees the requests of all workers in one order, each once, and ends
// the probe. With one worker that is in the same instant as in one process.
func TestEarlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 3} {
			byLuck(t, func(luck assert.TestingT) {
				f := newFleet(t, n, nil)
				own, far := &counting{until: 25}, &counting{until: 25}
				srv := simserver.NewInMemory(simserver.Model{})
				g, err := loadgen.New(loadgen.Target{URL: srv.URL, Metrics: []string{}, SamePrompts: true, Dial: srv.Dial})
				require.NoError(t, err)
				require.NoError(t, g.Ready(t.Context()))
				want, err := g.Probe(t.Context(), closedLoad, own)
				require.NoError(t, err)
				got, err := f.Probe(t.Context(), closedLoad, far)
				require.NoError(t, err)
				assert.Equal(t, loadgen.EndedDecided, got.Ended)
				assert.Equal(t, own.seen, far.seen)
				if n == 1 {
					same(luck, want, got)
				}
				v, _ := got.Stat(loadgen.TagInFlight, "avg")
				assert.InDelta(t, 6, v, 0.1)
				assert.GreaterOrEqual(t, len(got.Requests), 25)
				_ = g.Close()
				srv.Close()
			})
		}
	})
}

// hanging is a connection of which nothing comes any more once it is told so.
type hanging struct {
	net.Conn
	stuck *atomic.Bool
	done  chan struct{}
	once  *sync.Once
}

func (h hanging) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if h.stuck.Load() && err == nil {
		<-h.done
		return 0, net.ErrClosed
	}
	return n, err
}

func (h hanging) Close() error {
	h.once.Do(func() { close(h.done) })
	return h.Conn.Close()
}

// TestLossInWords: a process that is killed is named as what may be behind a connection that ends
// and behind one that is reset, which depends on whether all that was sent to it had been read.
func TestLossInWords(t *testing.T) {
	reset := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	for _, err := range []error{io.EOF, reset(syscall.ECONNRESET), reset(syscall.EPIPE)} {
		assert.ErrorContains(t, new(member).loss(err), "was killed", "%v", err)
	}
	assert.EqualError(t, new(member).loss(tls.RecordHeaderError{Msg: "what"}), "its connection broke: tls: what")
}

// TestSilence: a worker that hangs, or that the network has lost, is noticed after three beats.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, nil)
		var stuck atomic.Bool
		f.via = func(i int, c net.Conn) net.Conn {
			if i == 2 {
				return hanging{c, &stuck, make(chan struct{}), new(sync.Once)}
			}
			return c
		}
		require.NoError(t, f.Ready(t.Context()))
		time.AfterFunc(time.Second, func() { stuck.Store(true) })
		began := time.Now()
		long := closedLoad
		long.Requests = 10_000
		_, err := f.Probe(t.Context(), long, nil)
		lost := (*WorkerError)(nil)
		require.ErrorAs(t, err, &lost)
		assert.Equal(t, "worker w2 (n1): it has not answered for too long; it hangs, or the network lost it", err.Error())
		assert.Less(t, time.Since(began), time.Second+(missed+2)*beat)
		stuck.Store(false)
		m, err := f.Probe(t.Context(), closedLoad, nil)
		require.NoError(t, err)
		assert.Len(t, m.Requests, 60)
	})
}

// TestCancelled: a context that ends in mid-probe ends the probe with its cause and the load of
// all workers, and the next probe measures as if nothing had been.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, nil)
		require.NoError(t, f.Ready(t.Context()))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(cause) })
		_, err := f.Probe(ctx, closedLoad, nil)
		require.ErrorIs(t, err, cause)
		assert.Equal(t, "probe concurrency 6: enough", err.Error())
		time.Sleep(time.Second)
		before := len(f.sent.prompts())
		time.Sleep(10 * time.Second)
		assert.Len(t, f.sent.prompts(), before, "nobody sends any more")
		for range 2 {
			m, err := f.Probe(t.Context(), closedLoad, nil)
			require.NoError(t, err)
			assert.Len(t, m.Requests, 60)
		}
		// The load goes on between two probes, and ends with Rest and with the context.
		ctx, cancel = context.WithCancelCause(t.Context())
		_, err = f.Probe(ctx, closedLoad, nil)
		require.NoError(t, err)
		cancel(cause)
		time.Sleep(time.Second)
		before = f.sent.size()
		time.Sleep(10 * time.Second)
		assert.Equal(t, before, f.sent.size())
		f.Rest()
	})
}

// TestHeld: a worker is one run's at a time, and says whose.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		f.Who, f.Run = "TestA", "a"
		require.NoError(t, f.Ready(t.Context()))
		other := &Pool{Target: f.Target, N: 2, Dial: f.Dial, Who: "TestB", Run: "b", StartTimeout: 2 * time.Second}
		err := other.Ready(t.Context())
		require.ErrorAs(t, err, new(*WorkerError))
		assert.ErrorContains(t, err, ": not there after 2s: it is held by TestA, since ")
		second := &Pool{Target: f.Target, N: 2, Dial: f.Dial, Run: "a"}
		require.NoError(t, second.Ready(t.Context()), "the other endpoint of a comparison")
		_ = f.Close()
		_ = second.Close()
		require.NoError(t, other.Ready(t.Context()))
		m, err := other.Probe(t.Context(), closedLoad, nil)
		require.NoError(t, err)
		assert.Len(t, m.Requests, 60)
		_ = other.Close()
		_ = other.Close()
		_, err = other.Probe(t.Context(), closedLoad, nil)
		assert.EqualError(t, err, "the pool of workers is closed")
	})
}

// answering is a worker that answers the first message with the given ones.
func answering(t *testing.T, all ...up) func(context.Context, int) (net.Conn, error) {
	return func(context.Context, int) (net.Conn, error) {
		a, b := net.Pipe()
		go func() {
			l := newLink(b)
			var d down
			_ = l.dec.Decode(&d)
			for _, u := range all {
				_ = l.send(u)
			}
			_ = l.dec.Decode(&d)
			b.Close()
		}()
		return a, nil
	}
}

// TestRefused: what cannot work is refused before anything is sent, in words that say why.
func TestRefused(t *testing.T) {
	target := loadgen.Target{URL: "http://127.0.0.1:1", Metrics: []string{}}
	with := func(change func(*loadgen.Target)) loadgen.Target {
		own := target
		change(&own)
		return own
	}
	nobody := func(context.Context, int) (net.Conn, error) { return nil, errors.New("connection refused") }
	for name, tt := range map[string]struct {
		pool Pool
		want string
	}{
		"no workers": {Pool{Target: target, Dial: nobody}, "N is 0; a pool needs at least 1 worker"},
		"a function": {Pool{Target: with(func(t *loadgen.Target) { t.Dial = new(net.Dialer).DialContext }), N: 1, Dial: nobody},
			"Dial is a function, which cannot be sent to workers; leave it out"},
		"a TLS": {Pool{Target: with(func(t *loadgen.Target) { t.TLS = &tls.Config{} }), N: 1, Dial: nobody},
			"TLS has functions and open files; use CAFile, CertFile and KeyFile, which cannot be sent to workers; leave it out"},
		"a channel": {Pool{Target: with(func(t *loadgen.Target) { t.Body = map[string]any{"c": make(chan int)} }), N: 1, Dial: nobody},
			`Body cannot be sent to workers: field "c": json: unsupported type: chan int`},
		"a file": {Pool{Target: with(func(t *loadgen.Target) { t.Prompts = "none.jsonl" }), N: 1, Dial: nobody},
			"Prompts cannot be read: open none.jsonl: no such file or directory"},
		"nobody": {Pool{Target: target, N: 1, Dial: nobody, StartTimeout: time.Second},
			"worker 0: not there after 1s: connection refused"},
		"another version": {Pool{Target: target, N: 1, Dial: answering(t, up{Fault: &fault{Kind: "version", Version: "v9", Protocol: 9}})},
			"worker 0: it is of version v9 (protocol 9), and this test of version " + version() + " (protocol 2); " +
				"build the worker with the version of the test: go build github.com/aiperf-go/aiperf/loadgen/remote/aiperf-worker"},
		"a codec": {Pool{Target: target, N: 1, Dial: answering(t, up{Welcome: &welcome{Name: "w", Node: "n", Codecs: []string{"x"}}})},
			`Protocol "chat" is a codec of this test, which worker w (n) does not have; ` +
				"register it in a worker of your own, whose main calls remote.Serve"},
		"no worker": {Pool{Target: target, N: 1, Dial: answering(t, up{Done: true}), StartTimeout: time.Second},
			"worker 0: not there after 1s: what answers is no worker of aiperf"},
		"silence": {Pool{Target: target, N: 1, Dial: answering(t), StartTimeout: 2 * time.Second},
			"worker 0: not there after 2s: read pipe: i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &tt.pool
				defer p.Close()
				err := p.Ready(t.Context())
				require.Error(t, err)
				if name != "silence" {
					assert.Equal(t, tt.want, err.Error())
				}
			})
		})
	}
}

// TestUnreachable: of an endpoint that some workers do not reach the error says which, before
// and during a probe.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 4, func(t *loadgen.Target) { t.ReadyTimeout = 2 * time.Second })
		gone := map[int]*atomic.Bool{}
		for i := range 4 {
			gone[i] = new(atomic.Bool)
		}
		f.reach = func(i int, c net.Conn) (net.Conn, error) {
			if gone[i].Load() {
				c.Close()
				return nil, errors.New("dial tcp: connect: no route to host")
			}
			return severed{c, gone[i]}, nil
		}
		gone[1].Store(true)
		gone[2].Store(true)
		err := f.Ready(t.Context())
		u := (*loadgen.UnreachableError)(nil)
		require.ErrorAs(t, err, &u)
		assert.Contains(t, err.Error(), "2 of the 4 workers cannot (worker w1 (n0), worker w2 (n1)): not ready after 2s: ")
		assert.Contains(t, err.Error(), "look for what stands between these workers and the endpoint, such as a firewall or a NetworkPolicy")
		gone[1].Store(false)
		gone[2].Store(false)
		require.NoError(t, f.Ready(t.Context()))
		_, err = f.Probe(t.Context(), closedLoad, nil)
		require.NoError(t, err)

		for _, lost := range [][]int{{3}, {0, 1, 2, 3}} {
			time.AfterFunc(time.Second, func() {
				for _, i := range lost {
					gone[i].Store(true)
				}
			})
			long := closedLoad
			long.Requests = 10_000
			_, err = f.Probe(t.Context(), long, nil)
			require.ErrorAs(t, err, &u)
			if len(lost) == 1 {
				assert.Contains(t, err.Error(), "probe concurrency 6: reach endpoint http://simserver.invalid:80: "+
					"1 of the 4 workers cannot (worker w3 (n1)): ")
			} else {
				assert.Contains(t, err.Error(), "none of the 4 workers can: ")
				assert.Contains(t, err.Error(), "check the URL and that the server runs")
			}
			for i := range 4 {
				gone[i].Store(false)
			}
			require.NoError(t, f.Ready(t.Context()))
			_, err = f.Probe(t.Context(), closedLoad, nil)
			require.NoError(t, err)
		}
	})
}

// severed is a connection that breaks once it is told so.
type severed struct {
	net.Conn
	gone *atomic.Bool
}

func (s severed) Write(b []byte) (int, error) {
	if s.gone.Load() {
		s.Conn.Close()
		return 0, net.ErrClosed
	}
	return s.Conn.Write(b)
}

// TestFailures: a probe of which everything fails ends as soon as over one worker, by the
// failures of all; so does one that the server does not keep up with.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 4} {
			f := newFleet(t, n, nil)
			bad := new(atomic.Bool)
			f.reach = func(_ int, c net.Conn) (net.Conn, error) { return severed{c, bad}, nil }
			require.NoError(t, f.Ready(t.Context()))
			bad.Store(true)
			m, err := f.Probe(t.Context(), loadgen.Load{Concurrency: 12, ISL: 50, OSL: 8, Requests: 1000}, nil)
			require.NoError(t, err)
			assert.Equal(t, loadgen.EndedFailures, m.Ended)
			assert.Less(t, len(m.Requests), 30)
			failed := 0
			for _, f := range m.Failures {
				failed += f.Count
				// In which words depends on whether the transport's reader or its writer is the first to notice.
				assert.Equal(t, loadgen.FailedBroken, f.Kind)
			}
			assert.Equal(t, len(m.Requests), failed)
		}
		for _, n := range []int{1, 4} {
			f := modelFleet(t, n, simserver.Model{MaxBatch: 4}, nil)
			m, err := f.Probe(t.Context(), loadgen.Load{Rate: 40, Arrival: "poisson", ISL: 50, OSL: 32, Requests: 2000}, nil)
			require.NoError(t, err)
			assert.Equal(t, loadgen.EndedOverload, m.Ended)
			assert.ErrorIs(t, errors.Join(m.Warnings...), loadgen.ErrUnstable)
			assert.Less(t, m.Window, 6*time.Second)
		}
	})
}

// TestKeys: only the two halves of one NewKeys talk with each other.
func TestKeys(t *testing.T) {
	client, worker, err := NewKeys(time.Hour)
	require.NoError(t, err)
	stranger, _, err := NewKeys(time.Hour)
	require.NoError(t, err)
	past, _, err := NewKeys(-time.Minute)
	require.NoError(t, err)
	serve := func(k *Keys) func(context.Context, int) (net.Conn, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, l, Options{Keys: k}) }()
		t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
		return func(ctx context.Context, _ int) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		}
	}
	secure, open := serve(worker), serve(nil)
	for name, tt := range map[string]struct {
		dial func(context.Context, int) (net.Conn, error)
		keys *Keys
		want string
	}{
		"none":             {secure, nil, "not there after"},
		"another run's":    {secure, stranger, "its keys do not fit"},
		"expired":          {secure, past, "its keys do not fit"},
		"the worker's own": {secure, worker, "not there after"},
		"no keys there":    {open, client, "its keys do not fit"},
	} {
		p := &Pool{Target: loadgen.Target{URL: "http://127.0.0.1:1", Metrics: []string{}}, N: 1, Dial: tt.dial, Keys: tt.keys,
			StartTimeout: 200 * time.Millisecond}
		err := p.Ready(t.Context())
		if assert.ErrorAs(t, err, new(*WorkerError), name) {
			assert.ErrorContains(t, err, tt.want, name)
		}
		_ = p.Close()
	}
	dir := t.TempDir()
	require.NoError(t, client.Write(dir))
	again, err := ReadKeys(dir)
	require.NoError(t, err)
	p := &Pool{Target: loadgen.Target{URL: "http://127.0.0.1:1", Metrics: []string{}, ReadyTimeout: 10 * time.Millisecond}, N: 1,
		Dial: secure, Keys: again}
	assert.ErrorAs(t, p.Ready(t.Context()), new(*loadgen.UnreachableError), "the worker is reached, and the endpoint is not")
	_ = p.Close()
	_, err = ReadKeys(t.TempDir())
	assert.ErrorContains(t, err, "read the keys of workers: open ")

	l, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	assert.ErrorContains(t, Serve(t.Context(), l, Options{}), "without keys: whoever reaches a worker can aim it at anything")
}

// TestOrphan: a worker that no pool wants for long enough ends, and its listener with it.
func TestOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.Listen("worker")
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- Serve(t.Context(), l, Options{Orphan: time.Minute}) }()
		time.Sleep(50 * time.Second)
		c, err := l.Dial(t.Context())
		require.NoError(t, err)
		k := newLink(c)
		require.NoError(t, k.send(down{Hello: &hello{Protocol: protocol, Run: "r"}}))
		var u up
		require.NoError(t, k.dec.Decode(&u))
		require.NotNil(t, u.Welcome)
		time.Sleep(5 * time.Second)
		c.Close()
		require.NoError(t, <-done)
		assert.Equal(t, 115*time.Second, time.Since(began))
	})
}

// TestFaults: errors have their types and their texts on the other side.
func TestFaults(t *testing.T) {
	for _, err := range []error{
		&loadgen.TargetError{Field: "URL", Problem: "is bad"},
		&loadgen.UnreachableError{URL: "http://h", Err: errors.New("refused"), Remedy: "wait"},
		&loadgen.UnauthorizedError{URL: "http://h", Status: 401, HasKey: true, Asked: "GET x", Said: "no", List: true},
		&loadgen.UnknownModelError{URL: "http://h", Model: "m", Served: []string{"a", "b"}},
		&loadgen.ProtocolError{URL: "http://h", Problem: "p", Remedy: "r"},
		errors.New("plain"),
	} {
		assert.Equal(t, err, faultOf(err, 0).errorOf())
		wrapped := errors.Join(err)
		assert.Equal(t, wrapped.Error(), faultOf(wrapped, 0).errorOf().Error())
	}
}
