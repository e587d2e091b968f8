package recipes_test

import (
	"context"
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

// single runs a recipe in virtual time against a server of one sequence at a time, which
// takes 20 ms for a request, so that c requests in flight take 20·c ms each.
func single(t *testing.T, r *recipes.Recipe, in recipes.Inputs) (out *recipes.Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{Step: 10 * time.Millisecond, MaxBatch: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		out, err = recipes.Run(ctx, r, recipes.Spec{
			Target:   loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
			Workload: loadgen.Load{ISL: 20, OSL: 2, Requests: 200, Seed: 1}, Inputs: in,
		})
		cancel()
		srv.Close()
		require.NoError(t, err)
	})
	return out
}

// TestSLO: what a good request is can be said of any load and with any recipe, by any of
// its latencies alone, and the share of good requests can be limited there.
func TestSLO(t *testing.T) {
	t.Parallel()
	slow := map[string]float64{loadgen.TagLatency: 110} // 5 requests in flight take 100 ms
	for _, tt := range []struct {
		why     string
		recipe  *recipes.Recipe
		in      recipes.Inputs
		verdict recipes.Verdict
		at      float64 // the answer; 0 when none is asked for
	}{
		{"a fixed load", recipes.Fixed(4), recipes.Inputs{SLO: slow}, recipes.Met, 0},
		{"a limit that a fixed load meets", recipes.Fixed(4), recipes.Inputs{SLO: slow, Limits: limits(t, "good >= 95%")}, recipes.Met, 0},
		{"and one that it misses", recipes.Fixed(7), recipes.Inputs{SLO: slow, Limits: limits(t, "good >= 95%")}, recipes.Missed, 0},
		{"a floor on goodput", recipes.Fixed(7), recipes.Inputs{SLO: slow, Limits: limits(t, "goodput > 3 req/s")}, recipes.Missed, 0},
		{"a search under a limit on good requests", named(t, "max-concurrency-under-sla"), recipes.Inputs{SLO: slow,
			Limits: limits(t, "good >= 95%"), Style: recipes.Monotonic, Concurrency: between(1, 20)}, recipes.Met, 5},
		{"a sweep", named(t, "concurrency-ramp"), recipes.Inputs{SLO: slow, Concurrency: between(1, 8), Steps: new(3)}, recipes.Met, 0},
		{"goodput by the latency alone", named(t, "max-goodput-under-slo"), recipes.Inputs{E2E: new(110.0),
			Style: recipes.Monotonic, Concurrency: between(1, 20)}, recipes.Met, 5},
		{"goodput by the TTFT alone", named(t, "max-goodput-under-slo"), recipes.Inputs{TTFT: new(101.0),
			Style: recipes.Monotonic, Concurrency: between(1, 20)}, recipes.Met, 5},
		{"goodput by SLO", named(t, "max-goodput-under-slo"), recipes.Inputs{SLO: slow,
			Style: recipes.Monotonic, Concurrency: between(1, 20)}, recipes.Met, 5},
	} {
		t.Run(tt.why, func(t *testing.T) {
			out := single(t, tt.recipe, tt.in)
			assert.Equal(t, tt.verdict, out.Verdict, "%v", out.Warnings)
			if tt.at > 0 {
				assert.Equal(t, tt.at, out.Boundary.Safe)
			}
			for _, p := range out.Probes {
				good, ok := p.Stat("good", "avg")
				require.True(t, ok, "the share is measured at %v", p.Load)
				rate, ok := p.Stat("goodput", "avg")
				require.True(t, ok)
				switch c := p.Load.Concurrency; {
				case c <= 5:
					assert.Greater(t, good, 0.99, "%v", p.Load)
					assert.InDelta(t, 50, rate, 5, "%v", p.Load)
				case c >= 7:
					assert.Less(t, good, 0.1, "%v", p.Load)
				}
			}
		})
	}
}

// TestSLORefused: limits on single requests that make no sense are refused before anything
// is sent.
func TestSLORefused(t *testing.T) {
	slo := func(tag string, v float64) map[string]float64 { return map[string]float64{tag: v} }
	for _, tt := range []struct {
		why  string
		name string
		spec recipes.Spec
		want string
	}{
		{"a rate", "concurrency-ramp", recipes.Spec{Inputs: recipes.Inputs{SLO: slo(loadgen.TagReqRate, 3)}}, "is no latency or length"},
		{"more is better", "concurrency-ramp", recipes.Spec{Inputs: recipes.Inputs{SLO: slo(loadgen.TagPerUser, 3)}}, "is no latency or length"},
		{"nonsense", "concurrency-ramp", recipes.Spec{Inputs: recipes.Inputs{SLO: slo("nonsense", 3)}}, "nonsense is no latency or length"},
		{"zero", "concurrency-ramp", recipes.Spec{Inputs: recipes.Inputs{SLO: slo(loadgen.TagTTFT, 0)}}, "the threshold of ttft is 0"},
		{"two answers", "max-goodput-under-slo", recipes.Spec{Inputs: recipes.Inputs{TTFT: new(200.0), SLO: slo(loadgen.TagTTFT, 300)}},
			"limits ttft to 300, and the recipe's own limit is 200"},
		{"nothing", "max-goodput-under-slo", recipes.Spec{}, "which request is good: give TTFT, ITL, E2E or SLO"},
		{"no stream", "concurrency-ramp", recipes.Spec{Inputs: recipes.Inputs{SLO: slo(loadgen.TagTTFT, 200), Streaming: new(false)}},
			"requires streaming: ttft of a good request has no value"},
		{"one token", "concurrency-ramp", recipes.Spec{Workload: loadgen.Load{OSL: 1}, Inputs: recipes.Inputs{SLO: slo(loadgen.TagITL, 20)}},
			"itl has no value for answers of 1 token"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.spec.Prober = untouched{t}
			out, err := recipes.Run(t.Context(), named(t, tt.name), tt.spec)
			require.ErrorAs(t, err, new(*recipes.InputError))
			assert.ErrorContains(t, err, tt.want)
			assert.Nil(t, out)
		})
	}
	// Without streaming, goodput by the latency is still a question.
	_, err := recipes.Run(t.Context(), named(t, "max-goodput-under-slo"), recipes.Spec{Prober: &formula{},
		Inputs: recipes.Inputs{E2E: new(9000.0), Streaming: new(false)}})
	assert.NotErrorAs(t, err, new(*recipes.InputError))
}
