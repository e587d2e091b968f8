package simserver

import (
	"bufio"
	"io"
	"net/http"
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

func texts(list []timed) (out []string) {
	for _, e := range list {
		out = append(out, e.text)
	}
	return out
}

// post sends body to path and returns the response, whose body the test closes.
func post(t *testing.T, s *Server, path, body string) *http.Response {
	t.Helper()
	resp, err := s.Client().Post(s.URL+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// fast is a server without delays to speak of.
var fast = Model{Name: "m", Step: 100 * time.Microsecond}

func TestChatStream(t *testing.T) {
	s := New(fast)
	defer s.Close()
	resp := post(t, s, "/v1/chat/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},
		"max_tokens":2,"ignore_eos":true,"messages":[{"role":"system","content":"be  brief"},{"role":"user","content":[{"type":"text","text":"one two three"}]}]}`)
	assert.Equal(t, 200, resp.StatusCode)
	list, err := events(resp.Body)
	require.NoError(t, err)
	for _, e := range texts(list) {
		t.Log(e)
	}
}
