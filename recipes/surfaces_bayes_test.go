package recipes_test

import "github.com/aiperf-go/aiperf/recipes/plan"

func init() {
	row := func(probes, err float64) struct{ probes, err float64 } {
		return struct{ probes, err float64 }{probes, err}
	}
	surfaceStyles = append(surfaceStyles,
		surfaceStyle{name: "bo", planner: plan.Bayes{}, budget: 30, aiperf: row(19.8, 0.153), violates: 0.05},
		surfaceStyle{name: "optuna-tpe", planner: plan.Optuna{}, budget: 30, aiperf: row(19.8, 0.153), violates: 0.05},
		surfaceStyle{name: "optuna-gp", planner: plan.Optuna{Sampler: "gp"}, budget: 30, aiperf: row(20.5, 0.064), violates: 0.05},
	)
}
