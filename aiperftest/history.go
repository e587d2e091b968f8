package aiperftest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
	"github.com/aiperf-go/aiperf/report/history"
)

// past is the file that a run is added to, and the rules that hold it against those before it.
type past struct {
	path  string
	rules []history.Rule
}

// checkHistory finds what is wrong with the history before anything is measured.
func (c *config) checkHistory() {
	if c.past == nil {
		return
	}
	c.past.path = history.Path(c.past.path)
	bad := func(err error) {
		c.errs = append(c.errs, fmt.Errorf("use aiperftest.History(%q): %w", c.past.path, err))
	}
	if len(c.past.rules) > 1 {
		bad(fmt.Errorf("%d rules cannot be; give one, or none to keep the run without a gate", len(c.past.rules)))
	}
	for i := range c.past.rules {
		r := &c.past.rules[i]
		r.Tolerance = cmp.Or(r.Tolerance, c.tolerance)
		if err := r.Validate(); err != nil {
			bad(err)
		}
	}
	if _, _, err := history.ReadFile(c.past.path); err != nil {
		bad(err)
	}
	if c.spec.Facts["commit"] == "" {
		if commit := commit(); commit != "" {
			Label("commit", commit).apply(c)
		}
	}
}

// remember holds a finished run against those of its history, and adds it to them. What cannot
// be read or written is a warning: what was measured stands.
func (c *config) remember(o *recipes.Outcome) {
	if c.past == nil {
		return
	}
	warn := func(err error) { o.Warnings = append(o.Warnings, err) }
	now, ok := history.Of(o)
	if !ok {
		warn(fmt.Errorf("the run is not added to history %s: it has no answer, or no numbers that can be trusted", c.past.path))
		return
	}
	earlier, problems, err := history.ReadFile(c.past.path)
	if err != nil {
		warn(err)
		return
	}
	const most = 3
	for _, p := range problems[:min(most, len(problems))] {
		warn(p)
	}
	if n := len(problems) - most; n > 0 {
		warn(fmt.Errorf("history %s: %d more lines are no part of a record; skipped", c.past.path, n))
	}
	t := history.Among(c.past.path, earlier, now)
	mark := history.Plain
	switch {
	case updating() && o.Verdict == recipes.Met:
		mark = history.Accepted
	case updating() || len(c.past.rules) == 0:
	default:
		c.past.rules[0].Judge(t, bench.Limited(o))
		if o.Verdict = t.Join(o.Verdict); t.Verdict() == recipes.Missed {
			mark = history.Worse
		}
	}
	last := &t.Runs[len(t.Runs)-1]
	last.Mark, last.Verdict = mark, o.Verdict.String()
	o.Trend = t
	if err := history.Append(c.past.path, o, mark); err != nil {
		warn(err)
	}
}

// commit is the commit that is tested: what the CI system says, or where the HEAD of the
// repository is that the test runs in; empty if neither is known.
func commit() string {
	for _, name := range []string{"GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"} {
		if sha := os.Getenv(name); sha != "" {
			return short12(sha)
		}
	}
	for dir := workDir; ; dir = filepath.Dir(dir) {
		if sha, found := head(filepath.Join(dir, ".git")); found {
			return short12(sha)
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// short12 is a commit as people write it.
func short12(sha string) string { return sha[:min(12, len(sha))] }

// head is the commit that HEAD names in a folder .git, or in the one that a file .git of a work
// tree names. found is false where there is none of the two.
//
// Note: git itself is not asked, since a container that runs tests need not have it.
func head(git string) (sha string, found bool) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	common := git
	if dir, ok := strings.CutPrefix(read(git), "gitdir: "); ok { // a work tree
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(git), dir)
		}
		if git = dir; read(filepath.Join(git, "commondir")) != "" {
			common = filepath.Join(git, read(filepath.Join(git, "commondir")))
		}
	}
	at := read(filepath.Join(git, "HEAD"))
	ref, symbolic := strings.CutPrefix(at, "ref: ")
	if !symbolic {
		return at, at != ""
	}
	// A branch is a file of its own, or a line among others once git has packed them.
	if sha := read(filepath.Join(common, filepath.FromSlash(ref))); sha != "" {
		return sha, true
	}
	for _, line := range strings.Split(read(filepath.Join(common, "packed-refs")), "\n") {
		if sha, name, ok := strings.Cut(line, " "); ok && name == ref {
			return sha, true
		}
	}
	return "", true
}
