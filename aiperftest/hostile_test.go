package aiperftest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

// rude is a server that answers well until it is ready, and then with its own words.
type rude struct {
	model, version string
	// say answers a request of a probe, waits one before the server is ready, which it is
	// after so many.
	say, waits func(w http.ResponseWriter, r *http.Request)
	waiting    int
	half       bool // every other request of a probe is answered well
	// refuses answers an inference whose body has ignore_eos; nil if that is accepted.
	refuses func(w http.ResponseWriter, r *http.Request)
}

// serve starts the server.
func (s *rude) serve(t *testing.T) *httptest.Server {
	ready := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		if s.waiting > 0 {
			s.waiting--
			s.waits(w, r)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"data": []any{map[string]string{"id": s.model}}})
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"version": s.version})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		if s.refuses != nil {
			if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "ignore_eos") {
				s.refuses(w, r)
				return
			}
		}
		if ready++; ready > 2 && s.say != nil && (!s.half || ready%2 == 0) {
			s.say(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 2 {
			fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\" w\"}}]}\n\n")
		}
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"+
			"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n")
	})
	one := make(chan struct{}, 1) // the counters need no lock
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one <- struct{}{}
		defer func() { <-one }()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A jury runs loads that servers answer in their own words, several at a time, and returns
// everything that left the process. The page of the CI job is one for all of them.
type jury struct {
	page   string
	places chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex
	pages  []string // what each run has put on the page
}

// newJury gives the job a page.
func newJury(t *testing.T) *jury {
	t.Helper()
	j := &jury{page: filepath.Join(t.TempDir(), "step.md"), places: make(chan struct{}, 16)}
	t.Setenv("GITHUB_STEP_SUMMARY", j.page)
	return j
}

// run runs a subtest beside the others.
func (j *jury) run(t *testing.T, name string, body func(t *testing.T)) {
	j.places <- struct{}{}
	j.all.Go(func() { // t.Parallel is not for tests with an environment of their own
		defer func() { <-j.places }()
		t.Run(name, body)
	})
}

// seen runs a fixed load and returns what was logged and every file by name.
func (j *jury) seen(t *testing.T, opts ...aiperftest.Option) map[string]string {
	t.Helper()
	dir := t.TempDir()
	f := run(t, "TestX", func(ft aiperftest.T) {
		out := aiperftest.Run(ft, recipes.Fixed(2), append([]aiperftest.Option{aiperftest.Artifacts(dir), aiperftest.Tokens(8, 2),
			aiperftest.Requests(6), aiperftest.SLA("errors < 50%"), aiperftest.Ready(2 * time.Second)}, opts...)...)
		if out.Err != nil {
			ft.Logf("%v", out.Err)
		}
	})
	got := map[string]string{"log": f.transcript()}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		got[name] = string(b)
		return err
	}))
	if text, ok := got["summary.md"]; ok {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.pages = append(j.pages, text)
	}
	return got
}

// done waits for all runs, and checks that the job's page has the summary of each, which
// its test has looked at, and nothing else.
func (j *jury) done(t *testing.T) {
	t.Helper()
	j.all.Wait()
	b, err := os.ReadFile(j.page)
	require.NoError(t, err)
	page := string(b)
	for _, text := range j.pages {
		require.Contains(t, page, text)
		page = strings.Replace(page, text, "", 1)
	}
	require.Empty(t, strings.TrimSpace(page))
}

// quoting returns the ways in which a server's words reach the client, each a server that
// says what words returns for a request.
func quoting(words func(*http.Request) string) map[string]*rude {
	stream := func(body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			quoted, _ := json.Marshal(words(r))
			fmt.Fprint(w, strings.NewReplacer("$json", string(quoted), "$x", words(r)).Replace(body))
		}
	}
	status := func(code int, header string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set(header, words(r))
			}
			w.WriteHeader(code)
			fmt.Fprint(w, words(r))
		}
	}
	content := "data: {\"choices\":[{\"delta\":{\"content\":\" w\"}}]}\n\n"
	servers := map[string]*rude{
		"a status":             {say: status(500, "")},
		"Retry-After":          {say: status(429, "Retry-After")},
		"a redirect":           {say: status(302, "Location")},
		"a content type":       {say: status(200, "Content-Type")},
		"an encoding":          {say: status(200, "Content-Encoding")},
		"an error in a stream": {say: stream(content + "data: {\"error\":{\"message\":$json}}\n\n")},
		"an error in a choice": {say: stream(content + "data: {\"choices\":[{\"error\":{\"message\":$json}}]}\n\n")},
		"an event named error": {say: stream("event: error\ndata: $x\n\n")},
		"data that is no JSON": {say: stream(content + "data: $x\n\n")},
		"a finish reason":      {say: stream(content + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":$json}]}\n\n")},
		"a failing finish reason": {say: stream(content +
			"data: {\"choices\":[{\"finish_reason\":$json,\"delta\":{}}],\"error\":{\"code\":$json}}\n\n")},
		"words in mid-stream":     {say: stream(content + "$x")},
		"a page":                  {say: stream("<html><title>$x</title><h1>$x</h1></html>")},
		"a page in mid-stream":    {say: stream(content + "<html><title>$x</title><h1>$x</h1></html>")},
		"a whole answer":          {say: stream("{\"id\":$json,\"status\":\"queued\"}")},
		"waiting":                 {waits: status(503, ""), waiting: 1},
		"a list that is refused":  {waits: status(401, ""), waiting: 9},
		"a list that is none":     {waits: status(400, ""), waiting: 9},
		"a list that leads away":  {waits: status(302, "Location"), waiting: 9},
		"a field that is refused": {refuses: status(422, "")},
		"an inference refused":    {refuses: status(403, "")},
	}
	for _, s := range servers {
		s.half = true
	}
	return servers
}

// TestQuotedSecrets lets servers quote what they were sent, at every place from which
// their words reach a log, a file, an error or a page, and with the key across every cut.
func TestQuotedSecrets(t *testing.T) {
	const key = "Zq8xWv3nKj5tRb7mYc2dHf9gLs4pTa6eUw1i"
	pieces := regexp.MustCompile("(?i)Zq8xW|v3nKj|5tRb7|mYc2d|Hf9gL|s4pTa|6eUw1|planted")
	quote := func(status int, before int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			said := strings.Repeat("w", before) + " " + strings.ToLower(key) + r.Header.Get("Authorization") + " " +
				r.Header.Get("X-Team") + " " + r.Header.Get("Cookie") + " " + r.URL.RawQuery
			w.Header().Set("Retry-After", said)
			w.WriteHeader(status)
			if status == http.StatusOK {
				fmt.Fprintf(w, "event: error\ndata: %s\n\n", said)
				return
			}
			fmt.Fprint(w, said)
		}
	}
	servers := map[string]*rude{
		"failures":       {say: quote(500, 10)},
		"key at the cut": {say: quote(500, 180)},
		"shed":           {say: quote(429, 150)},
		"error events":   {say: quote(200, 170)},
		"waiting":        {waits: quote(503, 175), waiting: 1},
		"refused":        {waits: quote(401, 160), waiting: 9},
		"not at all":     {waits: quote(400, 160), waiting: 9},
		"its own name":   {model: "m-" + key, version: strings.Repeat("v", 190) + key},
		"nothing quoted": {},
	}
	for name, s := range quoting(func(r *http.Request) string {
		said := strings.ToLower(key) + r.Header.Get("Authorization") + " " + r.Header.Get("X-Team") + " " + r.Header.Get("Cookie") + " " +
			r.URL.RawQuery
		return strings.Repeat("w", 120+rand.IntN(80)) + " " + said // each time across another cut
	}) {
		servers[name] = s
	}
	j := newJury(t)
	for name, s := range servers {
		j.run(t, name, func(t *testing.T) {
			if s.model == "" {
				s.model = "m"
			}
			srv := s.serve(t)
			got := j.seen(t, aiperftest.Endpoint(strings.Replace(srv.URL, "http://", "http://planted-user:planted-pass@", 1)+"?sig=planted-query"),
				aiperftest.APIKey(key), aiperftest.Header("X-Team", "planted-team"), aiperftest.Header("Cookie", "a=planted-cookie; b=2"),
				aiperftest.Charts(name == "failures"))
			require.Contains(t, got, "summary.md")
			for file, text := range got {
				assert.Empty(t, pieces.FindString(text), "%s: %s", file, around(text, pieces))
			}
			if name != "nothing quoted" && !strings.HasPrefix(name, "a finish reason") { // what is no failure is not quoted
				assert.Contains(t, got["log"], "***")
			}
		})
	}
	j.run(t, "a URL without a scheme", func(t *testing.T) {
		for file, text := range j.seen(t, aiperftest.Endpoint("planted-user:planted-pass@127.0.0.1:8000?api_key=planted-query")) {
			assert.Empty(t, pieces.FindString(text), "%s: %s", file, around(text, pieces))
		}
	})
	j.done(t)
}

// around is what stands near the first match.
func around(text string, pieces *regexp.Regexp) string {
	at := pieces.FindStringIndex(text)
	if at == nil {
		return ""
	}
	return text[max(0, at[0]-100):min(len(text), at[1]+100)]
}

// TestHostileText checks that what a server says cannot act on a terminal, on go test's
// output, on a build system, or on a page.
func TestHostileText(t *testing.T) {
	const evil = "\x1b[2J\x1b]0;owned\x07::error file=a.go::owned\n::error::owned\r\n--- FAIL: TestOwned (0.00s)\n=== RUN   TestOwned\n" +
		"BenchmarkOwned-8 1 1 ns/op\n\u202e\u2066gnp.exe\u200b ##[error]owned <script>alert(1)</script> [owned](javascript:alert(1)) " +
		"| cell | ` `` @owned"
	say := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		// The lengths let every part of the text stand at a wrapped line's begin once.
		fmt.Fprint(w, strings.Repeat("w", len(r.Header.Get("X-Before"))), " ", evil)
	}
	starts := regexp.MustCompile(`(?m)^(?:\w+: )?[\s|>*-]*(?:::\S|##\[|---+ FAIL|===+ RUN|Benchmark[A-Z])`)
	bench := regexp.MustCompile(`(?m)^(?:\w+: )?[\s|>*-]*(?:::\S|##\[|---+ FAIL|===+ RUN|BenchmarkOwned)`) // which has benchmarks of its own
	const odd = "[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
	j := newJury(t)
	for how, s := range quoting(func(*http.Request) string { return evil }) {
		s.model, s.version = "m", evil
		j.run(t, how, func(t *testing.T) {
			for name, text := range j.seen(t, aiperftest.Endpoint(s.serve(t).URL), aiperftest.Charts(false)) {
				switch name {
				case "log", "summary.md", "report.html":
					assert.Empty(t, starts.FindString(text), "%s: %s", name, around(text, starts))
					assert.NotRegexp(t, odd, text, name)
				case "bench.txt":
					assert.Empty(t, bench.FindString(text), "%s: %s", name, around(text, bench))
					assert.NotRegexp(t, odd, text, name)
				}
				assert.NotContains(t, text, "\x1b", name)
				assert.NotContains(t, text, "\u202e", name)
			}
		})
	}
	for before := 0; before < 100; before += 9 {
		s := &rude{model: "m\n" + evil, version: evil, say: say, half: before > 0}
		j.run(t, fmt.Sprint(before, " before"), func(t *testing.T) {
			got := j.seen(t, aiperftest.Endpoint(s.serve(t).URL), aiperftest.Charts(before == 0),
				aiperftest.Header("X-Before", strings.Repeat("b", before)))
			assert.Empty(t, bench.FindString(got["bench.txt"]), "bench.txt: %s", around(got["bench.txt"], bench))
			assert.NotRegexp(t, odd, got["bench.txt"])
			for _, name := range []string{"log", "summary.md", "report.html"} {
				text := got[name]
				require.NotEmpty(t, text, name)
				assert.Contains(t, text, "owned", "%s quotes the server", name)
				assert.Empty(t, starts.FindString(text), "%s: %s", name, around(text, starts))
				assert.NotRegexp(t, odd, text, name)
				if name != "log" {
					assert.NotContains(t, strings.SplitAfter(text, "```text")[0], "<script>alert", name)
				}
			}
			for name, text := range got {
				assert.NotContains(t, text, "\x1b", name)
				assert.NotContains(t, text, "\u202e", name)
			}
		})
	}
	j.run(t, "a name of 400 kB is cut, and the run goes on", func(t *testing.T) {
		s := &rude{model: strings.Repeat("long name ", 40<<10), version: "1"}
		got := j.seen(t, aiperftest.Endpoint(s.serve(t).URL), aiperftest.Charts(false))
		for _, name := range []string{"log", "summary.md", "report.html"} {
			assert.NotEmpty(t, got[name], name)
			assert.Less(t, len(got[name]), 128<<10, name)
		}
	})
	j.done(t)
}
