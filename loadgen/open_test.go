package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

// TestOpenLoop checks that a constant schedule is kept to the nanosecond, whatever
// becomes of the answers, and that latency is the server's.
func TestOpenLoop(t *testing.T) {
	h := &scripted{ttft: 500 * time.Millisecond, itl: 100 * time.Millisecond, tokens: 6}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		m, err := g.Probe(ctx, loadgen.Load{Rate: 20, ISL: 20, OSL: 6, Requests: 200}, nil)
		require.NoError(t, err)
		require.Len(t, m.Requests, 200)
		for i, q := range m.Requests {
			assert.Equal(t, q.Scheduled, q.Start, "request %d is sent when it is due", i)
			if i > 0 {
				assert.Equal(t, 50*time.Millisecond, q.Start-m.Requests[i-1].Start)
			}
		}
		// Little's law: 20 requests a second of one second each.
		for tag, want := range map[string]float64{loadgen.TagTTFT: 500, loadgen.TagReqRate: 20, loadgen.TagTokenRate: 120,
			loadgen.TagInFlight: 20} {
			v, ok := m.Stat(tag, "avg")
			require.True(t, ok, tag)
			assert.InEpsilon(t, want, v, 1e-9, tag)
		}
		assert.Empty(t, m.Warnings)
		// From an open loop to a closed one and back, within one generator.
		m, err = g.Probe(ctx, loadgen.Load{Concurrency: 5, ISL: 20, OSL: 6, Requests: 20}, nil)
		require.NoError(t, err)
		v, _ := m.Stat(loadgen.TagInFlight, "avg")
		assert.InDelta(t, 5, v, 1e-9)
		m, err = g.Probe(ctx, loadgen.Load{Rate: 3, ISL: 20, OSL: 6, Requests: 20}, nil)
		require.NoError(t, err)
		v, _ = m.Stat(loadgen.TagReqRate, "avg")
		assert.InEpsilon(t, 3, v, 1e-9)
	})
}

// TestArrivals checks that the mean and the spread of the gaps are those of the
// arrival process.
func TestArrivals(t *testing.T) {
	for _, tt := range []struct {
		arrival string
		cv      float64 // standard deviation of the gaps over their mean: 1/√shape
	}{
		{"constant", 0}, {"poisson", 1}, {"gamma", math.Sqrt2}, {"gamma:4", 0.5},
	} {
		t.Run(tt.arrival, func(t *testing.T) {
			serve(t, &scripted{ttft: time.Millisecond, tokens: 1}, func(ctx context.Context, g *loadgen.Generator) {
				m, err := g.Probe(ctx, loadgen.Load{Rate: 100, Arrival: tt.arrival, ISL: 20, OSL: 1, Requests: 4000, Seed: 5}, nil)
				require.NoError(t, err)
				sum, squares := 0.0, 0.0
				for i := 1; i < len(m.Requests); i++ {
					gap := (m.Requests[i].Scheduled - m.Requests[i-1].Scheduled).Seconds()
					sum, squares = sum+gap, squares+gap*gap
				}
				n := float64(len(m.Requests) - 1)
				mean := sum / n
				assert.InEpsilon(t, 0.01, mean, 0.05)
				assert.InDelta(t, tt.cv, math.Sqrt(max(squares/n-mean*mean, 0))/mean, 0.06)
			})
		})
	}
}

// TestBadLoad checks that a load that makes no sense is refused before anything is
// sent.
func TestBadLoad(t *testing.T) {
	g, err := loadgen.New(loadgen.Target{URL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	defer g.Close()
	for _, tt := range []struct {
		load loadgen.Load
		says string
	}{
		{loadgen.Load{}, "neither Concurrency nor Rate"},
		{loadgen.Load{Concurrency: -1}, "at least 1"},
		{loadgen.Load{Concurrency: 1, Rate: 1}, "both"},
		{loadgen.Load{Rate: math.NaN()}, "positive and finite"},
		{loadgen.Load{Rate: -1}, "positive and finite"},
		{loadgen.Load{Rate: 1, Arrival: "uniform"}, `"uniform" is unknown`},
		{loadgen.Load{Rate: 1, Arrival: "gamma:0"}, "no positive shape"},
		{loadgen.Load{Concurrency: 1, OSL: -1}, "negative size"},
	} {
		_, err := g.Probe(t.Context(), tt.load, nil)
		assert.ErrorContains(t, err, tt.says)
		assert.ErrorAs(t, err, new(*loadgen.TargetError))
	}
}

// single serves one request after the other.
type single struct {
	scripted
	turn  chan struct{} // made by the first request, inside of the bubble
	first sync.Once
	each  time.Duration
}

func (c *single) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.first.Do(func() { c.turn = make(chan struct{}, 1) })
	select {
	case c.turn <- struct{}{}:
		time.Sleep(c.each)
		<-c.turn
	case <-r.Context().Done():
		return
	}
	c.scripted.ServeHTTP(w, r)
}

// TestOpenLoopAboveCapacity offers a server of 50 requests a second more and less than
// that, in an order in which each probe would inherit the backlog of the one before it.
func TestOpenLoopAboveCapacity(t *testing.T) {
	h := &single{scripted: scripted{tokens: 1}, each: 20 * time.Millisecond}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		for _, tt := range []struct {
			rate   float64
			behind bool
			served float64
		}{{200, true, 50}, {20, false, 20}, {100, true, 50}, {45, false, 45}, {60, true, 50}, {48, false, 48}} {
			m, err := g.Probe(ctx, loadgen.Load{Rate: tt.rate, ISL: 20, OSL: 1, Requests: 100}, nil)
			require.NoError(t, err)
			told := ""
			for _, w := range m.Warnings {
				if errors.Is(w, loadgen.ErrUnstable) {
					told = w.Error()
				}
			}
			if tt.behind {
				var offered, served float64
				_, err := fmt.Sscanf(told, "the server does not keep up: %g requests/s were offered and %g served", &offered, &served)
				require.NoError(t, err, told)
				assert.Equal(t, tt.rate, offered)
				assert.InEpsilon(t, tt.served, served, 0.02)
				continue
			}
			assert.Empty(t, told, "rate %v", tt.rate)
			p95, _ := m.Stat(loadgen.TagLatency, "p95")
			assert.InDelta(t, 20, p95, 1, "rate %v finds no backlog", tt.rate)
		}
	})
}

// TestOpenLoopSteady checks that a server whose requests take longer under load than alone,
// and so has more in flight from one second to the next, is not taken for one that does
// not keep up.
func TestOpenLoopSteady(t *testing.T) {
	for _, arrival := range []string{"constant", "poisson", "gamma"} {
		h := &scripted{ttft: 50 * time.Millisecond, tokens: 1}
		serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
			h.ttft = 2 * time.Second
			m, err := g.Probe(ctx, loadgen.Load{Rate: 100, Arrival: arrival, ISL: 20, OSL: 1, Requests: 100}, nil)
			require.NoError(t, err)
			assert.Empty(t, m.Warnings, arrival)
		})
	}
}

// TestOpenLoopConnections checks that probes use the connections of earlier ones.
func TestOpenLoopConnections(t *testing.T) {
	h := &scripted{ttft: 500 * time.Millisecond, itl: 100 * time.Millisecond, tokens: 6}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		for range 12 { // each has bursts of its own
			_, err := g.Probe(ctx, loadgen.Load{Rate: 20, Arrival: "poisson", ISL: 20, OSL: 6, Requests: 200}, nil)
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, loadgen.Connections(g), 80, "20 requests are in flight, and up to twice as many")
	})
}

// dropping lets every second request wait for a second and then drops its connection.
type dropping struct {
	scripted
	on atomic.Bool
	n  atomic.Int64
}

func (d *dropping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.on.Load() && d.n.Add(1)%2 == 0 {
		time.Sleep(time.Second)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
		return
	}
	d.scripted.ServeHTTP(w, r)
}

// TestReplayStart checks that a request that is sent again has started when it was first
// sent: whoever waits for its answer waits for both attempts.
func TestReplayStart(t *testing.T) {
	h := &dropping{scripted: scripted{ttft: 50 * time.Millisecond, tokens: 1}}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		h.on.Store(true)
		m, err := g.Probe(ctx, loadgen.Load{Concurrency: 1, ISL: 20, OSL: 1, Requests: 20}, nil)
		require.NoError(t, err)
		replayed := 0
		for _, q := range m.Requests {
			require.Nil(t, q.Failure)
			want := 50 * time.Millisecond
			if q.Replays > 0 {
				replayed++
				want += time.Second
			}
			assert.Equal(t, want, q.Chunks[0]-q.Start, "%d replays", q.Replays)
		}
		assert.Positive(t, replayed)
		assert.Zero(t, m.Health.SendLagP99)
	})
}

// TestLoadBody checks that a load's own fields of the body go before those of the target,
// and that the next load is without them.
func TestLoadBody(t *testing.T) {
	h := &scripted{ttft: time.Millisecond, tokens: 1}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		body := func(fields map[string]any) string {
			m, err := g.Probe(ctx, loadgen.Load{Concurrency: 1, ISL: 20, OSL: 1, Requests: 4, Body: fields}, nil)
			require.NoError(t, err)
			return string(m.Body(&m.Requests[0]))
		}
		assert.Contains(t, body(map[string]any{"temperature": 0.7, "top_k": 8.0, "ignore_eos": nil}), `"temperature":0.7,"top_k":8`)
		assert.NotContains(t, body(map[string]any{"ignore_eos": nil}), "ignore_eos")
		assert.NotContains(t, body(nil), "temperature")
	})
}

// TestMostInFlight checks that an open loop keeps to its limit on what is in flight, that what
// is held back is no lag of the client, and that a rate which is not reached so is told.
func TestMostInFlight(t *testing.T) {
	h := &scripted{ttft: 500 * time.Millisecond, tokens: 1} // 8 in flight are 16 a second
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		for _, tt := range []struct {
			rate   float64
			behind bool
		}{{12, false}, {15, false}, {20, true}, {40, true}} {
			m, err := g.Probe(ctx, loadgen.Load{Rate: tt.rate, MostInFlight: 8, ISL: 20, OSL: 1, Requests: 300}, nil)
			require.NoError(t, err)
			told := false
			for _, w := range m.Warnings {
				told = told || errors.Is(w, loadgen.ErrUnstable)
			}
			assert.Equal(t, tt.behind, told, "%v/s: %v", tt.rate, m.Warnings)
			mean, _ := m.Stat(loadgen.TagInFlight, "avg")
			assert.LessOrEqual(t, mean, 8+1e-9)
			served, _ := m.Stat(loadgen.TagReqRate, "avg")
			assert.InEpsilon(t, min(tt.rate, 16), served, 0.05)
			assert.Less(t, m.Health.SendLagP99, 5*time.Millisecond, "%v/s", tt.rate)
		}
		_, err := g.Probe(ctx, loadgen.Load{Concurrency: 3, MostInFlight: 8}, nil)
		assert.ErrorContains(t, err, "is for a Rate")
	})
}
