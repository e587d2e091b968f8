package recipes

import (
	"fmt"
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// FixedRate returns the recipe of a load of r requests a second, measured at one point. It
// is the open loop beside Fixed: requests are sent when they are due, whatever has become
// of those before. Run reports an r that is not positive as an *InputError.
func FixedRate(r float64) *Recipe {
	name := "fixed-rate-" + strings.ReplaceAll(number(r), ".", "-")
	if !(r > 0) {
		name = "fixed-rate" // which is refused
	}
	return &Recipe{
		Name: name,
		Doc:  fmt.Sprintf("measure %s requests a second", number(r)),
		Uses: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA, inputAtLeast, inputArrival},
		Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
		Expand: func(in Inputs) (*Plan, error) {
			if !(r > 0) || math.IsInf(r, 0) {
				return nil, inputError(nil, "cannot measure %v requests a second; give a positive rate", r)
			}
			return &Plan{Scenarios: []Scenario{{Name: name, Values: []Value{{PathRate, r}}}}, Limits: in.limits()}, nil
		},
	}
}

// Fixed returns the simplest recipe: a load of n requests in flight, measured at one
// point. With SLA limits the run is met when they hold; without limits it is met once
// the point was measured. Run reports an n below 1 as an *InputError.
func Fixed(n int) *Recipe {
	name := fmt.Sprintf("fixed-concurrency-%d", n)
	return &Recipe{
		Name: name,
		Doc:  "measure " + inFlight(n),
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

// inFlight counts requests in flight in words.
func inFlight(n int) string {
	if n == 1 {
		return "1 request in flight"
	}
	return fmt.Sprintf("%d requests in flight", n)
}
