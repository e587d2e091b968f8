package simserver

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// timed is a line of an event stream and when it came.
type timed struct {
	text string
	at   time.Time
}

// events reads the data lines of a stream to its end and reports how it ended.
func events(body io.Reader) (list []timed, err error) {
	r := bufio.NewReader(body)
	for {
		line, err := r.ReadString('\n')
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			list = append(list, timed{strings.TrimSuffix(data, "\n"), time.Now()})
		}
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
	}
}

// post sends body to path and returns the response, whose body the test closes.
func post(t *testing.T, s *Server, path, body string) *http.Response {
	t.Helper()
	resp, err := s.Client().Post(s.URL+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

const (
	chatPath       = "/v1/chat/completions"
	completionPath = "/v1/completions"
)

// fast is a server without delays to speak of.
var fast = Model{Name: "m", Step: 100 * time.Microsecond}

var created = regexp.MustCompile(`"created":\d{10}`)

// The whole body as it goes over the wire, byte for byte.
func TestWireFormat(t *testing.T) {
	for _, tt := range []struct {
		why, path, body, kind, want string
	}{
		{
			"chat, streaming: role alone, a token an event, an empty delta to finish, usage without choices, [DONE]",
			chatPath, `{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":2,"ignore_eos":true,` +
				`"messages":[{"role":"user","content":"one two three"}]}`,
			"text/event-stream; charset=utf-8",
			`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,` +
				`"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"content":" the"},` +
				`"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"content":" quick"},` +
				`"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,` +
				`"finish_reason":"length"}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"m","choices":[],"usage":{"prompt_tokens":3,` +
				`"completion_tokens":2,"total_tokens":5}}

data: [DONE]

`,
		},
		{
			"completions, streaming, no usage asked for",
			completionPath, `{"model":"m","stream":true,"max_tokens":1,"prompt":"one two three"}`,
			"text/event-stream; charset=utf-8",
			`data: {"id":"cmpl-1","object":"text_completion","created":0,"model":"m","choices":[{"index":0,"text":" the",` +
				`"logprobs":null,"finish_reason":null}]}

data: {"id":"cmpl-1","object":"text_completion","created":0,"model":"m","choices":[{"index":0,"text":"","logprobs":null,` +
				`"finish_reason":"length"}]}

data: [DONE]

`,
		},
		{
			"chat in one answer, with usage always",
			chatPath, `{"model":"m","max_completion_tokens":3,"messages":[{"role":"user","content":"one"}]}`,
			"application/json",
			`{"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` +
				`"content":" the quick brown"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":3,` +
				`"total_tokens":4}}`,
		},
		{
			"a completion in one answer",
			completionPath, `{"model":"m","max_tokens":2,"prompt":"one"}`,
			"application/json",
			`{"id":"cmpl-1","object":"text_completion","created":0,"model":"m","choices":[{"index":0,"text":" the quick",` +
				`"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`,
		},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s := New(fast)
			defer s.Close()
			resp := post(t, s, tt.path, tt.body)
			assert.Equal(t, 200, resp.StatusCode)
			assert.Equal(t, tt.kind, resp.Header.Get("Content-Type"))
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, tt.want, created.ReplaceAllString(string(b), `"created":0`))
		})
	}
}

// usage sends a non-streaming request and returns the counts reported.
func usage(t *testing.T, s *Server, path, body string) [3]int {
	t.Helper()
	var answer struct {
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
			Total      int `json:"total_tokens"`
		}
	}
	require.NoError(t, json.NewDecoder(post(t, s, path, body).Body).Decode(&answer))
	return [3]int{answer.Usage.Prompt, answer.Usage.Completion, answer.Usage.Total}
}

func TestTokensAreCounted(t *testing.T) {
	for _, tt := range []struct {
		why, path, body string
		template        int
		want            [3]int
	}{
		{"16 tokens when no limit is given", chatPath, `{"model":"m","messages":[{"role":"user","content":"a b"}]}`, 0, [3]int{2, 16, 18}},
		{"words of all messages, of strings and of parts; white space of any kind", chatPath,
			`{"model":"m","max_tokens":1,"messages":[{"role":"system","content":" a  b\n"},{"role":"assistant","content":null},` +
				`{"role":"user","content":[{"type":"text","text":"c\td"},{"type":"text","text":"e"}]}]}`, 0, [3]int{5, 1, 6}},
		{"the template adds its tokens to a chat", chatPath, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a b"}]}`, 9,
			[3]int{11, 1, 12}},
		{"but not to a completion", completionPath, `{"model":"m","max_tokens":1,"prompt":"a b"}`, 9, [3]int{2, 1, 3}},
		{"a list of prompts", completionPath, `{"model":"m","max_tokens":1,"prompt":["a b","c"]}`, 0, [3]int{3, 1, 4}},
		{"a list of token ids", completionPath, `{"model":"m","max_tokens":1,"prompt":[5,6,7,8]}`, 0, [3]int{4, 1, 5}},
		{"an empty prompt is one token", completionPath, `{"model":"m","max_tokens":1,"prompt":""}`, 0, [3]int{1, 1, 2}},
		{"max_completion_tokens goes before max_tokens", chatPath,
			`{"model":"m","max_tokens":9,"max_completion_tokens":4,"messages":[{"content":"a"}]}`, 0, [3]int{1, 4, 5}},
	} {
		m := fast
		m.Template = tt.template
		s := New(m)
		assert.Equal(t, tt.want, usage(t, s, tt.path, tt.body), tt.why)
		s.Close()
	}
}

func TestErrors(t *testing.T) {
	m := fast
	m.APIKey = "secret"
	s := New(m)
	defer s.Close()
	const ok = `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}]}`
	for _, tt := range []struct {
		why, method, path, key, body string
		status                       int
		contains                     string
	}{
		{"the right key", "POST", chatPath, "secret", ok, 200, `"completion_tokens":1`},
		{"no key", "POST", chatPath, "", ok, 401, `"code":"invalid_api_key"`},
		{"a wrong key", "POST", completionPath, "Secret", ok, 401, `"code":"invalid_api_key"`},
		{"models need the key too", "GET", "/v1/models", "", "", 401, `"code":"invalid_api_key"`},
		{"an unknown model", "POST", chatPath, "secret", strings.Replace(ok, `"m"`, `"gpt"`, 1), 404, "The model `gpt` does not exist."},
		{"no model", "POST", chatPath, "secret", `{"messages":[{"content":"a"}]}`, 400, "must provide a model"},
		{"no messages", "POST", chatPath, "secret", `{"model":"m","prompt":"a"}`, 400, "messages must not be empty"},
		{"no prompt", "POST", completionPath, "secret", `{"model":"m","messages":[]}`, 400, "must provide a prompt"},
		{"a prompt of the wrong type", "POST", completionPath, "secret", `{"model":"m","prompt":{}}`, 400, "cannot unmarshal"},
		{"content of the wrong type", "POST", chatPath, "secret", `{"model":"m","messages":[{"content":7}]}`, 400, "content of message 0"},
		{"no tokens asked for", "POST", chatPath, "secret", `{"model":"m","max_tokens":0,"messages":[{"content":"a"}]}`, 400,
			"max_tokens must be from 1"},
		{"too many tokens asked for", "POST", chatPath, "secret", `{"model":"m","max_tokens":1000000000,"messages":[{"content":"a"}]}`, 400,
			"max_tokens must be from 1"},
		{"not JSON", "POST", chatPath, "secret", `model=m`, 400, "as JSON"},
		{"JSON but no object", "POST", chatPath, "secret", `[1]`, 400, "cannot read the request body"},
		{"the wrong method", "GET", chatPath, "secret", "", 405, ""},
		{"a path that is not there", "POST", "/v1/audio/speech", "secret", ok, 404, ""},
		{"the models", "GET", "/v1/models", "secret", "", 200, `"data":[{"created":0,"id":"m","object":"model"`},
		{"the version needs no key", "GET", "/version", "", "", 200, `{"version":"simserver-1"}`},
		{"nor does health", "GET", "/health", "", "", 200, ""},
	} {
		req, err := http.NewRequest(tt.method, s.URL+tt.path, strings.NewReader(tt.body))
		require.NoError(t, err)
		if tt.key != "" {
			req.Header.Set("Authorization", "Bearer "+tt.key)
		}
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		assert.Equal(t, tt.status, resp.StatusCode, tt.why)
		assert.Contains(t, string(b), tt.contains, tt.why)
		if strings.HasPrefix(tt.contains, `"code"`) {
			var e struct {
				Error struct{ Message, Type string }
			}
			require.NoError(t, json.Unmarshal(b, &e), tt.why)
			assert.Equal(t, "invalid_request_error", e.Error.Type, tt.why)
		}
	}
	st := s.Stats()
	assert.EqualValues(t, 1, st.Completed)
	assert.EqualValues(t, 12, st.Rejected)
	assert.EqualValues(t, 13, st.Started)
	assert.Equal(t, map[string]int64{chatPath: 10, completionPath: 3, "/v1/models": 2, "/version": 1, "/health": 1}, st.Requests)
}
