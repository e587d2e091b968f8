package recipes_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// A gate that makes no sense is refused before any load.
func TestGateRefused(t *testing.T) {
	ms := 200.0
	for _, tt := range []struct {
		why, want string
		recipe    string
		spec      recipes.Spec
	}{
		{"a percentage", "the tolerance is 5", "max-concurrency-under-sla", recipes.Spec{Gate: &recipes.Gate{Was: 100, Tolerance: 5}}},
		{"no boundary to compare with", "the baseline has no boundary", "max-concurrency-under-sla",
			recipes.Spec{Gate: &recipes.Gate{Tolerance: 0.05}}},
		{"another style", "style monotonic probes more than the floor", "max-concurrency-under-sla",
			recipes.Spec{Gate: &recipes.Gate{Was: 100, Tolerance: 0.05}, Inputs: recipes.Inputs{Style: recipes.Monotonic}}},
		{"a floor out of the range", "the floor 1900 is above the range, which ends at 1000", "max-concurrency-under-sla",
			recipes.Spec{Gate: &recipes.Gate{Was: 2000, Tolerance: 0.05}}},
		{"two floors", "AtLeast(64) asks for another value than the floor", "max-concurrency-under-sla",
			recipes.Spec{Gate: &recipes.Gate{Was: 100, Tolerance: 0.05}, AtLeast: 64}},
		{"several boundaries", "each tier has its own boundary", "max-concurrency-under-sla",
			recipes.Spec{Gate: &recipes.Gate{Was: 100, Tolerance: 0.05}, Inputs: recipes.Inputs{Tiers: []recipes.Tier{
				{Label: "fast", Limits: []sla.Limit{{Metric: loadgen.TagITL, Stat: "p95", Op: "lt", Threshold: 10}}},
				{Label: "slow", Limits: []sla.Limit{{Metric: loadgen.TagITL, Stat: "p95", Op: "lt", Threshold: 20}}}}}}},
		{"a sweep", "it does not search for a single boundary", "pareto-sweep",
			recipes.Spec{Gate: &recipes.Gate{Was: 100, Tolerance: 0.05}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r, err := recipes.Lookup(tt.recipe)
			assert.NoError(t, err)
			tt.spec.Prober = &formula{}
			if tt.recipe != "pareto-sweep" {
				tt.spec.Inputs.TTFT = &ms
				if tt.spec.Inputs.Style == "" {
					tt.spec.Inputs.Style = recipes.Sequential
				}
			} else {
				pairs := "128/128"
				tt.spec.Inputs.Pairs = &pairs
			}
			_, err = recipes.Run(context.Background(), r, tt.spec)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// A baseline's interval decides whether it can be compared with.
func TestGateVague(t *testing.T) {
	for _, tt := range []struct {
		why    string
		gate   recipes.Gate
		refuse bool
	}{
		{"well known", recipes.Gate{Interval: plan.Interval{Lo: 97, Hi: 103, Level: 0.95}, Tolerance: 0.05}, false},
		{"known to as much as may be lost, twice", recipes.Gate{Interval: plan.Interval{Lo: 90, Hi: 110, Level: 0.95}, Tolerance: 0.05},
			true},
		{"and that is well enough for a larger tolerance",
			recipes.Gate{Interval: plan.Interval{Lo: 90, Hi: 110, Level: 0.95}, Tolerance: 0.1}, false},
		{"wide in percent, but there is nothing between",
			recipes.Gate{Interval: plan.Interval{Lo: 2, Hi: 3, Level: 0.95}, Tolerance: 0.05}, false},
	} {
		assert.Equal(t, tt.refuse, tt.gate.Vague(), tt.why)
	}
}
