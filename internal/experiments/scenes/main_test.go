package main

import (
	"slices"
	"testing"

	"github.com/aiperf-go/aiperf/internal/scenes"
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
