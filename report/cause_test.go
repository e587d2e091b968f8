package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/causes"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestWhy: each cause has a sentence with its evidence, and a flat server has none.
func TestWhy(t *testing.T) {
	want := map[string]string{
		"batch limit": `^TTFT rises because requests wait for a place in the batch: [\d.]+ waiting at \d+, (none|0\.\d+) at 24; ` +
			`queue time \d+ms at \d+, [\d.]+ms at 24(; the batch stays at 32)?$`,
		"queue-bound latency": `^request latency rises because requests wait for a place in the batch: [\d.]+ waiting at \d+, `,
		"KV cache with preemption": `^TTFT rises because the KV cache has no room for all requests: [\d.]+% at \d+, [\d.]+% at 12; ` +
			`[\d.]+ waiting at .*; preemptions [\d.]+/s$`,
		"prefill-bound": `^TTFT rises because prompts take longer to compute: prefill [\d.]+ms at \d+, [\d.]+ms at 2; ` +
			`queue time`,
		"decode-bound": `^ITL rises because more requests decode at a time: the server's ITL is [\d.]+ms at \d+, [\d.]+ms at 8; ` +
			`running [\d.]+ at \d+, [\d.]+ at 8$`,
		"slow network, TTFT": `^TTFT rises outside of the server, in the network, in a gateway, or here: it is [\d.]+ms at \d+, ` +
			`[\d.]+ms at 8; by the server's own account [\d.]+ms at \d+, [\d.]+ms at 8$`,
		"flat, TTFT": `^$`,
	}
	for _, c := range causes.Cases() {
		if want[c.Name] == "" {
			continue
		}
		found, ok := c.Explain(1, 120)
		assert.Equal(t, c.Kind != "", ok, c.Name)
		v := &view{Outcome: &recipes.Outcome{Cause: found}}
		assert.Regexp(t, want[c.Name], v.whyText(), c.Name)
	}
}

// TestWhyOfSearch: the finding of a search over a server whose batch is full says so.
func TestWhyOfSearch(t *testing.T) {
	t.Parallel()
	s := sim{recipe: "max-concurrency-under-sla",
		inputs: recipes.Inputs{TTFT: new(60.0), Concurrency: between(1, 64), Style: recipes.Monotonic},
		model:  simserver.Model{Step: 10 * time.Millisecond, PerPromptToken: time.Microsecond, MaxBatch: 8},
		change: func(s *recipes.Spec) { s.Workload.OSL = 16 }}
	o, dir := s.run(t)
	require.Equal(t, recipes.Met, o.Verdict)
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	text := strings.Join(strings.Fields(b.String()), " ")
	assert.Regexp(t, `why: TTFT rises because requests wait for a place in the batch: [\d.]+ waiting at \d+, `+
		`(none|[\d.]+) at \d+; queue time`, text)
	assert.Contains(t, text, "the batch stays at 8")
	assert.Contains(t, read(t, dir, "summary.md"), "why: TTFT rises")
	assert.Contains(t, read(t, dir, "report.html"), "TTFT rises because requests wait")

	s.model = simserver.Model{Step: 10 * time.Millisecond, PerPromptToken: time.Microsecond}
	o, _ = s.run(t)
	assert.Empty(t, o.Cause.Kind, "a flat server has nothing to explain")
}
