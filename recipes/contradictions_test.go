package recipes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// untouched fails the test when it is asked to measure.
type untouched struct{ t *testing.T }

func (u untouched) Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error) {
	u.t.Error("something was measured")
	return nil, errors.New("measured")
}

// TestContradictions: what is known to make no sense before anything is sent is refused.
func TestContradictions(t *testing.T) {
	ttft := 200.0
	nowhere := loadgen.Target{URL: "http://127.0.0.1:1"} // a prober of the test's own may count good requests itself
	search, fixed, ramp := named(t, "max-concurrency-under-sla"), recipes.Fixed(4), named(t, "concurrency-ramp")
	for _, tt := range []struct {
		why    string
		recipe *recipes.Recipe
		spec   recipes.Spec
		want   string
	}{
		{"AtLeast above the range of a search", search, recipes.Spec{AtLeast: 64,
			Inputs: recipes.Inputs{TTFT: &ttft, Concurrency: between(1, 2)}}, "cannot reach AtLeast(64): the search's range ends at 2"},
		{"AtLeast above a grid", search, recipes.Spec{AtLeast: 64,
			Inputs: recipes.Inputs{TTFT: &ttft, Style: recipes.Grid, Concurrency: between(1, 2)}}, "the list of loads ends at 2"},
		{"AtLeast above a fixed load", fixed, recipes.Spec{AtLeast: 64, Inputs: recipes.Inputs{TTFT: &ttft}}, "ends at 4"},
		{"AtLeast above a ramp", ramp, recipes.Spec{AtLeast: 64, Inputs: recipes.Inputs{Concurrency: between(1, 32)}}, "ends at 32"},
		{"more initial points than probes", search, recipes.Spec{
			Inputs: recipes.Inputs{TTFT: &ttft, Style: recipes.BO, InitialPoints: new(10), MaxProbes: new(5)}}, "leave none of the 5"},
		{"as many initial points as probes", search, recipes.Spec{
			Inputs: recipes.Inputs{TTFT: &ttft, Style: recipes.BO, InitialPoints: new(5), MaxProbes: new(5)}}, "leave none of the 5"},
		{"a negative prompt", fixed, recipes.Spec{Workload: loadgen.Load{ISL: -1, OSL: 16}}, "-1 and 16 tokens"},
		{"a negative answer", fixed, recipes.Spec{Workload: loadgen.Load{OSL: -16}}, "cannot use Tokens"},
		{"negative requests", fixed, recipes.Spec{Workload: loadgen.Load{Requests: -4}}, "cannot use Requests: -4 is negative"},
		{"a negative window", fixed, recipes.Spec{Workload: loadgen.Load{Window: -time.Second}}, "cannot use ProbeTime: -1s is negative"},
		{"a degradation in percent", ramp, recipes.Spec{Inputs: recipes.Inputs{Degradation: new(20.0)}}, "a rise of 2000%"},
		{"an unknown sampler", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: &ttft, Style: recipes.Optuna, Sampler: "botorch"}},
			`sampler "botorch" is a Python library`},
		{"a misspelt sampler", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: &ttft, Style: recipes.Optuna, Sampler: "tpee"}},
			`sampler "tpee" is unknown; did you mean "tpe"?`},
		{"an unknown sampler of an explicit search", recipes.Explicit(recipes.Search{Style: recipes.Optuna, Sampler: "botorch",
			Space:      []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 9, Int: true}},
			Objectives: []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}}}), recipes.Spec{},
			`sampler "botorch" is a Python library`},
		{"a TTFT of 200ns", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: new(0.0002)}}, "200ns, which no server meets"},
		{"an ITL with answers of one token", fixed, recipes.Spec{Workload: loadgen.Load{OSL: 1}, Inputs: recipes.Inputs{ITL: new(20.0)}},
			"itl has no value for answers of 1 token"},
		{"inter-chunk latency with answers of one token", fixed, recipes.Spec{Workload: loadgen.Load{OSL: 1},
			Inputs: recipes.Inputs{Limits: limits(t, "icl p95 < 20ms")}}, "icl has no value for answers of 1 token"},
		{"a good request with an ITL and answers of one token", named(t, "max-goodput-under-slo"), recipes.Spec{Workload: loadgen.Load{OSL: 1},
			Inputs: recipes.Inputs{TTFT: &ttft, ITL: new(20.0), E2E: new(900.0)}}, "itl has no value for answers of 1 token"},
		{"goodput where no request is good", fixed, recipes.Spec{Target: nowhere, Inputs: recipes.Inputs{Limits: limits(t, "goodput > 3 req/s")}},
			"no limits say which request is good"},
		{"a floor alone", search, recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, "throughput >= 700 tok/s")}},
			"there is no largest load to search for"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if tt.spec.Target.URL == "" {
				tt.spec.Prober = untouched{t}
			}
			out, err := recipes.Run(t.Context(), tt.recipe, tt.spec)
			require.ErrorAs(t, err, new(*recipes.InputError))
			assert.ErrorContains(t, err, tt.want)
			assert.Nil(t, out)
		})
	}
}
