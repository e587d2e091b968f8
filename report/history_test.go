package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// long is a search of n probes: the outcome of a real one, its probes repeated.
func long(t testing.TB, o *recipes.Outcome, n int) *recipes.Outcome {
	t.Helper()
	l := *o
	l.Probes = nil
	for i := range n {
		p := o.Probes[i%len(o.Probes)]
		p.Step.At = []float64{float64(1 + i)}
		p.Observed.At = p.Step.At
		l.Probes = append(l.Probes, p)
	}
	l.Reason = ""
	return &l
}

// BenchmarkHistory is the update of search_history.json at 200 probes, without the disk. It
// reports how many times as long that takes as one at 100: 2 where the file grows with its
// probes, and 4 where each of them is held against all others.
func BenchmarkHistory(b *testing.B) {
	half, o := long(b, benchOutcome(b), 100), long(b, benchOutcome(b), 200)
	for b.Loop() {
		if err := History(io.Discard, o); err != nil {
			b.Fatal(err)
		}
	}
	whole := b.Elapsed()
	began := time.Now()
	for range b.N {
		if err := History(io.Discard, half); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(whole)/float64(time.Since(began)), "x/doubling")
}

// benchOutcome is the outcome of a search against a formula.
func benchOutcome(b *testing.B) *recipes.Outcome {
	r, err := recipes.Lookup("max-throughput-ttft-sla")
	require.NoError(b, err)
	o, err := recipes.Run(b.Context(), r, recipes.Spec{Prober: formula{}, Inputs: recipes.Inputs{TTFT: new(200.0), E2E: new(9000.0)}})
	require.NoError(b, err)
	return o
}

// TestHistoryGrowsWithProbes: the work of an update grows with the number of probes, and not with
// its square: each is made into its iteration once. A pass over all probes for each probe that
// makes anything shows in what is allocated, whatever else the machine does; BenchmarkHistory has
// the times.
func TestHistoryGrowsWithProbes(t *testing.T) {
	work := func(probes int) (allocations float64, written int) {
		o := long(t, runOutcome(t, "mono"), probes)
		var b bytes.Buffer
		require.NoError(t, History(&b, o))
		return testing.AllocsPerRun(3, func() { _ = History(io.Discard, o) }), b.Len()
	}
	few, short := work(100)
	many, whole := work(400)
	t.Logf("100 probes: %.0f allocations, %d bytes; 400: %.0f, %d", few, short, many, whole)
	assert.Less(t, many/few, 4.4, "allocations of four times as many probes")
	assert.Less(t, float64(whole)/float64(short), 4.4, "bytes of four times as many")
	assert.Greater(t, few, 100.0, "else this test counts nothing")
}

// TestBestTrials: one objective has one best trial; several have the
// non-dominated set, of the feasible ones when there are any.
func TestBestTrials(t *testing.T) {
	search := func(goals [][]float64, feasible ...int) *recipes.Outcome {
		o := revisited(t, "mono", len(goals), func(i int, p *recipes.Probe) {
			estimate := p.Observed.Goals[0]
			p.Observed.Goals = nil
			for _, v := range goals[i] {
				estimate.Value = v
				p.Observed.Goals = append(p.Observed.Goals, estimate)
			}
			p.Readings[0].Holds = slices.Contains(feasible, i)
		})
		plan, s := *o.Plan, *o.Plan.Search
		s.Objectives = []recipes.Objective{
			{Metric: "output_token_throughput", Stat: "avg", Maximize: true}, {Metric: "time_to_first_token", Stat: "p95"},
		}[:len(goals[0])]
		plan.Search, o.Plan = &s, &plan
		o.Best = recipes.Best{}
		return o
	}
	for _, c := range []struct {
		why      string
		o        *recipes.Outcome
		best     []int
		feasible int
	}{
		{"one objective: the first of the largest", search([][]float64{{1}, {3}, {3}, {2}}, 0, 1, 2, 3), []int{1}, 4},
		{"one objective: feasible before larger", search([][]float64{{1}, {3}, {2}}, 0, 2), []int{2}, 2},
		{"two objectives: more throughput against less TTFT", search([][]float64{{10, 5}, {20, 9}, {15, 9}, {5, 4}}, 0, 1, 2, 3),
			[]int{0, 1, 3}, 4},
		{"two objectives: an infeasible point beats nobody", search([][]float64{{10, 5}, {20, 1}, {9, 6}}, 0, 2), []int{0}, 2},
		{"nothing feasible: of all", search([][]float64{{10, 5}, {20, 1}}), []int{1}, 0},
		{"a point not measured is not among them", search([][]float64{{10, 5}, {math.NaN(), 1}}, 0, 1), []int{0}, 1},
	} {
		t.Run(c.why, func(t *testing.T) {
			got := []int{}
			for _, b := range viewOf(c.o).bestTrials() {
				got = append(got, b.Index)
				assert.Equal(t, c.feasible, b.FeasibleCount)
				assert.Zero(t, b.Rank)
				assert.Equal(t, c.feasible > 0, b.Feasible)
			}
			assert.Equal(t, c.best, got)
		})
	}
	assert.Equal(t, []bestTrial{}, viewOf(runOutcome(t, "ramp")).bestTrials(),
		"a sweep searches for nothing; AIPerf's list is empty, not null")
}

// TestBoundarySummary: what was probed, and what style smooth_isotonic adds.
func TestBoundarySummary(t *testing.T) {
	t.Parallel()
	o := runOutcome(t, "smooth")
	b := viewOf(o).boundary()
	assert.Equal(t, "smooth", b.Type)
	assert.Equal(t, "0:time_to_first_token.p95.lt.80.0", b.Binding)
	require.NotNil(t, b.Max)
	require.NotNil(t, b.Min)
	assert.Equal(t, o.Boundary.Safe, float64(b.Max.Value))
	assert.Greater(t, float64(b.Min.Value), float64(b.Max.Value))
	require.NotNil(t, b.Min.Breach)
	assert.Equal(t, "time_to_first_token", b.Min.Breach.Metric)
	assert.Greater(t, float64(b.Min.Breach.Observed), 80.0)

	running := *o
	running.Reason = ""
	assert.Empty(t, viewOf(&running).boundary().Type, "not before the fit is finished")
	assert.Empty(t, viewOf(runOutcome(t, "mono")).boundary().Type)
}

// A search of several tiers says of each how far it got, and why it ended.
func TestTierResults(t *testing.T) {
	limit := func(text string) []sla.Limit {
		l, err := sla.ParseLimit(text)
		require.NoError(t, err)
		return []sla.Limit{l}
	}
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Sequential} {
		o, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: formula{},
			Inputs: recipes.Inputs{Style: style, E2E: new(60000.0), Tiers: []recipes.Tier{
				{Label: "gold", Limits: limit("ttft p95 < 100ms")}, {Label: "never", Limits: limit("ttft p95 < 1ms")},
			}}})
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, History(&b, o))
		var h history
		require.NoError(t, json.Unmarshal(b.Bytes(), &h))
		require.Len(t, h.Tiers, 2)
		assert.Equal(t, "gold", h.Tiers[0].Label)
		assert.Equal(t, o.Tiers[0].Safe, float64(h.Tiers[0].Safe))
		assert.Len(t, h.Tiers[0].Filters, 2, "the common limit and its own")
		assert.Contains(t, h.Tiers[0].Reason, "precision_reached")
		assert.True(t, math.IsNaN(float64(h.Tiers[1].Safe)))
		assert.Contains(t, h.Tiers[1].Reason, "no_pass_in_range")
	}
}
