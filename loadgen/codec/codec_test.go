package codec

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBody checks the bodies of the six APIs, of a prompt, of one with a system prompt and a
// picture, and of a list of messages.
func TestBody(t *testing.T) {
	plain := Request{Model: "m", Text: "a b", Outputs: 7, Stream: true}
	rich := Request{Model: "m", System: "be kind", Text: "what is it", Images: []string{"data:image/png;base64,AAAA"}, Outputs: 7}
	listed := Request{Model: "m", Outputs: 7, Messages: json.RawMessage(`[{"role":"system","content":"be kind"},
		{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
		{"role":"assistant","content":[{"type":"text","text":"a cat"}]},{"role":"user","content":"sure?"}]`)}
	for _, tt := range []struct {
		c    Codec
		r    Request
		want string
	}{
		{Chat, plain, `{"model":"m","stream":true,"max_tokens":7,"ignore_eos":true,"stream_options":{"include_usage":true},
			"messages":[{"role":"user","content":"a b"}]}`},
		{Chat, rich, `{"model":"m","stream":false,"max_tokens":7,"ignore_eos":true,"messages":[{"role":"system","content":"be kind"},
			{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
			{"type":"text","text":"what is it"}]}]}`},
		{Completions, plain,
			`{"model":"m","stream":true,"max_tokens":7,"ignore_eos":true,"stream_options":{"include_usage":true},"prompt":"a b"}`},
		{Completions, Request{Model: "m", System: "s", Text: "t", Outputs: 1},
			`{"model":"m","stream":false,"max_tokens":1,"ignore_eos":true,"prompt":"s t"}`},
		{Responses, plain, `{"model":"m","stream":true,"max_output_tokens":7,"ignore_eos":true,"input":"a b"}`},
		{Responses, rich, `{"model":"m","stream":false,"max_output_tokens":7,"ignore_eos":true,"instructions":"be kind","input":[
			{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"},
			{"type":"input_text","text":"what is it"}]}]}`},
		{Responses, listed, `{"model":"m","stream":false,"max_output_tokens":7,"ignore_eos":true,"input":[
			{"type":"message","role":"system","content":"be kind"},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},
				{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},
			{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a cat"}]},
			{"type":"message","role":"user","content":"sure?"}]}`},
		{Messages, plain, `{"model":"m","stream":true,"max_tokens":7,"ignore_eos":true,"messages":[{"role":"user","content":"a b"}]}`},
		{Messages, rich, `{"model":"m","stream":false,"max_tokens":7,"ignore_eos":true,"system":"be kind","messages":[{"role":"user","content":[
			{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"text","text":"what is it"}]}]}`},
		{Messages, listed, `{"model":"m","stream":false,"max_tokens":7,"ignore_eos":true,"system":"be kind","messages":[
			{"role":"user","content":[{"type":"text","text":"look"},
				{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
			{"role":"assistant","content":[{"type":"text","text":"a cat"}]},{"role":"user","content":"sure?"}]}`},
		{Embeddings, plain, `{"model":"m","input":"a b"}`},
		{Rerank, Request{Model: "m", Text: "q a b c d e f g h i"},
			`{"model":"m","query":"q","documents":["a","b","c","d","e","f","g","h i"]}`},
		{Rerank, Request{Model: "m", Text: "q"}, `{"model":"m","query":"q","documents":["q"]}`},
	} {
		body, err := tt.c.Body(tt.r)
		require.NoError(t, err)
		b, err := json.Marshal(body)
		require.NoError(t, err)
		assert.JSONEq(t, tt.want, string(b), tt.c.Spec().Name)
	}
}

// says is a part with one content.
func says(text, reasoning, call string) Part {
	return Part{Answer: true, Content: []Content{{Text: text, Reasoning: reasoning, Call: call}}}
}

// TestRead checks what is read of events and of whole answers, in the forms of each API.
func TestRead(t *testing.T) {
	spent := Usage{Prompt: 9, Completion: 4, Total: 13}
	for _, tt := range []struct {
		c     Codec
		whole bool
		data  string
		want  Part
	}{
		{Chat, false, `{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`, Part{Answer: true}},
		{Chat, false, `{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}`, says("", "hm", "")},
		{Chat, false, `{"choices":[{"index":0,"delta":{"tool_calls":[{"a":1}]}}]}`, says("", "", `{"a":1}`)},
		{Chat, false, `{"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}`, Part{Answer: true, Finish: "abort", Aborted: true}},
		{Chat, false, `{"error":{"message":"no"}}`, Part{Error: true}},
		{Completions, true,
			`{"choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}`,
			Part{Answer: true, Content: []Content{{Text: "x"}}, Finish: "length", Usage: spent}},

		{Responses, false,
			`{"type":"response.created","response":{"id":"r","object":"response","status":"in_progress","output":[]}}`, Part{Answer: true}},
		{Responses, false, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[]}}`, Part{Answer: true}},
		{Responses, false, `{"type":"response.output_text.delta","output_index":0,"delta":"Hi"}`, says("Hi", "", "")},
		{Responses, false, `{"type":"response.reasoning_text.delta","output_index":0,"delta":"hm"}`, says("", "hm", "")},
		{Responses, false, `{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"hm"}`, says("", "hm", "")},
		{Responses, false, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"x\""}`, says("", "", `{"x"`)},
		{Responses, false, `{"type":"response.output_text.done","output_index":0,"text":"Hi there"}`, Part{Answer: true}},
		{Responses, false, `{"type":"response.completed","response":{"object":"response","status":"completed","output":[{"type":"message",
			"content":[{"type":"output_text","text":"Hi there"}]}],"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13,
			"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":2}}}}`,
			Part{Answer: true, Done: true, Finish: "completed", Usage: Usage{Prompt: 9, Completion: 4, Total: 13, Reasoning: 2, CacheKnown: true}}},
		{Responses, false,
			`{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`,
			Part{Answer: true, Done: true, Finish: "max_output_tokens"}},
		{Responses, false, `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}`,
			Part{Answer: true, Done: true, Finish: "content_filter", Aborted: true}},
		{Responses, false, `{"type":"response.failed","response":{"status":"failed","error":{"message":"overloaded"}}}`,
			Part{Answer: true, Done: true, Error: true}},
		{Responses, false, `{"type":"error","code":"server_error","message":"no"}`, Part{Answer: true, Done: true, Error: true}},
		{Responses, false, `{"error":{"message":"no"}}`, Part{Error: true}},
		{Responses, true, `{"object":"response","status":"completed","error":null,"output":[
			{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
			{"type":"message","content":[{"type":"output_text","text":"Hi"}]},{"type":"function_call","name":"f","arguments":"{}"}],
			"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}`,
			Part{Answer: true, Finish: "completed", Usage: spent,
				Content: []Content{{Reasoning: "hm"}, {Choice: 1, Text: "Hi"}, {Choice: 2, Call: "f{}"}}}},
		{Responses, true, `{"error":{"message":"no"}}`, Part{Error: true}},

		{Messages, false, `{"type":"message_start","message":{"type":"message","content":[],"usage":{"input_tokens":5,"output_tokens":1,
			"cache_read_input_tokens":4,"cache_creation_input_tokens":0}}}`,
			Part{Answer: true, Usage: Usage{Prompt: 9, CacheRead: 4, CacheKnown: true}}},
		{Messages, false, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, Part{Answer: true}},
		{Messages, false, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`, says("Hi", "", "")},
		{Messages, false, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, says("", "hm", "")},
		{Messages, false, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}`, says("", "", "{")},
		{Messages, false, `{"type":"ping"}`, Part{Answer: true}},
		{Messages, false, `{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":4}}`,
			Part{Answer: true, Finish: "max_tokens", Usage: Usage{Completion: 4}}},
		{Messages, false, `{"type":"message_stop"}`, Part{Answer: true, Done: true}},
		{Messages, false,
			`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, Part{Answer: true, Done: true, Error: true}},
		{Messages, true, `{"type":"message","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"Hi"},
			{"type":"tool_use","name":"f","input":{"x":1}}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":4}}`,
			Part{Answer: true, Finish: "end_turn", Usage: Usage{Prompt: 9, Completion: 4},
				Content: []Content{{Reasoning: "hm"}, {Choice: 1, Text: "Hi"}, {Choice: 2, Call: `f{"x":1}`}}}},
		{Messages, true, `{"type":"error","error":{"type":"invalid_request_error","message":"no"}}`, Part{Error: true}},

		{Embeddings, true,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]},{"embedding":"AAAA"},{"embedding":[]}],
			"usage":{"prompt_tokens":9,"total_tokens":9}}`,
			Part{Answer: true, Finish: "stop", Items: 2, Usage: Usage{Prompt: 9, Total: 9}}},
		{Embeddings, true, `{"object":"list","data":[]}`, Part{Answer: true, Finish: "stop"}},
		{Embeddings, true, `{"error":{"message":"no"}}`, Part{Error: true}},
		{Rerank, true, `{"results":[{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":0}],"usage":{"total_tokens":9}}`,
			Part{Answer: true, Finish: "stop", Items: 2, Usage: Usage{Prompt: 9, Total: 9}}},
		{Rerank, true, `{"results":[{"index":0,"relevance_score":0.5}],"meta":{"tokens":{"input_tokens":9}}}`,
			Part{Answer: true, Finish: "stop", Items: 1, Usage: Usage{Prompt: 9}}},
		{Rerank, true, `[{"index":0,"score":0.5}]`, Part{Answer: true, Finish: "stop", Items: 1}},
		{Rerank, true, `{"detail":"no"}`, Part{Error: true}},
	} {
		got, err := tt.c.Read([]byte(tt.data), tt.whole)
		require.NoError(t, err, tt.data)
		assert.Equal(t, tt.want, got, "%s: %s", tt.c.Spec().Name, tt.data)
	}
	for _, c := range All() {
		_, err := c.Read([]byte(`{"x":`), true)
		assert.Error(t, err, c.Spec().Name)
	}
}

// own is a codec for the tests of the registry.
type own struct{ spec Spec }

func (o own) Spec() Spec                            { return o.spec }
func (own) Body(Request) (map[string]any, error)    { return map[string]any{}, nil }
func (own) Read(_ []byte, _ bool) (p Part, _ error) { return p, nil }

// TestRegister checks that codecs are found by name, alias and route, and that a codec that
// makes no sense is refused.
func TestRegister(t *testing.T) {
	for why, s := range map[string]Spec{
		"consist of lower-case words": {Name: "My Codec", Path: "x"},
		"give where requests":         {Name: "mine", Path: "/"},
		"the name chat is taken":      {Name: "chat", Path: "x"},
		"the name embeddings is":      {Name: "mine", Alias: "embeddings", Path: "x"},
		"Streams is set and Tokens":   {Name: "mine", Path: "x", Streams: true},
	} {
		assert.ErrorContains(t, Register(own{s}), why)
	}
	assert.ErrorContains(t, Register(nil), "it is nil")
	require.NoError(t, Register(own{Spec{Name: "mine", Path: "/generate"}}))
	defer func() { registry.codecs = registry.codecs[:6] }()

	for name, want := range map[string]string{"mine": "mine", "cohere_rankings": "rerank", "chat": "chat"} {
		c, ok := Lookup(name)
		require.True(t, ok)
		assert.Equal(t, want, c.Spec().Name)
	}
	for _, name := range []string{"", "mime"} {
		_, ok := Lookup(name)
		assert.False(t, ok)
	}
	assert.Equal(t, []string{"chat", "completions", "responses", "messages", "embeddings", "rerank", "mine"}, Names())
	for path, want := range map[string][2]string{
		"/v1/chat/completions": {"chat", "/v1"}, "/x/v1/completions": {"completions", "/x/v1"}, "/v2/rerank": {"rerank", "/v2"},
		"/generate": {"mine", ""}, "/v1/messages": {"messages", "/v1"},
	} {
		c, base, ok := ByPath(path)
		require.True(t, ok, path)
		assert.Equal(t, want, [2]string{c.Spec().Name, base})
	}
	_, _, ok := ByPath("/v1")
	assert.False(t, ok)
}

// FuzzRead checks that no answer makes a codec panic, and that counts make sense.
func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"choices":[{"delta":{"content":[{"text":"x"}]}}],"usage":{"prompt_tokens":"7"}}`, `[{"score":1}]`,
		`{"type":"response.completed","response":{"output":[{"content":[{"text":"x"}],"summary":["x"]}]}}`, `{"data":[{"embedding":1}]}`,
		`{"type":"message_start","message":{"content":[{"type":"tool_use","input":{"a":1}}],"usage":{"cache_read_input_tokens":3}}}`, "null"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range All() {
			for _, whole := range []bool{false, true} {
				p, err := c.Read(data, whole)
				if err == nil {
					assert.GreaterOrEqual(t, min(p.Usage.Prompt, p.Usage.Completion, p.Usage.CacheRead, p.Items), 0)
				}
			}
		}
	})
}

// Messages about tools are written in other ways in other APIs, and are refused, not lost.
func TestTools(t *testing.T) {
	for _, messages := range []string{
		`[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]`,
		`[{"role":"user","content":"a"},{"role":"tool","content":"b"}]`,
	} {
		for _, c := range []Codec{Messages, Responses} {
			_, err := c.Body(Request{Messages: []byte(messages)})
			assert.ErrorContains(t, err, "is about a tool", c.Spec().Name)
		}
	}
	_, err := Messages.Body(Request{Messages: []byte(`[{"role":"assistant","content":"a","tool_calls":null}]`)})
	assert.NoError(t, err)
}
