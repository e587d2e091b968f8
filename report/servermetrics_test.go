package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// crowded is a run against a server that has less room than is asked for.
func crowded(t *testing.T, limits ...string) (*recipes.Outcome, string) {
	return sim{
		fixed: 12, model: simserver.Model{Step: 10 * time.Millisecond, PerSeq: time.Millisecond, MaxBatch: 8, KVTokens: 300, Paged: true},
		change: func(s *recipes.Spec) {
			for _, text := range limits {
				l, err := sla.ParseLimit(text)
				require.NoError(t, err)
				s.Inputs.Limits = append(s.Inputs.Limits, l)
			}
		},
	}.run(t)
}

// TestServerMetrics: what the server says stands in the table, in the finding, in the file of
// AIPerf's form and in bench.txt.
func TestServerMetrics(t *testing.T) {
	o, dir := crowded(t, "waiting p95 < 1", "kv_cache_use max < 50%")
	assert.Equal(t, recipes.Missed, o.Verdict, "limits may be on the server's metrics")
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	text := strings.Join(strings.Fields(b.String()), " ")
	assert.Regexp(t, `waiting p95 < 1 \d+ \d+% over <-- missed`, text)
	assert.Regexp(t, `kv_cache_use max < 50% [\d.]+% \d+% over <-- missed`, text)
	assert.Regexp(t, `server \(vLLM\) at concurrency 12: waiting [\d.]+ \(max \d+\), running [\d.]+, `+
		`KV cache at most [\d.]+%, preemptions [\d.]+/s`, text)
	assert.Regexp(t, `; TTFT [\d.]+ms of the [\d.]+ms here \(avg\)`, text)
	assert.Regexp(t, `errors waiting p95 kv_cache_use max preempt/s SLA 12 .* 0% \d+ [\d.]+% [\d.]+ missed`, text,
		"columns of the table of probes")

	raw, err := os.ReadFile(filepath.Join(dir, "bench.txt"))
	require.NoError(t, err)
	for _, unit := range []string{"waiting", "running", "kv-cache-%", "preemptions/s", "queue-avg-ns", "server-ttft-avg-ns"} {
		assert.Contains(t, string(raw), " "+unit)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*", "server_metrics_export.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err = os.ReadFile(files[0])
	require.NoError(t, err)
	var file struct {
		Schema  string `json:"schema_version"`
		Summary struct {
			Successful []string                  `json:"endpoints_successful"`
			Info       map[string]map[string]any `json:"endpoint_info"`
		}
		Metrics map[string]struct {
			Type   string
			Unit   *string
			Series []struct {
				URL     string `json:"endpoint_url"`
				Stats   map[string]float64
				Buckets map[string]int
			}
		}
		Input map[string]any `json:"input_config"`
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	assert.Equal(t, "1.0", file.Schema)
	require.Len(t, file.Summary.Successful, 1)
	assert.True(t, strings.HasSuffix(file.Summary.Successful[0], "/metrics"))
	m := o.Probes[0].Trials[0]
	assert.EqualValues(t, m.Server.Window.Samples, file.Summary.Info[file.Summary.Successful[0]]["total_fetches"])
	stat := func(tag loadgen.Tag, stat string) float64 { v, _ := m.Stat(tag, stat); return v }
	waiting := file.Metrics["vllm:num_requests_waiting"]
	assert.Equal(t, "gauge", waiting.Type)
	assert.Equal(t, stat(loadgen.TagWaiting, "p95"), waiting.Series[0].Stats["p95"])
	tokens := file.Metrics["vllm:generation_tokens"]
	assert.Equal(t, "counter", tokens.Type, "without the suffix of counters, as there")
	assert.Equal(t, stat(loadgen.TagServerOutput, "avg"), tokens.Series[0].Stats["total"])
	ttft := file.Metrics["vllm:time_to_first_token_seconds"]
	assert.Equal(t, "seconds", *ttft.Unit)
	assert.InDelta(t, stat(loadgen.TagServerTTFT, "p95")/1000, ttft.Series[0].Stats["p95_estimate"], 1e-9)
	assert.EqualValues(t, ttft.Series[0].Stats["count"], ttft.Series[0].Buckets["+Inf"])
	assert.Contains(t, file.Input, "endpoint")
}

// TestNoServerMetrics: a limit on what the server does not say cannot be decided, and the run
// says so.
func TestNoServerMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{})
		defer srv.Close()
		l, err := sla.ParseLimit("waiting p95 < 1")
		require.NoError(t, err)
		_, err = recipes.Run(t.Context(), recipes.Fixed(2), recipes.Spec{
			Target:   loadgen.Target{URL: srv.URL, Dial: srv.Dial, Metrics: []string{}},
			Workload: loadgen.Load{ISL: 32, OSL: 8, Requests: 40}, Inputs: recipes.Inputs{Limits: []sla.Limit{l}},
		})
		assert.ErrorContains(t, err, "waiting (the server's page of metrics does not have it, or there is none)")
	})
}
