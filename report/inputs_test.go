package report

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// inputs is an inputs.json as AIPerf documents it: an array data of sessions,
// each with its id and the payloads of its turns.
type inputs struct {
	Data []struct {
		ID       string            `json:"session_id"`
		Payloads []json.RawMessage `json:"payloads"`
	} `json:"data"`
	Prompts struct{ Omitted int } `json:"prompts"`
}

// TestInputsSent: the payloads are the bodies that a server received, byte for
// byte, a session for each line of profile_export.jsonl.
func TestInputsSent(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{loadgen.Chat, loadgen.Completions} {
		t.Run(protocol, func(t *testing.T) {
			sim := simserver.New(simserver.Model{})
			defer sim.Close()
			to, err := url.Parse(sim.URL)
			require.NoError(t, err)
			var mu sync.Mutex
			received := map[string]bool{}
			proxy := httputil.NewSingleHostReverseProxy(to)
			proxy.FlushInterval = -1
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				mu.Lock()
				received[string(body)] = true
				mu.Unlock()
				r.Body = io.NopCloser(bytes.NewReader(body))
				proxy.ServeHTTP(w, r)
			}))
			defer srv.Close()
			dir := t.TempDir()
			d := &Dir{Path: dir, NoCharts: true}
			_, err = recipes.Run(t.Context(), recipes.Fixed(2), recipes.Spec{
				Target:   loadgen.Target{URL: srv.URL, Protocol: protocol},
				Workload: loadgen.Load{ISL: 24, OSL: 2, Requests: 12, Seed: 7}, Observe: d.Update,
			})
			require.NoError(t, err)
			var file inputs
			require.NoError(t, json.Unmarshal([]byte(read(t, dir, "concurrency_2/inputs.json")), &file))
			lines := strings.Split(strings.TrimSpace(read(t, dir, "concurrency_2/profile_export.jsonl")), "\n")
			require.Len(t, file.Data, len(lines))
			seen := map[string]bool{}
			for k, s := range file.Data {
				var line struct {
					Metadata struct {
						Conversation string `json:"conversation_id"`
					}
				}
				require.NoError(t, json.Unmarshal([]byte(lines[k]), &line))
				assert.Equal(t, line.Metadata.Conversation, s.ID)
				require.Len(t, s.Payloads, 1)
				assert.True(t, received[string(s.Payloads[0])], "no request had the body %s", s.Payloads[0])
				seen[string(s.Payloads[0])] = true
			}
			assert.Len(t, seen, len(lines), "each prompt is another")
			var body struct {
				Prompt   string
				Messages []struct{ Content string }
			}
			require.NoError(t, json.Unmarshal(file.Data[0].Payloads[0], &body))
			for _, m := range body.Messages {
				body.Prompt += m.Content
			}
			assert.Greater(t, len(strings.Fields(body.Prompt)), 10, "the prompt is there: %q", body.Prompt)
		})
	}
}

// TestInputsBounded: a file that would grow too large says how many sessions it
// lacks.
func TestInputsBounded(t *testing.T) {
	o := &recipes.Outcome{}
	payload := `{"prompt":"` + strings.Repeat("time ", 100) + `"}`
	m := &loadgen.Measurement{Body: func(*loadgen.Request) []byte { return []byte(payload) }}
	for i := range 10 {
		m.Requests = append(m.Requests, loadgen.Request{Index: i})
	}
	o.Probes = []recipes.Probe{{Trials: []*loadgen.Measurement{m}}}
	for _, tt := range []struct{ most, sessions int }{{1 << 20, 10}, {3*len(payload) - 1, 3}} {
		var b bytes.Buffer
		require.NoError(t, viewOf(o).inputsUpTo(&b, 0, 0, tt.most))
		var file inputs
		require.NoError(t, json.Unmarshal(b.Bytes(), &file), b.String())
		assert.Len(t, file.Data, tt.sessions)
		assert.Equal(t, 10-tt.sessions, file.Prompts.Omitted)
	}
	m.Body = nil
	var b bytes.Buffer
	require.NoError(t, viewOf(o).inputsUpTo(&b, 0, 0, 1<<20))
	assert.JSONEq(t, `[]`, string(decodeKey(t, b.Bytes(), "data")), "a prober of one's own has no bodies")
}

func decodeKey(t *testing.T, text []byte, key string) json.RawMessage {
	t.Helper()
	var v map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &v))
	return v[key]
}

// TestInputsStarred: the user's part of the body is "***" where it is secret,
// and the rest of it stays.
func TestInputsStarred(t *testing.T) {
	s := standard["mono"]
	s.recipe, s.fixed, s.inputs = "", 2, recipes.Inputs{}
	s.change = func(spec *recipes.Spec) {
		spec.Target.Body = map[string]any{"api_token": "planted", "temperature": 0.5}
	}
	_, dir := s.run(t)
	text := read(t, filepath.Join(dir, "concurrency_2"), "inputs.json")
	assert.NotContains(t, text, "planted")
	var file inputs
	require.NoError(t, json.Unmarshal([]byte(text), &file))
	require.NotEmpty(t, file.Data)
	var body struct {
		APIToken    string `json:"api_token"`
		Temperature float64
		Ignore      bool `json:"ignore_eos"`
		Messages    []struct{ Role, Content string }
	}
	require.NoError(t, json.Unmarshal(file.Data[0].Payloads[0], &body))
	assert.Equal(t, "***", body.APIToken)
	assert.Equal(t, 0.5, body.Temperature)
	assert.True(t, body.Ignore, "as it was sent")
	require.Len(t, body.Messages, 1)
	assert.Equal(t, "user", body.Messages[0].Role)
	assert.Greater(t, len(strings.Fields(body.Messages[0].Content)), 10)
}
