package recipes_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// analytic is a prober with known metrics: tag.stat → value, as a function of
// the load and of how often it was probed.
type analytic struct {
	metrics func(l loadgen.Load, visit int) map[string]map[string]float64
	visits  int
	se      float64 // relative standard error that the measurements claim
}

// Wait lets no time pass: what is measured does not depend on it.
func (a *analytic) Wait(context.Context, time.Duration) bool { return true }

func (a *analytic) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagCompleted: {Unit: "requests", Stats: map[string]float64{"avg": float64(l.Requests)}},
		loadgen.TagErrors:    {Unit: "requests", Stats: map[string]float64{"avg": 0}},
	}}
	for tag, stats := range a.metrics(l, a.visits) {
		se := map[string]float64{}
		for stat, v := range stats {
			se[stat] = a.se * v
		}
		m.Metrics[tag] = loadgen.Metric{Stats: stats, SE: se}
	}
	a.visits++
	return m, nil
}

func stats(stat string, v float64) map[string]float64 { return map[string]float64{stat: v} }

// TestExplicitTwoDimensions searches concurrency and prompt length at once: the
// most input tokens per second while TTFT holds.
func TestExplicitTwoDimensions(t *testing.T) {
	p := &analytic{metrics: func(l loadgen.Load, _ int) map[string]map[string]float64 {
		ttft := 10 + 0.05*float64(l.ISL) + float64(l.Concurrency)
		return map[string]map[string]float64{
			loadgen.TagTTFT:      stats("p95", ttft),
			loadgen.TagTotalRate: stats("avg", float64(l.ISL*l.Concurrency)/(1+ttft/1000)),
		}
	}}
	out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{
		Space: []plan.Dim{
			{Path: recipes.PathConcurrency, Lo: 1, Hi: 200, Int: true, Log: true},
			{Path: recipes.PathISL, Lo: 64, Hi: 4096, Int: true, Log: true},
		},
		Objectives: []recipes.Objective{{Metric: loadgen.TagTotalRate, Stat: "avg", Maximize: true}},
		MaxProbes:  40,
	}, sla.Limit{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: 150}),
		recipes.Spec{Prober: p, Workload: loadgen.Load{Seed: 3}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
	require.True(t, out.Best.Found)
	// By hand: with c = 140 − 0.05·isl the product isl·c is largest at isl = 1400, c = 70.
	best := 1400 * 70 / 1.15
	assert.InEpsilon(t, best, out.Best.Objective, 0.10, "within 10 %% of the optimum after %d probes", len(out.Probes))
	for _, probe := range out.Probes {
		require.Len(t, probe.Step.At, 2)
		assert.Equal(t, int(probe.Step.At[0]), probe.Load.Concurrency)
		assert.Equal(t, int(probe.Step.At[1]), probe.Load.ISL)
	}
}

// TestExplicitRate searches the request rate of an open loop, a float dimension.
func TestExplicitRate(t *testing.T) {
	p := &analytic{se: 0.005, metrics: func(l loadgen.Load, _ int) map[string]map[string]float64 {
		return map[string]map[string]float64{
			loadgen.TagTTFT:    stats("p95", 50/(1-l.Rate/40)), // an M/M/1 queue that saturates at 40/s
			loadgen.TagReqRate: stats("avg", l.Rate),
		}
	}}
	for _, style := range []recipes.Style{recipes.BO, recipes.Monotonic, recipes.SmoothIsotonic} {
		out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{
			Style:      style,
			Space:      []plan.Dim{{Path: recipes.PathRate, Lo: 1, Hi: 39, Log: true}},
			Objectives: []recipes.Objective{{Metric: loadgen.TagReqRate, Stat: "avg", Maximize: true}},
			Boundary:   true,
		}, sla.Limit{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: 200}),
			recipes.Spec{Prober: p, Workload: loadgen.Load{Seed: 3, Arrival: "poisson"}})
		require.NoError(t, err, style)
		assert.Equal(t, recipes.Met, out.Verdict, style)
		assert.InDelta(t, 30, out.Boundary.Safe, 1.6, "%s: 50/(1−30/40) is 200", style)
		assert.LessOrEqual(t, out.Boundary.Safe, 30.0)
		assert.Equal(t, "poisson", out.Probes[0].Load.Arrival)
		assert.Zero(t, out.Probes[0].Load.Concurrency)
	}
}

// TestExplicitTwoObjectives finds a front between throughput and latency.
func TestExplicitTwoObjectives(t *testing.T) {
	p := &analytic{metrics: func(l loadgen.Load, _ int) map[string]map[string]float64 {
		c := float64(l.Concurrency)
		return map[string]map[string]float64{
			loadgen.TagTokenRate: stats("avg", 5000*c/(c+30)),
			loadgen.TagLatency:   stats("p95", 100+5*c),
		}
	}}
	out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{
		Space: []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 500, Int: true, Log: true}},
		Objectives: []recipes.Objective{
			{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true},
			{Metric: loadgen.TagLatency, Stat: "p95"},
		},
		MaxProbes: 20,
	}), recipes.Spec{Prober: p, Workload: loadgen.Load{Seed: 3}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
	lo, hi := math.Inf(1), 0.0
	for _, probe := range out.Probes {
		lo, hi = min(lo, probe.Step.At[0]), max(hi, probe.Step.At[0])
	}
	assert.Less(t, lo, 10.0, "the front's low-latency end is explored")
	assert.Greater(t, hi, 250.0, "and its high-throughput end")
}

// TestTiers answers a boundary per tier in one search.
func TestTiers(t *testing.T) {
	p := &analytic{metrics: func(l loadgen.Load, _ int) map[string]map[string]float64 {
		return map[string]map[string]float64{
			loadgen.TagTTFT:      stats("p95", 2*float64(l.Concurrency)),
			loadgen.TagErrorRate: stats("avg", 0.001),
			loadgen.TagTokenRate: stats("avg", float64(l.Concurrency)),
		}
	}}
	limit := func(ms float64) []sla.Limit {
		return []sla.Limit{{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: ms}}
	}
	out, err := recipes.Run(t.Context(), maxConcurrency(t), recipes.Spec{Prober: p, Inputs: recipes.Inputs{
		Limits: []sla.Limit{{Metric: loadgen.TagErrorRate, Stat: "avg", Op: sla.LT, Threshold: 1}},
		Tiers:  []recipes.Tier{{Label: "gold", Limits: limit(50)}, {Label: "silver", Limits: limit(201)}, {Limits: limit(900)}},
	}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
	require.Len(t, out.Tiers, 3)
	for i, want := range []float64{24, 100, 449} {
		assert.InEpsilon(t, want, out.Tiers[i].Safe, 0.05, "tier %d", i)
		assert.LessOrEqual(t, out.Tiers[i].Safe, want)
	}
	assert.Equal(t, "tier_3", out.Plan.Tiers[2].Label)
	assert.Equal(t, int(out.Tiers[0].Safe), out.Best.Concurrency(), "the first tier is the run's own answer")
	assert.Less(t, len(out.Probes), 30, "the tiers share their probes: three searches take a dozen each")

	for why, tiers := range map[string][]recipes.Tier{
		"one":      {{Label: "a", Limits: limit(5)}},
		"the same": {{Label: "a", Limits: limit(5)}, {Label: "a", Limits: limit(6)}},
		"empty":    {{Label: "a", Limits: limit(5)}, {Label: "b"}},
		"nonsense": {{Label: "a", Limits: limit(5)}, {Label: "b", Limits: limit(-1)}},
	} {
		_, err := recipes.Run(t.Context(), maxConcurrency(t), recipes.Spec{Prober: p, Inputs: recipes.Inputs{TTFT: new(5.0), Tiers: tiers}})
		assert.ErrorAs(t, err, new(*recipes.InputError), why)
		assert.ErrorContains(t, err, "Tier", why)
	}
}

// TestConverge takes as many trials as make a metric's interval narrow.
func TestConverge(t *testing.T) {
	noisy := func(spread float64) *analytic {
		return &analytic{metrics: func(l loadgen.Load, visit int) map[string]map[string]float64 {
			return map[string]map[string]float64{loadgen.TagTTFT: stats("p95", 100+spread*float64(visit%2))}
		}}
	}
	for _, tt := range []struct {
		why    string
		spread float64
		trials int
	}{
		{"no spread: three trials show it", 0, 3},
		// values 100, 110, 100, …: half the t interval is 14, 8.6, 6.7, 5.5 % after 3, 4, 5, 6
		{"some spread", 10, 4},
		{"too much for ten", 100, 10},
	} {
		out, err := recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{Prober: noisy(tt.spread),
			Converge: &recipes.Convergence{Metric: "ttft", Stat: "p95", Within: 0.10}})
		require.NoError(t, err)
		assert.Len(t, out.Probes[0].Trials, tt.trials, tt.why)
	}
	_, err := recipes.Run(t.Context(), maxConcurrency(t), recipes.Spec{Prober: noisy(0), Inputs: recipes.Inputs{TTFT: new(5.0)},
		Converge: &recipes.Convergence{Metric: "ttft", Stat: "p95"}})
	assert.ErrorContains(t, err, "a search chooses its own")
}

// TestExplicitErrors: what a hand writes wrong is said before any load.
func TestExplicitErrors(t *testing.T) {
	conc := plan.Dim{Path: recipes.PathConcurrency, Lo: 1, Hi: 10, Int: true}
	goal := []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}}
	for _, tt := range []struct {
		search recipes.Search
		says   string
	}{
		{recipes.Search{Objectives: goal}, "no dimension"},
		{recipes.Search{Space: []plan.Dim{conc}}, "no objective"},
		{recipes.Search{Space: []plan.Dim{{Path: recipes.PathISL, Lo: 5, Hi: 5}}, Objectives: goal}, "from 5 to 5"},
		{recipes.Search{Space: []plan.Dim{{Path: "phases.profiling.concurency", Lo: 1, Hi: 5, Int: true}}, Objectives: goal},
			`did you mean "phases.profiling.concurrency"?`},
		{recipes.Search{Space: []plan.Dim{{Path: recipes.PathConcurrency, Lo: 0.5, Hi: 5}}, Objectives: goal}, "whole and at least 1"},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: []recipes.Objective{{Metric: "output_token_troughput", Stat: "avg"}}},
			`did you mean "output_token_throughput"?`},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: []recipes.Objective{{Metric: loadgen.TagTTFT, Stat: "p98"}}}, "p98"},
		{recipes.Search{Style: recipes.Monotonic, Space: []plan.Dim{conc, {Path: recipes.PathISL, Lo: 1, Hi: 5, Int: true}},
			Objectives: goal}, "use bo or optuna for several"},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: goal, InitialPoints: 30}, "fewer than MaxProbes"},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: goal, MaxProbes: 1}, "MaxProbes"},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: goal, Sampler: "gp"}, "style optuna"},
		{recipes.Search{Space: []plan.Dim{conc}, Objectives: goal, Style: recipes.Grid}, "not a search"},
	} {
		_, err := recipes.Run(t.Context(), recipes.Explicit(tt.search), recipes.Spec{Prober: &analytic{}})
		assert.ErrorContains(t, err, tt.says)
		assert.ErrorAs(t, err, new(*recipes.InputError))
	}
}
