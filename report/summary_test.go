package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSummary: the finding comes first, then limits, probes and the command.
func TestSummary(t *testing.T) {
	o := runOutcome(t, "mono")
	var b strings.Builder
	require.NoError(t, viewOf(o).summary(&b, "AIPERF_SEED=7 go test -run='^TestX$' -count=1"))
	lines := strings.Split(b.String(), "\n")
	assert.Equal(t, "### ✅ max-concurrency-under-sla: "+Headline(o), lines[0])
	assert.Empty(t, lines[1])
	assert.Regexp(t, `^\| limit \| want \| got \(at concurrency `+exact(float64(o.Best.Concurrency()))+
		`(, \d+ visits)?\) \| evidence \| margin \|  \|$`, lines[2])
	assert.Equal(t, "| --- | --- | --- | --- | --- | --- |", lines[3])
	assert.True(t, strings.HasPrefix(lines[4], "| ttft p95 | &lt; 20ms | "), lines[4])
	assert.Contains(t, b.String(), "\n| conc | req/s | out-tok/s | ttft p95 | itl p95 | errors | waiting | SLA |\n")
	assert.Regexp(t, `missed \(ttft p95\) \||open \(likely missed: ttft p95\) \|`, b.String())
	assert.Equal(t, len(o.Probes), strings.Count(b.String(), "ms | 0% |"))
	assert.Contains(t, b.String(), "monotonic\\_precision\\_reached")
	assert.True(t, strings.HasSuffix(b.String(), "\n```sh\nAIPERF_SEED=7 go test -run='^TestX$' -count=1\n```\n"))
	assert.Equal(t, len(o.Probes) > folded, strings.Contains(b.String(), "<details>"), "%d probes", len(o.Probes))

	b.Reset()
	require.NoError(t, viewOf(long(t, o, 50)).summary(&b, ""))
	assert.Contains(t, b.String(), "<details><summary>50 probes</summary>")
	assert.Contains(t, b.String(), "go test -count=1")
}

// TestSummaryDerived: a curve's answer is what was derived from it.
func TestSummaryDerived(t *testing.T) {
	var b strings.Builder
	require.NoError(t, viewOf(runOutcome(t, "prefill")).summary(&b, ""))
	var derived text
	viewOf(runOutcome(t, "prefill")).derived(&derived)
	require.NotEmpty(t, derived.lines)
	assert.Contains(t, b.String(), "\n```text\n"+strings.Join(derived.lines, "\n")+"\n```\n")
}

// TestSummaryEscapes: text of a server's or a user's makes no markup.
func TestSummaryEscapes(t *testing.T) {
	o := *runOutcome(t, "ramp")
	nasty := "<script>alert(1)</script> | `x` **b** [l](http://e) @all\n# head\\"
	o.Warnings = []error{errors.New(nasty)}
	o.Server.Model = nasty
	p := o.Probes[0]
	p.Trials = append([]*loadgen.Measurement(nil), p.Trials...)
	m := *p.Trials[0]
	m.Failures = []loadgen.FailureCount{{Failure: loadgen.Failure{Kind: "status", Status: 500, Message: nasty}, Count: 3}}
	p.Trials[0] = &m
	o.Probes = []recipes.Probe{p}
	var b strings.Builder
	require.NoError(t, viewOf(&o).summary(&b, "go test ```\n# x"))
	text := b.String()
	for _, raw := range []string{"<script", "| `x`", "**b**", "[l](", "@all", "\n# head", "\n# x"} {
		assert.NotContains(t, text, raw)
	}
	assert.Contains(t, text, "&lt;script&gt;alert(1)&lt;/script&gt; \\| \\`x\\`")
	assert.Contains(t, text, "````sh\n", "the fence is longer than any inside")
}

// TestStepSummary appends, and only where a CI job asks for it.
func TestStepSummary(t *testing.T) {
	o := runOutcome(t, "ramp")
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	require.NoError(t, StepSummary(o, ""))

	path := filepath.Join(t.TempDir(), "step.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n"), 0o666))
	t.Setenv("GITHUB_STEP_SUMMARY", path)
	require.NoError(t, StepSummary(o, ""))
	require.NoError(t, StepSummary(o, ""))
	text := read(t, path)
	assert.True(t, strings.HasPrefix(text, "before\n### 📊 concurrency-ramp: "))
	assert.Equal(t, 2, strings.Count(text, "### 📊 concurrency-ramp: "))

	t.Setenv("GITHUB_STEP_SUMMARY", t.TempDir())
	err := StepSummary(o, "")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "GITHUB_STEP_SUMMARY")
	require.NoError(t, StepSummary(&recipes.Outcome{}, ""), "nothing was run")
}

// TestLongPage checks that the page of a run of 60 probes stays small.
func TestLongPage(t *testing.T) {
	v := viewOf(long(t, runOutcome(t, "mono"), 60))
	var b strings.Builder
	require.NoError(t, v.html(&b, "", v.charts()))
	t.Logf("%d bytes", b.Len())
	assert.Less(t, b.Len(), 2_000_000)
}
