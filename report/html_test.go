package report_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
)

func html(t *testing.T, o *recipes.Outcome) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, o, ""))
	return b.String()
}

// TestHTML: the page of every run says the finding first, then the rest, in one
// file that fetches nothing.
func TestHTML(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			o := outcome(t, r.name)
			page := html(t, o)
			at := -1
			for _, part := range []string{"<h1>", `id="charts"`, `id="probes"`, `id="distributions"`, `id="health"`, `id="configuration"`,
				`id="environment"`, "</html>"} {
				i := bytes.Index([]byte(page), []byte(part))
				assert.Greater(t, i, at, "%s in its place", part)
				at = i
			}
			assert.Equal(t, len(o.Plan.Limits) > 0, regexp.MustCompile(`id="sla"`).MatchString(page))
			assert.NotRegexp(t, `(?i)(src|href|action|data)\s*=\s*["']?(https?:|//|/)`, page, "nothing to fetch")
			assert.NotRegexp(t, `(?i)(@import|url\()`, page, "nothing to fetch by style")
			assert.Contains(t, page, "measured on a model, not on a machine", "the note is always said")
			assert.NotContains(t, page, "NaN")
			assert.NotContains(t, page, "ZgotmplZ", "nothing that the template engine refused")
			assert.NotContains(t, page, "<no value>")
			assert.NotContains(t, page, `id="again"`, "what is not known is not said")
		})
	}
}

// TestHTMLAgain: the page says how to reproduce when it is told.
func TestHTMLAgain(t *testing.T) {
	slow.Test(t, slow.Pure)
	var b bytes.Buffer
	require.NoError(t, report.BareHTML(&b, outcome(t, "one fixed load"), "go test -run='^TestX$'"))
	assert.Contains(t, b.String(), "<pre>go test -run=&#39;^TestX$&#39;</pre>")
}

// TestHTMLEscaped: what server and user wrote is text, wherever it stands.
func TestHTMLEscaped(t *testing.T) {
	slow.Test(t, slow.Pure)
	const evil = `<script>alert(1)</script>`
	const attribute = `" onmouseover="alert(1)`
	recipe := *recipes.Fixed(4)
	expand := recipe.Expand
	recipe.Doc = evil
	recipe.Expand = func(in recipes.Inputs) (*recipes.Plan, error) {
		p, err := expand(in)
		p.Limits = append(p.Limits, sla.Limit{Metric: "request_latency", Stat: "p99", Op: sla.LT, Threshold: 9e9})
		return p, err
	}
	m := &model{fail: func(int) float64 { return 0.05 }, message: evil + attribute}
	o, err := recipes.Run(t.Context(), &recipe, recipes.Spec{Prober: m, Workload: loadgen.Load{Seed: 7}, Note: evil + attribute})
	require.NoError(t, err)
	o.Server = loadgen.Server{Model: evil + attribute, Version: evil}
	o.Warnings = append(o.Warnings, errors.New(evil+attribute))
	o.Spec.Target.URL = "http://host/" + evil
	o.Reason += evil
	o.Probes[0].Step.Reason = evil + attribute
	o.Plan.Limits[0].Metric, o.Probes[0].Readings[0].Limit.Metric = evil+attribute, evil+attribute
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, o, evil+attribute))
	page := b.String()
	assert.NotContains(t, page, evil)
	assert.NotContains(t, page, attribute)
	assert.Equal(t, 1, bytes.Count(b.Bytes(), []byte("<script")), "the page's own")
	assert.GreaterOrEqual(t, bytes.Count(b.Bytes(), []byte("&lt;script&gt;alert(1)")), 8, "they are shown, as text")
}

// TestHTMLSecrets: a key that a server quotes is starred.
func TestHTMLSecrets(t *testing.T) {
	slow.Test(t, slow.Pure)
	m := &model{fail: func(int) float64 { return 0.05 }, message: "bad key sk-12345678"}
	o, err := recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{Prober: m, Workload: loadgen.Load{Seed: 7},
		Target: loadgen.Target{URL: "http://user:hunter22@host", APIKey: "sk-12345678"}, Note: "with sk-12345678"})
	require.NoError(t, err)
	o.Warnings = append(o.Warnings, errors.New("the server says sk-12345678"))
	var b bytes.Buffer
	require.NoError(t, report.BareHTML(&b, o, "AIPERF_API_KEY=sk-12345678 go test"))
	page := b.String()
	assert.NotContains(t, page, "sk-12345678")
	assert.NotContains(t, page, "hunter22")
	assert.Contains(t, page, "bad key ***", "the rest of it is shown")
}

// TestHTMLNothing: a run that measured nothing has a page that says so.
func TestHTMLNothing(t *testing.T) {
	slow.Test(t, slow.Pure)
	o := outcome(t, "one fixed load")
	o.Probes, o.Verdict, o.Best = nil, recipes.Inconclusive, recipes.Best{}
	page := html(t, o)
	assert.Contains(t, page, "nothing was measured")
	assert.NotContains(t, page, "<svg")
	assert.Contains(t, html(t, &recipes.Outcome{}), "nothing was measured", "and so has none at all")
}

// TestHTMLFailed: a run that could not begin leaves a page and a summary that say
// why first, and how to go on.
func TestHTMLFailed(t *testing.T) {
	slow.Test(t, slow.Pure)
	dir := t.TempDir()
	d := report.Dir{Path: dir, Again: "AIPERF_SEED=7 go test -run='^TestCapacity$' -count=1"}
	recipe, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	_, err = recipes.Run(t.Context(), recipe, recipes.Spec{
		Prober: refuses{}, Target: loadgen.Target{URL: "http://user:hunter22@inference.example:8000/v1", APIKey: "sk-12345678"},
		Inputs: recipes.Inputs{TTFT: new(200.0)}, Workload: loadgen.Load{Seed: 7}, Observe: d.Update,
	})
	require.ErrorContains(t, err, "answered 401")
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page),
		`</span> nothing was measured: endpoint http://***@inference.example:8000/v1 answered 401: it refuses the API key that is set`)
	assert.Contains(t, string(page),
		"<pre>curl -sS &#39;http://***@inference.example:8000/v1/models&#39; -H &#34;Authorization: Bearer $AIPERF_API_KEY&#34;</pre>")
	assert.Contains(t, string(page), "<pre>AIPERF_SEED=7 go test -run=&#39;^TestCapacity$&#39; -count=1</pre>")
	assert.Contains(t, string(page), `id="configuration"`, "what was asked for")
	assert.NotContains(t, string(page), `id="again"`, "said once")
	assert.NotContains(t, string(page), `<section id="probes"`)
	assert.NotContains(t, string(page), "sk-12345678")
	assert.NotContains(t, string(page), "hunter22")
	text, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "### ⚠️ max-concurrency-under-sla: nothing was measured: endpoint")
	_, err = os.Stat(filepath.Join(dir, "bench.txt"))
	assert.ErrorIs(t, err, os.ErrNotExist, "there is nothing to compare")
}

// refuses is a prober whose endpoint wants another key.
type refuses struct{}

func (refuses) Ready(context.Context) error {
	return &loadgen.UnauthorizedError{URL: "http://***@inference.example:8000/v1", Status: 401, HasKey: true}
}

func (refuses) Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error) {
	return nil, errors.New("not reached")
}
