package recipes

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

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

// TestGoldenPostProcess: the handlers derive what AIPerf's do, and fail where
// they fail. Two labels stand for differences: what a handler calls p99 is the
// p99, never the mean in its place; and what is not finite is null, since JSON
// has no word for it.
func TestGoldenPostProcess(t *testing.T) {
	for i, c := range goldenCases[derivation](t, "post_process.json") {
		var a Aggregate
		require.NoError(t, json.Unmarshal(c.Aggregate, &a))
		label := "exact"
		if c.substituted(&a) {
			label = "named statistic"
		}
		t.Run(fmt.Sprintf("%d/%s/%s/%s", i, c.Handler, c.Label, label), func(t *testing.T) {
			post := PostProcess{Handler: c.Handler, Params: c.Params, File: "x.json"}
			raw, err := post.run(&a)
			if label == "named statistic" {
				c.namedStatistic(t, post, raw, err)
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
			same(t, "", any(c.Output), got)
		})
	}
}

// wanted lists the metrics that the case's handler reads, as tag and statistic.
func (c derivation) wanted() [][2]string {
	s := func(key string) string { v, _ := c.Params[key].(string); return v }
	switch c.Handler {
	case handlerPareto:
		return [][2]string{{s("x_metric"), s("x_stat")}, {s("y_metric"), s("y_stat")}}
	case handlerBreach:
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
func (c derivation) substituted(a *Aggregate) bool {
	for _, row := range a.Rows {
		for _, w := range c.wanted() {
			if w[1] == "avg" {
				continue
			}
			_, flat := row.Metrics[w[0]+"_"+w[1]]["mean"]
			_, mean := row.Metrics[w[0]]["mean"]
			_, named := row.Metrics[w[0]][w[1]]
			if !flat && mean && !(named && c.Handler == handlerBreach) {
				return true
			}
		}
	}
	return false
}

// namedStatistic is the rule of such a case: the result is that of the same sweep
// with each named statistic in a block of its own, and absent where the row has
// only another.
func (c derivation) namedStatistic(t *testing.T, post PostProcess, raw []byte, err error) {
	var flat Aggregate
	require.NoError(t, json.Unmarshal(c.Aggregate, &flat))
	for _, row := range flat.Rows {
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
	for _, row := range flat.Rows {
		for _, w := range c.wanted() {
			delete(row.Metrics, w[0])
		}
	}
	want, wantErr := post.run(&flat)
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

// same compares by the golden files' tolerance, 1e-9 relative and 1e-12 absolute.
// The words of error_reason are ours.
func same(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		require.True(t, ok, "%s: %v is no object", at, got)
		for key := range g {
			assert.Contains(t, want, key, "%s.%s is not AIPerf's", at, key)
		}
		for key, w := range want {
			v, ok := g[key]
			require.True(t, ok, "%s.%s is missing", at, key)
			if key == "error_reason" {
				assert.NotEmpty(t, v)
				continue
			}
			same(t, at+"."+key, w, v)
		}
	case []any:
		g, ok := got.([]any)
		require.True(t, ok, "%s: %v is no list", at, got)
		require.Len(t, g, len(want), at)
		for i := range want {
			same(t, fmt.Sprintf("%s[%d]", at, i), want[i], g[i])
		}
	case float64:
		g, ok := got.(float64)
		require.True(t, ok, "%s: %v is no number, want %v", at, got, want)
		assert.InDelta(t, want, g, max(1e-12, 1e-9*math.Abs(want)), at)
	case string:
		if slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, want) {
			assert.Nil(t, got, "%s: what is not finite is null", at)
			return
		}
		assert.Equal(t, want, got, at)
	default:
		assert.Equal(t, want, got, at)
	}
}

// TestPostProcessNumbers: whole numbers are written without a fraction, as in
// AIPerf's files, and text that is a number is one.
func TestPostProcessNumbers(t *testing.T) {
	row := func(x any, v float64) Combination {
		return Combination{Parameters: map[string]any{"concurrency": x}, Metrics: map[string]map[string]any{"request_latency": {"p99": v}}}
	}
	a := &Aggregate{Rows: []Combination{row("16.0", 13), row(1, 10)}}
	raw, err := (&PostProcess{Handler: handlerKnee, Params: map[string]any{
		"threshold_pct": 0.2, "metric_tag": "request_latency", "stat": "p99", "swept_param": PathConcurrency}}).run(a)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"baseline_concurrency":1,`)
	assert.Contains(t, string(raw), `"knee_concurrency":16,`)
}

// FuzzPostProcess: whatever the sweep looks like, a handler returns an object or
// an error.
func FuzzPostProcess(f *testing.F) {
	f.Add(`{"per_combination_metrics":[{"parameters":{"concurrency":1},"metrics":{"request_latency":{"p99":1}}}]}`, `{"swept_param":"concurrency","metric_tag":"request_latency","stat":"p99","threshold_pct":0.2}`)
	f.Add(`{"per_combination_metrics":[{"parameters":{"isl":null,"osl":"x","concurrency":1e308},"metrics":{"a":null}}]}`, `{"sla_filters":[{"metric_tag":1}],"swept_param":"isl"}`)
	f.Add(`{"per_combination_metrics":null}`, `{"sla_filters":"x"}`)
	f.Fuzz(func(t *testing.T, sweep, params string) {
		var a Aggregate
		var p map[string]any
		if json.Unmarshal([]byte(sweep), &a) != nil || json.Unmarshal([]byte(params), &p) != nil {
			t.Skip("not JSON of the two kinds")
		}
		for _, h := range []string{handlerKnee, handlerTTFT, handlerITL, handlerPareto, handlerBreach} {
			raw, err := (&PostProcess{Handler: h, Params: p, File: "x.json"}).run(&a)
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
