package recipes_test

import "github.com/aiperf-go/aiperf/recipes/plan"

func init() {
	surfaceStyles = append(surfaceStyles,
		surfaceStyle{name: "sequential", planner: plan.Sequential{}, budget: 30, aiperf: struct{ probes, err float64 }{12.5, 0.15}, violates: 0.02},
	)
}
