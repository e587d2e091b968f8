package recipes

import (
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Fixed returns the simplest recipe: a load of n requests in flight, measured at one
// point. With SLA limits the run is met when they hold; without limits it is met once
// the point was measured. Run reports an n below 1 as an *InputError.
func Fixed(n int) *Recipe {
	name := fmt.Sprintf("fixed-concurrency-%d", n)
	return &Recipe{
		Name: name,
		Doc:  fmt.Sprintf("measure %d requests in flight", n),
		Uses: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA, inputAtLeast},
		Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
		Expand: func(in Inputs) (*Plan, error) {
			if n < 1 {
				return nil, inputError(nil, "cannot measure %d requests in flight; give at least 1", n)
			}
			return &Plan{Scenarios: []Scenario{{Name: name, Values: []Value{{PathConcurrency, float64(n)}}}}, Limits: in.limits()}, nil
		},
	}
}
