package recipes_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestRecipesVirtual runs each recipe against a simulated server that is simple enough
// for its numbers to be written down, and holds what the recipe derives to them within
// 5%. It runs in virtual time, where no machine is in the way of the formulas: a lone
// request of 65 ms is 4 ms longer on a machine whose timers are late by 3 ms.
func TestRecipesVirtual(t *testing.T) {
	t.Parallel()
	for _, c := range modelled {
		t.Run(c.recipe, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.check(t, &server{held: 0.05, start: func(m simserver.Model) (*simserver.Server, boundaries.Dial) {
					srv := simserver.NewInMemory(m)
					return srv, boundaries.Afar(srv)
				}})
			})
		})
	}
}

// BenchmarkRecipesHTTP is the same over sockets, client and server sharing the machine
// with whatever else it does. It prints each number beside its formula, and reports how
// far off the worst was and how late the machine's timers were:
//
//	go test ./recipes -run '^$' -bench RecipesHTTP -benchtime 1x
func BenchmarkRecipesHTTP(b *testing.B) {
	for _, c := range modelled {
		b.Run(c.recipe, func(b *testing.B) {
			for b.Loop() {
				s := &server{held: math.Inf(1), start: func(m simserver.Model) (*simserver.Server, boundaries.Dial) {
					return simserver.New(m), nil
				}}
				c.check(b, s)
				b.ReportMetric(100*s.worst, "%off")
				b.ReportMetric(float64(s.disturbed)/1e6, "ms-late")
			}
		})
	}
}

// modelled are the recipes with servers whose numbers have a closed form.
//
// A step of the engine lasts Step + PerSeq·decoding + PerPromptToken·prefilled.
// Two regimes have closed forms, for c clients, answers of n tokens and a
// turnaround (a client's time between two requests) that is short:
//
//   - Shared: the chunk is never full. A request waits for the step under way to
//     end, has its prompt prefilled in the next, and decodes in n − 1 more: a
//     cycle of n + 1 steps, in n − 1 of which it decodes. It sees itself and
//     (c − 1)·(n − 1)/(n + 1) others decode. The one client of c = 1 wakes an idle
//     engine and waits for nothing.
//   - Queue: a prompt takes k whole chunks and c is large. A prompt is finished
//     every k steps, so a cycle is k·c steps, and the rate is 1/(k·step); of its
//     cycle a request decodes in n − 1 steps and waits for its first token in the
//     rest. n − 1 of k steps' decodes fall on each step.
var modelled = []struct {
	recipe string
	check  func(testing.TB, *server)
}{
	{"max-throughput-ttft-sla", func(t testing.TB, serve *server) {
		limit := (40.5 - 7) * queueStep // TTFT is (c − (n − 1))·step
		out := serve.run(t, "max-throughput-ttft-sla", queue, 200, 8, 100, recipes.Inputs{TTFT: &limit, Concurrency: between(20, 64)})
		assert.Equal(t, recipes.Met, out.Verdict)
		serve.near(t, "boundary", 40, out.Boundary.Safe)
		serve.near(t, "throughput", 8000/queueStep, out.Best.Objective)
	}},
	{"max-throughput-itl-sla", func(t testing.TB, serve *server) {
		const n = 16
		limit := sharedITL(40.5, n)
		out := serve.run(t, "max-throughput-itl-sla", shared, 16, n, 100, recipes.Inputs{ITL: &limit, Concurrency: between(20, 64)})
		assert.Equal(t, recipes.Met, out.Verdict)
		serve.near(t, "boundary", 40, out.Boundary.Safe)
		c := float64(out.Best.Concurrency())
		serve.near(t, "throughput", 1000*c*n/((n+1)*sharedITL(c, n)), out.Best.Objective)
	}},
	{"max-concurrency-under-sla", func(t testing.TB, serve *server) {
		// Of two limits the tighter one counts: TTFT's holds up to 40, that of the
		// whole cycle up to 60.
		ttft, e2e := (40.5-7)*queueStep, 60.5*queueStep
		out := serve.run(t, "max-concurrency-under-sla", queue, 200, 8, 100,
			recipes.Inputs{TTFT: &ttft, E2E: &e2e, Concurrency: between(20, 64)})
		assert.Equal(t, recipes.Met, out.Verdict)
		serve.near(t, "boundary", 40, float64(out.Best.Concurrency()))
	}},
	{"max-goodput-under-slo", func(t testing.TB, serve *server) {
		// TTFT binds; until it does every request is good, and the rate is one a
		// step whatever the concurrency.
		ttft, itl, e2e := (39.5-7)*queueStep, 2*queueStep, 80*queueStep
		out := serve.run(t, "max-goodput-under-slo", queue, 200, 8, 100,
			recipes.Inputs{TTFT: &ttft, ITL: &itl, E2E: &e2e, Concurrency: between(20, 64)})
		assert.Equal(t, recipes.Met, out.Verdict)
		serve.near(t, "boundary", 39, out.Boundary.Safe)
		serve.near(t, "goodput", 1000/queueStep, out.Best.Objective)
	}},
	{"concurrency-ramp", func(t testing.TB, serve *server) {
		const n = 16
		out := serve.run(t, "concurrency-ramp", shared, 16, n, 24,
			recipes.Inputs{Concurrency: between(1, 32), Steps: new(3), Degradation: new(0.5)})
		k, ok := out.Knee()
		require.True(t, ok)
		// Of 1, 6 and 32 clients; a lone request is a prefill and n − 1 decodes.
		alone := sharedStep + (n-1)*(sharedStep+sharedSeq)
		serve.near(t, "baseline", alone, k.Baseline)
		require.Less(t, (n+1)*sharedITL(6, n), 1.5*alone, "6 are no knee")
		assert.Equal(t, 32, k.Concurrency)
		serve.near(t, "knee", (n+1)*sharedITL(32, n), k.Value)
	}},
	{"prefill-ttft-curve", func(t testing.TB, serve *server) {
		m := simserver.Model{Step: 30 * time.Millisecond, PerPromptToken: 100 * time.Microsecond, Chunk: 4096}
		out := serve.run(t, "prefill-ttft-curve", m, 0, 2, 8, recipes.Inputs{ISL: between(64, 1024), Steps: new(4)})
		fit, ok := out.TTFTFit()
		require.True(t, ok)
		require.Len(t, fit.Coefficients, 2)
		// A lone prompt is one step: TTFT = Step + PerPromptToken·ISL.
		serve.near(t, "ms a prompt token", 0.1, fit.Coefficients[0])
		serve.near(t, "constant", 30, fit.Coefficients[1])
		assert.Greater(t, fit.RSquared, 0.99)
		assert.True(t, fit.Confident)
	}},
	{"decode-itl-curve", func(t testing.TB, serve *server) {
		out := serve.run(t, "decode-itl-curve", shared, 16, 0, 24,
			recipes.Inputs{Concurrency: between(1, 24), Steps: new(3), OSL: between(16, 32), OSLSteps: new(2)})
		s, ok := out.ITLSurface()
		require.True(t, ok)
		require.Equal(t, []float64{1, 5, 24}, s.Concurrency)
		require.Equal(t, []float64{16, 32}, s.OSL)
		for i, c := range s.Concurrency {
			for j, n := range s.OSL {
				serve.near(t, "ITL", sharedITL(c, n), s.ITL[i][j])
			}
		}
	}},
	{"pareto-sweep", func(t testing.TB, serve *server) {
		// A chunk is a prompt of 200 or half a prompt of 400.
		m := simserver.Model{Step: 16 * time.Millisecond, PerSeq: 200 * time.Microsecond, PerPromptToken: 20 * time.Microsecond, Chunk: 200}
		out := serve.run(t, "pareto-sweep", m, 0, 0, 40, recipes.Inputs{Pairs: new("200/4,400/4"), ConcurrencyList: []int{1, 16}})
		p, ok := out.Frontier()
		require.True(t, ok)
		require.Len(t, p.Cells, 4)
		const n, chunk = 4.0, 16 + 0.02*200
		for i, want := range []struct {
			ttft, rate float64
			optimal    bool
		}{
			{chunk, lone(chunk, n), true}, // alone: k chunks, then n − 1 decodes
			{(16 - 3) * (chunk + 3*0.2), 1000 * n / (chunk + 3*0.2), true},
			{2 * chunk, lone(2*chunk, n), false}, // slower and less than the shape of half the prompt
			{(2*16 - 3) * (chunk + 1.5*0.2), 1000 * n / (2 * (chunk + 1.5*0.2)), false},
		} {
			serve.near(t, "TTFT", want.ttft, p.Cells[i].X)
			serve.near(t, "throughput", want.rate, p.Cells[i].Y)
			assert.Equal(t, want.optimal, p.Cells[i].Optimal, "%+v", p.Cells[i])
		}
	}},
}

// server is where the recipes are run, and how close they come.
type server struct {
	start     func(simserver.Model) (*simserver.Server, boundaries.Dial) // without a Dial by its URL
	held      float64                                                    // how far off a number may be, as a share
	worst     float64                                                    // how far off the worst number was
	disturbed time.Duration                                              // the worst that timers and sends were late by (p99)
}

// queue prefills one prompt of 200 tokens a step; beside it, 7 of 8 tokens of as
// many requests are decoded.
var queue = simserver.Model{Step: 3 * time.Millisecond, PerSeq: 100 * time.Microsecond, PerPromptToken: 10 * time.Microsecond, Chunk: 200}

const queueStep = 3 + 7*0.1 + 200*0.01 // ms

// shared prefills prompts at next to no cost.
var shared = simserver.Model{
	Step: sharedStep * time.Millisecond, PerSeq: 100 * time.Microsecond, PerPromptToken: time.Nanosecond, Chunk: 4096,
}

const sharedStep, sharedSeq = 4, 0.1 // ms

// sharedITL is the step that a request of n tokens sees while it decodes.
func sharedITL(c, n float64) float64 {
	return sharedStep + sharedSeq*(1+(c-1)*(n-1)/(n+1))
}

// lone is the token rate of one client whose prompt takes a while: n tokens a
// request, of which n − 1 are decoded by steps of 16.2 ms.
func lone(prefill, n float64) float64 { return 1000 * n / (prefill + (n-1)*16.2) }

// run runs the recipe.
func (s *server) run(t testing.TB, name string, m simserver.Model, isl, osl, requests int, in recipes.Inputs) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup(name)
	require.NoError(t, err)
	srv, dial := s.start(m)
	defer srv.Close()
	out, err := recipes.Run(t.Context(), r, recipes.Spec{
		Target:   loadgen.Target{URL: srv.URL, Dial: dial},
		Workload: loadgen.Load{ISL: isl, OSL: osl, Requests: requests, Seed: 1},
		Inputs:   in,
	})
	require.NoError(t, err)
	for _, p := range out.Probes {
		for _, m := range p.Trials {
			s.disturbed = max(s.disturbed, m.Health.BeatLagP99, m.Health.SendLagP99)
		}
	}
	t.Logf("%s: %v, safe %v, best %v, %d probes, %.1fs, %s; disturbed by %v", name, out.Verdict, out.Boundary.Safe,
		out.Best.Concurrency(), len(out.Probes), out.Wall.Seconds(), out.Reason, s.disturbed)
	for _, w := range out.Warnings {
		t.Log("warning:", w)
	}
	for file, raw := range out.Derived {
		t.Logf("%s: %.600s", file, raw)
	}
	return out
}

func between(lo, hi int) recipes.Bounds { return recipes.Bounds{Min: &lo, Max: &hi} }

// near prints a measured number beside the formula's, and holds it to that.
func (s *server) near(t testing.TB, what string, want, got float64) {
	t.Helper()
	if assert.False(t, math.IsNaN(got), what) {
		t.Logf("%-20s formula %8.3f, measured %8.3f, %+.2f %%", what, want, got, 100*(got/want-1))
		off := math.Abs(got/want - 1)
		s.worst = max(s.worst, off)
		assert.LessOrEqual(t, off, s.held, what)
	}
}
