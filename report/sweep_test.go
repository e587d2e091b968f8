package report

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// TestRepeated: with several trials each has a folder, and in it each point; the
// aggregate of a point holds Student's interval over them.
func TestRepeated(t *testing.T) {
	dir := t.TempDir()
	values := []float64{1, 1.1, 0.9, 1.04}
	r, err := recipes.Lookup("concurrency-ramp")
	require.NoError(t, err)
	o, err := recipes.Run(t.Context(), r, recipes.Spec{
		Prober: formula{wobble: func(trial int) float64 { return values[trial] }, trials: map[int]int{}},
		Trials: 4, Inputs: recipes.Inputs{Concurrency: between(1, 10), Steps: new(2)}, Observe: (&Dir{Path: dir}).Update,
	})
	require.NoError(t, err)
	require.Len(t, o.Probes, 2)
	names := tree(t, dir)
	for _, trial := range []string{"trial_0001", "trial_0002", "trial_0003", "trial_0004"} {
		for _, point := range []string{"concurrency_1", "concurrency_10"} {
			for _, file := range []string{"profile_export_aiperf.json", "profile_export_aiperf.csv", "profile_export.jsonl",
				"run_config.json", "inputs.json"} {
				assert.Contains(t, names, "profile_runs/"+trial+"/"+point+"/"+file)
			}
		}
	}
	assert.NotContains(t, names, "concurrency_1/profile_export_aiperf.json")

	a := decode(t, read(t, dir, "aggregate/concurrency_10/profile_export_aiperf_aggregate.json")).(map[string]any)
	meta := a["metadata"].(map[string]any)
	assert.Equal(t, []any{"run_0001", "run_0002", "run_0003", "run_0004"}, meta["run_labels"])
	assert.Equal(t, false, meta["single_run"])
	m := a["metrics"].(map[string]any)["time_to_first_token_p95"].(map[string]any)
	number := func(key string) float64 {
		v, err := m[key].(interface{ Float64() (float64, error) }).Float64()
		require.NoError(t, err)
		return v
	}
	// By hand: ttft 33 ms · 1.2 · values; t quantile 0.975 of 3 degrees of freedom.
	const base, t975 = 33 * 1.2, 3.182446305284263
	mean := base * 4.04 / 4
	sd := base * math.Sqrt((math.Pow(1-1.01, 2)+math.Pow(1.1-1.01, 2)+math.Pow(0.9-1.01, 2)+math.Pow(1.04-1.01, 2))/3)
	assert.InDelta(t, mean, number("mean"), 1e-9)
	assert.InDelta(t, sd, number("std"), 1e-9)
	assert.InDelta(t, sd/2, number("se"), 1e-9)
	assert.InDelta(t, t975, number("t_critical"), 1e-9)
	assert.InDelta(t, mean-t975*sd/2, number("ci_low"), 1e-9)
	assert.InDelta(t, mean+t975*sd/2, number("ci_high"), 1e-9)
	assert.InDelta(t, sd/mean, number("cv"), 1e-9)
	assert.Contains(t, read(t, dir, "aggregate/concurrency_10/profile_export_aiperf_aggregate.csv"),
		"\r\ntime_to_first_token_p95,40.00,3.33,35.64,43.56,")

	lines, _ := results(t, read(t, dir, "bench.txt"))
	assert.Len(t, lines, 8, "a line a trial: benchstat wants the samples")
	for _, name := range names {
		if strings.HasSuffix(name, "json") {
			decode(t, read(t, dir, name))
		}
	}
	sweep := decode(t, read(t, dir, "sweep_aggregate/profile_export_aiperf_sweep.json")).(map[string]any)
	assert.Contains(t, sweep["per_combination_metrics"].([]any)[0].(map[string]any)["metrics"], "time_to_first_token_p95",
		"several trials: by tag and statistic, as in AIPerf's")
	best := sweep["best_configurations"].(map[string]any)["best_latency_p99"].(map[string]any)
	assert.Equal(t, "1", parameter(best["parameters"].(map[string]any)["concurrency"]))
}

// TestSingleTrial: the interval of one trial collapses.
func TestSingleTrial(t *testing.T) {
	a := viewOf(runOutcome(t, "grid")).aggregate(4)
	require.NotEmpty(t, a.Metrics)
	for key, m := range a.Metrics {
		assert.Equal(t, m["mean"], m["ci_low"], key)
		assert.Equal(t, m["mean"], m["ci_high"], key)
		assert.Nil(t, m["t_critical"], key)
	}
	assert.True(t, a.Metadata.Single)
}

// row is a point of a made-up sweep.
type row struct {
	c         int
	rate, p99 float64
	missed    bool
}

// swept is the outcome of a ramp with those numbers.
func swept(t *testing.T, rows ...row) *recipes.Outcome {
	t.Helper()
	return revisited(t, "grid", len(rows), func(i int, p *recipes.Probe) {
		r := rows[i]
		p.Step.At = []float64{float64(r.c)}
		p.Readings[0].Holds = !r.missed
		m := &loadgen.Measurement{Metrics: map[string]loadgen.Metric{}}
		if !math.IsNaN(r.rate) {
			m.Metrics[loadgen.TagReqRate] = loadgen.Metric{Unit: "requests/sec", Stats: map[string]float64{"avg": r.rate}}
		}
		if !math.IsNaN(r.p99) {
			m.Metrics[loadgen.TagTTFT] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{"avg": r.p99, "p99": r.p99}}
		}
		p.Trials = []*loadgen.Measurement{m}
	})
}

// TestBestConfigurations and the frontier, row by row.
func TestBestConfigurations(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		why           string
		rows          []row
		rate, latency any // concurrency of the best; nil: none
		front         []any
	}{
		{"each has its best, and none beats both", []row{{c: 1, rate: 10, p99: 5}, {c: 8, rate: 60, p99: 9}}, 8, 1, []any{1, 8}},
		{"more of one for the same of the other beats", []row{{c: 1, rate: 10, p99: 5}, {c: 2, rate: 20, p99: 5},
			{c: 4, rate: 20, p99: 6}}, 2, 1, []any{2}},
		{"equals do not beat each other", []row{{c: 1, rate: 10, p99: 5}, {c: 2, rate: 10, p99: 5}}, 1, 1, []any{1, 2}},
		{"a point that misses the SLA is no configuration", []row{{c: 1, rate: 10, p99: 5}, {c: 8, rate: 60, p99: 1, missed: true}}, 1, 1,
			[]any{1}},
		{"when all miss it, the best of all is shown, and no frontier",
			[]row{{c: 1, rate: 10, p99: 5, missed: true}, {c: 8, rate: 60, p99: 9, missed: true}}, 8, 1, nil},
		{"a point that failed wholly says nothing", []row{{c: 1, rate: 10, p99: 5}, {c: 64, rate: 0, p99: none}}, 1, 1, []any{1}},
		{"nothing was measured", []row{{c: 1, rate: none, p99: none}}, nil, nil, nil},
		{"sorted by value, not by visit", []row{{c: 16, rate: 60, p99: 9}, {c: 2, rate: 10, p99: 5}}, 16, 2, []any{2, 16}},
	} {
		t.Run(c.why, func(t *testing.T) {
			f := viewOf(swept(t, c.rows...)).sweepFile()
			at := func(key string) any {
				m, ok := f.Best[key]
				if !ok {
					return nil
				}
				return m.Params["concurrency"]
			}
			assert.Equal(t, c.rate, at("best_throughput"))
			assert.Equal(t, c.latency, at("best_latency_p99"))
			var front []any
			for _, p := range f.Pareto {
				front = append(front, p["concurrency"])
			}
			assert.Equal(t, c.front, front)
			flagged := 0
			for i, r := range f.Rows {
				assert.Equal(t, !c.rows[i].missed, r.Feasible)
				if r.Pareto {
					flagged++
				}
			}
			assert.Equal(t, len(c.front), flagged)
		})
	}
	// Values that AIPerf would take for the latency of answers that were not
	// streamed.
	o := swept(t, row{c: 1, rate: 10, p99: none}, row{c: 8, rate: 60, p99: none})
	for i, v := range []float64{80, 70} {
		o.Probes[i].Trials[0].Metrics[loadgen.TagLatency] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{"p99": v}}
	}
	assert.Equal(t, 70.0, viewOf(o).sweepFile().Best["best_latency_p99"].Metric)
}

// TestDerived: what a handler makes is a file of its own, and what one failed of
// too, but only then.
func TestDerived(t *testing.T) {
	slow.Test(t, slow.Pure)
	for run, file := range map[string]string{
		"grid": "sla_breach.json", "ramp": "degradation_knee.json", "prefill": "prefill_curve.json", "decode": "decode_itl_surface.json",
		"pareto": "pareto_sweep.json",
	} {
		assert.NotEmpty(t, decode(t, read(t, runDir(t, run), "sweep_aggregate", file)), run)
	}
	r := &recipes.Recipe{Name: "failing-handler", Doc: "derives nothing", Expand: func(recipes.Inputs) (*recipes.Plan, error) {
		return &recipes.Plan{Grid: []recipes.Axis{{Path: recipes.PathConcurrency, Values: []float64{1, 2}}},
			Derive: sweep.Custom{Handler: "fails-in-report-test", Output: "x.json",
				Rule: func(*sweep.Sweep) (any, error) { return nil, errors.New("no such column") }}}, nil
	}}
	dir := t.TempDir()
	_, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: formula{}, Observe: (&Dir{Path: dir}).Update})
	require.NoError(t, err)
	assert.Contains(t, read(t, dir, "sweep_aggregate/post_process_errors.json"), "no such column")
	_, err = os.Stat(filepath.Join(dir, "sweep_aggregate/x.json"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestPointNames: no two points share a folder.
func TestPointNames(t *testing.T) {
	seen := map[string]bool{}
	for _, at := range []float64{1, 10, 100, 1000, 1000000, 1.5, 12.34, 12.345, 123.4, 123.45, 0.001} {
		o := swept(t, row{c: 1, rate: 1, p99: 1})
		o.Probes[0].Step.At = []float64{at}
		name := viewOf(o).pointName(0)
		assert.False(t, seen[name], name)
		seen[name] = true
	}
	assert.True(t, seen["concurrency_12.345"])
	assert.True(t, seen["concurrency_1000000"])
}
