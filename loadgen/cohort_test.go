package loadgen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

// mixed answers each prompt after a time, or with a status, that is a function of
// a number in [0, 1) drawn from the prompt.
type mixed func(u float64) (time.Duration, int)

func (m mixed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		fmt.Fprint(w, `{"data":[{"id":"mixed"}]}`)
		return
	}
	var body struct {
		Messages []struct{ Content string }
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || len(body.Messages) == 0 {
		http.NotFound(w, r)
		return
	}
	sum := fnv.New64a()
	io.WriteString(sum, body.Messages[0].Content)
	d, code := m(rand.New(rand.NewPCG(sum.Sum64(), 1)).Float64())
	time.Sleep(d)
	if code != http.StatusOK {
		w.WriteHeader(code)
		return
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\" w\"},\"finish_reason\":\"length\"}"+
		"],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n")
}

// TestCohortUnbiased checks that requests that start in the window and are followed
// to their end have exactly the server's distribution, however short the window is
// against the longest of them. This is Wald's identity: that a request starts in the
// window is settled before its own length is. The requests that also end in the
// window do not have that distribution, and the test would see the difference.
func TestCohortUnbiased(t *testing.T) {
	t.Parallel()
	const c, probes = 40, 16
	for _, tt := range []struct {
		why    string
		length func(u float64) time.Duration
		window time.Duration // of each probe
		at     time.Duration // the share of requests that are longer …
		share  float64       // … is this
	}{
		{"three in ten take twenty times as long as the rest, and the window", func(u float64) time.Duration {
			if u < 0.3 {
				return 2 * time.Second
			}
			return 100 * time.Millisecond
		}, 2 * time.Second, time.Second, 0.3},
		{"exponential lengths, the window three times their mean: the tail", func(u float64) time.Duration {
			return time.Duration(-math.Log1p(-u) * float64(time.Second))
		}, 3 * time.Second, 3 * time.Second, math.Exp(-3)},
		{"exponential lengths: the median", func(u float64) time.Duration {
			return time.Duration(-math.Log1p(-u) * float64(time.Second))
		}, 3 * time.Second, 693147181 * time.Nanosecond, 0.5},
		{"one in fifty is twenty times as long", func(u float64) time.Duration {
			if u < 0.02 {
				return 8 * time.Second
			}
			return 400 * time.Millisecond
		}, 4 * time.Second, time.Second, 0.02},
	} {
		t.Run(tt.why, func(t *testing.T) {
			h := mixed(func(u float64) (time.Duration, int) { return tt.length(u), http.StatusOK })
			serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
				var all, long, inside, insideLong float64
				for i := range probes {
					// Every other probe at another level, so that none opens on a
					// load that is already in its stride.
					m, err := g.Probe(ctx, loadgen.Load{Concurrency: c - 10*(i%2), ISL: 9, OSL: 1, Requests: 1 << 20, Window: tt.window,
						Seed: uint64(i)}, nil)
					require.NoError(t, err)
					require.Equal(t, loadgen.EndedTime, m.Ended)
					require.Empty(t, m.Failures)
					shut := m.Requests[0].Start + m.Window
					for _, q := range m.Requests {
						exceeds := q.End-q.Start > tt.at
						all++
						if exceeds {
							long++
						}
						if q.EOF > shut {
							continue
						}
						inside++
						if exceeds {
							insideLong++
						}
					}
				}
				// Requests of one slot and window are not quite independent in
				// number, so five standard errors and not three.
				off := func(long, all float64) float64 {
					return (long/all - tt.share) / math.Sqrt(tt.share*(1-tt.share)/all)
				}
				t.Logf("%.0f requests: %.4f are longer than %v, %.4f should be (%+.1f standard errors); of the %.0f that end in the "+
					"window %.4f (%+.1f)",
					all, long/all, tt.at, tt.share, off(long, all), inside, insideLong/inside, off(insideLong, inside))
				assert.InDelta(t, 0, off(long, all), 5)
				assert.Less(t, off(insideLong, inside), -5.0, "the biased way is seen to be biased")
			})
		})
	}
}

// TestSheddingLooksNoFaster checks that a server which refuses slow requests does not
// look faster: its plain percentiles are fine, but in the adjusted ones the refusals
// count as exceeding.
func TestSheddingLooksNoFaster(t *testing.T) {
	h := mixed(func(u float64) (time.Duration, int) {
		if u < 0.08 { // slow ones, refused at once
			return time.Millisecond, http.StatusServiceUnavailable
		}
		return 100 * time.Millisecond, http.StatusOK
	})
	serve(t, nicelyReady(h), func(ctx context.Context, g *loadgen.Generator) {
		m, err := g.Probe(ctx, loadgen.Load{Concurrency: 10, ISL: 9, OSL: 1, Requests: 4000}, nil)
		require.NoError(t, err)
		var latencies []float64
		failed := 0
		for _, q := range m.Requests {
			if q.Failure != nil {
				failed++
				latencies = append(latencies, math.Inf(1))
			} else {
				latencies = append(latencies, float64(q.End-q.Start)/1e6)
			}
		}
		slices.Sort(latencies)
		assert.InDelta(t, 0.08, float64(failed)/4000, 0.02)
		for stat, want := range map[string]float64{"p95": 100, "p99": 100, "max": 100, "adj_p50": 100, "adj_p90": 100,
			"adj_p95": math.Inf(1), "adj_p99": math.Inf(1)} {
			v, ok := m.Stat(loadgen.TagLatency, stat)
			assert.True(t, ok && v == want, "%s is %v, not %v", stat, v, want)
		}
		for q, stat := range map[float64]string{50: "adj_p50", 90: "adj_p90", 95: "adj_p95"} {
			v, _ := m.Stat(loadgen.TagTTFT, stat)
			assert.Equal(t, latencies[int(math.RoundToEven(q/100*3999))], v, "%s is the order statistic with failures at the end", stat)
		}
	})
}

// nicelyReady serves the readiness inferences well, whatever their prompts.
func nicelyReady(h http.Handler) http.Handler {
	var mu sync.Mutex
	posts := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if r.Method == http.MethodPost {
			posts++
		}
		early := r.Method == http.MethodPost && posts <= 2
		mu.Unlock()
		if early {
			mixed(func(float64) (time.Duration, int) { return 100 * time.Millisecond, http.StatusOK }).ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// TestUnsaturated checks that the measurement says so if connections take as long as
// requests, and therefore fewer than c requests are in flight.
func TestUnsaturated(t *testing.T) {
	for _, tt := range []struct {
		why   string
		dial  time.Duration // a request takes 60 ms, and a connection of its own
		share float64       // of c in flight
		flag  bool
	}{
		{"half the time is spent on dialing", 60 * time.Millisecond, 0.5, true},
		{"a tenth is", 60 * time.Millisecond / 9, 0.9, true},
		{"a fiftieth is", 60 * time.Millisecond / 49, 0.98, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				head := strings.Replace(streamHead, "\r\n", "\r\nConnection: close\r\n", 1)
				s := &rawServer{always: closing(func(c net.Conn) bool {
					time.Sleep(50 * time.Millisecond)
					io.WriteString(c, head+event(word))
					time.Sleep(10 * time.Millisecond)
					return text(event(word), event(finish), event(used), event("[DONE]"), "0\r\n\r\n")(c)
				})}
				served := make(chan struct{})
				go func() { defer close(served); s.serve(l) }()
				g, err := loadgen.New(loadgen.Target{URL: "http://raw.test",
					Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
						select {
						case <-time.After(tt.dial):
						case <-ctx.Done():
						}
						return l.Dial(ctx, network, addr)
					}})
				require.NoError(t, err)
				require.NoError(t, g.Ready(t.Context()))
				m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 8, ISL: 20, OSL: 2, Requests: 400}, nil)
				require.NoError(t, err)
				v, _ := m.Stat(loadgen.TagInFlight, "avg")
				assert.InDelta(t, 8*tt.share, v, 0.05)
				ttft, _ := m.Stat(loadgen.TagTTFT, "max")
				assert.EqualValues(t, 50, ttft, "dials do not hide in TTFT")
				if tt.flag {
					require.Len(t, m.Warnings, 1)
					assert.ErrorIs(t, m.Warnings[0], loadgen.ErrUnsaturated)
				} else {
					assert.Empty(t, m.Warnings)
				}
				require.NoError(t, g.Close())
				l.Close()
				<-served
				s.wait()
			})
		})
	}
}

// TestFewRequests checks that fewer requests than two turnovers of the slots are
// raised to that, that the level is held all the same, and that the measurement says
// so.
func TestFewRequests(t *testing.T) {
	for _, tt := range []struct{ c, asked, measured int }{
		{64, 24, 128}, {64, 127, 128}, {64, 128, 128}, {64, 129, 129}, {1, 1, 2}, {1, 2, 2}, {200, 0, 400},
	} {
		t.Run(fmt.Sprintf("%d at %d", tt.asked, tt.c), func(t *testing.T) {
			h := &scripted{ttft: 20 * time.Millisecond, itl: 5 * time.Millisecond, tokens: 8}
			serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
				m, err := g.Probe(ctx, loadgen.Load{Concurrency: tt.c, ISL: 20, OSL: 8, Requests: tt.asked}, nil)
				require.NoError(t, err)
				assert.Len(t, m.Requests, tt.measured)
				assert.Equal(t, tt.measured, m.Load.Requests)
				v, _ := m.Stat(loadgen.TagInFlight, "avg")
				assert.InDelta(t, tt.c, v, 1e-9)
				rate, _ := m.Stat(loadgen.TagReqRate, "avg")
				assert.InEpsilon(t, float64(tt.c)/0.055, rate, 0.02, "55 ms a request")
				if tt.asked == 0 || tt.asked >= tt.measured {
					assert.Empty(t, m.Warnings, "nothing was raised that somebody asked for")
					return
				}
				require.Len(t, m.Warnings, 1)
				assert.ErrorIs(t, m.Warnings[0], loadgen.ErrRaised)
				assert.ErrorContains(t, m.Warnings[0], fmt.Sprintf("%d were asked for; two turnovers of %d slots need %d", tt.asked, tt.c,
					tt.measured))
			})
		})
	}
}

// TestShed checks that a server which takes part of the load only is said to shed it: slots
// that it refuses pause, as it asks for or longer each time, and the rates and latencies are
// those of the requests that it takes.
func TestShed(t *testing.T) {
	for _, tt := range []struct {
		why    string
		header string // of a 429; empty for connections that are closed
		pause  time.Duration
	}{
		{"429 with Retry-After", "Retry-After: 1\r\n", time.Second},
		{"429 without", "X: y\r\n", 0},
		{"connections that are closed", "", 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				var live atomic.Int32
				s := &rawServer{always: func(c net.Conn) bool {
					defer live.Add(-1)
					switch n := live.Add(1); {
					case n > 4 && tt.header == "":
						return false
					case n > 4:
						return status(429, tt.header, "slow down")(c)
					}
					return sound(c)
				}}
				served := make(chan struct{})
				go func() { defer close(served); s.serve(l) }()
				g, err := loadgen.New(loadgen.Target{URL: "http://raw.test", Dial: l.Dial})
				require.NoError(t, err)
				require.NoError(t, g.Ready(t.Context()))
				m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 8, ISL: 20, OSL: 2, Requests: 400}, nil)
				require.NoError(t, err)
				require.Len(t, m.Warnings, 1)
				assert.ErrorIs(t, m.Warnings[0], loadgen.ErrShed)
				rate, _ := m.Stat(loadgen.TagReqRate, "avg")
				assert.InDelta(t, 4/0.060, rate, 2, "four at a time, 60 ms each")
				ttft, _ := m.Stat(loadgen.TagTTFT, "max")
				assert.EqualValues(t, 50, ttft)
				errors, _ := m.Stat(loadgen.TagErrorRate, "avg")
				assert.Less(t, errors, 15.0, "refusals do not fill the window")
				if tt.pause > 0 {
					assert.InDelta(t, 100*4/(4+4/0.060), errors, 1, "four slots ask once a second")
				}
				require.NoError(t, g.Close())
				l.Close()
				<-served
				s.wait()
			})
		})
	}
}
