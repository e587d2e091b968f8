package main

import (
	"slices"
	"testing"

	"github.com/aiperf-go/aiperf/internal/scenes"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBetweenTwoModes checks that no search answers far above the boundary of a server
// whose requests either hit a cache or take eight times as long: there a p95 is far below
// the limit at one probe and far above it at the next, and neither margin is a certainty.
func TestBetweenTwoModes(t *testing.T) {
	i := slices.IndexFunc(scenes.Laws(), func(l scenes.Law) bool { return l.Miss > 0 })
	require.GreaterOrEqual(t, i, 0)
	law := scenes.Laws()[i]
	for _, style := range []recipes.Style{recipes.Sequential, recipes.SmoothIsotonic} {
		var sum tally
		for seed := range uint64(10) {
			one, _ := search(law, style, seed, sharesOf(law))
			sum.add(one)
		}
		assert.Zero(t, sum.far, "%s: answers more than 5%% above the boundary, of %d", style, sum.answers)
		assert.GreaterOrEqual(t, sum.low/float64(sum.answers), 0.8*scenes.Boundary, "%s: mean answer", style)
	}
}

// TestGridKnowsThatServersWander checks that the intervals of p95 that style grid prints hold the
// truth on a server whose latencies wander by 30%, as no single visit of seconds shows, for no more
// than 1.3 times the 3,600 requests of one pass. Of those of one pass, 42% do.
func TestGridKnowsThatServersWander(t *testing.T) {
	i := slices.IndexFunc(scenes.Laws(), func(l scenes.Law) bool { return l.AR > 0 && l.Tau >= 10 })
	require.GreaterOrEqual(t, i, 0)
	law := scenes.Laws()[i]
	var sum tally
	for seed := range uint64(40) {
		one, _ := search(law, recipes.Grid, seed, sharesOf(law))
		sum.add(one)
	}
	assert.GreaterOrEqual(t, float64(sum.covered)/float64(sum.cis), 0.9, "of %d intervals", sum.cis)
	assert.LessOrEqual(t, sum.requests/float64(sum.runs), 1.3*3600)
}

// TestFixedLoadSeesStalls checks that a fixed load of the default size lasts long enough for a server
// that stalls for half a second each ten: at 106 in flight, where 6.7% of its requests are beyond a
// limit that 5% may exceed, no run is green and nearly all miss. 300 requests there are three
// seconds: one run of a hundred is green with them, and 29 miss.
func TestFixedLoadSeesStalls(t *testing.T) {
	i := slices.IndexFunc(scenes.Laws(), func(l scenes.Law) bool { return l.Stall > 0 })
	require.GreaterOrEqual(t, i, 0)
	count := map[recipes.Verdict]int{}
	for seed := range uint64(50) {
		limit := scenes.Limit
		out, err := recipes.Run(t.Context(), recipes.Fixed(106), recipes.Spec{
			Prober:   scenes.New(scenes.Laws()[i], seed),
			Inputs:   recipes.Inputs{TTFT: &limit},
			Workload: loadgen.Load{Seed: seed},
		})
		require.NoError(t, err)
		count[out.Verdict]++
	}
	assert.Zero(t, count[recipes.Met])
	assert.GreaterOrEqual(t, count[recipes.Missed], 45, "of 50")
}
