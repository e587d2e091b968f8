package loadgen

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key with every character that some way of quoting changes. No five letters of it occur
// in a message of ours.
const plantedKey = `Qz7/Xw9+Jv"kq=8&Yh'3<Zp>Vb5%Nm2Kd4Gt6`

// leak returns a part of the key that stands in the text, and "" if there is none.
func leak(text string) string {
	low := lower(text)
	for i := 0; i+5 <= len(plantedKey); i++ {
		if part := plantedKey[i : i+5]; strings.Contains(low, lower(part)) {
			return part
		}
	}
	return ""
}

// TestCuts checks that no part of a key remains wherever a text is cut, in every message
// that quotes a server, and however the server writes the key.
func TestCuts(t *testing.T) {
	target := Target{URL: "http://h", APIKey: plantedKey}
	work, err := newWorkload(target, "m", Load{OSL: 1}, calibration{}, fields{})
	require.NoError(t, err)
	quotes := map[string]func(string) string{
		"as it is":   func(s string) string { return s },
		"lower case": strings.ToLower,
		"in a URL":   url.QueryEscape,
		"in HTML":    html.EscapeString,
		"in Go":      func(s string) string { return fmt.Sprintf("%q", s) },
		"invisibly":  func(s string) string { return s[:9] + "\x1b[31m\u200b" + s[9:20] + "\u202e" + s[20:] },
		"in base64":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	}
	answers := map[string]func(said string) *record{
		"a status": func(said string) *record { return &record{status: 500, body: []byte(said)} },
		"an error": func(said string) *record {
			quoted, _ := json.Marshal(said)
			return &record{status: 400, body: fmt.Appendf(nil, `{"error":{"message":%s}}`, quoted)}
		},
		"a shed request": func(said string) *record { return &record{status: 429, retry: said, body: []byte(said)} },
		"an error event": func(said string) *record {
			return &record{status: 200, ctype: "text/event-stream", body: fmt.Appendf(nil, "event: error\ndata: %s\n\n", said)}
		},
		"an event that is no JSON": func(said string) *record {
			return &record{status: 200, body: fmt.Appendf(nil, "data: %s\n\n", said)}
		},
		"a whole answer that is no JSON": func(said string) *record {
			return &record{status: 200, ctype: "application/json", body: []byte(said)}
		},
		"a page":               func(said string) *record { return &record{status: 200, ctype: "text/html", body: []byte(said)} },
		"a network":            func(said string) *record { return &record{err: errors.New(said)} },
		"an encoding":          func(said string) *record { return &record{status: 200, encoding: said} },
		"a type of the answer": func(said string) *record { return &record{status: 200, ctype: said, body: []byte("x")} },
	}
	for how, quote := range quotes {
		for where, answer := range answers {
			step := 1
			if how != "as it is" {
				step = 7
			}
			for before := 0; before < 215; before += step {
				rec := answer(strings.Repeat("w", before) + " " + quote(plantedKey) + strings.Repeat(" w", 70))
				rec.ticket.work = work
				q := rec.parse(true)
				require.NotNil(t, q.Failure, where)
				require.Empty(t, leak(q.Failure.Message), "%s, %s, %d letters before it: %s", where, how, before, q.Failure.Message)
				require.LessOrEqual(t, len(q.Failure.Message), 203, where)
			}
		}
	}
	// Beyond what is looked at, the beginning of a key is all there is.
	c := newCensor(target)
	for n := range len(plantedKey) {
		pad := strings.Repeat(" ", mostRead-n-10) + "w"
		assert.Empty(t, leak(c.said(pad+plantedKey)), n)
		assert.Empty(t, leak(c.failure(errors.New(pad+plantedKey)).Error()), n)
	}
}

// TestSecretForms checks what counts as a secret of a target.
func TestSecretForms(t *testing.T) {
	for why, tt := range map[string]struct {
		target Target
		secret string
	}{
		"one pair of a cookie":             {Target{Header: http.Header{"Cookie": {"a=planted-a; theme=dark"}}}, "planted-a"},
		"a key within a header's value":    {Target{Header: http.Header{"X-Api-Key": {"Token planted-b"}}}, "planted-b"},
		"a password of basic auth":         {Target{Header: http.Header{"Authorization": {"Basic dTpwbGFudGVkLWM="}}}, "planted-c"},
		"a query of a URL without scheme":  {Target{URL: "127.0.0.1:8000?api_key=planted-d"}, "planted-d"},
		"a query of a URL that is broken":  {Target{URL: "http://[::1?x=planted-e%zz&y=1"}, "planted-e%zz"},
		"a password in a URL that is none": {Target{URL: "user:planted-f@host:8000/x"}, "planted-f"},
		"deep in the body":                 {Target{Body: map[string]any{"a": []any{map[string]any{"auth": "planted-g"}}}}, "planted-g"},
		"a key with a line end":            {Target{APIKey: "planted-h\n"}, "planted-h"},
	} {
		for _, quoted := range []string{tt.secret, strings.ToUpper(tt.secret)} {
			assert.Equal(t, "no *** here", tt.target.Redact("no "+quoted+" here"), why)
		}
	}
	plain := Target{URL: "http://h", Header: http.Header{"Host": {"models.internal"}}}
	assert.Equal(t, "reach models.internal", plain.Redact("reach models.internal"), "a host is no secret")
	assert.Equal(t, "GET /v1?api-version=1&api_key=***", plain.Redact("GET /v1?api-version=1&api_key=other"))
	for in, want := range map[string]string{
		"http://u:p@h:1/v1?key=x":       "http://***@h:1/v1",
		"h:8000?api_key=x":              "h:8000",
		"u:p@h:8000/x#y":                "***@h:8000/x",
		"http://[::1?x=y":               "http://[::1",
		"http://a@b@h":                  "http://***@h",
		"unix:///run/x.sock":            "unix:///run/x.sock",
		"http://h/\x1b[31m\u202ex\nsay": "http://h/x\nsay",
	} {
		assert.Equal(t, want, Target{URL: in}.Redacted(), in)
	}
}

// TestHarmless checks that a server's words are nothing but words, and that words stay.
func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31mred\x1b[0m b":                            "ared b",
		"a\x1b]0;title\x07b":                               "ab",
		"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b":       "alinkb",
		"a\u009b31mb":                                      "ab",
		"a\x1b]0;never ends":                               "a",
		"user\u202egnp.exe\u2066\u200b\u200f\ufeff":        "usergnp.exe",
		"tag\U000e0041s\u00ad":                             "tags",
		"back\rspace\b\x7f\x00":                            "back space",
		"line\u2028end\u0085":                              "line end",
		"::error::x":                                       ": :error::x",
		"a ::set-output name=x::y":                         "a : :set-output name=x::y",
		"##[group]x ##vso[task.x] ##teamcity[x]":           "# #[group]x # #vso[task.x] # #teamcity[x]",
		"torch::cuda failed at a::b":                       "torch::cuda failed at a::b",
		"--- FAIL: TestX (0.00s)":                          "-- FAIL: TestX (0.00s)",
		"x\n=== RUN   TestX":                               "x -- RUN TestX",
		"BenchmarkX-8 1 2 ns/op":                           "benchmarkX-8 1 2 ns/op",
		"Benchmarks are fine":                              "Benchmarks are fine",
		"--- a diff":                                       "--- a diff",
		"\xff\xfe":                                         "\uFFFD",
		"größer als 日本語 🙂":                                 "größer als 日本語 🙂",
		"CUDA out of memory. Tried to allocate 2.00 GiB ✔": "CUDA out of memory. Tried to allocate 2.00 GiB ✔",
	} {
		assert.Equal(t, want, censor{}.said(in), "%q", in)
		assert.NotContains(t, Target{}.Redact(in), "\x1b", "%q", in)
	}
	assert.Equal(t, strings.Repeat("é", 100)+"…", censor{}.said(strings.Repeat("é", 150)), "no letter is cut")
	assert.Equal(t, "two\nlines", Target{}.Redact("two\r\nlines"), "a text of ours may have lines")
	assert.Equal(t, "a model : :error b", modelName("a model\n::error b"))
	assert.Len(t, modelName(strings.Repeat("m", 400<<10)), longestName)
}
