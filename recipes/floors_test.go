package recipes_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

var everyStyle = []recipes.Style{recipes.SmoothIsotonic, recipes.Monotonic, recipes.Sequential, recipes.BO, recipes.Optuna, recipes.Grid}

// TestThroughputFloor: a floor on a rate beside a limit on a latency holds on an interval,
// 27 to 97, and every style finds its upper end.
func TestThroughputFloor(t *testing.T) {
	server := func() *host {
		return &host{ttft: func(c, _ int) float64 { return 2 * float64(c) }, rate: func(c int) float64 { return 26 * float64(c) }}
	}
	for _, style := range everyStyle {
		t.Run(string(style), func(t *testing.T) {
			in := recipes.Inputs{Style: style, Limits: limits(t, "ttft p95 < 230ms", "throughput >= 700 tok/s"), Concurrency: between(1, 400)}
			if style == recipes.Grid {
				in.Steps = new(12)
			}
			r := named(t, "max-concurrency-under-sla")
			out, err := ask(t, r, server(), recipes.Spec{Inputs: in})
			require.NoError(t, err)
			assert.Equal(t, recipes.Met, out.Verdict, out.Reason)
			assert.GreaterOrEqual(t, out.Best.Concurrency(), 40)
			assert.LessOrEqual(t, out.Best.Concurrency(), 97)
			if style != recipes.Grid {
				assert.GreaterOrEqual(t, out.Best.Concurrency(), 90)
			}
			for _, w := range out.Warnings {
				assert.NotErrorIs(t, w, recipes.ErrNonMonotone)
			}

			in.Limits = limits(t, "ttft p95 < 230ms", "throughput >= 9000 tok/s")
			out, err = ask(t, r, server(), recipes.Spec{Inputs: in})
			require.NoError(t, err)
			assert.Equal(t, recipes.Missed, out.Verdict, "no load meets both")
			assert.False(t, out.Best.Found)
		})
	}
	out, err := ask(t, recipes.Fixed(16), server(), recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, "throughput >= 700 tok/s")}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Missed, out.Verdict, "one load has no interval")
	out, err = ask(t, recipes.Fixed(40), server(), recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, "throughput >= 700 tok/s")}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
}

// TestCostLimit: what a token costs falls with the load, so that a limit on it beside one on a
// latency holds on an interval, too, here from 27 to 97. Probers of one's own know no GPUs: the
// target does.
func TestCostLimit(t *testing.T) {
	server := func() *host {
		return &host{ttft: func(c, _ int) float64 { return 2 * float64(c) }, rate: func(c int) float64 { return 26 * float64(c) }}
	}
	target := loadgen.Target{GPUs: 2, Price: 3}
	for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Sequential} {
		in := recipes.Inputs{Style: style, Limits: limits(t, "ttft p95 < 230ms", "cost < 2.4"), Concurrency: between(1, 400)}
		out, err := ask(t, named(t, "max-concurrency-under-sla"), server(), recipes.Spec{Target: target, Inputs: in})
		require.NoError(t, err)
		assert.Equal(t, recipes.Met, out.Verdict, out.Reason)
		assert.GreaterOrEqual(t, out.Best.Concurrency(), 90)
		assert.LessOrEqual(t, out.Best.Concurrency(), 97)
		cost, ok := out.Probes[out.Best.Probe].Stat("cost", "avg")
		require.True(t, ok)
		assert.InEpsilon(t, 6e6/3600/26/float64(out.Best.Concurrency()), cost, 1e-6)

		in.Limits = limits(t, "ttft p95 < 230ms", "cost < 0.1")
		out, err = ask(t, named(t, "max-concurrency-under-sla"), server(), recipes.Spec{Target: target, Inputs: in})
		require.NoError(t, err)
		assert.Equal(t, recipes.Missed, out.Verdict, "no load meets both")
	}
	_, err := ask(t, recipes.Fixed(4), server(), recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, "cost < 3")}})
	assert.ErrorContains(t, err, "cost (the price or the number of GPUs is not known; set Target.Price and set Target.GPUs)")
	_, err = recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{Target: loadgen.Target{URL: "http://127.0.0.1:9"},
		Inputs: recipes.Inputs{Limits: limits(t, "cost < 3")}})
	assert.ErrorContains(t, err, "the price of a GPU is not known; set Target.Price", "before anything is sent")
}

// TestColdFirstPoint: one slow probe of a grid, at the lowest point or at any, does not take
// the answer away when later visits of the point contradict it.
func TestColdFirstPoint(t *testing.T) {
	for _, slow := range []int{1, 7, 19} {
		for _, style := range []recipes.Style{recipes.Grid} {
			h := &host{ttft: func(c, visit int) float64 {
				if c == slow && visit == 1 {
					return 600
				}
				return 20 + 0.5*float64(c)
			}}
			out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
				AtLeast: 30, Inputs: recipes.Inputs{TTFT: new(100.0), Style: style, Concurrency: between(1, 1000)}})
			require.NoError(t, err)
			assert.Equal(t, recipes.Met, out.Verdict, "%s, slow at %d: best %d, %s", style, slow, out.Best.Concurrency(), out.Reason)
			assert.GreaterOrEqual(t, out.Best.Concurrency(), 40)
		}
	}
}

// TestColdFirstProbe: the very first probe of a search may be slow since the server was cold, here
// six times the limit. Every style asks there again, and finds a boundary near 160.
func TestColdFirstProbe(t *testing.T) {
	for _, style := range everyStyle {
		probes := 0
		h := &host{ttft: func(c, _ int) float64 {
			if probes++; probes == 1 {
				return 600
			}
			return 20 + 0.4*float64(c)
		}}
		out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
			AtLeast: 50, Inputs: recipes.Inputs{TTFT: new(100.0), Style: style, Concurrency: between(1, 1000)}})
		require.NoError(t, err)
		assert.Equal(t, recipes.Met, out.Verdict, "%s: best %d, %s", style, out.Best.Concurrency(), out.Reason)
		for _, w := range out.Warnings {
			assert.NotErrorIs(t, w, recipes.ErrNonMonotone)
		}
	}
}

// TestGridThatSheds: a grid's breach counts failures as its verdicts do, so that it never
// says that every load meets the SLA beside rows that miss it.
func TestGridThatSheds(t *testing.T) {
	h := &host{fail: func(c int) float64 {
		if c > 8 {
			return 0.3
		}
		return 0
	}}
	out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
		Inputs: recipes.Inputs{TTFT: new(200.0), Style: recipes.Grid, Steps: new(4), Concurrency: between(2, 64)}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
	assert.Equal(t, 6, out.Best.Concurrency())
	b, ok := out.Breach()
	require.True(t, ok)
	assert.Equal(t, []any{6.0, 20.0, true}, []any{b.MaxPassing, b.FirstFailing, b.Monotone})
}

// TestCertainContradiction: the limits that hold above a load at which they certainly do
// not are worth a warning.
func TestCertainContradiction(t *testing.T) {
	h := &host{ttft: func(c, _ int) float64 {
		if c == 7 {
			return 600
		}
		return 20
	}}
	out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
		Inputs: recipes.Inputs{TTFT: new(100.0), Style: recipes.Grid}})
	require.NoError(t, err)
	told := false
	for _, w := range out.Warnings {
		told = told || errors.Is(w, recipes.ErrNonMonotone)
	}
	assert.True(t, told, out.Warnings)
	assert.Equal(t, 3, out.Best.Concurrency(), "the answer is below the first miss")
}
