package aiperftest

import (
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// narrator tells a run as it goes: its expansion, a line a probe, its files.
type narrator struct {
	lines  chan string
	arm    string // of an A/B run; empty for the only one
	live   *live  // nil when there is no terminal to draw on
	files  report.Dir
	log    report.Log
	begun  bool
	probes int
	// standing is the finding so far, a string, for those who ask from outside of the run.
	standing atomic.Value
}

// soFar is what is known, in one line; empty before anything is.
func (n *narrator) soFar() string {
	s, _ := n.standing.Load().(string)
	return s
}

// split makes n the narrator of an A/B run's new endpoint, and returns that of the
// old one. Their files go into folders of their own.
func (n *narrator) split() (old *narrator) {
	old = &narrator{lines: n.lines, arm: "old", files: n.files, log: n.log}
	old.files.Path = filepath.Join(n.files.Path, "old")
	n.arm, n.files.Path = "new", filepath.Join(n.files.Path, "new")
	return old
}

// observe is a run's Observe. What a finished run leaves is written by finish, once
// it is known what it was compared with.
func (n *narrator) observe(o *recipes.Outcome) error {
	speak(o)
	n.standing.Store(report.Headline(o))
	if !n.begun && o.Reason == "" {
		n.begun = true
		n.say(func(b *strings.Builder) { _ = n.log.Expansion(b, o) })
	}
	for ; n.probes < len(o.Probes); n.probes++ {
		n.say(func(b *strings.Builder) { _ = n.log.ProbeLine(b, o, n.probes) })
	}
	if o.Reason != "" {
		n.live.now("", 0)
		return nil
	}
	n.live.now(report.Progress(o), len(o.Probes)+1)
	return unwritten(n.files.Update(o))
}

// finish writes what is known once a run is over.
func (n *narrator) finish(o *recipes.Outcome) error { return unwritten(n.files.Update(o)) }

// say sends one message to the test's log; writing to a strings.Builder cannot
// fail.
func (n *narrator) say(write func(*strings.Builder)) {
	var b strings.Builder
	write(&b)
	text := strings.TrimRight(b.String(), "\n")
	if n.arm != "" {
		text = n.arm + ": " + text
	}
	n.lines <- text
}

// closing is the finding with where to look and how to do it again.
func (c *config) closing(t T, o *recipes.Outcome, dir string) string {
	var b strings.Builder
	_ = c.talk.log().Finding(&b, o)
	if c.kept != "" {
		b.WriteString("    baseline:  " + c.kept + "\n")
	}
	if dir != "" {
		b.WriteString("    artifacts: " + dir + "\n")
	}
	if o.Verdict != recipes.Met {
		b.WriteString("    again:     " + typed(c.again(t), c.talk.columns) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
