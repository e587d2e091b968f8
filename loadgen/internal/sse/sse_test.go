package sse

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func events(body string) (data []string, ends []int) {
	pos := 0
	for {
		ev, next, ok := Next([]byte(body), pos)
		if !ok {
			return data, ends
		}
		data, ends, pos = append(data, string(ev.Data)), append(ends, ev.End), next
	}
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		why, body string
		data      []string
		ends      []int
	}{
		{"the usual form", "data: a\n\ndata: b\n\n", []string{"a", "b"}, []int{9, 18}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}, []int{11, 22}},
		{"lone CR", "data: a\r\rdata: b\r\r", []string{"a", "b"}, []int{9, 18}},
		{"no space after the colon", "data:a\n\n", []string{"a"}, []int{8}},
		{"only the first space is dropped", "data:  a\n\n", []string{" a"}, []int{10}},
		{"several data lines join with LF", "data: a\ndata: b\ndata: c\n\n", []string{"a\nb\nc"}, []int{25}},
		{"comments and other fields", ": ping\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", []string{"a"}, []int{40}},
		{"a comment alone dispatches nothing", ": ping\n\ndata: a\n\n", []string{"a"}, []int{17}},
		{"an event without data is passed over", "event: x\n\ndata: a\n\n", []string{"a"}, []int{19}},
		{"byte order mark", "\xef\xbb\xbfdata: a\n\n", []string{"a"}, []int{12}},
		{"cut before the blank line: not dispatched", "data: a\n\ndata: b\n", []string{"a"}, []int{9}},
		{"cut inside a line", "data: a\n\nda", []string{"a"}, []int{9}},
		{"empty data", "data\n\ndata:\n\n", []string{"", ""}, []int{6, 13}},
		{"many blank lines", "\n\n\ndata: a\n\n\n\n", []string{"a"}, []int{12}},
		{"empty body", "", nil, nil},

		// What servers send against the standard.
		{"no blank lines", "data: {}\ndata: {\"a\":1}\ndata: [DONE]\n", []string{"{}", `{"a":1}`, "[DONE]"}, []int{9, 23, 36}},
		{"an object over several data lines is one event", "data: {\ndata: \"a\":{}\ndata: }\n\n", []string{"{\n\"a\":{}\n}"}, []int{30}},
		{"the body ends behind [DONE]", "data: a\n\ndata: [DONE]", []string{"a", "[DONE]"}, []int{9, 21}},
		{"the body ends behind an object", "data: {\"a\":1}", []string{`{"a":1}`}, []int{13}},
		{"cut inside of an object", "data: {\"a\":1", nil, nil},
		{"a bare object between events", "data: a\n\n{\"error\":1}\n\ndata: b\n\n", []string{"a", `{"error":1}`, "b"}, []int{9, 21, 31}},
		{"a bare object over lines", "{\n \"error\": {\n }\n}\ndata: b\n\n", []string{`{"error":{}}`, "b"}, []int{19, 28}},
		{"a brace that opens no object", "{ not JSON\ndata: a\n\n", []string{"a"}, []int{20}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			data, ends := events(tt.body)
			assert.Equal(t, tt.data, data)
			assert.Equal(t, tt.ends, ends)
		})
	}
}

func TestNextName(t *testing.T) {
	ev, _, ok := Next([]byte("event: error\ndata: {}\n\n"), 0)
	assert.True(t, ok)
	assert.Equal(t, "error", ev.Name)
	ev, _, ok = Next([]byte("error: {\"code\":400}\n\ndata: [DONE]\n\n"), 0)
	assert.True(t, ok)
	assert.Equal(t, "error", ev.Name, "llama.cpp's field")
	assert.Equal(t, `{"code":400}`, string(ev.Data))
}

func TestRest(t *testing.T) {
	assert.True(t, Rest([]byte("data: a\n\ndata: b"), 9), "half an event is left")
	assert.False(t, Rest([]byte("data: a\n\n\r\n"), 9), "blank lines are not")
	assert.False(t, Rest(nil, 5))
}

// FuzzNext holds the reader to: it ends, offsets grow, and how lines end does
// not change what is read.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"data: a\n\n", "data: a\r\n\r\n", ": c\r\rdata:x\r\r", "data: \xff\n\n", "event: e\ndata\ndata: b\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		data, ends := events(body)
		last := 0
		for _, e := range ends {
			assert.Greater(t, e, last)
			assert.LessOrEqual(t, e, len(body))
			last = e
		}
		if !strings.Contains(body, "\r") {
			crlf, _ := events(strings.ReplaceAll(body, "\n", "\r\n"))
			assert.Equal(t, data, crlf, "CRLF reads as LF does")
		}
	})
}
