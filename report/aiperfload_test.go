package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestAIPerfLoad: a load in AIPerf's terms, as flags and as configuration. That AIPerf makes
// the one of the other is what testdata/aiperf/accept.sh shows.
func TestAIPerfLoad(t *testing.T) {
	const head = "--model 'm' --url 'http://h' --endpoint-type 'chat' "
	const tail = ` --streaming --use-server-token-count --use-legacy-max-tokens --extra-inputs '{"ignore_eos":true}' --random-seed 7`
	dir := t.TempDir()
	write := func(name, line string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(line+"\n"), 0o666))
		return path
	}
	trace := write("trace.jsonl", `{"timestamp": 0, "input_length": 5, "output_length": 2}`)
	turns := write("turns.jsonl", `{"session_id": "a", "turns": []}`)
	stages := laws.Stages{{From: 5, To: 20, Over: 2 * time.Minute}, {Over: time.Minute}, {From: 5, Over: 30 * time.Second}}
	for _, tt := range []struct {
		name  string
		load  loadgen.Load
		flags string // between head and tail
		phase string // its own keys, as JSON
		lacks []string
	}{
		{name: "closed", load: loadgen.Load{Concurrency: 4}, flags: "--isl 550 --osl 128 --request-count 300 --concurrency 4",
			phase: `{"type": "concurrency", "requests": 300, "concurrency": 4}`},
		{name: "open", load: loadgen.Load{Rate: 2.5, Arrival: "gamma", MostInFlight: 9},
			flags: "--isl 550 --osl 128 --request-count 300 --request-rate 2.5 --concurrency 9 --arrival-pattern gamma --arrival-smoothness 0.5",
			phase: `{"type": "gamma", "requests": 300, "rate": 2.5, "concurrency": 9, "smoothness": 0.5}`},
		{name: "a schedule", load: loadgen.Load{Rate: stages.Mean(), Arrival: "poisson", Workload: loadgen.Workload{Stages: stages}},
			flags: "--isl 550 --osl 128 --request-rate-series 'run/rate_series.json' --benchmark-duration 210 --benchmark-grace-period 600 " +
				"--arrival-pattern poisson",
			phase: `{"type": "poisson", "duration": 210, "grace_period": 600, "rate_series": {"points": [{"time_s": 0, "qps": 5},
				{"time_s": 120, "qps": 20}, {"time_s": 180, "qps": 20}, {"time_s": 180.001, "qps": 5}, {"time_s": 210, "qps": 5}]}}`},
		{name: "prefixes", load: loadgen.Load{Concurrency: 1, Workload: loadgen.Workload{ISL: laws.Constant(64),
			Prefixes: []laws.Prefix{{Groups: 3, Tokens: 32, Share: 1}}}},
			flags: "--num-prefix-prompts 3 --prefix-prompt-length 32 --isl 64 --osl 128 --request-count 300 --concurrency 1",
			phase: `{"type": "concurrency", "requests": 300, "concurrency": 1}`},
		{name: "a mix", load: loadgen.Load{Concurrency: 1, ISL: 100, OSL: 10, Workload: loadgen.Workload{Mix: []loadgen.Workload{
			{Weight: 3}, {Weight: 1, ISL: laws.Constant(300), Prefixes: []laws.Prefix{{Tokens: 60, Share: 0.5}}}}}},
			flags: "--isl 158 --isl-stddev 101 --osl 10 --seq-dist '100|0,10|0:75;330|30,10|0:25' --request-count 300 --concurrency 1",
			phase: `{"type": "concurrency", "requests": 300, "concurrency": 1}`, lacks: []string{"what prompts share"}},
		{name: "a trace", load: loadgen.Load{Rate: 3, Workload: loadgen.Workload{File: trace, Replay: 2}},
			flags: "--input-file '" + trace + "' --custom-dataset-type mooncake_trace --osl 128 --fixed-schedule --synthesis-speedup-ratio 2",
			phase: `{"type": "fixed_schedule", "requests": 300}`},
		{name: "conversations", load: loadgen.Load{Concurrency: 2, Workload: loadgen.Workload{File: turns, Order: laws.Sampled}},
			flags: "--input-file '" + turns + "' --custom-dataset-type multi_turn --osl 128 --dataset-sampling-strategy random " +
				"--request-count 300 --concurrency 2",
			phase: `{"type": "concurrency", "requests": 300, "concurrency": 2}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.load
			if l.ISL == 0 {
				l.ISL, l.OSL = 550, 128
			}
			l.Requests, l.Seed = 300, 7
			o := &recipes.Outcome{Server: loadgen.Server{Model: "m"}}
			o.Spec.Target.URL = "http://h"
			v := &view{Outcome: o}
			a := v.aiperfLoad(&loadgen.Measurement{Load: l}, "run")
			got := ""
			for i, flag := range a.flags {
				if i > 0 {
					got += " "
				}
				got += flag
			}
			assert.Equal(t, head+tt.flags+tail, got)
			assert.Equal(t, tt.lacks, a.lacks)
			var want map[string]any
			require.NoError(t, json.Unmarshal([]byte(tt.phase), &want))
			b, err := json.Marshal(a.phase)
			require.NoError(t, err)
			var phase map[string]any
			require.NoError(t, json.Unmarshal(b, &phase))
			for _, key := range []string{"type", "requests", "concurrency", "rate", "smoothness", "duration", "grace_period", "rate_series"} {
				assert.Equal(t, want[key], phase[key], key)
			}
		})
	}
}

// TestAIPerfBody: the body of requests in AIPerf's terms. What the load says replaces what the
// target says, a field of nil is left out, and secrets are starred.
func TestAIPerfBody(t *testing.T) {
	o := &recipes.Outcome{Server: loadgen.Server{Model: "m"}}
	o.Spec.Target = loadgen.Target{URL: "http://h", NoStream: true, Timeout: time.Minute,
		Body: map[string]any{"temperature": 0.5, "ignore_eos": nil, "api_key": "s3cret", "top_p": 1}}
	v := &view{Outcome: o}
	m := &loadgen.Measurement{Load: loadgen.Load{Concurrency: 1, Requests: 2, ISL: 1, OSL: 1, Seed: 1, Body: map[string]any{"top_p": 0.9},
		SLO: map[loadgen.Tag]float64{loadgen.TagTTFT: 200}}, Requests: make([]loadgen.Request, 1),
		Body: func(*loadgen.Request) []byte { return []byte(`{"max_completion_tokens": 1}`) }}
	a := v.aiperfLoad(m, "run")
	assert.Equal(t, map[string]any{"temperature": 0.5, "api_key": "***", "top_p": 0.9}, a.endpoint["extra"])
	assert.Equal(t, false, a.endpoint["use_legacy_max_tokens"])
	assert.Equal(t, 60.0, a.endpoint["timeout"])
	assert.Contains(t, a.flags, `--extra-inputs '{"api_key":"***","temperature":0.5,"top_p":0.9}'`)
	assert.Contains(t, a.flags, "--request-timeout-seconds 60")
	assert.Contains(t, a.flags, "--goodput 'time_to_first_token:200'")
	assert.NotContains(t, a.flags, "--streaming")
	assert.NotContains(t, a.flags, "--use-legacy-max-tokens")
}
