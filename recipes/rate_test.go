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
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// TestRateAboveCapacity searches the rate of a server of 50 requests a second. A rate above
// that is missed however few of its requests exceed the limit while it is looked, and the
// rates below are not measured in the backlog of those above.
func TestRateAboveCapacity(t *testing.T) {
	limit := sla.Limit{Metric: loadgen.TagLatency, Stat: "p95", Op: sla.LT, Threshold: 2000}
	for _, tt := range []struct {
		recipe  *recipes.Recipe
		atLeast int
		verdict recipes.Verdict
	}{
		{rateScenario(limit, 200), 0, recipes.Missed},
		{rateScenario(limit, 100), 0, recipes.Missed},
		{rateScenario(limit, 40), 0, recipes.Met},
		{rateScenario(limit, 40), 30, recipes.Met},
		{recipes.Explicit(recipes.Search{
			Style: recipes.Monotonic, Boundary: true,
			Space:      []plan.Dim{{Path: recipes.PathRate, Lo: 1, Hi: 400, Log: true}},
			Objectives: []recipes.Objective{{Metric: loadgen.TagReqRate, Stat: "avg", Maximize: true}},
		}, limit), 0, recipes.Met},
	} {
		synctest.Test(t, func(t *testing.T) {
			// One sequence at a time: a step of 10 ms a token, two tokens.
			srv := simserver.NewInMemory(simserver.Model{Step: 10 * time.Millisecond, MaxBatch: 1})
			ctx, cancel := context.WithCancel(t.Context())
			out, err := recipes.Run(ctx, tt.recipe, recipes.Spec{
				Target:   loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
				Workload: loadgen.Load{ISL: 20, OSL: 2, Requests: 100, Arrival: "constant"}, AtLeast: tt.atLeast,
			})
			cancel()
			srv.Close()
			require.NoError(t, err)
			if out.Plan.Search == nil {
				assert.Equal(t, tt.verdict, out.Verdict, "%v", out.Warnings)
			}
			for _, p := range out.Probes {
				pass, certain := p.Passes(out.Spec.Confidence)
				v, _ := p.Stat(loadgen.TagLatency, "p95")
				t.Logf("%6.2f/s: p95 %.0f ms, pass %v, certain %v, %s", p.Load.Rate, v, pass, certain, p.Step.Reason)
				if p.Load.Rate > 53 {
					assert.False(t, pass, "%v/s", p.Load.Rate)
				}
				if p.Load.Rate < 49 {
					assert.True(t, pass, "%v/s", p.Load.Rate)
					assert.Less(t, v, 60.0, "%v/s finds no backlog", p.Load.Rate)
				}
			}
		})
	}
}

// rateScenario measures one rate.
func rateScenario(l sla.Limit, rate float64) *recipes.Recipe {
	return &recipes.Recipe{Name: "fixed-rate", Doc: "measure one rate", Expand: func(recipes.Inputs) (*recipes.Plan, error) {
		return &recipes.Plan{Scenarios: []recipes.Scenario{{Name: "fixed-rate", Values: []recipes.Value{{Path: recipes.PathRate, Value: rate}}}},
			Limits: []sla.Limit{l}}, nil
	}}
}
