package recipes_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// TestVectorTruth measures a server of embeddings in virtual time. Below the highest rate
// that it sustains a limit on latency is met, and above it is missed; and a search over
// concurrency finds the truth but for one request in flight. An embedding is the prefill of
// its prompt.
func TestVectorTruth(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	s := simserver.Scenario{
		Name: "vectors", ISL: 64, OSL: 1,
		Model: simserver.Model{Step: 4 * time.Millisecond, PerPromptToken: 100 * time.Microsecond, Jitter: 0.1},
		Limit: simserver.Limit{Metric: simserver.RequestLatency, Percentile: 95, Threshold: 80 * time.Millisecond},
	}
	rate := boundaries.HighestRate(s)
	concurrency := s.Truth()
	limits := []sla.Limit{{Metric: loadgen.TagLatency, Stat: "p95", Op: sla.LT, Threshold: 80}}
	run := func(recipe *recipes.Recipe, in recipes.Inputs, requests int) (out *recipes.Outcome) {
		var err error
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(s.Model)
			defer srv.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in.Limits = limits
			out, err = recipes.Run(ctx, recipe, recipes.Spec{
				Target:   loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv), Protocol: "embeddings"},
				Workload: loadgen.Load{ISL: s.ISL, Requests: requests, Arrival: "poisson", Seed: 1}, Inputs: in,
			})
		})
		require.NoError(t, err)
		return out
	}
	for share, want := range map[float64]recipes.Verdict{0.8: recipes.Met, 1.25: recipes.Missed} {
		out := run(recipes.FixedRate(share*rate), recipes.Inputs{}, 2000)
		p95, _ := out.Probes[0].Stat(loadgen.TagLatency, "p95")
		t.Logf("%.2f of %.1f requests/s: %v, e2e p95 %.1f ms", share, rate, out.Verdict, p95)
		assert.Equal(t, want, out.Verdict, share)
	}
	recipe, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	lo, hi := 1, 64
	out := run(recipe, recipes.Inputs{Concurrency: recipes.Bounds{Min: &lo, Max: &hi}}, 300)
	t.Logf("concurrency: truth %d, answer %d in %d probes", concurrency, out.Best.Concurrency(), len(out.Probes))
	assert.Equal(t, recipes.Met, out.Verdict)
	assert.InDelta(t, concurrency, out.Best.Concurrency(), 1)
}
