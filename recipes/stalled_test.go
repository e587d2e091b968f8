package recipes_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/surfaces"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// TestOneStalledProbe disturbs one probe of a search, each in turn: its latencies
// are 2.5 times what they should be, as when the machine was busy for its
// length. No style may end below the boundary because of it.
func TestOneStalledProbe(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	const b, slope, sigma = 150.4, 1.5, 0.02
	s := surfaces.Surface{Name: "straight", Lo: 1, Hi: 1000}
	for _, st := range surfaces.Styles {
		if len(st.List) > 0 { // a grid has no second look
			continue
		}
		for _, known := range []bool{false, true} {
			name := fmt.Sprintf("%s/standard errors known: %v", st.Name, known)
			t.Run(name, func(t *testing.T) {
				worst, at, longest := math.Inf(1), 0, 0
				for stalled := range 12 {
					rng := surfaces.RNG(name, stalled, "stalled")
					n := 0
					p := s.Problem(st.Budget, uint64(stalled))
					h, _, err := surfaces.Search(st.Planner, p, func(step plan.Step) plan.Observation {
						g := slope*math.Log(step.At[0]/b) + sigma*rng.NormFloat64()
						tput := 100 * math.Pow(step.At[0], 0.8) * math.Exp(sigma*rng.NormFloat64())
						if n == stalled {
							g, tput = g+math.Log(2.5), tput/2.5
						}
						n++
						l := plan.Margin{Estimate: plan.Estimate{Value: g, SE: math.NaN()}, Pass: math.NaN()}
						if known {
							l.SE = sigma
						}
						return plan.Observation{At: step.At, Margins: []plan.Margin{l},
							Goals: []plan.Estimate{{Value: tput, SE: math.NaN()}}}
					})
					require.NoError(t, err)
					safe := st.Planner.Answers(p, h)[0].Safe
					assert.Less(t, safe, 1.05*b, "probe %d", stalled)
					longest = max(longest, len(h))
					if math.IsNaN(safe) || safe < worst {
						worst, at = safe, stalled
					}
				}
				t.Logf("lowest answer %v, probe %d disturbed; at most %d probes", worst, at, longest)
				// When the last visit that a point may have is the one that stalls, the point
				// just below the boundary stays open, and the answer is the next one down.
				assert.Greater(t, worst, 0.88*b, "probe %d", at)
			})
		}
	}
}
