package recipes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAIPerfRuns: the handlers read the sweep aggregates of real AIPerf 0.13 runs
// (testdata/aiperf-runs, cut to the metrics that are read) and derive what it
// derived, where it used the statistic it names.
func TestAIPerfRuns(t *testing.T) {
	read := func(t *testing.T, name string) (a sweep.Sweep, output map[string]any) {
		raw, err := os.ReadFile(filepath.Join("testdata", "aiperf-runs", name+".json"))
		require.NoError(t, err)
		file := struct {
			Aggregate *sweep.Sweep
			Output    *map[string]any
		}{&a, &output}
		require.NoError(t, json.Unmarshal(raw, &file))
		return a, output
	}
	expand := func(t *testing.T, recipe string, in Inputs) sweep.Derivation {
		r, err := Lookup(recipe)
		require.NoError(t, err)
		p, err := r.Expand(in)
		require.NoError(t, err)
		return p.Derive
	}
	for name, post := range map[string]sweep.Derivation{
		"prefill": expand(t, "prefill-ttft-curve", Inputs{}),
		"decode":  expand(t, "decode-itl-curve", Inputs{}),
		"grid": expand(t, "max-concurrency-under-sla", Inputs{TTFT: new(60.0), Style: Grid, Limits: []sla.Limit{
			{Metric: "request_latency", Stat: "p99", Op: sla.LT, Threshold: 200}}}),
	} {
		t.Run(name, func(t *testing.T) {
			a, want := read(t, name)
			_, raw, err := derived(post, &a)
			require.NoError(t, err)
			var got any
			require.NoError(t, json.Unmarshal(raw, &got))
			golden.Same(t, "", any(want), got)
		})
	}
	t.Run("ramp", func(t *testing.T) {
		a, theirs := read(t, "ramp")
		_, raw, err := derived(expand(t, "concurrency-ramp", Inputs{}), &a)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(raw, &got))
		assert.Equal(t, a.Points[0].Metrics["request_latency"]["p99"], got["baseline_p99"], "the p99")
		assert.Equal(t, a.Points[0].Metrics["request_latency"]["avg"], theirs["baseline_p99"], "AIPerf's is the average, by that name")
	})
	t.Run("pareto", func(t *testing.T) {
		a, none := read(t, "pareto")
		assert.Nil(t, none, "AIPerf left no frontier at all")
		result, _, err := derived(expand(t, "pareto-sweep", Inputs{Pairs: new("32/8,64/16")}), &a)
		require.NoError(t, err)
		f := result.(sweep.Frontier)
		require.Len(t, f.Cells, 4)
		for i, c := range f.Cells {
			assert.EqualValues(t, a.Points[i].Metrics["time_to_first_token"]["p95"], c.X)
			assert.EqualValues(t, a.Points[i].Metrics["output_token_throughput"]["avg"], c.Y)
		}
	})
}
