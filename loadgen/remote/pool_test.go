package remote

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/turn"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/memory"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

func TestMain(m *testing.M) {
	if serving() {
		return
	}
	goleak.VerifyTestMain(turn.M{M: m, Parallel: 4})
}

// fleet is a pool and its workers in one process, beside a simulated server.
type fleet struct {
	*Pool
	srv     *simserver.Server
	workers []*memory.Listener
	// via, if not nil, stands between the pool and worker i.
	via func(i int, c net.Conn) net.Conn
	// reach, if not nil, opens the connections of worker i to the server.
	reach func(i int, c net.Conn) (net.Conn, error)
	sent  sent
}

// newFleet starts n workers. It must be closed.
func newFleet(t *testing.T, n int, change func(*loadgen.Target)) *fleet {
	t.Helper()
	return modelFleet(t, n, simserver.Model{}, change)
}

// modelFleet is newFleet beside a server of the given model.
func modelFleet(t *testing.T, n int, model simserver.Model, change func(*loadgen.Target)) *fleet {
	t.Helper()
	f := &fleet{srv: simserver.NewInMemory(model)}
	target := loadgen.Target{URL: f.srv.URL, Metrics: []string{}, SamePrompts: true}
	if change != nil {
		change(&target)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	for i := range n {
		l := memory.Listen("worker")
		f.workers = append(f.workers, l)
		serving.Go(func() {
			o := Options{Name: fmt.Sprintf("w%d", i), Node: fmt.Sprintf("n%d", i/2)}
			o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := f.srv.Dial(ctx, network, addr)
				if err == nil && f.reach != nil {
					return f.reach(i, c)
				}
				return f.sent.record(c), err
			}
			assert.NoError(t, Serve(ctx, l, o))
		})
	}
	f.Pool = &Pool{Target: target, N: n, Dial: func(ctx context.Context, i int) (net.Conn, error) {
		c, err := f.workers[i].Dial(ctx)
		if err == nil && f.via != nil {
			c = f.via(i, c)
		}
		return c, err
	}}
	t.Cleanup(func() {
		_ = f.Pool.Close()
		cancel()
		serving.Wait()
		f.srv.Close()
	})
	return f
}

// sent collects what is written to the server.
type sent struct {
	mu    sync.Mutex
	bytes []byte
}

type recorded struct {
	net.Conn
	to *sent
}

func (s *sent) record(c net.Conn) net.Conn { return recorded{c, s} }

func (r recorded) Write(b []byte) (int, error) {
	r.to.mu.Lock()
	r.to.bytes = append(r.to.bytes, b...)
	r.to.mu.Unlock()
	return r.Conn.Write(b)
}

// size is the number of bytes that were written.
func (s *sent) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bytes)
}

var prompt = regexp.MustCompile(`"content":"([^"]*)"`)

// prompts counts the prompts by their text.
func (s *sent) prompts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, m := range prompt.FindAllSubmatch(s.bytes, -1) {
		n[string(m[1])]++
	}
	return n
}

// direct measures the loads by one generator.
func direct(t *testing.T, model simserver.Model, change func(*loadgen.Target), loads []loadgen.Load) (all []*loadgen.Measurement) {
	t.Helper()
	srv := simserver.NewInMemory(model)
	defer srv.Close()
	target := loadgen.Target{URL: srv.URL, Metrics: []string{}, SamePrompts: true, Dial: srv.Dial}
	if change != nil {
		change(&target)
	}
	g, err := loadgen.New(target)
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	for _, l := range loads {
		m, err := g.Probe(t.Context(), l, nil)
		require.NoError(t, err)
		all = append(all, m)
	}
	return all
}

// complaints are those of one attempt.
type complaints []string

func (c *complaints) Errorf(format string, args ...any) {
	*c = append(*c, fmt.Sprintf(format, args...))
}

// byLuck fails if compare has complaints five times in a row. Of what happens in one instant of
// virtual time, the scheduler decides what is the first, once in a hundred attempts otherwise in
// one process than in the other, and more often on a busy machine.
func byLuck(t *testing.T, compare func(t assert.TestingT)) {
	t.Helper()
	var c complaints
	for range 5 {
		c = nil
		if compare(&c); len(c) == 0 {
			return
		}
	}
	t.Errorf("five attempts, each with complaints, the last: %s", strings.Join(c, "\n"))
}

// same complains if two measurements differ in a bit of a statistic. Under the race detector it
// does not compare: of what happens in one instant, another is nearly always the first there.
func same(t assert.TestingT, want, got *loadgen.Measurement) {
	if slow.Race {
		return
	}
	for tag, metric := range want.Metrics {
		for name, v := range metric.Stats {
			w := got.Metrics[tag].Stats[name]
			assert.Equal(t, math.Float64bits(v), math.Float64bits(w), "%s %s: %v, not %v", tag, name, w, v)
		}
		for name, v := range metric.SE {
			assert.Equal(t, math.Float64bits(v), math.Float64bits(got.Metrics[tag].SE[name]), "standard error of %s %s", tag, name)
		}
	}
	assert.Len(t, got.Metrics, len(want.Metrics))
	assert.Equal(t, [3]time.Duration{want.Window, want.Ramp, want.Wall}, [3]time.Duration{got.Window, got.Ramp, got.Wall})
	assert.Equal(t, want.Ended, got.Ended)
	assert.Equal(t, fmt.Sprint(want.Warnings), fmt.Sprint(got.Warnings))
	assert.Equal(t, want.Failures, got.Failures)
	assert.Len(t, got.Others, len(want.Others))
	if assert.Len(t, got.Requests, len(want.Requests)) {
		for i := range want.Requests {
			w, g := &want.Requests[i], &got.Requests[i]
			assert.Equal(t, w.EOF-w.Start, g.EOF-g.Start)
			assert.Equal(t, string(want.Body(w)), string(got.Body(g)), "request %d", i)
		}
	}
}

// alike measures a load that one process has measured, and fails unless the rate is as near to
// what was measured there. One worker measures the same; luck has the complaints if not.
func (f *fleet) alike(t *testing.T, luck assert.TestingT, l loadgen.Load, want *loadgen.Measurement, rate loadgen.Tag,
	near float64) *loadgen.Measurement {
	t.Helper()
	got, err := f.Probe(t.Context(), l, nil)
	require.NoError(t, err)
	if f.N == 1 {
		same(luck, want, got)
	}
	a, _ := want.Stat(rate, "avg")
	b, _ := got.Stat(rate, "avg")
	assert.InEpsilon(t, a, b, near)
	t.Logf("%s: %v, %v", rate, a, b)
	return got
}

// TestPool: N workers measure what one process measures, and one worker the same, bit for bit.
func TestPool(t *testing.T) {
	for name, loads := range map[string][]loadgen.Load{
		"closed":  {{Concurrency: 5, ISL: 100, OSL: 16, Requests: 60}, {Concurrency: 12, ISL: 100, OSL: 16, Requests: 120}},
		"open":    {{Rate: 12, Arrival: "poisson", ISL: 100, OSL: 16, Requests: 80}, {Rate: 16, ISL: 100, OSL: 16, Requests: 60}},
		"short":   {{Concurrency: 5, ISL: 100, OSL: 16, Requests: 600, Window: 3 * time.Second}},
		"limited": {{Rate: 12, Arrival: "poisson", MostInFlight: 3, ISL: 100, OSL: 16, Requests: 60}},
		"one":     {{Concurrency: 1, ISL: 100, OSL: 16, Requests: 10}},
		"long":    {{Concurrency: 5, ISL: 100, OSL: 16, Requests: 60, Least: 4 * time.Second}},
	} {
		for _, n := range []int{1, 2, 4, 7} {
			t.Run(fmt.Sprintf("%s over %d", name, n), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					byLuck(t, func(luck assert.TestingT) {
						want := direct(t, simserver.Model{}, nil, loads)
						f := newFleet(t, n, nil)
						require.NoError(t, f.Ready(t.Context()))
						for i, l := range loads {
							got := f.alike(t, luck, l, want[i], loadgen.TagTokenRate, 0.1)
							if l.Least == 0 {
								assert.Len(t, got.Requests, len(want[i].Requests))
							} else { // the window is as long, and n workers are not in one order
								assert.InDelta(t, l.Least.Seconds(), got.Window.Seconds(), 0.1)
								assert.InEpsilon(t, len(want[i].Requests), len(got.Requests), 0.1)
							}
							t.Logf("%d bytes, skew %v", f.members[0].read.Load(), f.skew)
						}
					})
				})
			})
		}
	}
}

// cutOff is a connection that breaks behind so many writes, or reads, of messages.
type cutOff struct {
	net.Conn
	mu    *sync.Mutex
	after *int
}

func (c cutOff) count() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *c.after--; *c.after < 0 {
		c.Conn.Close()
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (c cutOff) Write(b []byte) (int, error) {
	if err := c.count(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c cutOff) Read(b []byte) (int, error) {
	if err := c.count(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// TestLoss: whatever message a worker is lost at, the probe ends with a *WorkerError, or was
// over, and the next one measures again with all workers.
func TestLoss(t *testing.T) {
	load := loadgen.Load{Concurrency: 3, ISL: 50, OSL: 2, Requests: 9}
	ended := map[string]int{}
	for k := 0; ; k += 1 + k/25 {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 2, nil)
			var once sync.Once
			left, mu := k, sync.Mutex{}
			f.via = func(i int, c net.Conn) net.Conn {
				if i == 1 {
					once.Do(func() { c = cutOff{c, &mu, &left} })
				}
				return c
			}
			if err := f.Ready(t.Context()); err != nil {
				var lost *WorkerError
				require.ErrorAs(t, err, &lost)
				assert.Equal(t, "w1", lost.Worker)
				ended["ready"]++
			}
			for range 2 {
				m, err := f.Probe(t.Context(), load, nil)
				if err != nil {
					var lost *WorkerError
					require.ErrorAs(t, err, &lost)
					ended["probe"]++
					m, err = f.Probe(t.Context(), load, nil)
				}
				require.NoError(t, err)
				assert.Len(t, m.Requests, 9)
			}
			mu.Lock()
			whole = left > 0
			mu.Unlock()
		})
		if whole {
			t.Logf("%d messages, ended %v", k, ended)
			assert.Greater(t, ended["probe"], 10)
			return
		}
	}
}

// TestPromptsOnce: no two workers send the same prompt, and neither do two levels.
func TestPromptsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 4, func(t *loadgen.Target) { t.SamePrompts = false })
		for _, c := range []int{6, 3, 9} {
			_, err := f.Probe(t.Context(), loadgen.Load{Concurrency: c, ISL: 40, OSL: 4, Requests: 60}, nil)
			require.NoError(t, err)
		}
		all, twice := 0, 0
		for _, n := range f.sent.prompts() {
			all += n
			if n > 1 {
				twice += n - 1
			}
		}
		t.Logf("%d prompts, %d twice", all, twice)
		assert.Greater(t, all, 180)
		// Each worker asks the endpoint two questions of its own in Ready, which have the words
		// of the number that they are of.
		assert.LessOrEqual(t, twice, 0)
	})
}
