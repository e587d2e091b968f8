package loadgen

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrivals is a record of a streamed answer of which each part came by a read of its own, 10
// ms behind the last.
func arrivals(parts ...string) *record {
	r := &record{status: 200, ctype: "text/event-stream", ticket: ticket{work: &workload{words: 20}}}
	for i, p := range parts {
		r.body = append(r.body, p...)
		r.reads = append(r.reads, read{len(r.body), time.Duration(i+1) * 10 * time.Millisecond})
	}
	r.eof = time.Duration(len(parts)+1) * 10 * time.Millisecond
	return r
}

// data is an event of each of the given objects.
func data(objects ...string) string {
	return "data: " + strings.Join(objects, "\n\ndata: ") + "\n\n"
}

// say is an event with the given text.
func say(text string) string { return data(`{"choices":[{"delta":{"content":"` + text + `"}}]}`) }

// use is an event of usage, and the end.
func use(fields string) string { return data(`{"choices":[],"usage":{`+fields+`}}`, "[DONE]") }

// TestCounts checks the counts of tokens, and by them ITL, of answers whose usage and events
// say different things.
func TestCounts(t *testing.T) {
	const usual = `"prompt_tokens":20,"completion_tokens":4`
	think := data(`{"choices":[{"delta":{"reasoning_content":"hm"}}]}`)
	for _, tt := range []struct {
		why      string
		parts    []string
		isl, osl int
		first    int
		itl      float64 // ms; 0 for none
	}{
		{"one token an event", []string{say("a"), say("b"), say("c"), say("d"), use(usual)}, 20, 4, 1, 10},
		{"an end token without text", []string{say("a"), say("b"), say("c"), use(usual)}, 20, 4, 1, 20.0 / 3},
		{"the first two came together", []string{say("a") + say("b"), say("c"), say("d"), use(usual)}, 20, 4, 2, 10},
		{"two and two", []string{say("a") + say("b"), say("c") + say("d"), use(usual)}, 20, 4, 2, 5},
		{"all at once", []string{say("a") + say("b") + say("c") + say("d") + use(usual)}, 20, 4, 4, 0},
		{"one event of several tokens", []string{say("a b c d"), use(usual)}, 20, 4, 4, 0},
		{"two tokens an event", []string{say("a b"), say("c d"), use(usual)}, 20, 4, 2, 5},
		{"the first alone, then three: by the lengths of texts", []string{say(" a"), say(" b c d"), use(usual)}, 20, 4, 1, 10.0 / 3},
		{"usage in every event", []string{
			data(`{"choices":[{"delta":{"content":"a b"}}],"usage":{"prompt_tokens":20,"completion_tokens":2}}`),
			say("c"), use(usual)}, 20, 4, 2, 5},
		{"no usage: events", []string{say("a") + say("b"), say("c"), data("[DONE]")}, 20, 3, 2, 10},
		{"usage of the prompt alone", []string{say("a"), say("b"), use(`"prompt_tokens":33`)}, 33, 2, 1, 10},
		{"usage of the answer alone", []string{say("a"), say("b"), use(`"completion_tokens":2`)}, 20, 2, 1, 10},
		{"the total gives the other", []string{say("a"), say("b"), use(`"completion_tokens":2,"total_tokens":35`)}, 33, 2, 1, 10},
		{"reasoning in the total alone", []string{think, think, say("a"), say("b"),
			use(`"prompt_tokens":20,"completion_tokens":2,"total_tokens":24,"completion_tokens_details":{"reasoning_tokens":2}`)}, 20, 4, 1, 10},
		{"the same without details", []string{think, think, say("a"), say("b"),
			use(`"prompt_tokens":20,"completion_tokens":2,"total_tokens":24`)}, 20, 4, 1, 10},
		{"reasoning in the details alone", []string{think, think, think, say("a"),
			use(`"prompt_tokens":20,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":3}`)}, 20, 4, 1, 10},
		{"reasoning counted as usual", []string{think, think, say("a"), say("b"),
			use(`"prompt_tokens":20,"completion_tokens":4,"total_tokens":24,"completion_tokens_details":{"reasoning_tokens":2}`)}, 20, 4, 1, 10},
		{"hidden reasoning came before the first event", []string{say("a"), say("b"),
			use(`"prompt_tokens":20,"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":2}`)}, 20, 4, 3, 10},
		{"a last usage of zeros", []string{say("a"), say("b"), say("c"), say("d"), data(`{"choices":[],"usage":{` + usual + `}}`),
			use(`"prompt_tokens":0,"completion_tokens":0,"total_tokens":0`)}, 20, 4, 1, 10},
		{"usage in a choice", []string{say("a"), say("b"), say("c"), say("d"),
			data(`{"choices":[{"finish_reason":"stop","usage":{`+usual+`}}]}`, "[DONE]")}, 20, 4, 1, 10},
		{"usage in two halves", []string{data(`{"choices":[],"usage":{"prompt_tokens":20}}`) + say("a"), say("b"),
			use(`"completion_tokens":2`)}, 20, 2, 1, 10},
	} {
		t.Run(tt.why, func(t *testing.T) {
			q := arrivals(tt.parts...).parse(true)
			require.Nil(t, q.Failure)
			assert.Equal(t, []int{tt.isl, tt.osl, tt.first}, []int{q.ISL, q.OSL, q.FirstTokens}, "ISL, OSL, first")
			itl, ok := q.Value(TagITL)
			assert.Equal(t, tt.itl > 0, ok)
			assert.InDelta(t, tt.itl, itl, 1e-9)
			assert.Equal(t, !ok && tt.osl > 1, q.OneRead())
			_, ok = q.Value(TagTTST)
			assert.Equal(t, len(q.Chunks) > 1 && !q.OneRead(), ok, "TTST")
		})
	}
}

// TestFailing checks what in an answer means that it failed, and that the server's own words
// are what is said of it.
func TestFailing(t *testing.T) {
	usual := say("a") + say("b")
	finish := func(reason string) string {
		return data(`{"choices":[{"delta":{},"finish_reason":"`+reason+`"}]}`, "[DONE]")
	}
	for _, tt := range []struct {
		why, body string
		kind      FailureKind // empty for a valid answer
		says      string
	}{
		{"stop", usual + finish("stop"), "", ""},
		{"length", usual + finish("length"), "", ""},
		{"tool_calls", usual + finish("tool_calls"), "", ""},
		{"abort", usual + finish("abort"), FailedAborted, `finish_reason "abort"`},
		{"error", usual + finish("error"), FailedAborted, `finish_reason "error"`},
		{"cancelled", usual + finish("cancelled"), FailedAborted, `finish_reason "cancelled"`},
		{"content_filter", usual + finish("content_filter"), FailedAborted, `finish_reason "content_filter"`},
		{"abort before any text", finish("abort"), FailedAborted, `finish_reason "abort"`},
		{"one choice of two", usual + data(`{"choices":[{"finish_reason":"stop"},{"finish_reason":"abort"}]}`), FailedAborted, "abort"},
		{"an error field", "error: {\"code\":400,\"message\":\"too long\"}\n\ndata: [DONE]\n\n", FailedError, "too long"},
		{"an error event", usual + "event: error\ndata: {\"message\":\"gone\"}\n\n", FailedError, "gone"},
		{"a bare error", usual + `{"error":{"message":"gone"}}` + "\n", FailedError, "gone"},
		{"a bare error over lines", usual + "{\n\"error\": {\n\"message\": \"gone\"}\n}\n", FailedError, "gone"},
		{"a bare error and nothing else", `{"error":{"message":"gone"}}`, FailedError, "gone"},
		{"the older form", `{"object":"error","message":"gone","code":500}`, FailedError, "gone"},
		{"the older form in an event", data(`{"object":"error","message":"gone","code":500}`), FailedError, "gone"},
		{"FastAPI's form", `{"detail":[{"loc":["body","seed"],"msg":"extra"}]}`, FailedError, "seed: extra"},
		{"a message and no choices", `{"code":1302,"msg":"rate limit"}`, FailedError, "rate limit"},
		{"an error of a type", `{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`, FailedError, "busy"},
		{"an error that is none", data(`{"error":"","choices":[{"delta":{"content":"a"}}]}`, "[DONE]"), "", ""},
		{"pings", data(`{"type":"ping"}`) + "event: ping\ndata: x\n\n" + ": c\n\ndata:\n\n" + usual + finish("stop"), "", ""},
		{"objects without events", `{"choices":[{"delta":{"content":"a"}}]}` + "\n" + `{"choices":[{"finish_reason":"stop"}]}` + "\n", "", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for _, kind := range []string{"text/event-stream", "application/json", ""} {
				r := arrivals(tt.body)
				r.ctype = kind
				q := r.parse(true)
				if tt.kind == "" {
					assert.Nil(t, q.Failure, kind)
				} else if assert.NotNil(t, q.Failure, kind) {
					assert.Equal(t, tt.kind, q.Failure.Kind)
					assert.Contains(t, q.Failure.Message, tt.says)
				}
			}
		})
	}
}

// TestText checks what counts as text.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		`"a"`: "a", `"a\nb\u00e9"`: "a\nb\u00e9", `""`: "", `null`: "", `7`: "", `true`: "", `[]`: "", `{}`: "",
		`["a","b"]`: "ab",
		`[{"type":"text","text":"a"},{"type":"image"},null,3]`:                        "a",
		`[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"text":"a"}]`: "hma",
		`[{"type":"reasoning.summary","summary":"s"}]`:                                "s",
		`{"text":"a"}`: "a",
	} {
		var got text
		require.NoError(t, json.Unmarshal([]byte(in), &got), in)
		assert.EqualValues(t, want, got, in)
	}
}

// TestDecode checks that a compressed answer is read, and that its events have the times at
// which their bytes came.
func TestDecode(t *testing.T) {
	for encoding, open := range map[string]func(io.Writer) interface {
		io.WriteCloser
		Flush() error
	}{
		"gzip": func(w io.Writer) interface {
			io.WriteCloser
			Flush() error
		} {
			return gzip.NewWriter(w)
		},
		"deflate": func(w io.Writer) interface {
			io.WriteCloser
			Flush() error
		} {
			return zlib.NewWriter(w)
		},
	} {
		var parts []string
		var out bytes.Buffer
		z := open(&out)
		for _, part := range []string{say("a"), say("b"), say("c"), data("[DONE]")} {
			io.WriteString(z, part)
			require.NoError(t, z.Flush())
			parts = append(parts, out.String())
			out.Reset()
		}
		require.NoError(t, z.Close())
		r := arrivals(append(parts, out.String())...)
		r.encoding = encoding
		q := r.parse(true)
		require.Nil(t, q.Failure, encoding)
		assert.Equal(t, []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 30 * time.Millisecond}, q.Chunks, encoding)
	}
	r := arrivals(strings.Repeat("x", 100))
	r.encoding = "zstd"
	assert.Contains(t, r.parse(true).Failure.Message, "compressed (zstd)")
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, largestAnswer+1<<20))
	z.Close()
	r = arrivals(bomb.String())
	r.encoding = "gzip"
	assert.Contains(t, r.parse(true).Failure.Message, "blow up")
}

// TestReadModels checks the forms of lists of models.
func TestReadModels(t *testing.T) {
	for body, want := range map[string][]served{
		`{"data":[{"id":"a"},{"id":"b","max_model_len":2048}]}`:                                                 {{"a", 0}, {"b", 2048}},
		`{"models":[{"name":"a:latest","model":"a:latest"}]}`:                                                   {{"a:latest", 0}},
		`{"models":[{"name":"a"}],"object":"list","data":[{"id":"a","meta":{"n_ctx":512,"n_ctx_train":4096}}]}`: {{"a", 512}},
		`[{"id":"a","context_length":8192}]`:                                                                    {{"a", 8192}},
		`["a","b"]`:                                                                                             {{"a", 0}, {"b", 0}},
		`{"data":[]}`:                                                                                           nil,
	} {
		models, ok := readModels([]byte(body))
		assert.True(t, ok, body)
		assert.ElementsMatch(t, want, models, body)
	}
	for _, body := range []string{`{}`, `{"error":"x"}`, `<html>`, ``, `3`, `{"data":null}`} {
		models, ok := readModels([]byte(body))
		assert.False(t, ok && len(models) > 0, body)
	}
	_, ok := readModels([]byte(`{"error":"x"}`))
	assert.False(t, ok)
}

// TestPlain checks that a page is cut down to what it says.
func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"plain < text": "plain < text",
		"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n" +
			"<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>" +
			"\r\n<hr><center>nginx/1.22.1</center></body></html>": "413 Request Entity Too Large nginx/1.22.1",
		"<html><body><h1>503 Service Unavailable</h1>\n" +
			"No server &amp; no luck.\n</body></html>": "503 Service Unavailable No server & no luck.",
		"<!DOCTYPE html><html><head><style>p{}</style><title>UI</title></head>" +
			"<body><script>x()</script><div>Hi</div></body></html>": "UI: Hi",
		`{"detail":"<b>"}`: `{"detail":"<b>"}`,
	} {
		assert.Equal(t, want, plain([]byte(in)))
	}
}

// TestConcede checks what is given up, and in which order.
func TestConcede(t *testing.T) {
	target := Target{Body: map[string]any{"seed": 1, "temperature": 0}}
	for _, tt := range []struct {
		why   string
		words string // of each refusal
		want  []string
	}{
		{"what is named", `unknown field "stream_options"`, []string{"-stream_options", "-ignore_eos", "max_completion_tokens"}},
		{"several, one after the other", "ignore_eos, stream_options and seed are not permitted",
			[]string{"-ignore_eos", "-stream_options", "-seed", "max_completion_tokens"}},
		{"the limit's other name", "use max_completion_tokens", []string{"max_completion_tokens", "-ignore_eos", "-stream_options"}},
		{"nothing", "bad request", []string{"-ignore_eos", "-stream_options", "max_completion_tokens"}},
		{"a part of another word", "max_tokens_to_sample", []string{"-ignore_eos", "-stream_options", "max_completion_tokens"}},
	} {
		var f fields
		var got []string
		for {
			w, err := newWorkload(target, "m", Load{ISL: 8, OSL: 4}, calibration{slope: 1}, f)
			require.NoError(t, err)
			assert.True(t, w.has("temperature"), "a field that is the user's wish stays")
			next, ok := f.concede(tt.words, w.has)
			if !ok {
				break
			}
			if next.completion != f.completion {
				got = append(got, maxCompletion)
			} else {
				got = append(got, "-"+next.without[len(next.without)-1])
			}
			f = next
		}
		assert.Equal(t, tt.want, got, tt.why)
	}
}

// TestBody checks that Target.Body adds to a request's fields, replaces them, and leaves
// them out.
func TestBody(t *testing.T) {
	target := Target{Body: map[string]any{"temperature": 0.5, "model": "lora", "ignore_eos": nil, "max_completion_tokens": 9}}
	w, err := newWorkload(target, "m", Load{ISL: 8, OSL: 4}, calibration{slope: 1}, fields{})
	require.NoError(t, err)
	var body map[string]any
	require.NoError(t, json.Unmarshal(w.body(0), &body))
	delete(body, "messages")
	assert.Equal(t, map[string]any{"temperature": 0.5, "model": "lora", "max_completion_tokens": 9.0, "stream": true,
		"stream_options": map[string]any{"include_usage": true}}, body)
}

// TestSalt checks that prompts of two runs with one seed have the same length and order, and
// differ in the words that open them, from which a prefix cache would know them.
func TestSalt(t *testing.T) {
	prompts := func(target Target, n int) (texts [][]string) {
		target.URL = "http://x"
		g, err := New(target)
		require.NoError(t, err)
		w, err := newWorkload(g.target, "m", Load{ISL: 40, OSL: 4, Seed: 3}, g.cal, fields{})
		require.NoError(t, err)
		w.salt = g.salt
		for i := range n {
			texts = append(texts, strings.Fields(string(w.prompt(nil, uint64(i), w.words))))
			assert.Equal(t, w.body(uint64(i)), w.body(uint64(i)), "a body can be made again")
		}
		return texts
	}
	a, b := prompts(Target{}, 20), prompts(Target{}, 20)
	for i := range a {
		assert.Len(t, a[i], 40)
		assert.Equal(t, a[i][uniqueWords:], b[i][uniqueWords:])
		assert.NotEqual(t, a[i][:uniqueWords], b[i][:uniqueWords])
	}
	assert.Equal(t, prompts(Target{SamePrompts: true}, 3), prompts(Target{SamePrompts: true}, 3))
}

// TestRetryAfter checks the forms of the header, and that a slot's pause grows.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0.5": 500 * time.Millisecond, "0": 0, "Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
	} {
		d, ok := retryAfter(header, now)
		assert.True(t, ok, header)
		assert.Equal(t, want, d, header)
	}
	for _, header := range []string{"", "soon", "-3", "NaN", "1e300"} {
		_, ok := retryAfter(header, now)
		assert.False(t, ok, header)
	}
	var e entry
	shed := &record{status: 429}
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		assert.Equal(t, want*time.Millisecond, e.rest(shed))
	}
	assert.Zero(t, e.rest(&record{status: 200}))
	assert.Zero(t, e.rest(&record{status: 500}), "a failure is not a refusal")
	assert.Equal(t, leastPause, e.rest(&record{status: 503}), "an answer ends the row")
	assert.Equal(t, 3*time.Second, e.rest(&record{status: 429, retry: "3"}))
	assert.Equal(t, mostRetry, e.rest(&record{status: 429, retry: "3600"}))
	assert.Equal(t, 800*time.Millisecond, e.rest(&record{err: io.EOF}), "a connection that is closed")
}

// TestGoodOfOneToken checks that an answer of one token is within a limit on what lies
// between tokens, and one that came in one piece where its latency leaves nothing else: a client
// without a free processor reads whole answers at once, and that is no fault of the server's.
func TestGoodOfOneToken(t *testing.T) {
	slo := map[Tag]float64{TagTTFT: 50, TagITL: 5, TagLatency: 100}
	one := arrivals(say("a"), use(`"prompt_tokens":20,"completion_tokens":1`)).parse(true)
	assert.True(t, one.meets(slo))
	slow := arrivals("", "", "", "", "", say("a"), use(`"prompt_tokens":20,"completion_tokens":1`)).parse(true)
	assert.False(t, slow.meets(slo), "its TTFT is 60 ms")
	piece := arrivals(say("a")+say("b"), use(`"prompt_tokens":20,"completion_tokens":2`)).parse(true)
	assert.False(t, piece.meets(slo), "what came in one piece has no ITL, and it may have been 10 ms")
	for _, tag := range []Tag{TagITL, TagTTST} {
		assert.True(t, piece.meets(map[Tag]float64{tag: 11}), "its only gap was within its latency: %s", tag)
		assert.False(t, piece.meets(map[Tag]float64{tag: 9}), "%s", tag)
	}
	assert.False(t, piece.meets(map[Tag]float64{TagPerUser: 1e9}), "a rate has no such bound")
}

// TestHalves checks when a probe is said not to be steady.
func TestHalves(t *testing.T) {
	for _, tt := range []struct {
		why    string
		ttft   func(i int) int // of the i-th of 100 requests, one each 10 ms, in ms
		apart  bool
		halves [2]float64
	}{
		{"steady", func(int) int { return 20 }, false, [2]float64{20, 20}},
		{"scattered", func(i int) int { return 20 + 997*i%300 }, false, [2]float64{}},
		{"slower by a fifth", func(i int) int { return 20 + i/50*4 }, false, [2]float64{20, 24}},
		{"a slow first half", func(i int) int { return 320 - i/50*300 }, true, [2]float64{320, 20}},
		{"a slow first third", func(i int) int { return 320 - min(i/33, 1)*300 }, false, [2]float64{320, 20}},
		{"a slow second half", func(i int) int { return 20 + i/55*300 }, true, [2]float64{20, 320}},
		{"a single stall", func(i int) int { return 20 + i/90*500*(1-i/95) }, false, [2]float64{20, 20}},
	} {
		m := &Measurement{}
		for i := range 100 {
			start := time.Duration(i) * 10 * time.Millisecond
			first := start + time.Duration(tt.ttft(i))*time.Millisecond
			m.Requests = append(m.Requests, Request{Start: start, Chunks: []time.Duration{first}, End: first, OSL: 1, Streamed: true})
		}
		a, b, apart := m.halves()
		assert.Equal(t, tt.apart, apart, tt.why)
		if tt.halves[0] > 0 {
			assert.Equal(t, tt.halves, [2]float64{a, b}, tt.why)
		}
	}
}
