package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compare lists what is in AIPerf's value and not in ours, or typed otherwise.
func compare(at string, theirs, ours any) []string {
	if theirs == nil {
		return nil // any type, or none
	}
	if a, b := kind(theirs), kind(ours); a != b && !(a == "number" && b == "integer") {
		return []string{fmt.Sprintf("%s: %s in AIPerf's, %s in ours", at, a, b)}
	}
	var out []string
	switch theirs := theirs.(type) {
	case map[string]any:
		ours := ours.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(theirs)) {
			v, ok := ours[key]
			if !ok {
				out = append(out, at+"/"+key+": missing")
				continue
			}
			out = append(out, compare(at+"/"+key, theirs[key], v)...)
		}
	case []any:
		ours := ours.([]any)
		if len(theirs) > 0 && len(ours) == 0 {
			return []string{at + "[]: empty in ours"}
		}
		if len(theirs) > 0 {
			return compare(at+"[]", theirs[0], ours[0])
		}
	}
	return out
}

// kind is a value's JSON type, whole numbers apart.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	}
	return fmt.Sprintf("%T", v)
}

func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}

// TestSideBySide walks real files of AIPerf 0.13 and ours.
func TestSideBySide(t *testing.T) {
	pairs := []struct{ run, theirs, ours string }{
		{"mono", "search_history.json", ""},
		{"smooth", "search_history.json", ""},
		{"goodput", "search_history.json", ""},
		{"ttft", "search_history.json", ""},
		{"grid", "concurrency_64/profile_export_aiperf.json", ""},
		{"grid", "concurrency_64/profile_export.jsonl", ""},
		{"grid", "concurrency_64/run_config.json", ""},
		{"grid", "aggregate/concurrency_64/profile_export_aiperf_aggregate.json", ""},
		{"grid", "sweep_aggregate/profile_export_aiperf_sweep.json", ""},
		{"grid", "sweep_aggregate/sla_breach.json", ""},
		{"ramp", "sweep_aggregate/profile_export_aiperf_sweep.json", ""},
		{"ramp", "sweep_aggregate/degradation_knee.json", ""},
		{"prefill", "sweep_aggregate/profile_export_aiperf_sweep.json", ""},
		{"prefill", "sweep_aggregate/prefill_curve.json", ""},
		{"decode", "sweep_aggregate/profile_export_aiperf_sweep.json", ""},
		{"decode", "sweep_aggregate/decode_itl_surface.json", ""},
		{"pareto", "sweep_aggregate/profile_export_aiperf_sweep.json", ""},
	}
	dirs := map[string]string{}
	for name, s := range standard {
		_, dirs[name] = s.run(t)
	}
	for _, p := range pairs {
		t.Run(p.run+"/"+path.Base(p.theirs), func(t *testing.T) {
			theirs := decode(t, read(t, realRuns, p.run, p.theirs))
			ours := decode(t, read(t, dirs[p.run], p.theirs))
			for _, d := range compare("", theirs, ours) {
				t.Log(d)
			}
		})
	}
	_ = regexp.MustCompile
	_ = assert.New
}
