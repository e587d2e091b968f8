package loadgen_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

const (
	word   = `{"choices":[{"delta":{"content":" word"}}]}`
	finish = `{"choices":[{"delta":{},"finish_reason":"length"}]}`
	used   = `{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2}}`
)

// stream answers with the given events and line ending.
func stream(eol string, events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			fmt.Fprint(w, "data: "+e+eol+eol)
			w.(http.Flusher).Flush()
		}
	}
}

func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
	}
}

func status(code int, header, value, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// hijack writes text on the bare connection and closes it.
func hijack(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprint(c, text)
			c.Close()
		}
	}
}

// TestAnswers: each way of answering gives a classified failure, or a valid
// request with the right metrics; none hangs or spoils the requests beside it.
func TestAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	event := "data: " + word + "\n\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
	for _, tt := range []struct {
		why    string
		answer http.HandlerFunc
		kind   loadgen.FailureKind // empty: valid
		says   string
		osl    int
	}{
		{"the usual form", stream("\n", word, word, finish, used, "[DONE]"), "", "", 2},
		{"CRLF line ends", stream("\r\n", word, word, finish, used, "[DONE]"), "", "", 2},
		{"CR line ends", stream("\r", word, word, finish, used, "[DONE]"), "", "", 2},
		{"comments and ids", raw(": ping\n\nid: 1\ndata: " + word + "\n\n: ping\n\ndata: " + finish + "\n\ndata: [DONE]\n\n"), "", "", 1},
		{"data over several lines", raw("data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n"), "", "", 1},
		{"a missing [DONE] behind a finish reason", stream("\n", word, word, finish), "", "", 2},
		{"no usage: events are counted", stream("\n", word, word, word, "[DONE]"), "", "", 3},
		{"usage null", stream("\n", word, `{"choices":[],"usage":null}`, "[DONE]"), "", "", 1},
		{"reasoning text counts as content", stream("\n", `{"choices":[{"delta":{"reasoning_content":"hm"}}]}`, word, "[DONE]"), "", "", 2},
		{"a tool call counts as content", stream("\n", `{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}`, "[DONE]"), "", "", 1},
		{"two choices in one event are one event", stream("\n", `{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}`, "[DONE]"), "", "", 1},
		{"null for an error is none", stream("\n", `{"error":null,"choices":[{"delta":{"content":"a"}}]}`, "[DONE]"), "", "", 1},
		{"a huge event", stream("\n", `{"choices":[{"delta":{"content":"`+strings.Repeat("x", 1<<20)+`"}}]}`, "[DONE]"), "", "", 1},
		{"a chunked trailer", hijack(head + chunk + "0\r\nX-Trailer: 1\r\n\r\n"), loadgen.FailedTruncated, "neither [DONE] nor a finish reason", 0},
		{"the stream ends early", stream("\n", word), loadgen.FailedTruncated, "after 1 content events", 0},
		{"the connection breaks in mid-answer", hijack(head + chunk), loadgen.FailedBroken, "closed in mid-answer", 0},
		{"the connection breaks in the headers", hijack("HTTP/1.1 200 OK\r\nContent-"), loadgen.FailedBroken, "", 0},
		{"no HTTP at all", hijack("hello\r\n\r\n"), loadgen.FailedBroken, "malformed HTTP", 0},
		{"broken JSON in an event", stream("\n", word, `{"choices":[`, "[DONE]"), loadgen.FailedMalformed, "in event", 0},
		{"NaN in JSON", stream("\n", `{"choices":[],"usage":{"prompt_tokens":NaN}}`, "[DONE]"), loadgen.FailedMalformed, "in event", 0},
		{"an error object inside the stream", stream("\n", word, `{"error":{"message":"out of memory"}}`, "[DONE]"), loadgen.FailedError, "out of memory", 0},
		{"nothing but a role", stream("\n", `{"choices":[{"delta":{"role":"assistant","content":""}}]}`, finish, "[DONE]"), loadgen.FailedEmpty, "no content", 0},
		{"an empty body", raw(""), loadgen.FailedTruncated, "after 0 content events", 0},
		{"204", status(204, "", "", ""), loadgen.FailedStatus, "204", 0},
		{"301 is not followed", status(301, "Location", "/elsewhere", ""), loadgen.FailedStatus, "301", 0},
		{"400", status(400, "", "", `{"error":{"message":"too long"}}`), loadgen.FailedStatus, "400: too long", 0},
		{"404", status(404, "", "", "no such page"), loadgen.FailedStatus, "404: no such page", 0},
		{"413", status(413, "", "", ""), loadgen.FailedStatus, "413", 0},
		{"422 with FastAPI's detail", status(422, "", "", `{"detail":[{"msg":"field required"}]}`), loadgen.FailedStatus, "field required", 0},
		{"429 is shed load", status(429, "Retry-After", "7", `{"error":{"message":"slow down"}}`), loadgen.FailedShed, "Retry-After 7: slow down", 0},
		{"500", status(500, "", "", "oops"), loadgen.FailedStatus, "500: oops", 0},
		{"503", status(503, "", "", ""), loadgen.FailedStatus, "503", 0},
		{"a whole answer where a stream was asked for", status(200, "Content-Type", "application/json", `{"choices":[{"message":{"content":"one two"}}],"usage":{"prompt_tokens":20,"completion_tokens":2}}`), "", "", 2},
		{"an error with status 200", status(200, "Content-Type", "application/json", `{"error":"overloaded"}`), loadgen.FailedError, "overloaded", 0},
		{"silence", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, loadgen.FailedIdle, "idle timeout", 0},
		{"silence in mid-stream", func(w http.ResponseWriter, r *http.Request) {
			stream("\n", word)(w, r)
			<-r.Context().Done()
		}, loadgen.FailedIdle, "idle timeout", 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			var served atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// Only a server that has read the request sees its client leave.
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case r.URL.Path == "/v1/models":
					fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
				case r.Method != http.MethodPost:
					http.NotFound(w, r)
				case served.Add(1) > 2 && served.Load()%2 == 0: // the readiness inferences are served well
					tt.answer(w, r)
				default:
					stream("\n", word, word, finish, used, "[DONE]")(w, r)
				}
			}))
			defer srv.Close()
			g, err := loadgen.New(loadgen.Target{URL: srv.URL, IdleTimeout: 200 * time.Millisecond})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Ready(t.Context()))
			m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 1, ISL: 20, OSL: 2, Requests: 6}, nil)
			require.NoError(t, err)
			require.Len(t, m.Requests, 6)
			strange := 0
			for _, q := range m.Requests {
				if q.Failure == nil && q.OSL == 2 && !q.Estimated && q.Streamed {
					continue // one of those beside it
				}
				strange++
				if tt.kind == "" {
					assert.Nil(t, q.Failure)
					assert.Equal(t, tt.osl, q.OSL)
					continue
				}
				if assert.NotNil(t, q.Failure) {
					assert.Equal(t, tt.kind, q.Failure.Kind, "%v", q.Failure)
					assert.Contains(t, q.Failure.Error(), tt.says)
				}
			}
			failed, _ := m.Stat(loadgen.TagErrors, "avg")
			valid, _ := m.Stat(loadgen.TagCount, "avg")
			assert.EqualValues(t, 6, failed+valid, "every request is counted")
			if tt.kind != "" {
				assert.Equal(t, 3, strange)
				assert.EqualValues(t, 3, failed)
			}
		})
	}
}
