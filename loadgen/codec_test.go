package loadgen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// tapped returns a dialer to a server that keeps what is sent to it.
func tapped(s *simserver.Server) (dial func(context.Context, string, string) (net.Conn, error), sent func() string) {
	var mu sync.Mutex
	var all strings.Builder
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := s.Dial(ctx, network, addr)
			return tapConn{c, func(b []byte) { mu.Lock(); all.Write(b); mu.Unlock() }}, err
		}, func() string {
			mu.Lock()
			defer mu.Unlock()
			return all.String()
		}
}

type tapConn struct {
	net.Conn
	saw func([]byte)
}

func (c tapConn) Write(b []byte) (int, error) { c.saw(b); return c.Conn.Write(b) }

// TestAPIs measures each API of a simulated server in virtual time, where the engine's times
// are exact: with one client, an answer of 5 tokens to a prompt of 40 takes a step of 10 ms
// and 40·1 ms for the prefill, and 4 steps of 10 ms more; three of its tokens are thoughts.
func TestAPIs(t *testing.T) {
	for name, tokens := range map[string]bool{
		"chat": true, "completions": true, "responses": true, "messages": true, "embeddings": false, "rerank": false,
	} {
		for _, whole := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				what := fmt.Sprint(name, " whole ", whole)
				s := simserver.NewInMemory(simserver.Model{
					Step: 10 * time.Millisecond, PerPromptToken: time.Millisecond, Template: 6, Thoughts: 3, APIKey: "key-of-mine",
				})
				defer s.Close()
				dial, sent := tapped(s)
				g, err := New(Target{URL: s.URL, Dial: dial, Protocol: name, NoStream: whole, APIKey: "key-of-mine"})
				require.NoError(t, err)
				defer g.Close()
				require.NoError(t, g.Ready(t.Context()), what)
				m, err := g.Probe(t.Context(), Load{Concurrency: 1, ISL: 40, OSL: 5, Requests: 12}, nil)
				require.NoError(t, err)
				assert.Empty(t, m.Warnings, what)
				require.Empty(t, m.Failures, what)
				route := map[string]string{"chat": "/v1/chat/completions"}[name]
				if route == "" {
					route = "/v1/" + name
				}
				assert.Contains(t, sent(), "POST "+route+" HTTP", what)
				assert.Equal(t, name == "messages", strings.Contains(sent(), "X-Api-Key: key-of-mine"), what)

				value := func(tag Tag) float64 { v, _ := m.Stat(tag, "p50"); return v }
				assert.Equal(t, 40.0, value(TagISL), what)
				_, has := m.Metrics[TagTTFT]
				assert.Equal(t, tokens && !whole, has, what)
				_, has = m.Metrics[TagTokenRate]
				assert.Equal(t, tokens, has, what)
				if !tokens {
					assert.Equal(t, 50.0, value(TagLatency), what)
					for _, tag := range []Tag{TagOSL, TagTotalOSL, TagTotalRate, TagITL} {
						assert.NotContains(t, m.Metrics, tag, what)
					}
					assert.Contains(t, m.Metrics, TagInputRate, what)
					return
				}
				assert.Equal(t, 90.0, value(TagLatency), what)
				assert.Equal(t, 5.0, value(TagOSL), what)
				if !whole {
					assert.Equal(t, 50.0, value(TagTTFT), what)
					assert.Equal(t, 10.0, value(TagITL), what)
				}
			})
		}
	}
}

// TestSpelled checks that what is put together here for chat and completions is what their
// codecs say, for prompts of every kind.
func TestSpelled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(
		`{"text":"say \"x\" <b>","max_tokens":3,"temperature":0.5}`+"\n"+`{"input_length":40,"hash_ids":[1]}`+"\n"), 0o600))
	mixed := Workload{System: 20, Prefixes: []laws.Prefix{{Groups: 2, Tokens: 30, Share: 0.5}}, Model: "other",
		Body: map[string]any{"top_p": nil}}
	pictures := mixed
	pictures.Images = laws.Images{Count: 2, Width: 8, Height: 8}
	for _, tt := range []struct {
		why string
		t   Target
		l   Load
	}{
		{"plain", Target{}, Load{}},
		{"completions", Target{Protocol: Completions, NoStream: true}, Load{}},
		{"body", Target{Body: map[string]any{"max_tokens": 3, "ignore_eos": nil, "top_p": 0.5}}, Load{}},
		{"mixed", Target{Body: map[string]any{"top_p": 0.5}}, Load{Workload: mixed}},
		{"mixed completions", Target{Protocol: Completions}, Load{Workload: mixed}},
		{"pictures", Target{}, Load{Workload: pictures}},
		{"file", Target{Prompts: file}, Load{}},
		{"file of completions", Target{Prompts: file, Protocol: Completions}, Load{}},
	} {
		tt.l.ISL, tt.l.OSL, tt.l.Seed = 50, 9, 4
		tt.t.URL = "http://h"
		for _, f := range []fields{{}, {without: []string{"ignore_eos"}, completion: true}} {
			w, err := newWorkload(tt.t, "m", tt.l, calibration{slope: 1}, f)
			require.NoError(t, err)
			prompts, _, err := tt.t.prompts(nil)
			require.NoError(t, err)
			w.send(prompts)
			require.NoError(t, w.follow(tt.t, tt.l))
			for i := range uint64(20) {
				assert.JSONEq(t, string(w.spelled(i, nil)), string(w.body(i)), tt.why)
			}
		}
	}
}

// TestBodiesOfFiles checks that bodies of other APIs are sent as they are, that the load adds
// what they lack, and that a file for another API is refused.
func TestBodiesOfFiles(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		protocol, line, want, err string
	}{
		{"embeddings", `{"input":["a b","c"],"dimensions":8}`, `{"model":"m","input":["a b","c"],"dimensions":8}`, ""},
		{"embeddings", `{"text":"a b"}`, `{"model":"m","input":"a b"}`, ""},
		{"embeddings", `{"custom_id":"1","url":"/v1/embeddings","body":{"model":"x","input":"a b"}}`, `{"model":"m","input":"a b"}`, ""},
		{"rerank", `{"query":"q","documents":["a","b"],"top_n":1}`, `{"model":"m","query":"q","documents":["a","b"],"top_n":1}`, ""},
		{"rerank", `{"texts":[{"name":"query","contents":["q"]},{"name":"passages","contents":["a","b"]}]}`,
			`{"model":"m","query":"q","documents":["a","b"]}`, ""},
		{"responses", `{"body":{"model":"x","stream":false,"input":[{"type":"message","role":"user","content":"a"}],"max_output_tokens":3}}`,
			`{"model":"m","stream":true,"max_output_tokens":3,"ignore_eos":true,"input":[{"type":"message","role":"user","content":"a"}]}`, ""},
		{"responses", `{"input":[{"type":"function_call_output","call_id":"1","output":"x"}],"instructions":"be kind"}`,
			`{"model":"m","stream":true,"max_output_tokens":9,"ignore_eos":true,"instructions":"be kind",
			"input":[{"type":"function_call_output","call_id":"1","output":"x"}]}`, ""},
		{"messages", `{"model":"x","system":"be kind","messages":[{"role":"user","content":"a"}],"max_tokens":3,"metadata":{}}`,
			`{"model":"m","stream":true,"max_tokens":3,"ignore_eos":true,"system":"be kind","messages":[{"role":"user","content":"a"}]}`, ""},
		{"embeddings", `{"messages":[{"role":"user","content":"a"}]}`, "", "which the embeddings API does not accept"},
		{"chat", `{"custom_id":"1","url":"/v1/embeddings","body":{"input":"a b"}}`, "", "which is not the chat API; use the embeddings protocol"},
		{"chat", `{"custom_id":"1","url":"/v1/images/edits","body":{"input":"a b"}}`, "", "which is the route of no API that is known"},
		{"chat", `{"query":"q","documents":["a","b"]}`, "", "have bodies that the chat API does not accept (prompt 1)"},
	} {
		path := filepath.Join(dir, "x.jsonl")
		require.NoError(t, os.WriteFile(path, []byte(tt.line), 0o600))
		target := Target{URL: "http://h", Protocol: tt.protocol, Prompts: path}
		g, err := New(target)
		if tt.err != "" {
			assert.ErrorContains(t, err, tt.err, tt.line)
			continue
		}
		require.NoError(t, err, tt.line)
		w, err := newWorkload(g.target, "m", Load{ISL: 5, OSL: 9}, calibration{slope: 1}, fields{})
		require.NoError(t, err)
		w.send(g.prompts)
		assert.JSONEq(t, tt.want, string(w.body(0)), tt.line)
		assert.Positive(t, w.promptTokens(0))
		require.NoError(t, g.Close())
	}
}

// TestRoutes checks where requests of an API go, by its name or by the URL of its route.
func TestRoutes(t *testing.T) {
	defer func(restore func()) { restore() }(register(t, generate{}))
	for _, tt := range []struct{ url, protocol, api, post string }{
		{"http://h", "messages", "messages", "http://h/v1/messages"},
		{"http://h/v1/messages", "", "messages", "http://h/v1/messages"},
		{"http://h/v1/responses", "", "responses", "http://h/v1/responses"},
		{"http://h/v2/rerank", "", "rerank", "http://h/v2/rerank"},
		{"http://h/v2", "cohere_rankings", "rerank", "http://h/v2/rerank"},
		{"http://h/rerank", "rerank", "rerank", "http://h/rerank"},
		{"http://h/api/v3/embeddings", "embeddings", "embeddings", "http://h/api/v3/embeddings"},
		{"http://h", "generate", "generate", "http://h/generate"},
		{"http://h/v1", "generate", "generate", "http://h/generate"},
		{"http://h/x/generate?a=b", "", "generate", "http://h/x/generate"},
	} {
		g, err := New(Target{URL: tt.url, Protocol: tt.protocol})
		require.NoError(t, err, tt.url)
		assert.Equal(t, tt.api, g.target.Protocol)
		u := g.route(g.target.path())
		u.RawQuery = ""
		assert.Equal(t, tt.post, u.String())
		assert.Equal(t, tt.api, g.target.Speaks().Name)
		require.NoError(t, g.Close())
	}
	_, err := New(Target{URL: "http://h/v1/messages", Protocol: "responses"})
	assert.ErrorContains(t, err, `is that of the messages API, and Protocol is "responses"`)
	_, err = New(Target{URL: "http://h", Protocol: "tgi"})
	assert.ErrorContains(t, err, `"tgi" is unknown; use one of chat, completions, responses, messages, embeddings, rerank`)
}

// generate is a codec of one's own: an API that answers in one piece, with a metric of its
// own.
type generate struct{}

func (generate) Spec() codec.Spec {
	return codec.Spec{Name: "generate", Path: "/generate", Tokens: true}
}

func (generate) Body(r codec.Request) (map[string]any, error) {
	if strings.Contains(r.Text, "bad") {
		return nil, errors.New("it does not like the text")
	}
	return map[string]any{"inputs": r.Text, "parameters": map[string]any{"max_new_tokens": r.Outputs}}, nil
}

func (generate) Read(data []byte, whole bool) (codec.Part, error) {
	var a struct {
		Text  string `json:"generated_text"`
		Queue float64
		Error string
	}
	err := json.Unmarshal(data, &a)
	return codec.Part{
		Answer: true, Error: a.Error != "", Content: []codec.Content{{Text: a.Text}}, Finish: "stop",
		Usage: codec.Usage{Prompt: 20, Completion: len(strings.Fields(a.Text))}, Values: map[string]float64{"queue_time": a.Queue},
	}, err
}

// register adds a codec unless an earlier test has, since there is no way to take one away.
func register(t *testing.T, c codec.Codec) (restore func()) {
	t.Helper()
	if _, ok := codec.Lookup(c.Spec().Name); !ok {
		require.NoError(t, codec.Register(c))
	}
	return func() {}
}

// TestOwnCodec measures a server whose API nobody here knows, by a codec of one's own.
func TestOwnCodec(t *testing.T) {
	defer register(t, generate{})()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Inputs     string
			Parameters struct {
				N int `json:"max_new_tokens"`
			}
		}
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/generate" || json.Unmarshal(b, &q) != nil || q.Inputs == "" {
			http.Error(w, `{"error":"what"}`, http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"generated_text":%q,"queue":2.5}`, strings.Repeat("x ", q.Parameters.N))
	}))
	defer srv.Close()
	g, err := New(Target{URL: srv.URL, Protocol: "generate", Model: "m"})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), Load{Concurrency: 2, ISL: 20, OSL: 7, Requests: 10}, nil)
	require.NoError(t, err)
	assert.Empty(t, m.Failures)
	require.NotEmpty(t, m.Requests)
	q := m.Requests[0]
	assert.Equal(t, 7, q.OSL)
	assert.Equal(t, map[Tag]float64{"queue_time": 2.5}, q.Values)
	assert.False(t, q.Streamed)
}

// TestOtherAPI checks that a server without the target's route is asked for all others, and
// that errors in the words of each API are told.
func TestOtherAPI(t *testing.T) {
	for _, tt := range []struct{ has, protocol, status, body, says string }{
		{"/v1/messages", "chat", "200", `{"type":"message","content":[]}`, `set Target.Protocol to "messages"`},
		{"/v1/embeddings", "chat", "200", `{"data":[]}`, `set Target.Protocol to "embeddings"`},
		{"/v1/chat/completions", "rerank", "200", `{}`, `set Target.Protocol to "chat"`},
		{"/v1/messages", "messages", "400", `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too many"}}`,
			"max_tokens: too many"},
		{"/v1/responses", "responses", "400", `{"error":{"message":"input: too long","type":"invalid_request_error"}}`, "input: too long"},
		{"/v1/chat/completions", "chat", "400", `{"error":{"message":"The model does not support Chat Completions API"}}`,
			"the model makes no text; set Target.Protocol to the API that it is for"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != tt.has {
				http.NotFound(w, r)
				return
			}
			if tt.status != "200" {
				w.WriteHeader(http.StatusBadRequest)
			}
			io.WriteString(w, tt.body)
		}))
		g, err := New(Target{URL: srv.URL, Protocol: tt.protocol, Model: "m", ReadyTimeout: time.Second})
		require.NoError(t, err)
		assert.ErrorContains(t, g.Ready(t.Context()), tt.says)
		require.NoError(t, g.Close())
		srv.Close()
	}
}

// TestFaultsOfAPIs checks that what goes wrong in a stream is the same kind of failure by
// each API: a cut connection, a broken event, an error in mid-stream, and an end without a
// word.
func TestFaultsOfAPIs(t *testing.T) {
	for _, api := range []string{"chat", "completions", "responses", "messages"} {
		for kind, f := range map[FailureKind]simserver.Faults{
			FailedBroken:    {Cut: 1, After: 2},
			FailedMalformed: {Malformed: 1, After: 2},
			FailedError:     {ErrorEvent: 1, After: 2},
			FailedStatus:    {Status: map[int]float64{500: 1}},
		} {
			s := simserver.New(simserver.Model{Step: time.Millisecond, Faults: f})
			g, err := New(Target{URL: s.URL, Protocol: api, Model: "simulated"})
			require.NoError(t, err)
			q, _, _, err := g.try(t.Context(), 8, 4)
			require.Error(t, err, "%s %s", api, kind)
			require.NotNil(t, q.Failure, "%s %s", api, kind)
			assert.Equal(t, kind, q.Failure.Kind, "%s: %v", api, q.Failure)
			if kind == FailedError || kind == FailedStatus {
				assert.Equal(t, "injected fault", q.Failure.Message, api)
			}
			require.NoError(t, g.Close())
			s.Close()
		}
	}
}

// BenchmarkParse reads an answer of 128 tokens by each API, which the collector does beside
// the slots.
func BenchmarkParse(b *testing.B) {
	for api, events := range map[string][2]string{
		"chat": {`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":` +
			`[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n", "data: [DONE]\n\n"},
		"messages": {`event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,` +
			`"delta":{"type":"text_delta","text":" word"}}` + "\n\n", `data: {"type":"message_stop"}` + "\n\n"},
		"responses": {`event: response.output_text.delta` + "\n" + `data: {"type":"response.output_text.delta","sequence_number":7,` +
			`"item_id":"msg_1","output_index":0,"content_index":0,"delta":" word","logprobs":[]}` + "\n\n",
			`data: {"type":"response.completed","response":{"status":"completed"}}` + "\n\n"},
	} {
		b.Run(api, func(b *testing.B) {
			c, _ := codec.Lookup(api)
			body := []byte(strings.Repeat(events[0], 128) + events[1])
			r := &record{body: body, status: 200, ticket: ticket{work: &workload{words: 20, codec: c}}, reads: []read{{len(body), 1}}}
			for b.Loop() {
				if q := r.parse(true); len(q.Chunks) != 128 {
					b.Fatal(q.Failure)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/event")
		})
	}
}
