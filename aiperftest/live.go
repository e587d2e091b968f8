package aiperftest

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// live is the line at the foot of a terminal that says how far a run has come: a
// probe can take a minute, and go test without -v says nothing at all until a
// package has ended. The zero of it is nil, which draws nothing.
//
// It goes to the terminal itself and not to standard output, which is a pipe to
// the go command as soon as a package is named (go test ., go test ./...), and
// which belongs to the test's results: nothing of the line ends up in them. It
// is erased before anything is logged, and its cursor waits at the line's start,
// so that what another process prints writes over it.
type live struct {
	screen
	done chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	status string
	// probe is the one being measured, from 1, since the given time; 0 if there is none.
	probe int
	since time.Time
	shown bool
	ended bool
}

// screen is a terminal to draw on.
type screen struct {
	io.Writer
	// columns is its width; 0 while the process must not draw on it, for example in the
	// background.
	columns func() int
}

// liveTick is the time between two drawings.
const liveTick = 500 * time.Millisecond

// liveOn draws on the terminal of the process, where there is one and wantsLive
// agrees. Otherwise it returns nil.
func liveOn(t T) *live {
	if !wantsLive(t, os.Getenv) {
		return nil
	}
	s, ok := terminal()
	if !ok {
		return nil
	}
	return startLive(s)
}

// wantsLive reports whether somebody is there to look at a line that comes and
// goes. CI systems give their jobs terminals, too; go test -json is read by a
// program; benchmarks and Ginkgo print lines in parts, which erasing would spoil.
func wantsLive(t T, env func(string) string) bool {
	if _, plain := t.(*testing.T); !plain {
		return false
	}
	if v := flag.Lookup("test.v"); v != nil && v.Value.String() == "test2json" {
		return false
	}
	if v := strings.ToLower(env(envLive)); v == "0" || v == "false" {
		return false
	}
	return env("CI") == "" && env("TERM") != "" && env("TERM") != "dumb"
}

// startLive draws on a screen until end is called.
func startLive(s screen) *live {
	l := &live{screen: s, done: make(chan struct{})}
	l.wg.Go(func() {
		tick := time.NewTicker(liveTick)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.mu.Lock()
				l.draw()
				l.mu.Unlock()
			case <-l.done:
				return
			}
		}
	})
	return l
}

// now says how far the run has come, and that the probe of that number begins.
func (l *live) now(status string, probe int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.probe, l.since = status, probe, time.Now()
}

// pause takes the line away until resume: something is to be logged.
func (l *live) pause() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.erase()
}

// resume lets the next tick draw again. Not at once: what was logged has yet to
// come through the go command.
func (l *live) resume() {
	if l != nil {
		l.mu.Unlock()
	}
}

// end takes the line away for good; it may be called more than once.
func (l *live) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	ended := l.ended
	l.ended = true
	l.erase()
	l.mu.Unlock()
	if !ended {
		close(l.done)
	}
	l.wg.Wait()
}

// leave takes the line away for good and leaves a text in its place: go test without -v
// shows nothing of a package that Ctrl-C ended.
func (l *live) leave(text string) {
	if l == nil {
		return
	}
	l.end()
	if l.columns() > 0 {
		_, _ = io.WriteString(l, "\r"+strings.ReplaceAll(text, "\n", "\r\n")+"\x1b[K\r\n")
	}
}

// draw writes the line; mu is held. Write errors are ignored, because a broken
// terminal is no reason to fail a test.
func (l *live) draw() {
	columns := l.columns()
	if l.ended || l.probe == 0 || columns < 2 {
		return
	}
	text := fmt.Sprintf("probe %d, %v … %s", l.probe, time.Since(l.since).Truncate(time.Second), l.status)
	if r := []rune(text); len(r) >= columns { // a line that wraps could not be erased
		text = string(r[:columns-2]) + "…"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	_, _ = io.WriteString(l, "\r"+text+"\x1b[K\r")
	l.shown = true
}

// erase takes the line away; mu is held.
func (l *live) erase() {
	if l.shown && l.columns() > 0 {
		_, _ = io.WriteString(l, "\r\x1b[K")
	}
	l.shown = false
}
