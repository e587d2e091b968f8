package loadgen

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen/codec"
)

// TestReply checks what of an answer goes into the history.
func TestReply(t *testing.T) {
	events := func(choices ...string) (body string) {
		for _, c := range choices {
			body += `data: {"choices":[` + c + "]}\n\n"
		}
		return body
	}
	for why, tt := range map[string]struct {
		body, want string
		status     int
	}{
		"a stream":               {body: events(`{"delta":{"content":"a "}}`, `{"delta":{"content":"b"}}`) + "data: [DONE]\n\n", want: "a b"},
		"a stream of texts":      {body: events(`{"text":"a\n"}`, `{"text":"\"b"}`), want: "a\n\"b"},
		"a whole answer":         {body: `{"choices":[{"message":{"content":"a"}}]}`, want: "a"},
		"the first choice alone": {body: `{"choices":[{"index":1,"message":{"content":"b"}},{"index":0,"message":{"content":"a"}}]}`, want: "a"},
		"no reasoning":           {body: events(`{"delta":{"reasoning_content":"r"}}`, `{"delta":{"content":"a"}}`), want: "a"},
		"nothing is said":        {body: events(`{"delta":{"content":" "}}`)},
		"no JSON":                {body: "data: {\n\n"},
		"a failure":              {body: `{"choices":[{"message":{"content":"a"}}]}`, status: 500},
	} {
		if tt.status == 0 {
			tt.status = 200
		}
		r := &record{body: []byte(tt.body), status: tt.status, ticket: ticket{work: &workload{codec: codec.Chat}}}
		got, ok := r.reply()
		assert.Equal(t, tt.want != "", ok, why)
		if ok {
			assert.Equal(t, tt.want, got, why)
		}
	}
}

// BenchmarkReply takes 128 tokens out of a stream: what a user's next turn waits for.
func BenchmarkReply(b *testing.B) {
	body := strings.Repeat(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":`+
		`[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}`+"\n\n", 128) + "data: [DONE]\n\n"
	r := &record{body: []byte(body), status: 200, ticket: ticket{work: &workload{codec: codec.Chat}}}
	for b.Loop() {
		r.reply()
	}
}
