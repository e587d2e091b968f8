package report

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// results reads a bench.txt back, as benchstat does.
func results(t *testing.T, text string) (out []*benchfmt.Result, units benchfmt.UnitMetadataMap) {
	t.Helper()
	r := benchfmt.NewReader(strings.NewReader(text), "bench.txt")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			out = append(out, rec.Clone())
		case *benchfmt.SyntaxError:
			t.Errorf("%v", rec)
		}
	}
	require.NoError(t, r.Err())
	return out, r.Units()
}

// TestBench: the lines of each kind of run.
func TestBench(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		run   string
		names []string
		why   string
	}{
		{"mono", []string{"Recipe/max-concurrency-under-sla/capacity"},
			"a search ends elsewhere each time: one line, without a concurrency in its name"},
		{"grid", []string{"Recipe/max-concurrency-under-sla/concurrency=1", "Recipe/max-concurrency-under-sla/concurrency=2",
			"Recipe/max-concurrency-under-sla/concurrency=3",
			"Recipe/max-concurrency-under-sla/concurrency=6", "Recipe/max-concurrency-under-sla/concurrency=11",
			"Recipe/max-concurrency-under-sla/concurrency=20",
			"Recipe/max-concurrency-under-sla/concurrency=35", "Recipe/max-concurrency-under-sla/concurrency=64"},
			"a grid's points are the same each time"},
		{"decode", []string{"Recipe/decode-itl-curve/osl=64/concurrency=1", "Recipe/decode-itl-curve/osl=64/concurrency=16",
			"Recipe/decode-itl-curve/osl=128/concurrency=1", "Recipe/decode-itl-curve/osl=128/concurrency=16"}, "two dimensions"},
	} {
		t.Run(c.run, func(t *testing.T) {
			text := read(t, runDir(t, c.run), "bench.txt")
			rs, units := results(t, text)
			var names []string
			for _, r := range rs {
				if !slices.Contains(names, string(r.Name)) { // a point has a line for each of its visits
					names = append(names, string(r.Name))
				}
				assert.Equal(t, "simulated", r.GetConfig("model"))
				for _, v := range r.Values {
					assert.False(t, math.IsNaN(v.Value) || math.IsInf(v.Value, 0), "%s %s", r.Name, v.Unit)
					assert.NotZero(t, units.GetBetter(v.Unit), "%s: no better=", v.Unit)
				}
				for _, key := range []string{"date", "commit", "seed", "url", "run"} {
					assert.Empty(t, r.GetConfig(key), "%s varies from run to run", key)
				}
			}
			assert.Equal(t, c.names, names, c.why)
		})
	}
	o := runOutcome(t, "mono")
	rs, _ := results(t, read(t, runDir(t, "mono"), "bench.txt"))
	assert.Equal(t, float64(o.Best.Concurrency()), rs[0].Values[0].Value)
	assert.Equal(t, "concurrency", rs[0].Values[0].Unit)
}

// TestBenchUnknown: what is not known has no value in the file, and what is not
// certain no line.
func TestBenchUnknown(t *testing.T) {
	t.Parallel()
	text := func(o *recipes.Outcome) string {
		var b strings.Builder
		require.NoError(t, bench.Write(&b, o))
		return b.String()
	}
	fixed := *runOutcome(t, "ramp")
	p := fixed.Probes[0]
	m := *p.Trials[0]
	m.Metrics = map[string]loadgen.Metric{
		"time_to_first_token":     {Unit: "ms", Stats: map[string]float64{"p95": math.Inf(1), "p50": math.NaN(), "p99": 7}},
		"completed_request_count": {Stats: map[string]float64{"avg": 0}},
	}
	p.Trials = []*loadgen.Measurement{&m}
	fixed.Probes = []recipes.Probe{p}
	got := text(&fixed)
	assert.Contains(t, got, "BenchmarkRecipe/concurrency-ramp/concurrency=1 1 7e+06 ttft-p99-ns\n")
	assert.NotContains(t, got, "NaN")
	assert.NotContains(t, got, "Inf")

	search := *runOutcome(t, "mono")
	search.Best, search.Verdict = recipes.Best{}, recipes.Inconclusive
	assert.NotContains(t, text(&search), "Benchmark", "no answer, no line")
	search.Verdict = recipes.Missed
	assert.Contains(t, text(&search), fmt.Sprintf("/capacity %d 0 concurrency\n", len(search.Probes)), "that nothing passes is an answer")
}

// TestBenchstat runs the command on an old and a new server: the new one is
// twice as slow, and the table says so.
func TestBenchstat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bench := func(name string, step time.Duration) string {
		var text strings.Builder
		for run := range 6 {
			s := sim{fixed: 4, model: simserver.Model{Step: step, PerPromptToken: 10 * time.Microsecond, Jitter: 0.1, Seed: uint64(run)}}
			s.dir = &Dir{Path: t.TempDir(), NoCharts: true}
			s.change = func(s *recipes.Spec) { s.Workload.Seed = uint64(run) }
			_, d := s.run(t)
			text.WriteString(read(t, d, "bench.txt"))
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o666))
		return path
	}
	before, after := bench("old.txt", 5*time.Millisecond), bench("new.txt", 10*time.Millisecond)
	out, err := exec.Command("go", "run", "golang.org/x/perf/cmd/benchstat", before, after).CombinedOutput()
	require.NoError(t, err, "%s", out)
	table := string(out)
	t.Log("\n" + table)
	assert.Equal(t, 1, strings.Count(table, "goos:"), "one table: nothing in the configuration splits it")
	assert.Contains(t, table, "ttft-p95-sec", "nanoseconds are scaled")
	assert.Regexp(t, `(?s)ttft-p95-sec.*?Recipe/fixed-concurrency-4/concurrency=4\s+`+
		`\S+m ±\s+\S+%\s+\S+m ±\s+\S+%\s+\+\d+\.\d+% \(p=0\.002 n=6\)`, table)
	assert.Regexp(t, `(?s)tok/s.*Recipe/fixed-concurrency-4/concurrency=4\s[^\n]*-[45]\d\.\d+% \(p=0\.002 n=6\)`, table)
	assert.NotContains(t, table, "NaN")
}
