package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestTalkFiles checks that the texts and files of a load of conversations say what each turn
// was like, which turn each request was, and which requests were given up.
func TestTalkFiles(t *testing.T) {
	o, dir := sim{fixed: 4, model: simserver.Model{Step: 4 * time.Millisecond, PrefixCache: 10_000}, change: func(s *recipes.Spec) {
		s.Workload.ISL, s.Workload.OSL, s.Workload.Requests = 32, 8, 200
		s.Workload.Workload = loadgen.Workload{Turns: laws.Turns{Count: laws.Constant(3), Share: 0.5, Think: laws.Constant(5)},
			Cancel: laws.Cancel{Share: 0.1, After: 12 * time.Millisecond}}
	}}.run(t)
	matches, err := filepath.Glob(filepath.Join(dir, "*", "profile_export.jsonl"))
	require.NoError(t, err)
	if len(matches) == 0 {
		matches = []string{filepath.Join(dir, "profile_export.jsonl")}
	}
	probe := filepath.Dir(matches[0])
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		return b
	}

	var finding bytes.Buffer
	require.NoError(t, Finding(&finding, o))
	for _, text := range []string{finding.String(), string(read(filepath.Join(dir, "summary.md")))} {
		text = strings.Join(strings.Fields(text), " ")
		assert.Regexp(t, `4 users had [123]\.\d+ requests in flight on average, and thought for the rest of the time`, text)
		assert.Regexp(t, `turn 1: \d+ requests, 0% failed, ttft p95 .*; isl 32, of which 0% cached`, text)
		assert.Regexp(t, `turn 3: \d+ requests, 0% failed, ttft p95 .*; isl 112, of which 57% cached`, text)
	}

	var profile struct {
		Count struct{ Avg float64 } `json:"request_count"`
		Turns []struct {
			Index int                        `json:"turn_index"`
			Count struct{ Avg float64 }      `json:"request_count"`
			ISL   struct{ Avg, P50 float64 } `json:"input_sequence_length"`
		}
	}
	require.NoError(t, json.Unmarshal(read(filepath.Join(probe, "profile_export_aiperf.json")), &profile))
	require.Len(t, profile.Turns, 3)
	sum := 0.0
	for k, turn := range profile.Turns {
		assert.Equal(t, k, turn.Index)
		assert.Equal(t, float64(32+40*k), turn.ISL.Avg)
		sum += turn.Count.Avg
	}
	assert.Equal(t, profile.Count.Avg, sum)

	turns, cancelled, records := map[string][]int{}, 0, 0
	for i, line := range strings.Split(strings.TrimSpace(string(read(matches[0]))), "\n") {
		var r record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		assert.Equal(t, i, r.Metadata.Session, "in order of start, without gaps")
		assert.True(t, strings.HasSuffix(r.Metadata.Correlation, strings.Replace(r.Metadata.Conversation, "session_", "-c", 1)))
		assert.Equal(t, r.Metadata.Correlation, r.Metadata.Root)
		turns[r.Metadata.Conversation] = append(turns[r.Metadata.Conversation], r.Metadata.Turn)
		records++
		if r.Metadata.Cancelled {
			cancelled++
			assert.Equal(t, "cancelled", r.Error.Type)
		} else {
			assert.Nil(t, r.Error)
		}
	}
	assert.Equal(t, 200, records)
	assert.Equal(t, 200-profile.Count.Avg, float64(cancelled))
	assert.InDelta(t, 20, cancelled, 6)

	var inputs struct {
		Data []struct {
			Session  string `json:"session_id"`
			Payloads []struct{ Messages []json.RawMessage }
		}
		Prompts struct{ Workload loadgen.Workload }
	}
	require.NoError(t, json.Unmarshal(read(filepath.Join(probe, "inputs.json")), &inputs))
	assert.Len(t, inputs.Data, len(turns))
	for _, s := range inputs.Data {
		require.Len(t, s.Payloads, len(turns[s.Session]))
		for k, payload := range s.Payloads {
			assert.Len(t, payload.Messages, 2*turns[s.Session][k]+1)
		}
	}
	assert.True(t, o.Spec.Workload.Workload.Same(inputs.Prompts.Workload))
	command := string(read(filepath.Join(probe, "run_config.json")))
	assert.Contains(t, command, "--isl 32 --osl 8 --conversation-turn-mean 2 --conversation-turn-stddev 1 "+
		"--conversation-turn-delay-mean 5 --conversation-turn-delay-stddev 0 "+
		"--request-cancellation-rate 10 --request-cancellation-delay 0.012")
}
