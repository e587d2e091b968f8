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
