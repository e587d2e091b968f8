package sweep

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// derivation is one call of a post-process handler of AIPerf's.
type derivation struct {
	Handler   string
	Label     string
	Aggregate json.RawMessage
	Params    map[string]any
	Output    map[string]any
	Error     string
	ErrorType string `json:"error_type"`
}

// rules reads each rule from the parameters of AIPerf's handler of that name. The
// parameters that a rule must have are required here: in Go the compiler asks for
// most of them.
var rules = map[string]struct {
	required []string
	read     func([]byte) (Derivation, error)
}{
	KneeRule{}.Name(): {[]string{"metric_tag", "stat", "swept_param", "threshold_pct"}, readRule[KneeRule]},
	TTFTRule{}.Name(): {[]string{"metric_tag", "stat", "swept_param"}, readRule[TTFTRule]},
	ITLRule{}.Name():  {[]string{"metric_tag", "stat", "concurrency_param", "osl_param"}, readRule[ITLRule]},
	FrontierRule{}.Name(): {[]string{"x_metric", "x_stat", "y_metric", "y_stat", "isl_key", "osl_key", "concurrency_key"},
		readRule[FrontierRule]},
	BreachRule{}.Name(): {[]string{"sla_filters", "swept_param"}, readBreach},
}

func readRule[R Derivation](raw []byte) (Derivation, error) {
	var r R
	err := json.Unmarshal(raw, &r)
	return r, err
}

// readBreach reads what BreachRule.MarshalJSON writes.
func readBreach(raw []byte) (Derivation, error) {
	var file struct {
		Filters []filter `json:"sla_filters"`
		Path    string   `json:"swept_param"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	r := BreachRule{Path: file.Path}
	for _, f := range file.Filters {
		r.Limits = append(r.Limits, sla.Limit{Metric: f.Metric, Stat: f.Stat, Op: f.Op, Threshold: float64(f.Threshold)})
	}
	return r, nil
}

// derived derives a result by AIPerf's name of the handler, as JSON.
func derived(handler string, params map[string]any, s *Sweep) ([]byte, error) {
	kind, ok := rules[handler]
	if !ok {
		return nil, fmt.Errorf("handler %q is unknown", handler)
	}
	for _, key := range kind.required {
		if params[key] == nil {
			return nil, fmt.Errorf("%s: params need %q", handler, key)
		}
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	rule, err := kind.read(raw)
	if err != nil {
		return nil, err
	}
	result, err := rule.Derive(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// TestGoldenPostProcess: the handlers derive what AIPerf's do, and fail where
// they fail. Two labels stand for differences: what a handler calls p99 is the
// p99, never the mean in its place; and what is not finite is null, since JSON
// has no word for it.
func TestGoldenPostProcess(t *testing.T) {
	for i, c := range golden.Cases[derivation](t, "post_process.json") {
		var a Sweep
		require.NoError(t, json.Unmarshal(c.Aggregate, &a))
		label := "exact"
		if c.substituted(&a) {
			label = "named statistic"
		}
		t.Run(fmt.Sprintf("%d/%s/%s/%s", i, c.Handler, c.Label, label), func(t *testing.T) {
			raw, err := derived(c.Handler, c.Params, &a)
			if label == "named statistic" {
				c.namedStatistic(t, raw, err)
				return
			}
			if c.Error != "" {
				require.Error(t, err, "AIPerf: %s", c.Error)
				assert.NotContains(t, err.Error(), "panic")
				return
			}
			require.NoError(t, err)
			var got any
			require.NoError(t, json.Unmarshal(raw, &got))
			golden.Same(t, "", any(c.Output), got)
		})
	}
}

// wanted lists the metrics that the case's handler reads, as tag and statistic.
func (c derivation) wanted() [][2]string {
	s := func(key string) string { v, _ := c.Params[key].(string); return v }
	switch c.Handler {
	case FrontierRule{}.Name():
		return [][2]string{{s("x_metric"), s("x_stat")}, {s("y_metric"), s("y_stat")}}
	case BreachRule{}.Name():
		var out [][2]string
		filters, _ := c.Params["sla_filters"].([]any)
		for _, f := range filters {
			m := f.(map[string]any)
			out = append(out, [2]string{m["metric_tag"].(string), m["stat"].(string)})
		}
		return out
	}
	return [][2]string{{s("metric_tag"), s("stat")}}
}

// substituted reports whether AIPerf takes a block's mean for a statistic that is
// another one: always in the four handlers that know the mean alone, in
// sla_breach_knee where the statistic is missing.
func (c derivation) substituted(a *Sweep) bool {
	for _, row := range a.Points {
		for _, w := range c.wanted() {
			if w[1] == "avg" {
				continue
			}
			_, flat := row.Metrics[w[0]+"_"+w[1]]["mean"]
			_, mean := row.Metrics[w[0]]["mean"]
			_, named := row.Metrics[w[0]][w[1]]
			if !flat && mean && !(named && c.Handler == BreachRule{}.Name()) {
				return true
			}
		}
	}
	return false
}

// namedStatistic is the rule of such a case: the result is that of the same sweep
// with each named statistic in a block of its own, and absent where the row has
// only another.
func (c derivation) namedStatistic(t *testing.T, raw []byte, err error) {
	var flat Sweep
	require.NoError(t, json.Unmarshal(c.Aggregate, &flat))
	for _, row := range flat.Points {
		for _, w := range c.wanted() {
			if v, ok := row.Metrics[w[0]][w[1]]; ok {
				row.Metrics[w[0]+"_"+w[1]] = map[string]any{"mean": v}
			} else if w[1] == "avg" {
				if v, ok := row.Metrics[w[0]]["mean"]; ok {
					row.Metrics[w[0]+"_avg"] = map[string]any{"mean": v}
				}
			}
		}
	}
	for _, row := range flat.Points {
		for _, w := range c.wanted() {
			delete(row.Metrics, w[0])
		}
	}
	want, wantErr := derived(c.Handler, c.Params, &flat)
	if wantErr != nil {
		assert.Error(t, err)
		return
	}
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(raw))
	if c.Output != nil {
		theirs, _ := json.Marshal(c.Output)
		assert.NotEqual(t, string(theirs), string(raw), "the mean was taken again")
	}
}

// TestPostProcessNumbers: whole numbers are written without a fraction, as in
// AIPerf's files, and text that is a number is one.
func TestPostProcessNumbers(t *testing.T) {
	row := func(x any, v float64) Point {
		return Point{Params: Params{"concurrency": x}, Metrics: map[string]Block{"request_latency": {"p99": v}}}
	}
	a := &Sweep{Points: []Point{row("16.0", 13), row(1, 10)}}
	raw, err := derived(KneeRule{}.Name(), map[string]any{
		"threshold_pct": 0.2, "metric_tag": "request_latency", "stat": "p99", "swept_param": "phases.profiling.concurrency"}, a)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"baseline_concurrency":1,`)
	assert.Contains(t, string(raw), `"knee_concurrency":16,`)
}

// FuzzPostProcess: whatever the sweep looks like, a handler returns an object or
// an error.
func FuzzPostProcess(f *testing.F) {
	f.Add(`{"per_combination_metrics":[{"parameters":{"concurrency":1},"metrics":{"request_latency":{"p99":1}}}]}`,
		`{"swept_param":"concurrency","metric_tag":"request_latency","stat":"p99","threshold_pct":0.2}`)
	f.Add(`{"per_combination_metrics":[{"parameters":{"isl":null,"osl":"x","concurrency":1e308},"metrics":{"a":null}}]}`,
		`{"sla_filters":[{"metric_tag":1}],"swept_param":"isl"}`)
	f.Add(`{"per_combination_metrics":null}`, `{"sla_filters":"x"}`)
	f.Fuzz(func(t *testing.T, sweep, params string) {
		var a Sweep
		var p map[string]any
		if json.Unmarshal([]byte(sweep), &a) != nil || json.Unmarshal([]byte(params), &p) != nil {
			t.Skip("not JSON of the two kinds")
		}
		for h := range rules {
			raw, err := derived(h, p, &a)
			if err != nil {
				assert.NotContains(t, err.Error(), "panic", h)
				continue
			}
			assert.True(t, json.Valid(raw), "%s: %s", h, raw)
		}
	})
}

// TestAggregateRoundTrip: an aggregate that is written and read again derives the
// same.
func TestAggregateRoundTrip(t *testing.T) {
	for _, v := range []any{"NaN", "Infinity", 1, 1.5, json.Number("2")} {
		x, ok := numeric(v)
		require.True(t, ok, "%v", v)
		if s, text := v.(string); text {
			want, _ := strconv.ParseFloat(s, 64)
			assert.Equal(t, math.IsNaN(want), math.IsNaN(x))
		}
	}
	_, ok := numeric(strings.Repeat("x", 3))
	assert.False(t, ok)
}
