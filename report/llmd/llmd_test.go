package llmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// form is what testdata/v0_2.json records of the form: the keys of each object with their
// types, which of them are required, and whether it may have others.
type form struct {
	Objects map[string]struct {
		Required []string          `json:"required"`
		Open     bool              `json:"open"`
		Keys     map[string]string `json:"keys"`
	} `json:"objects"`
	Enums map[string][]string `json:"enums"`
	Units map[string][]string `json:"units"`
}

// check returns what is wrong with a value of a type at a path.
func (f form) check(path, kind string, v any) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	if item, list := strings.CutPrefix(kind, "["); list {
		items, ok := v.([]any)
		if !ok {
			bad("%v is no list", v)
		}
		for i, x := range items {
			wrong = append(wrong, f.check(fmt.Sprintf("%s[%d]", path, i), strings.TrimSuffix(item, "]"), x)...)
		}
		return wrong
	}
	if text, is := strings.CutPrefix(kind, "="); is {
		if v != text {
			bad("%v is not %s", v, text)
		}
		return wrong
	}
	if one, other, several := strings.Cut(kind, "|"); several {
		if w := f.check(path, one, v); len(w) == 0 || len(f.check(path, other, v)) == 0 {
			return nil
		} else {
			return w
		}
	}
	n, isNumber := v.(float64)
	switch {
	case kind == "any":
	case kind == "string", kind == "boolean", kind == "object":
		_, s := v.(string)
		_, b := v.(bool)
		_, o := v.(map[string]any)
		if !(kind == "string" && s || kind == "boolean" && b || kind == "object" && o) {
			bad("%v is no %s", v, kind)
		}
	case kind == "number" && !isNumber, kind == "integer" && (!isNumber || n != math.Trunc(n)):
		bad("%v is no %s", v, kind)
	case kind == "number", kind == "integer":
	case f.Enums[kind] != nil:
		if s, _ := v.(string); !slices.Contains(f.Enums[kind], s) {
			bad("%v is none of %v", v, f.Enums[kind])
		}
	default:
		o, ok := v.(map[string]any)
		if _, known := f.Objects[kind]; !ok || !known {
			bad("%v is no %s", v, kind)
			return wrong
		}
		for _, k := range f.Objects[kind].Required {
			if _, has := o[k]; !has {
				bad("lacks %s", k)
			}
		}
		for k, x := range o {
			want, known := f.Objects[kind].Keys[k]
			switch {
			case known:
				wrong = append(wrong, f.check(path+"."+k, want, x)...)
			case !f.Objects[kind].Open:
				bad("has a key %s", k)
			}
			if units := f.Units[k]; want == "Statistics" && units != nil {
				if u, _ := x.(map[string]any)["units"].(string); !slices.Contains(units, u) {
					bad("%s is in %s", k, u)
				}
			}
		}
	}
	return wrong
}

// readForm reads the recorded form.
func readForm(t *testing.T) (f form) {
	t.Helper()
	b, err := os.ReadFile("testdata/v0_2.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &f))
	require.Greater(t, len(f.Objects), 20)
	return f
}

// answered is a prober that has measured everything.
type answered struct{}

func (answered) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	m := &loadgen.Measurement{Load: l, Metrics: map[string]loadgen.Metric{}, Epoch: time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC),
		Wall: 12500 * time.Millisecond, Window: 10 * time.Second}
	m.Server.Window = servermetrics.Window{Server: "vLLM"}
	for tag, v := range map[string]float64{loadgen.TagTTFT: 84, loadgen.TagITL: 0.0071, loadgen.TagLatency: 1200, loadgen.TagISL: 550,
		loadgen.TagOSL: 128, loadgen.TagTokenRate: 1500, loadgen.TagReqRate: 12.5, loadgen.TagTotalRate: 8000, loadgen.TagInputRate: 6500,
		loadgen.TagCompleted: 300, loadgen.TagErrors: 4, loadgen.TagCancelled: 3, loadgen.TagKVCache: 42,
		loadgen.TagPrefixHits: 0.25, loadgen.TagWaiting: 3, loadgen.TagRunning: 61, loadgen.TagPreemptions: 0.7} {
		m.Metrics[tag] = loadgen.Metric{Stats: map[string]float64{"avg": v, "std": v / 10, "p50": v, "p95": v * 1.2, "p99": math.NaN(),
			"min": v / 2, "max": 2 * v, "count": 300}}
	}
	return m, nil
}

// trial is a trial of a run.
func trial(t *testing.T, r *recipes.Recipe, spec recipes.Spec) Trial {
	t.Helper()
	spec.Prober = answered{}
	o, err := recipes.Run(t.Context(), r, spec)
	require.NoError(t, err)
	o.Server = loadgen.Server{Model: "m", Version: "0.11"}
	return Trial{Outcome: o, ID: "a-0000-0001", Run: "a", Tool: "aiperf", Version: "devel"}
}

// TestForm holds reports against the recorded keys of the form, which takes no others, and
// against its units. They are written in JSON, and are YAML with the same numbers.
func TestForm(t *testing.T) {
	f := readForm(t)
	for _, tt := range []struct {
		why  string
		r    *recipes.Recipe
		spec recipes.Spec
	}{
		{"a fixed load", recipes.Fixed(16), recipes.Spec{}},
		{"a rate, a label and facts", recipes.FixedRate(0.0000125), recipes.Spec{Label: "nightly",
			Facts: map[string]string{"driver": "570.86", "args": "--max-num-seqs=64"}}},
		{"laws of lengths and a shared prefix", recipes.Fixed(4), recipes.Spec{Workload: loadgen.Load{Workload: loadgen.Workload{
			ISL: workload.Normal(550, 80).Between(16, 4096), OSL: workload.LogNormal(128, 40), System: 20,
			Prefixes: []workload.Prefix{{Groups: 3, Tokens: 512, Share: 0.6}}}}}},
		{"kinds of requests", recipes.Fixed(4), recipes.Spec{Workload: loadgen.Load{Workload: loadgen.Workload{
			ISL: workload.Lengths{Law: workload.LawUniform, Min: 10, Max: 20},
			Mix: []loadgen.Workload{{Weight: 1}, {Model: "lora", Weight: 2}}}}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, trial(t, tt.r, tt.spec).Write(&b))
			var asJSON, asYAML any
			require.NoError(t, json.Unmarshal(b.Bytes(), &asJSON))
			assert.Empty(t, f.check("report", "Report", asJSON))
			require.NoError(t, yaml.Unmarshal(b.Bytes(), &asYAML))
			again, err := json.Marshal(asYAML)
			require.NoError(t, err)
			assert.JSONEq(t, b.String(), string(again))
			assert.NotRegexp(t, regexp.MustCompile(`\d[eE][-+]?\d+,?\n`), b.String(), "PyYAML takes 1e-05 for a text")
			if keep := os.Getenv("AIPERF_LLMD"); keep != "" { // for llm-d's own code to read
				require.NoError(t, os.WriteFile(keep+"/"+strings.ReplaceAll(tt.why, " ", "_")+".yaml", b.Bytes(), 0o666))
			}
		})
	}
	assert.NotEmpty(t, f.check("report", "Report", map[string]any{"version": "0.2", "run": map[string]any{}, "results": 5, "more": 1}),
		"else this test sees nothing")
}

// TestNumbers: latencies are in seconds, and what was not measured is not there.
func TestNumbers(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, trial(t, recipes.Fixed(16), recipes.Spec{Label: "nightly", Facts: map[string]string{"driver": "570.86"}}).Write(&b))
	var got struct {
		Run struct {
			UID, EID string
			Keywords []string
			Time     struct{ Start, End, Duration string }
		}
		Scenario struct {
			Stack []struct {
				Standardized struct {
					Tool        string
					ToolVersion string `json:"tool_version"`
					Model       struct{ Name string }
				}
			}
			Load struct {
				Standardized struct {
					Concurrency int
					Input       struct {
						Distribution string
						Value        float64
					} `json:"input_seq_len"`
				}
			}
		}
		Results struct {
			Requests struct {
				Aggregate struct {
					Requests struct{ Total, Failures, Incomplete int }
					Latency  map[string]map[string]any
				}
			} `json:"request_performance"`
			Observability struct {
				Components []struct {
					Aggregate map[string]map[string]any
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	assert.Equal(t, "a-0000-0001", got.Run.UID)
	assert.Equal(t, []string{"nightly", "driver=570.86"}, got.Run.Keywords)
	assert.Equal(t, "2026-11-26T03:00:12.5Z", got.Run.Time.End)
	assert.Equal(t, "PT12.5S", got.Run.Time.Duration)
	require.Len(t, got.Scenario.Stack, 1)
	assert.Equal(t, "vLLM", got.Scenario.Stack[0].Standardized.Tool)
	assert.Equal(t, "0.11", got.Scenario.Stack[0].Standardized.ToolVersion)
	assert.Equal(t, 16, got.Scenario.Load.Standardized.Concurrency)
	assert.Equal(t, "fixed", got.Scenario.Load.Standardized.Input.Distribution)
	assert.Equal(t, 550.0, got.Scenario.Load.Standardized.Input.Value)
	a := got.Results.Requests.Aggregate
	assert.Equal(t, [3]int{303, 4, 3}, [3]int{a.Requests.Total, a.Requests.Failures, a.Requests.Incomplete})
	ttft := a.Latency["time_to_first_token"]
	assert.Equal(t, "s", ttft["units"])
	assert.InDelta(t, 0.084, ttft["mean"], 1e-12)
	assert.InDelta(t, 0.1008, ttft["p95"], 1e-12)
	assert.NotContains(t, ttft, "p99", "it is not a number")
	assert.InDelta(t, 0.0000071, a.Latency["inter_token_latency"]["mean"], 1e-15)
	require.Len(t, got.Results.Observability.Components, 1)
	assert.Equal(t, 7.0, got.Results.Observability.Components[0].Aggregate["preemptions"]["mean"])
}

// A server whose key is in its model's name, and facts that repeat it, are starred.
func TestSecrets(t *testing.T) {
	x := trial(t, recipes.Fixed(2), recipes.Spec{
		Target: loadgen.Target{URL: "http://u:hunter2hunter2@h", APIKey: "sk-secret-1234567890"},
		Label:  "sk-secret-1234567890", Facts: map[string]string{"args": "--key sk-secret-1234567890"}})
	x.Outcome.Server.Model = "sk-secret-1234567890"
	var b bytes.Buffer
	require.NoError(t, x.Write(&b))
	assert.NotContains(t, b.String(), "sk-secret")
	assert.NotContains(t, b.String(), "hunter2")
	assert.Error(t, x.Write(failing{}))
}

// failing is a file that cannot be written.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
