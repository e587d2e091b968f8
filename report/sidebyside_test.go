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

	"github.com/aiperf-go/aiperf/internal/slow"
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

// others are metric blocks of AIPerf's that ours do not have, each with its
// reason. A pattern covers the block's statistics too.
var others = []struct{ pattern, reason string }{
	{`http_req_[a-z_]+`, "a trace of each HTTP exchange: the generator times the answer, not the transport's stages; " +
		"connections are opened before a request starts"},
	{`usage_[a-z_]+|total_usage_[a-z_]+`, "what the server's usage says beside AIPerf's own count; here usage is the count"},
	{`effective_(decode|prefill|total)_[a-z_]+|effective_latency`,
		"AIPerf's sweep over its whole run, bursts and drain included; the window has a steady load"},
	{`active_[a-z_]+|tokens_in_flight`, "likewise"},
	{`credit_to_start_latency`, "schedule_lag takes its place"},
	{`effective_concurrency/(min|max|p\d+|std)|effective_concurrency_(min|max|p\d+|std)`,
		"a run-level metric here, which has avg alone (metrics.md)"},
}

// required are the metrics that no pattern may excuse.
var required = strings.Fields(`time_to_first_token time_to_second_token request_latency inter_chunk_latency output_sequence_length
input_sequence_length inter_token_latency output_token_throughput_per_user request_throughput output_token_throughput
total_token_throughput input_token_throughput benchmark_duration request_count completed_request_count request_error_rate
total_isl total_osl effective_concurrency`)

// TestSideBySide walks real files of AIPerf 0.13 and ours of a like run, and
// lists every key that is missing in ours or typed otherwise.
func TestSideBySide(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	pairs := []struct{ run, file string }{
		{"mono", "search_history.json"},
		{"smooth", "search_history.json"},
		{"goodput", "search_history.json"},
		{"ttft", "search_history.json"},
		{"grid", "concurrency_64/profile_export_aiperf.json"},
		{"grid", "concurrency_64/profile_export.jsonl"},
		{"grid", "concurrency_64/run_config.json"},
		{"grid", "aggregate/concurrency_64/profile_export_aiperf_aggregate.json"},
		{"grid", "sweep_aggregate/profile_export_aiperf_sweep.json"},
		{"grid", "sweep_aggregate/sla_breach.json"},
		{"ramp", "sweep_aggregate/profile_export_aiperf_sweep.json"},
		{"ramp", "sweep_aggregate/degradation_knee.json"},
		{"prefill", "sweep_aggregate/profile_export_aiperf_sweep.json"},
		{"prefill", "sweep_aggregate/prefill_curve.json"},
		{"decode", "sweep_aggregate/profile_export_aiperf_sweep.json"},
		{"decode", "sweep_aggregate/decode_itl_surface.json"},
		{"pareto", "sweep_aggregate/profile_export_aiperf_sweep.json"},
	}
	// Of inputs.json no real file is at hand; this is the form that AIPerf documents
	// and replays (dataset type inputs_json).
	t.Run("documented/inputs.json", func(t *testing.T) {
		const theirs = `{"data": [{"session_id": "s", "payloads": [{"messages": [{"role": "user", "content": "Hello"}], ` +
			`"model": "m", "max_tokens": 1, "stream": true}]}]}`
		assert.Empty(t, compare("", decode(t, theirs), decode(t, read(t, runDir(t, "grid"), "concurrency_64/inputs.json"))))
	})
	excused := make([]int, len(others))
	for _, p := range pairs {
		t.Run(p.run+"/"+path.Base(p.file), func(t *testing.T) {
			theirs, ours := decode(t, read(t, realRuns, p.run, p.file)), decode(t, read(t, runDir(t, p.run), p.file))
		differences:
			for _, d := range compare("", theirs, ours) {
				for i, o := range others {
					if regexp.MustCompile(`^[^:]*/(` + o.pattern + `)(_(avg|sum|min|max|std|p\d+))?: missing$`).MatchString(d) {
						excused[i]++
						continue differences
					}
				}
				t.Error(d)
			}
		})
	}
	for i, o := range others {
		assert.NotZero(t, excused[i], "nothing is excused by %q any more", o.pattern)
		for _, tag := range required {
			assert.NotRegexp(t, `^(`+o.pattern+`)$`, tag)
		}
		t.Logf("%4d × %s: %s", excused[i], o.pattern, o.reason)
	}
	profile := decode(t, read(t, runDir(t, "grid"), "concurrency_64/profile_export_aiperf.json")).(map[string]any)
	for _, tag := range required {
		assert.Contains(t, profile, tag)
	}
	goodput := decode(t, read(t, runDir(t, "goodput"), "search_iter_0000/profile_runs/run_0001/profile_export_aiperf.json")).(map[string]any)
	for _, tag := range []string{"good_request_count", "good_request_fraction", "goodput", "error_request_count", "schedule_lag"} {
		assert.Contains(t, goodput, tag)
	}
}

// TestCSVSideBySide: the tables have AIPerf's columns, and its rows for the
// metrics that are required.
func TestCSVSideBySide(t *testing.T) {
	slow.Test(t, slow.Pure)
	theirs, ours := read(t, realRuns, "grid/concurrency_64/profile_export_aiperf.csv"),
		read(t, runDir(t, "grid"), "concurrency_64/profile_export_aiperf.csv")
	head := func(s string) string { h, _, _ := strings.Cut(s, "\r\n"); return h }
	assert.Equal(t, head(theirs), head(ours))
	assert.Contains(t, ours, "\r\n\r\nMetric,Value\r\n")
	names := map[string]bool{}
	for _, line := range strings.Split(ours, "\r\n") {
		name, _, _ := strings.Cut(line, ",")
		names[name] = true
	}
	for _, name := range []string{
		"Input Sequence Length (tokens)", "Inter Chunk Latency (ms)", "Inter Token Latency (ms)", "Output Sequence Length (tokens)",
		"Output Token Throughput Per User (tokens/sec/user)", "Request Latency (ms)", "Time to First Token (ms)", "Time to Second Token (ms)",
		"Effective Concurrency", "Benchmark Duration (sec)", "Completed Requests (Success + Error)", "Input Token Throughput (tokens/sec)",
		"Output Token Throughput (tokens/sec)", "Request Count", "Request Error Rate (%)", "Request Throughput (requests/sec)",
		"Total Input Sequence Length (tokens)", "Total Output Sequence Length (tokens)", "Total Token Throughput (tokens/sec)",
	} {
		assert.Contains(t, theirs, "\r\n"+name+",", "not AIPerf's name")
		assert.True(t, names[name], "no row %q", name)
	}

	theirs, ours = read(t, realRuns, "grid/sweep_aggregate/profile_export_aiperf_sweep.csv"),
		read(t, runDir(t, "grid"), "sweep_aggregate/profile_export_aiperf_sweep.csv")
	columns := strings.Split(head(ours), ",")
	for _, column := range strings.Split(head(theirs), ",") {
		for _, tag := range required {
			if strings.HasPrefix(column, tag+"_m") || column == tag+"_std" || column == tag+"_cv" {
				assert.Contains(t, columns, column)
			}
		}
	}
	assert.Equal(t, "concurrency", columns[0])
	for _, part := range []string{"\r\n\r\nBest Configurations\r\n", "\r\n\r\nPareto Optimal Points\r\n",
		"\r\n\r\nMetadata\r\nField,Value\r\nAggregation Type,sweep\r\nSweep Parameters,concurrency\r\n"} {
		assert.Contains(t, theirs, part)
		assert.Contains(t, ours, part)
	}
	assert.Contains(t, ours, "Configuration,concurrency,Metric,Unit\r\nBest Throughput,35,", "64 has more and misses the SLA")
}

// TestTree: every file that AIPerf leaves is there under its name. What is its
// own affair is not: its console, its plots, its progress marks, and the results
// of warm-up phases, which are discarded here.
func TestTree(t *testing.T) {
	t.Parallel()
	own := regexp.MustCompile(`(^|/)(\.aiperf_results_ready\.json|profile_export_console\.txt)$|^plots/|` +
		`phase_manifest\.json$|/phases/|^search_checkpoint\.json$`)
	for _, run := range []string{"grid", "ramp", "prefill", "decode", "pareto"} {
		t.Run(run, func(t *testing.T) {
			ours := tree(t, runDir(t, run))
			for _, name := range realTree(t, run) {
				if !own.MatchString(name) {
					assert.Contains(t, ours, name)
				}
			}
		})
	}
	// Searches go elsewhere than AIPerf's did; the names have the same form.
	for _, run := range []string{"mono", "smooth", "ttft", "goodput"} {
		t.Run(run, func(t *testing.T) {
			form := func(names []string) map[string]bool {
				forms := map[string]bool{}
				for _, name := range names {
					if !own.MatchString(name) {
						forms[regexp.MustCompile(`\d+`).ReplaceAllString(name, "N")] = true
					}
				}
				return forms
			}
			ours := form(tree(t, runDir(t, run)))
			for name := range form(realTree(t, run)) {
				assert.True(t, ours[name], "no file like %s", name)
			}
		})
	}
	for run := range standard {
		for _, name := range tree(t, runDir(t, run)) {
			assert.NotContains(t, name, "tmp")
			assert.NotContains(t, name, "post_process_errors")
			if !strings.HasSuffix(name, "json") {
				continue
			}
			text := read(t, runDir(t, run), name)
			assert.True(t, json.Valid([]byte(text)), name)
		}
		assert.Subset(t, tree(t, runDir(t, run)), []string{"bench.txt", "search_history.json", "summary.md"})
	}
}
