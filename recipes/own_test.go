package recipes_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// flat answers every load with the same.
func flat() *analytic {
	return &analytic{metrics: func(loadgen.Load, int) map[string]map[string]float64 {
		return map[string]map[string]float64{loadgen.TagTTFT: stats("p95", 100), loadgen.TagTokenRate: stats("avg", 10)}
	}}
}

// TestOwnInputs: a recipe of one's own sees the endpoint, the load and the trials, and the
// inputs that it declares; those of others are warned about.
func TestOwnInputs(t *testing.T) {
	var seen recipes.Inputs
	r := &recipes.Recipe{Name: "own", Doc: "measure what it is told", Uses: []recipes.Input{"Slots"},
		Expand: func(in recipes.Inputs) (*recipes.Plan, error) {
			seen = in
			slots, ok := in.Own["Slots"].(int)
			if !ok {
				return nil, &recipes.InputError{Inputs: []recipes.Input{"Slots"}, Problem: "requires Slots: the requests in flight"}
			}
			return &recipes.Plan{Scenarios: []recipes.Scenario{{Name: "own", Values: []recipes.Value{
				{Path: recipes.PathConcurrency, Value: float64(slots)}}}}}, nil
		}}
	s := recipes.Spec{Prober: flat(), Target: loadgen.Target{URL: "http://h", Model: "m"}, Trials: 2,
		Workload: loadgen.Load{OSL: 64, Workload: loadgen.Workload{System: 5}},
		Inputs:   recipes.Inputs{Own: map[recipes.Input]any{"Slots": 7, "Colour": "red"}}}
	out, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	assert.Equal(t, 7, out.Probes[0].Load.Concurrency)
	assert.Equal(t, "m", seen.Target.Model)
	assert.Equal(t, [2]int{loadgen.DefaultISL, 64}, [2]int{seen.Workload.ISL, seen.Workload.OSL})
	assert.Equal(t, 5, seen.Workload.Workload.System)
	assert.Equal(t, 2, seen.Trials)
	require.Len(t, out.Warnings, 1)
	assert.EqualError(t, out.Warnings[0], `recipe "own" does not use Colour; no recipe reads it`)

	_, err = recipes.Run(t.Context(), r, recipes.Spec{Prober: flat()})
	assert.EqualError(t, err, `recipe "own" requires Slots: the requests in flight`)
	_, err = recipes.Run(t.Context(), r, recipes.Spec{Prober: flat(), Inputs: recipes.Inputs{Own: map[recipes.Input]any{"TTFT": 1}}})
	assert.ErrorContains(t, err, "a recipe cannot declare an input of this name")
}

// TestWorkloadPaths searches and sweeps numbers of a workload.
func TestWorkloadPaths(t *testing.T) {
	mixed := loadgen.Workload{ISL: workload.Normal(500, 50), Prefixes: []workload.Prefix{{Groups: 2, Tokens: 64, Share: 0.5}},
		Body: map[string]any{"options": map[string]any{"beams": 2}}}
	goal := []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}}
	share := plan.Dim{Path: recipes.PathWorkload + "prefixes.0.share", Lo: 0.1, Hi: 1}
	search := func(d plan.Dim, with ...recipes.Value) *recipes.Recipe {
		return recipes.Explicit(recipes.Search{Style: recipes.Monotonic, Boundary: true, Space: []plan.Dim{d}, With: with, Objectives: goal})
	}
	eight := recipes.Value{Path: recipes.PathConcurrency, Value: 8}
	out, err := recipes.Run(t.Context(), search(share, eight), recipes.Spec{Prober: flat(), Workload: loadgen.Load{Workload: mixed}})
	require.NoError(t, err)
	require.NotEmpty(t, out.Probes)
	for _, p := range out.Probes {
		assert.Equal(t, 8, p.Load.Concurrency)
		assert.Equal(t, p.Step.At[0], p.Load.Workload.Prefixes[0].Share)
		assert.Equal(t, 64, p.Load.Workload.Prefixes[0].Tokens)
		assert.True(t, p.Load.Workload.ISL.Mean == 500, "what is not varied stays")
	}
	assert.Equal(t, 0.5, mixed.Prefixes[0].Share, "and so does the user's own value")

	axis := func(path recipes.Path, values ...float64) recipes.Axis {
		return recipes.Axis{Path: path, Values: values}
	}
	out, err = recipes.Run(t.Context(), recipes.Sweep(axis(recipes.PathWorkload+"isl.stddev", 10, 90),
		axis(recipes.PathWorkload+"system", 0, 32),
		axis(recipes.PathWorkload+"body.options.beams", 3), axis(recipes.PathConcurrency, 4)),
		recipes.Spec{Prober: flat(), Workload: loadgen.Load{Workload: mixed}})
	require.NoError(t, err)
	last := out.Probes[len(out.Probes)-1].Load.Workload
	assert.Len(t, out.Probes, 4)
	assert.Equal(t, []float64{90, 32}, []float64{last.ISL.Stddev, float64(last.System)})
	assert.Equal(t, map[string]any{"options": map[string]any{"beams": 3.0}}, last.Body)

	for _, tt := range []struct {
		recipe *recipes.Recipe
		says   string
	}{
		{search(plan.Dim{Path: recipes.PathWorkload + "prefixes.1.share", Lo: 0.1, Hi: 1}, eight), "prefixes has no element 1"},
		{search(plan.Dim{Path: recipes.PathWorkload + "prefixes.0.shares", Lo: 0.1, Hi: 1}, eight), `unknown field "shares"`},
		{search(plan.Dim{Path: share.Path, Lo: 0.1, Hi: 2}, eight), "cannot be 2: Prefixes[0] has a share of 2"},
		{search(plan.Dim{Path: recipes.PathWorkload + "system", Lo: 1, Hi: 9}, eight), "dimension workload.system cannot be 3.5"},
		{search(share, recipes.Value{Path: share.Path, Value: 1}), "which is searched"},
		{search(share, recipes.Value{Path: "phases.profiling.concurency", Value: 1}), `did you mean "phases.profiling.concurrency"?`},
		{recipes.Sweep(axis(recipes.PathWorkload+"isl.mean.x", 1), axis(recipes.PathConcurrency, 4)), "isl.mean has no parts"},
	} {
		_, err := recipes.Run(t.Context(), tt.recipe, recipes.Spec{Prober: flat(), Workload: loadgen.Load{Workload: mixed}})
		assert.ErrorContains(t, err, tt.says)
		assert.ErrorAs(t, err, new(*recipes.InputError))
	}
}
