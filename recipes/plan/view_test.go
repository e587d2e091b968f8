package plan

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// No style asks a server for more than four times what it has borne, wherever its boundary
// lies, and the first probe is at most eight requests at a time.
func TestCareful(t *testing.T) {
	for name, planner := range map[string]Planner{
		"sequential": Sequential{}, "smooth": SmoothIsotonic{}, "monotonic": Monotonic{}, "bo": Bayes{}, "tpe": Optuna{},
		"gp": Optuna{Sampler: "gp"},
	} {
		for _, b := range []float64{3, 40, 900} {
			for seed := range uint64(5) {
				p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 1000, Int: true, Log: true}}, Goals: []Goal{{Maximize: true}}, Budget: 30, Seed: seed}
				largest := 0.0
				h, _ := play(t, planner, p, func(s Step) Observation {
					x := s.At[0]
					if largest == 0 {
						assert.LessOrEqual(t, x, 8.0, "the first probe of %s", name)
					} else {
						assert.LessOrEqual(t, x, 4*largest, "%s at boundary %v, seed %d", name, b, seed)
					}
					if x <= b {
						largest = max(largest, x)
					}
					return Observation{At: s.At, Margins: []Margin{{Estimate: Estimate{Value: math.Log(x / (b + 0.5)), SE: 0.02}, Pass: math.NaN()}},
						Goals: []Estimate{{Value: x, SE: math.NaN()}}}
				})
				require.NotEmpty(t, h)
			}
		}
	}
}

// The initial points of the styles with models ascend, and the first certain failure ends them.
func TestInitialPointsAscend(t *testing.T) {
	for name, planner := range map[string]Planner{"bo": Bayes{}, "tpe": Optuna{}} {
		for seed := range uint64(20) {
			p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 1000, Int: true, Log: true}}, Goals: []Goal{{Maximize: true}}, Budget: 30, Seed: seed}
			last, failed := 0.0, false
			play(t, planner, p, func(s Step) Observation {
				if s.Reason == "initial point" {
					assert.False(t, failed, "%s, seed %d: %v after a failure", name, seed, s.At)
					assert.Greater(t, s.At[0], last, "%s, seed %d", name, seed)
					last = s.At[0]
				}
				g := math.Log(s.At[0] / 40.5)
				failed = failed || g > 0
				return Observation{At: s.At, Margins: []Margin{{Estimate: Estimate{Value: g, SE: 0.02}, Pass: math.NaN()}},
					Goals: []Estimate{{Value: s.At[0], SE: math.NaN()}}}
			})
		}
	}
}
