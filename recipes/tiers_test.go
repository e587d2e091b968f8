package recipes_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
)

// TestTiersAlone: tiers need no limit beside them, over concurrency and over the request
// rate.
func TestTiersAlone(t *testing.T) {
	t.Parallel()
	tiers := []recipes.Tier{
		{Label: "fast", Limits: limits(t, "e2e p95 < 70ms")}, // 3 in flight take 60 ms
		{Label: "slow", Limits: limits(t, "e2e p95 < 150ms")},
	}
	for _, style := range []recipes.Style{recipes.Sequential, recipes.Monotonic} {
		out := single(t, named(t, "max-concurrency-under-sla"), recipes.Inputs{Tiers: tiers, Style: style, Concurrency: between(1, 20)})
		require.Equal(t, recipes.Met, out.Verdict, style)
		require.Len(t, out.Tiers, 2)
		assert.Equal(t, []float64{3, 7}, []float64{out.Tiers[0].Safe, out.Tiers[1].Safe}, style)
	}
	out := single(t, named(t, "max-request-rate-under-sla"), recipes.Inputs{Tiers: tiers, Style: recipes.Monotonic, Rate: [2]float64{5, 80}})
	require.Len(t, out.Tiers, 2)
	assert.Less(t, out.Tiers[0].Safe, 50.0, "so many requests a second are served")
	assert.LessOrEqual(t, out.Tiers[0].Safe, out.Tiers[1].Safe)
	_, err := recipes.Run(t.Context(), named(t, "max-concurrency-under-sla"), recipes.Spec{Prober: untouched{t},
		Inputs: recipes.Inputs{Tiers: tiers[:1]}})
	assert.ErrorContains(t, err, "got 1 tiers; give 2 to 10")
}
