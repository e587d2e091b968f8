package simserver

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask posts a body to a route of a server.
func ask(t *testing.T, s *Server, route, body, key string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+route, strings.NewReader(body))
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	resp, err := s.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// TestDialects checks whole answers of each API, with thoughts where it has them, and its
// errors in its own words.
func TestDialects(t *testing.T) {
	s := New(Model{Name: "m", Thoughts: 1, Template: 2, APIKey: "k", Faults: Faults{RejectUnknown: true}})
	defer s.Close()
	for _, tt := range []struct {
		route, body string
		status      int
		has         []string
	}{
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"a b"}],"max_tokens":3}`, 200,
			[]string{`"reasoning_content":" the","content":" quick brown"`, `"prompt_tokens":4`, `"reasoning_tokens":1`}},
		{"/v1/completions", `{"model":"m","prompt":"a b","max_tokens":2}`, 200, []string{`"text":" the quick"`, `"prompt_tokens":2`}},
		{"/v1/responses", `{"model":"m","input":"a b","instructions":"be kind","max_output_tokens":3}`, 200,
			[]string{`"status":"incomplete"`, `"reason":"max_output_tokens"`, `"text":" quick brown"`, `"input_tokens":6`,
				`"type":"reasoning_text","text":" the"`}},
		{"/v1/responses", `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a b"}]}]}`, 200,
			[]string{`"input_tokens":4`}},
		{"/v1/messages", `{"model":"m","system":"be kind","messages":[{"role":"user","content":"a b"}],"max_tokens":3}`, 200,
			[]string{`{"type":"thinking","thinking":" the"},{"type":"text","text":" quick brown"}`, `"input_tokens":6`, `"output_tokens":3`,
				`"stop_reason":"max_tokens"`}},
		{"/v1/messages", `{"model":"m","messages":[{"role":"user","content":"a b"}]}`, 400,
			[]string{`{"error":{"message":"max_tokens: Field required","type":"invalid_request_error"},"type":"error"}`}},
		{"/v1/messages", `{"model":"x","max_tokens":1,"messages":[{"role":"user","content":"a"}]}`, 404, []string{`"type":"not_found_error"`}},
		{"/v1/messages", `{"model":"m","ignore_eos":true,"max_tokens":1,"messages":[]}`, 400, []string{"ignore_eos"}},
		{"/v1/embeddings", `{"model":"m","input":["a b","c"]}`, 200, []string{`"index":1`, `"prompt_tokens":3,"total_tokens":3`}},
		{"/v1/embeddings", `{"model":"m","input":[7,8,9]}`, 200, []string{`"index":0`, `"prompt_tokens":3`}},
		{"/v1/rerank", `{"model":"m","query":"q","documents":["a b",{"text":"c"}]}`, 200,
			[]string{`"index":1,"relevance_score":0.5000`, `"total_tokens":`}},
		{"/v2/rerank", `{"model":"m","query":"q","documents":["a b"]}`, 200, []string{`"relevance_score":1.0000`}},
		{"/v1/rerank", `{"model":"m","query":"q"}`, 400, []string{"query and documents must not be empty"}},
		{"/v1/responses", `{"model":"m","max_tokens":3,"input":"a"}`, 400, []string{"Unrecognized request argument supplied: max_tokens"}},
	} {
		status, answer := ask(t, s, tt.route, tt.body, "k")
		assert.Equal(t, tt.status, status, "%s: %s", tt.body, answer)
		for _, part := range tt.has {
			assert.Contains(t, answer, part, tt.body)
		}
	}
	status, answer := ask(t, s, "/v1/messages", "{}", "")
	assert.Equal(t, 401, status)
	assert.Contains(t, answer, `"type":"authentication_error"`)
}

// TestEvents checks the events of a stream of the two later APIs.
func TestEvents(t *testing.T) {
	s := New(Model{Name: "m", Thoughts: 1})
	defer s.Close()
	for route, tt := range map[string]struct {
		body string
		want []string
	}{
		"/v1/messages": {`{"model":"m","stream":true,"max_tokens":2,"messages":[{"role":"user","content":"a"}]}`, []string{
			"message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop", "message_delta",
			"message_stop"}},
		"/v1/responses": {`{"model":"m","stream":true,"max_output_tokens":2,"input":"a"}`, []string{
			"response.created", "response.output_item.added", "response.reasoning_text.delta", "response.output_text.delta",
			"response.output_text.done", "response.incomplete"}},
	} {
		_, answer := ask(t, s, route, tt.body, "")
		var names []string
		for _, line := range strings.Split(answer, "\n") {
			if name, ok := strings.CutPrefix(line, "event: "); ok {
				names = append(names, name)
			}
		}
		assert.Equal(t, tt.want, names)
	}
}
