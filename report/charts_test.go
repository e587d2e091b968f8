package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
	"github.com/aiperf-go/aiperf/report/plot"
)

// outline is a chart as a golden keeps it: all that is given to plot, to four
// digits, but for the tips' text.
type outline struct {
	Name, Title, Caption string
	X, Y                 string
	Series               []outlineSeries
	Rules, Bands         []string
	Heat                 [][]string `json:",omitempty"`
}

type outlineSeries struct {
	Name   string
	Look   string
	Points []string
}

func outlineOf(c plot.Chart) outline {
	axis := func(a plot.Axis) string {
		s := a.Label
		if a.Log {
			s += ", log"
		}
		for i, t := range a.Ticks {
			s += map[bool]string{true: ": ", false: " "}[i == 0] + t.Label
		}
		return s
	}
	out := outline{Name: c.Name, Title: c.Title, Caption: c.Caption, X: axis(c.X), Y: axis(c.Y)}
	for _, s := range c.Series {
		o := outlineSeries{Name: s.Name, Look: fmt.Sprintf("mark %d, line %d, color %d", s.Mark, s.Line, s.Color)}
		for _, p := range s.Points {
			text := fmt.Sprintf("%.4g, %.4g", p.X, p.Y)
			if p.Hi > 0 {
				text += fmt.Sprintf(" [%.4g, %.4g]", p.Lo, p.Hi)
			}
			if p.Label != "" {
				text += " " + p.Label
			}
			o.Points = append(o.Points, text)
		}
		out.Series = append(out.Series, o)
	}
	for _, r := range c.Rules {
		out.Rules = append(out.Rules, fmt.Sprintf("%s at %.4g, vertical %v, color %d", r.Name, r.At, r.Vertical, r.Color))
	}
	for _, b := range c.Bands {
		text := b.Name + ":"
		for i, r := range b.Area {
			if len(b.Area) <= 20 || i%20 == 0 {
				text += fmt.Sprintf(" %.4g [%.4g, %.4g]", r.X, r.Lo, r.Hi)
			}
		}
		out.Bands = append(out.Bands, text)
	}
	if h := c.Heat; h != nil {
		out.Heat = append(out.Heat, append([]string{""}, h.X...))
		for j, line := range h.Z {
			row := []string{h.Y[j]}
			for _, v := range line {
				row = append(row, h.Format(v))
			}
			out.Heat = append(out.Heat, row)
		}
	}
	return out
}

// replayed is a search whose points are given: what a planner proposes is no
// matter of charts, and their goldens are not to change with it.
func replayed(t *testing.T, points ...float64) *recipes.Outcome {
	t.Helper()
	recipe := &recipes.Recipe{Name: "replayed-search", Doc: "points of a search",
		Axes: recipes.Axes{XMetric: "time_to_first_token", XStat: "p99", YMetric: "output_token_throughput", YStat: "avg"},
		Expand: func(in recipes.Inputs) (*recipes.Plan, error) {
			p := &recipes.Plan{Limits: []sla.Limit{{Metric: "time_to_first_token", Stat: "p95", Op: sla.LT, Threshold: 200}}}
			for _, at := range points {
				p.Scenarios = append(p.Scenarios, recipes.Scenario{Name: fmt.Sprint(at),
					Values: []recipes.Value{{Path: recipes.PathConcurrency, Value: at}}})
			}
			return p, nil
		}}
	o, err := recipes.Run(t.Context(), recipe, recipes.Spec{Prober: &model{}, Workload: loadgen.Load{Seed: 7}})
	require.NoError(t, err)
	fixed, err := recipes.Lookup("max-throughput-ttft-sla")
	require.NoError(t, err)
	plan, err := fixed.Expand(recipes.Inputs{TTFT: new(200.0)})
	require.NoError(t, err)
	o.Plan.Scenarios, o.Plan.Search = nil, plan.Search
	o.Boundary.Safe, o.Boundary.Bracket.Lo, o.Boundary.Bracket.Hi = 64, 64, 66
	for i := range o.Probes {
		if o.Probes[i].Step.At[0] == 64 {
			o.Best = recipes.Best{Load: o.Probes[i].Load, Probe: i, Found: true}
		}
	}
	return o
}

// TestCharts holds the charts of every kind to goldens, by what is drawn and not
// by pixels.
func TestCharts(t *testing.T) {
	slow.Test(t, slow.Pure)
	for _, tt := range []struct {
		name string
		run  func(*testing.T) *recipes.Outcome
	}{
		{"search", func(t *testing.T) *recipes.Outcome { return replayed(t, 8, 300, 48, 120, 70, 64, 66, 65) }},
		{"grid", func(t *testing.T) *recipes.Outcome { return outcome(t, "style grid") }},
		{"knee", func(t *testing.T) *recipes.Outcome { return outcome(t, "concurrency-ramp") }},
		{"ttft", func(t *testing.T) *recipes.Outcome { return outcome(t, "prefill-ttft-curve") }},
		{"itl", func(t *testing.T) *recipes.Outcome { return outcome(t, "decode-itl-curve") }},
		{"pareto", func(t *testing.T) *recipes.Outcome { return outcome(t, "pareto-sweep") }},
		{"fixed", func(t *testing.T) *recipes.Outcome { return outcome(t, "one fixed load") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var outlines []outline
			for _, c := range report.Charts(tt.run(t)) {
				outlines = append(outlines, outlineOf(c))
			}
			got, err := json.MarshalIndent(outlines, "", " ")
			require.NoError(t, err)
			path := filepath.Join("testdata", "charts", tt.name+".json")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
				require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o666))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			assert.JSONEq(t, string(want), string(got))
		})
	}
}

// TestChartsOf: which charts a recipe has.
func TestChartsOf(t *testing.T) {
	slow.Test(t, slow.Pure)
	for _, tt := range []struct {
		run  string
		want []string
	}{
		{"max-throughput-ttft-sla", []string{"sla_1_time_to_first_token_p95", "throughput", "throughput_latency", "search_trace",
			"distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"max-concurrency-under-sla", []string{"sla_1_time_to_first_token_p95", "throughput", "sla_2_request_error_rate_avg",
			"search_trace", "distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"max-goodput-under-slo", []string{"sla_1_good_request_fraction_avg", "throughput", "throughput_latency", "search_trace",
			"distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"concurrency-ramp", []string{"degradation_knee", "throughput_latency", "distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"prefill-ttft-curve", []string{"prefill_ttft", "distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"decode-itl-curve", []string{"decode_itl", "distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"pareto-sweep", []string{"pareto_sweep", "distribution_ttft", "distribution_itl", "distribution_e2e"}},
		{"one fixed load", []string{"distribution_ttft", "distribution_itl", "distribution_e2e"}},
	} {
		t.Run(tt.run, func(t *testing.T) {
			var got []string
			for _, c := range report.Charts(outcome(t, tt.run)) {
				got = append(got, c.Name)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestTrace: the bracket of a search never widens, ends around the answer, and
// every probe has its place in the shape of its verdict.
func TestTrace(t *testing.T) {
	o := replayed(t, 8, 300, 48, 120, 70, 64, 66, 65)
	charts := report.Charts(o)
	c := charts[slices.IndexFunc(charts, func(c plot.Chart) bool { return c.Name == "search_trace" })]
	area := c.Bands[0].Area
	for i := 1; i < len(area); i++ {
		assert.GreaterOrEqual(t, area[i].Lo, area[i-1].Lo, "probe %d", i+1)
		assert.LessOrEqual(t, area[i].Hi, area[i-1].Hi, "probe %d", i+1)
	}
	last := area[len(area)-1]
	assert.LessOrEqual(t, last.Lo, 64.0, "the model queues beyond 64")
	assert.GreaterOrEqual(t, last.Hi, 64.0)
	assert.Less(t, last.Hi-last.Lo, 10.0)
	points := 0
	for _, s := range c.Series {
		if s.Mark == plot.NoMark {
			continue
		}
		for _, p := range s.Points {
			points++
			probe := &o.Probes[int(p.X)-1]
			assert.Equal(t, probe.Step.At[0], p.Y)
			pass, certain := probe.Passes(o.Spec.Confidence)
			want := map[[2]bool]plot.Mark{{true, true}: plot.Disc, {true, false}: plot.Ring, {false, false}: plot.CrossRing,
				{false, true}: plot.Cross}
			assert.Equal(t, want[[2]bool{pass, certain}], s.Mark, "probe %v", p.X)
			assert.Contains(t, p.Tip, fmt.Sprintf("concurrency %v", p.Y))
		}
	}
	assert.Equal(t, len(o.Probes), points)
}

// TestPictures: a finished run leaves every chart as PNG and SVG, and a page; an
// unfinished one none; without charts only the page, which then has none.
func TestPictures(t *testing.T) {
	slow.Test(t, slow.Pure)
	o := outcome(t, "concurrency-ramp")
	dir := t.TempDir()
	d := report.Dir{Path: dir}
	require.NoError(t, d.Update(o))
	for _, c := range report.Charts(o) {
		assert.FileExists(t, filepath.Join(dir, "plots", c.Name+".png"))
		assert.FileExists(t, filepath.Join(dir, "plots", c.Name+".svg"))
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Equal(t, len(report.Charts(o)), bytes.Count(page, []byte("<svg class=")))

	bare := t.TempDir()
	d = report.Dir{Path: bare, NoCharts: true}
	require.NoError(t, d.Update(o))
	assert.NoDirExists(t, filepath.Join(bare, "plots"))
	page, err = os.ReadFile(filepath.Join(bare, "report.html"))
	require.NoError(t, err)
	assert.NotContains(t, string(page), "<svg")

	running := *o
	running.Reason = ""
	early := t.TempDir()
	d = report.Dir{Path: early}
	require.NoError(t, d.Update(&running))
	assert.NoFileExists(t, filepath.Join(early, "report.html"))
	assert.NoDirExists(t, filepath.Join(early, "plots"))
}
