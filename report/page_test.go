package report_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// written is the report.html of an outcome, and its folder.
func written(t *testing.T, o *recipes.Outcome) (text, dir string) {
	t.Helper()
	dir = t.TempDir()
	d := report.Dir{Path: dir, Again: "go test -run='^TestCapacity$' -count=1"}
	require.NoError(t, d.Update(o))
	b, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	return string(b), dir
}

// TestFirstScreen checks what a page begins with: the badge, the answer, what was measured
// where, the limits in words, and the chart of the limit that binds beside that of the
// throughput, before anything else.
func TestFirstScreen(t *testing.T) {
	t.Parallel()
	o := outcome(t, "max-concurrency-under-sla")
	o.Server.Model = "llama-3"
	o.Spec.Target.URL = "http://10.0.0.1:8000"
	o.Spec.Label = "nightly"
	text, dir := written(t, o)
	at := 0
	for _, want := range []string{
		`<p class="recipe">max-concurrency-under-sla [nightly]</p>`, `<span class="badge">met</span> SLA met up to concurrency `,
		`llama-3 · http://10.0.0.1:8000 · 550/128 tokens in/out · `, `The SLA is ttft p95 &lt; 200ms, errors &lt; 1%.`,
		`<section id="answer"`, `<figure id="sla_1_time_to_first_token_p95">`, `<figure id="throughput">`,
		`<section id="sla">`, `<section id="advice">`, `Deploy with at most concurrency `, `<section id="charts">`, `<figure id="search_trace">`,
		`<section id="probes">`, `Met and missed are certain at 98%`, `<section id="again">`,
	} {
		i := strings.Index(text[at:], want)
		require.GreaterOrEqual(t, i, 0, "%s comes next in the page", want)
		at += i
	}
	links := regexp.MustCompile(`<td><a href="([^"]+)">\d+</a></td>`).FindAllStringSubmatch(text, -1)
	assert.Len(t, links, len(o.Probes), "each probe leads to its files")
	for _, l := range links {
		assert.FileExists(t, filepath.Join(dir, filepath.FromSlash(l[1])))
	}
	figures := strings.Count(text, "<figure ")
	assert.Equal(t, figures, strings.Count(text, "<summary>The values as a table</summary>"), "a table behind each chart")
}

// TestBadge checks that a run without limits is measured, and not met.
func TestBadge(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"concurrency-ramp": "measured", "prefill-ttft-curve": "measured", "pareto-sweep": "measured",
		"missed everywhere": "missed", "max-goodput-under-slo": "met"} {
		text, dir := written(t, outcome(t, name))
		assert.Contains(t, text, `<span class="badge">`+want+`</span>`, name)
		b, err := os.ReadFile(filepath.Join(dir, "summary.md"))
		require.NoError(t, err)
		assert.Equal(t, want == "measured", strings.HasPrefix(string(b), "### 📊 "), name)
	}
}

// TestOnce checks that no two curves of a distribution are of one point.
func TestOnce(t *testing.T) {
	for _, c := range report.Charts(outcome(t, "missed everywhere")) {
		if !strings.HasPrefix(c.Name, "distribution_") {
			continue
		}
		names := map[string]bool{}
		for _, s := range c.Series {
			assert.False(t, names[s.Name], "%s twice in %s", s.Name, c.Name)
			names[s.Name] = true
		}
	}
}
