package report

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSecrets plants secrets wherever a user can put one, lets the server quote
// them back, and looks for them in every file and in all that is printed.
func TestSecrets(t *testing.T) {
	const (
		key    = "sk-planted/Key+1=\"q\""
		header = "planted-header-value-2"
		user   = "planteduser3"
		pass   = "planted%pass@4"
		query  = "planted-query-5"
		body   = "planted-body-6"
		deep   = "planted-deep-7"
		cookie = "planted-cookie-8"
	)
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
	planted := []string{key, url.QueryEscape(key), url.PathEscape(key), header, user, pass, url.QueryEscape(pass),
		url.PathEscape(pass), query, body, deep, cookie, basic,
		base64.StdEncoding.EncodeToString([]byte(key)), "planted"}

	s := standard["mono"]
	s.model = simserver.Model{Faults: simserver.Faults{Status: map[int]float64{500: 0.02}}}
	s.dir = &Dir{Path: t.TempDir(), Again: "AIPERF_API_KEY='" + key + "' go test -run='^TestX$' -count=1"}
	var printed strings.Builder
	s.change = func(spec *recipes.Spec) {
		u, err := url.Parse(spec.Target.URL)
		require.NoError(t, err)
		u.User, u.RawQuery = url.UserPassword(user, pass), url.Values{"api_key": {query}}.Encode()
		spec.Target.URL = u.String()
		spec.Target.APIKey = key
		spec.Target.Header = http.Header{"X-Api-Key": {header}, "X-Anything": {header}, "Cookie": {"session=" + cookie},
			"Authorization": {"Bearer " + key}}
		spec.Target.Body = map[string]any{"api_token": body, "nested": map[string]any{"list": []any{map[string]any{"password": deep}}},
			"max_tokens": 8}
		spec.Note = "a note with " + key
		observe := spec.Observe
		spec.Observe = func(o *recipes.Outcome) error {
			for i := range o.Probes { // what the server said, quoting all it was sent
				for _, m := range o.Probes[i].Trials {
					echo := "cannot serve " + key + " for " + user + ":" + pass + ", " + header + ", Basic " + basic + ", cookie session=" +
						cookie + ", " + url.QueryEscape(key) + " at " + spec.Target.URL
					m.Failures = []loadgen.FailureCount{{Failure: loadgen.Failure{Kind: loadgen.FailedStatus, Status: 401, Message: echo}, Count: 1}}
					for k := range m.Requests {
						m.Requests[k].Failure = &m.Failures[0].Failure
					}
				}
			}
			if len(o.Probes) == 1 {
				o.Warnings = append(o.Warnings, errors.New("Post \""+spec.Target.URL+"/chat/completions\": Bearer "+key+" refused"))
			}
			_ = Expansion(&printed, o)
			for i := range o.Probes {
				_ = ProbeLine(&printed, o, i)
			}
			_ = Finding(&printed, o)
			return observe(o)
		}
	}
	o, dir := s.run(t)
	names := tree(t, dir)
	require.Greater(t, len(names), 40)
	t.Setenv("GITHUB_STEP_SUMMARY", dir+"/step.md")
	require.NoError(t, StepSummary(o, s.dir.Again))
	for _, name := range append(names, "step.md") {
		text := read(t, dir, name)
		for _, secret := range planted {
			assert.NotContains(t, text, secret, name)
			assert.NotContains(t, name, secret)
		}
	}
	for _, secret := range planted {
		assert.NotContains(t, printed.String(), secret, "printed")
	}
	assert.Contains(t, printed.String(), "***")
	history := read(t, dir, "search_history.json")
	assert.Contains(t, history, `"url": "http://***@simserver.invalid:80"`)
	assert.Contains(t, read(t, dir, "search_iter_0000/profile_runs/run_0001/profile_export_aiperf.json"),
		`"cannot serve *** for ***, ***, Basic ***`)
	assert.Contains(t, read(t, dir, "search_iter_0000/profile_runs/run_0001/run_config.json"), `"max_tokens": 8`, "what is no secret stays")
}

// TestHostileName gives a model a name that would be lines of its own in the benchmark's
// file, of which the first is a result, and looks for it in the pages, too.
func TestHostileName(t *testing.T) {
	t.Parallel()
	const evil = "m\nBenchmarkOwned-8 1 1 ns/op\n::error::owned\n--- FAIL: TestOwned\n\x1b[2J\u202eowned <script>alert(1)</script>"
	s := standard["mono"]
	s.dir = &Dir{Path: t.TempDir()}
	s.change = func(spec *recipes.Spec) {
		observe := spec.Observe
		spec.Observe = func(o *recipes.Outcome) error {
			o.Server.Model, o.Server.Version = evil, evil
			return observe(o)
		}
	}
	_, dir := s.run(t)
	text := read(t, dir, "bench.txt")
	assert.Contains(t, text, "model: m benchmarkOwned-8 1 1 ns/op : :error::owned -- FAIL: TestOwned owned")
	lines, _ := results(t, text)
	assert.Len(t, lines, 1, "the run's own")
	for _, name := range []string{"bench.txt", "summary.md", "report.html"} {
		text := read(t, dir, name)
		assert.NotRegexp(t, `(?m)^\s*(?:BenchmarkOwned|::error|--- FAIL)`, text, name)
		assert.NotRegexp(t, "[\x1b\u202e]", text, name)
	}
	assert.NotContains(t, read(t, dir, "report.html"), "<script>alert")
	assert.NotContains(t, read(t, dir, "summary.md"), "<script>alert")
}

// TestRedact: a text without secrets stays as it is.
func TestRedact(t *testing.T) {
	o := &recipes.Outcome{}
	o.Spec.Target = loadgen.Target{URL: "http://h:1", APIKey: "abc", Header: http.Header{"Content-Type": {"application/json"}}}
	for in, want := range map[string]string{
		"ttft p95 < 200ms":                        "ttft p95 < 200ms",
		"abc is too short a key to be looked for": "abc is too short a key to be looked for",
		"answer is application/json":              "answer is application/json",
		"sent Authorization: Bearer x.y-z, then":  "sent Authorization: Bearer ***, then",
		"proxy http://u:p@host/ refused":          "proxy http://***@host/ refused",
		"mail me@host":                            "mail me@host",
		"":                                        "",
	} {
		assert.Equal(t, want, o.Spec.Target.Redact(in))
	}
}
