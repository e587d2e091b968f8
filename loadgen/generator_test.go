package loadgen_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/memory"
)

// pipes is an in-memory listener: everything on it happens in a bubble's virtual
// time.
type pipes struct{ *memory.Listener }

func newPipes() *pipes { return &pipes{memory.Listen("pipe")} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) { return p.Listener.Dial(ctx) }

// scripted answers every inference with the same timing: the first token after
// ttft, each of the others itl later, and the stream's end tail after the last.
type scripted struct {
	ttft, itl, tail time.Duration
	tokens          int

	mu       sync.Mutex
	inFlight int
	most     int
}

// peak is the most requests that were in flight at once.
func (s *scripted) peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		fmt.Fprint(w, `{"data":[{"id":"scripted"}]}`)
		return
	}
	if r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(format string, args ...any) {
		fmt.Fprintf(w, "data: "+format+"\n\n", args...)
		w.(http.Flusher).Flush()
	}
	send(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`)
	time.Sleep(s.ttft)
	for i := range s.tokens {
		if i > 0 {
			time.Sleep(s.itl)
		}
		send(`{"choices":[{"delta":{"content":" word"}}]}`)
	}
	send(`{"choices":[{"delta":{},"finish_reason":"length"}]}`)
	send(`{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":%d}}`, s.tokens)
	time.Sleep(s.tail)
	send("[DONE]")
}

// serve runs h on an in-memory network inside the bubble and hands a ready
// generator to f.
func serve(t *testing.T, h http.Handler, f func(ctx context.Context, g *loadgen.Generator)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		srv := &http.Server{Handler: h}
		go srv.Serve(l)
		g, err := loadgen.New(loadgen.Target{URL: "http://scripted", Dial: l.Dial})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, g.Ready(ctx))
		f(ctx, g)
		cancel()
		require.NoError(t, g.Close())
		require.NoError(t, srv.Shutdown(t.Context()))
		synctest.Wait()
	})
}

// TestExact checks that every number of a scripted server's probe equals the one
// computed by hand.
func TestExact(t *testing.T) {
	h := &scripted{ttft: 50 * time.Millisecond, itl: 10 * time.Millisecond, tail: 30 * time.Millisecond, tokens: 12}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		m, err := g.Probe(ctx, loadgen.Load{Concurrency: 4, ISL: 20, OSL: 12, Requests: 100}, nil)
		require.NoError(t, err)
		assert.Equal(t, loadgen.EndedRequests, m.Ended)
		assert.Len(t, m.Requests, 100)
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], loadgen.ErrLate)
		assert.ErrorContains(t, m.Warnings[0], "100 of 100 ended late, 30ms after")
		for tag, want := range map[string]float64{
			loadgen.TagTTFT:    50,
			loadgen.TagTTST:    10,
			loadgen.TagITL:     10,
			loadgen.TagLatency: 50 + 11*10,
			loadgen.TagOSL:     12,
			loadgen.TagLag:     0,
		} {
			for _, stat := range []string{"avg", "min", "p50", "p99", "max"} {
				v, ok := m.Stat(tag, stat)
				require.True(t, ok, "%s %s", tag, stat)
				assert.Equal(t, want, v, "%s %s", tag, stat)
			}
		}
		// A slot is busy for 50 + 11·10 + 30 = 190 ms a request.
		for tag, want := range map[string]float64{
			loadgen.TagReqRate:   4 / 0.190,
			loadgen.TagTokenRate: 4 * 12 / 0.190,
			loadgen.TagInFlight:  4,
			loadgen.TagCount:     100,
			loadgen.TagErrorRate: 0,
		} {
			v, ok := m.Stat(tag, "avg")
			require.True(t, ok, tag)
			assert.InEpsilon(t, want+1, v+1, 1e-12, tag)
		}
		assert.Equal(t, 4, h.peak())
	})
}

// TestLevels goes up and down without draining and holds each level exactly.
func TestLevels(t *testing.T) {
	h := &scripted{ttft: 20 * time.Millisecond, itl: 5 * time.Millisecond, tokens: 8}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		for _, c := range []int{1, 7, 64, 8, 256, 3} {
			m, err := g.Probe(ctx, loadgen.Load{Concurrency: c, ISL: 20, OSL: 8, Requests: 20 * c}, nil)
			require.NoError(t, err)
			v, _ := m.Stat(loadgen.TagInFlight, "avg")
			assert.InDelta(t, c, v, 1e-9, "concurrency %d", c)
			assert.Len(t, m.Requests, 20*c)
		}
		assert.Equal(t, 256, h.peak(), "never one more than the level")
	})
}

// TestAfterCancel checks that a probe that was cancelled leaves nothing in the books
// of the next one.
func TestAfterCancel(t *testing.T) {
	h := &scripted{ttft: 500 * time.Millisecond, itl: 100 * time.Millisecond, tokens: 6}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		for _, load := range []loadgen.Load{{Concurrency: 8, ISL: 20, OSL: 6, Requests: 80}, {Rate: 8, ISL: 20, OSL: 6, Requests: 80}} {
			short, cancel := context.WithTimeout(ctx, 1700*time.Millisecond)
			_, err := g.Probe(short, load, nil)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			m, err := g.Probe(ctx, load, nil)
			require.NoError(t, err)
			assert.Len(t, m.Requests, 80)
			assert.Empty(t, m.Failures)
			v, _ := m.Stat(loadgen.TagInFlight, "avg")
			assert.InDelta(t, 8, v, 1e-6)
		}
	})
}
