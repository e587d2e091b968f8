package loadgen

import (
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// FuzzParse checks that whatever a server answers, in however many reads, gives a
// request that is either valid, with counts and times that make sense, or failed,
// with a kind and a message fit to print.
func FuzzParse(f *testing.F) {
	event := "data: {\"choices\":[{\"delta\":{\"content\":\" a\"}}]}\n\n"
	for _, s := range []string{
		event + event + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2e0,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
		event + "data: {\"error\":{\"message\":\"x\"}}\n\n", "event: error\ndata: x\n\n",
		"data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}\r\r",
		`{"choices":[{"message":{"content":"a b","tool_calls":[{}]}}],"usage":{"completion_tokens":-1}}`, `{"detail":[1]}`, "",
		"data: {\"usage\":{\"prompt_tokens\":1e999}}\n\n", "data: {\"choices\":null,\"usage\":7}\n\ndata: [DONE]\n\n",
	} {
		for _, ctype := range []string{"text/event-stream", "application/json", "text/html;"} {
			f.Add(200, ctype, s, true, uint8(7))
		}
	}
	f.Add(429, "", `{"error":"slow"}`, false, uint8(1))
	f.Fuzz(func(t *testing.T, status int, ctype, body string, streaming bool, step uint8) {
		r := &record{ticket: ticket{work: &workload{words: 20}}, status: status, ctype: ctype, body: []byte(body), start: time.Second,
			eof: time.Second}
		for end := 0; end < len(body); {
			end = min(end+int(step)+1, len(body))
			r.eof += time.Millisecond
			r.reads = append(r.reads, read{end, r.eof})
		}
		q := r.parse(streaming)
		last := r.start
		for _, at := range q.Chunks {
			assert.GreaterOrEqual(t, at, last, "events come in order")
			last = at
		}
		assert.LessOrEqual(t, last, r.eof)
		if q.Failure != nil {
			assert.NotEmpty(t, q.Failure.Kind)
			assert.True(t, utf8.ValidString(q.Failure.Error()))
			assert.Less(t, len(q.Failure.Message), 250)
			return
		}
		assert.Equal(t, http.StatusOK, status)
		assert.Positive(t, q.ISL)
		assert.GreaterOrEqual(t, q.OSL, 0)
		for _, tag := range []string{TagTTFT, TagITL, TagLatency, TagPerUser} {
			if v, ok := q.Value(tag); ok {
				assert.GreaterOrEqual(t, v, 0.0, tag)
			}
		}
	})
}
