package simserver

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	chat4 = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":4,"messages":[{"role":"user","content":"a"}]}`
	whole = `{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"a"}]}`
)

func faulty(f Faults) Model {
	m := fast
	m.Faults = f
	return m
}

// sketch writes a stream in one letter an event: role, token, finish, usage,
// done, error, ? for broken JSON.
func sketch(list []timed) (out string) {
	for _, e := range list {
		switch {
		case e.text == "[DONE]":
			out += "D"
		case !json.Valid([]byte(e.text)):
			out += "?"
		case strings.HasPrefix(e.text, `{"error"`):
			out += "E"
		case strings.Contains(e.text, `"role":"assistant"`):
			out += "r"
		case strings.Contains(e.text, `"delta":{"content":" `):
			out += "t"
		case strings.Contains(e.text, `"finish_reason":"length"`):
			out += "f"
		case strings.Contains(e.text, `"choices":[],"usage":{`):
			out += "u"
		default:
			out += "(" + e.text + ")"
		}
	}
	return out
}

func TestFaultsInStreams(t *testing.T) {
	for _, tt := range []struct {
		why    string
		faults Faults
		want   string
		err    error
		end    func(Stats) int64
	}{
		{"no fault", Faults{}, "rttttfuD", nil, func(s Stats) int64 { return s.Completed }},
		{"content at once", Faults{NoRole: true}, "ttttfuD", nil, func(s Stats) int64 { return s.Completed }},
		{"no usage though asked for", Faults{NoUsage: true}, "rttttfD", nil, func(s Stats) int64 { return s.Completed }},
		{"no [DONE]", Faults{NoDone: true}, "rttttfu", nil, func(s Stats) int64 { return s.Completed }},
		{"the third event is broken, the stream goes on", Faults{Malformed: 1, After: 2}, "rtt?tfuD", nil,
			func(s Stats) int64 { return s.Failed }},
		{"an error for the first token", Faults{ErrorEvent: 1}, "rED", nil, func(s Stats) int64 { return s.Failed }},
		{"an error after three tokens, without [DONE]", Faults{ErrorEvent: 1, After: 3, NoDone: true}, "rtttE", nil,
			func(s Stats) int64 { return s.Failed }},
		{"cut in the middle of the second event", Faults{Cut: 1, After: 1}, "rt?", io.ErrUnexpectedEOF,
			func(s Stats) int64 { return s.Failed }},
		{"a fault beyond the last token comes before the finish", Faults{Cut: 1, After: 99}, "rtttt?", io.ErrUnexpectedEOF,
			func(s Stats) int64 { return s.Failed }},
		{"shares below one in all: the rest is sound", Faults{Cut: 1e-12, Stall: 1e-12}, "rttttfuD", nil,
			func(s Stats) int64 { return s.Completed }},
	} {
		t.Run(tt.why, func(t *testing.T) {
			s := New(faulty(tt.faults))
			defer s.Close()
			list, err := events(post(t, s, chatPath, chat4).Body)
			if tt.err != nil {
				assert.ErrorIs(t, err, tt.err)
			} else {
				assert.NoError(t, err)
			}
			assert.Equal(t, tt.want, sketch(list))
			s.Close()
			assert.EqualValues(t, 1, tt.end(s.Stats()), "%+v", s.Stats())
		})
	}
}

func TestFaultsInWholeAnswers(t *testing.T) {
	for _, tt := range []struct {
		why    string
		faults Faults
		err    error
		ok     func(body string) bool
	}{
		{"no usage", Faults{NoUsage: true}, nil, func(b string) bool { return json.Valid([]byte(b)) && !strings.Contains(b, "usage") }},
		{"broken JSON", Faults{Malformed: 1}, nil, func(b string) bool { return !json.Valid([]byte(b)) }},
		{"an error object", Faults{ErrorEvent: 1}, nil, func(b string) bool {
			return strings.HasPrefix(b, `{"error":{`) && json.Valid([]byte(b))
		}},
		{"cut in half", Faults{Cut: 1}, io.ErrUnexpectedEOF, func(b string) bool { return strings.HasPrefix(b, `{"id"`) }},
	} {
		s := New(faulty(tt.faults))
		b, err := io.ReadAll(post(t, s, chatPath, whole).Body)
		if tt.err != nil {
			assert.ErrorIs(t, err, tt.err, tt.why)
		} else {
			assert.NoError(t, err, tt.why)
		}
		assert.True(t, tt.ok(string(b)), "%s: %s", tt.why, b)
		s.Close()
	}
}

// A stalled stream ends with its client's patience or with the server.
func TestStall(t *testing.T) {
	for _, body := range []string{chat4, whole} {
		synctest.Test(t, func(t *testing.T) {
			s := NewInMemory(faulty(Faults{Stall: 1, After: 2}))
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			req, err := http.NewRequestWithContext(ctx, "POST", s.URL+chatPath, strings.NewReader(body))
			require.NoError(t, err)
			resp, err := s.Client().Do(req)
			if body == chat4 {
				require.NoError(t, err)
				list, e := events(resp.Body)
				resp.Body.Close()
				assert.Equal(t, "rtt", sketch(list))
				err = e
			}
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Minute, time.Since(begin))
			synctest.Wait()
			assert.EqualValues(t, 1, s.Stats().Failed, "the handler has seen it go")
			assert.Zero(t, s.Stats().InFlight)

			time.AfterFunc(time.Hour, s.Close)
			begin = time.Now()
			resp, err = s.Client().Post(s.URL+chatPath, "", strings.NewReader(body))
			if body == chat4 {
				require.NoError(t, err)
				_, err = events(resp.Body)
				resp.Body.Close()
			}
			assert.Error(t, err, "the server closed")
			assert.Equal(t, time.Hour, time.Since(begin))
		})
	}
}

func TestStatus(t *testing.T) {
	s := New(faulty(Faults{Status: map[int]float64{503: 0.2, 429: 0.3}}))
	defer s.Close()
	count := map[int]int{}
	for range 400 {
		resp := post(t, s, chatPath, whole)
		count[resp.StatusCode]++
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, resp.StatusCode != 200, strings.HasPrefix(string(b), `{"error":{`))
		assert.Equal(t, resp.StatusCode == 429, resp.Header.Get("Retry-After") == "1")
	}
	// Binomial: four standard deviations are 37 and 32 of 400.
	assert.InDelta(t, 120, count[429], 37)
	assert.InDelta(t, 80, count[503], 32)
	assert.Equal(t, 400, count[200]+count[429]+count[503])

	again := map[int]int{}
	for n := range 400 {
		f, code := s.model.Faults.draw(0, int64(n)+1)
		if f == none {
			code = 200
		}
		again[code]++
	}
	assert.Equal(t, again, count, "which ones depends on number and seed alone")
}

// Keep-alive is promised, and no connection lasts.
func TestCloseAfter(t *testing.T) {
	for closes, want := range map[bool]int{false: 4, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := NewInMemory(faulty(Faults{CloseAfter: closes}))
			defer s.Close()
			reused := 0
			for range 5 {
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
					if i.Reused {
						reused++
					}
				}})
				req, err := http.NewRequestWithContext(ctx, "POST", s.URL+chatPath, strings.NewReader(chat4))
				require.NoError(t, err)
				resp, err := s.Client().Do(req)
				require.NoError(t, err)
				assert.False(t, resp.Close, "the server says that it will close")
				assert.Equal(t, closes, resp.Header.Get("Connection") == "keep-alive")
				list, err := events(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "rttttfuD", sketch(list))
				resp.Body.Close()
				synctest.Wait() // the client has seen the connection end
			}
			assert.Equal(t, want, reused)
		})
	}
}

func TestDieAfter(t *testing.T) {
	for _, start := range []func(Model) *Server{New, NewInMemory} {
		s := start(faulty(Faults{DieAfter: 2}))
		for range 2 {
			list, err := events(post(t, s, chatPath, chat4).Body)
			require.NoError(t, err)
			assert.Equal(t, "rttttfuD", sketch(list))
		}
		_, err := s.Client().Post(s.URL+chatPath, "", strings.NewReader(chat4))
		assert.Error(t, err, "the third kills it")
		_, err = s.Dial(t.Context(), "tcp", "")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED, "nobody listens any more")
		var op *net.OpError
		assert.ErrorAs(t, err, &op)
		s.Close()
	}
}

func TestRejectUnknown(t *testing.T) {
	s := New(faulty(Faults{RejectUnknown: true}))
	defer s.Close()
	assert.Equal(t, 200, post(t, s, chatPath, chat4).StatusCode)
	resp := post(t, s, chatPath, strings.Replace(chat4, `{`, `{"ignore_eos":true,`, 1))
	assert.Equal(t, 400, resp.StatusCode)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(b), "ignore_eos")
}
