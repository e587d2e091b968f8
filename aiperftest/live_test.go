package aiperftest

import (
	"flag"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeScreen is a terminal of one line: what stands on it, as escapes and
// carriage returns leave it.
type fakeScreen struct {
	row    []rune
	column int
	width  int
}

func (s *fakeScreen) Write(b []byte) (int, error) {
	text := string(b)
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b[K"); ok {
			s.row, text = s.row[:s.column], rest
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		if r == '\r' {
			s.column = 0
			continue
		}
		if s.column < len(s.row) {
			s.row[s.column] = r
		} else {
			s.row = append(s.row, r)
		}
		s.column++
	}
	return len(b), nil
}

// TestLive: the line says which probe runs, for how long, and what is known; it
// is away while something is logged, and at the end.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeScreen{width: 60}
		l := startLive(screen{s, func() int { return s.width }})
		defer l.end()
		shows := func(want, why string) {
			t.Helper()
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			assert.Equal(t, want, string(s.row), why)
			assert.Zero(t, s.column, "what others print writes over the line")
		}
		time.Sleep(2 * time.Second)
		shows("", "nothing is measured yet")
		l.now("", 1)
		shows("", "the next tick draws")
		time.Sleep(3 * time.Second)
		shows("probe 1, 3s … ", "no answer yet")
		l.now("SLA met up to 48\nand a line\x1b[2J", 2)
		time.Sleep(12 * time.Second)
		shows("probe 2, 12s … SLA met up to 48 and a line [2J", "what came from elsewhere moves no cursor")

		l.pause()
		synctest.Wait()
		assert.Empty(t, string(s.row), "a log line has the line for itself")
		l.resume()
		shows("", "and time to come through the go command")
		time.Sleep(liveTick)
		shows("probe 2, 12s … SLA met up to 48 and a line [2J", "then it is back")

		l.now(strings.Repeat("ä", 100), 3)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Len(t, s.row, 59, "a line that wraps could not be erased")
		assert.Equal(t, '…', s.row[58])

		before := string(s.row)
		l.mu.Lock()
		s.width = 0
		l.mu.Unlock()
		l.now("another job's", 4)
		time.Sleep(time.Second)
		shows(before, "in the background nothing is drawn")
		l.mu.Lock()
		s.width = 60
		l.mu.Unlock()
		l.end()
		shows("", "nothing stays")
		l.now("late", 5)
		time.Sleep(time.Second)
		shows("", "nothing comes back")
		l.end()
	})
}

// TestLiveNone: a run without a terminal has no line, and needs no case for it.
func TestLiveNone(t *testing.T) {
	var l *live
	l.now("x", 1)
	l.pause()
	l.resume()
	l.end()
}

// TestWantsLive: who gets a live line.
func TestWantsLive(t *testing.T) {
	if v := flag.Lookup("test.v"); v.Value.String() == "test2json" { // these tests are run by go test -json
		require.False(t, wantsLive(t, func(string) string { return "xterm" }), "a program looks")
		require.NoError(t, v.Value.Set("true"))
		defer func() { require.NoError(t, v.Value.Set("test2json")) }()
	}
	type ginkgo struct{ *testing.T }
	for _, tt := range []struct {
		t    T
		env  map[string]string
		want bool
		why  string
	}{
		{t, map[string]string{"TERM": "xterm"}, true, "somebody looks"},
		{t, map[string]string{"TERM": "xterm", "CI": "true"}, false, "a CI job with a terminal"},
		{t, map[string]string{"TERM": "xterm", "AIPERF_LIVE": "0"}, false, "somebody who does not want it"},
		{t, map[string]string{"TERM": "xterm", "AIPERF_LIVE": "1"}, true, "somebody who does"},
		{t, map[string]string{"TERM": "dumb"}, false, "a terminal without escapes"},
		{t, nil, false, "no terminal at all"},
		{&testing.B{}, map[string]string{"TERM": "xterm"}, false, "benchmark lines are printed in parts"},
		{ginkgo{t}, map[string]string{"TERM": "xterm"}, false, "Ginkgo draws its own"},
	} {
		assert.Equal(t, tt.want, wantsLive(tt.t, func(k string) string { return tt.env[k] }), tt.why)
	}
	require.False(t, wantsLive(nil, func(string) string { return "x" }))
}
