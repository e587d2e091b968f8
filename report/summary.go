package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
)

// Summary writes summary.md, what a CI job shows on its page: the finding first,
// then the limits, want and got, what was derived, the probes, what the run was like, and again, the
// command that does it once more (empty: the seed alone is said).
func Summary(w io.Writer, o *recipes.Outcome, again string) error {
	s := &summary{o: o}
	mark := map[recipes.Verdict]string{recipes.Met: "✅", recipes.Missed: "❌", recipes.Inconclusive: "⚠️"}[o.Verdict]
	s.line("### %s %s: %s", mark, md(o.Recipe.Name), md(Headline(o)))
	s.limits()
	s.derived()
	s.probes()
	s.run()
	s.again(again)
	_, err := w.Write(s.Bytes())
	return err
}

// StepSummary appends the summary to the page of the CI job that the process runs
// in, the file that GITHUB_STEP_SUMMARY names. Without the variable it does
// nothing. One write at the end of the file: tests that run side by side do not
// write into each other's.
func StepSummary(o *recipes.Outcome, again string) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" || o.Plan == nil {
		return nil
	}
	var b bytes.Buffer
	if err := Summary(&b, o, again); err != nil {
		return err
	}
	b.WriteByte('\n')
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("append to the job's summary (GITHUB_STEP_SUMMARY): %w", err)
	}
	_, err = f.Write(b.Bytes())
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("append to the job's summary (GITHUB_STEP_SUMMARY): %w", err)
	}
	return nil
}

type summary struct {
	o *recipes.Outcome
	bytes.Buffer
}

func (s *summary) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// row writes one line of a table; the first is followed by the rule below it.
func (s *summary) row(head bool, cells ...string) {
	for i, c := range cells {
		cells[i] = md(c)
	}
	s.line("| %s |", strings.Join(cells, " | "))
	if head {
		s.line("|%s", strings.Repeat(" --- |", len(cells)))
	}
}

// limits is the table of want and got.
func (s *summary) limits() {
	p := (&finding{o: s.o}).shown()
	if p == nil || len(p.Readings) == 0 {
		return
	}
	s.line("")
	s.row(true, "limit", "want", fmt.Sprintf("got (at concurrency %d)", p.Load.Concurrency), "evidence", "margin", "")
	for _, r := range p.Readings {
		word := "met"
		if !r.Holds {
			word = "**missed**"
		}
		s.row(false, r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r), word)
	}
}

// folded is how many probes a table shows before it is folded away.
const folded = 20

// probes is the table of all probes.
func (s *summary) probes() {
	n := len(s.o.Probes)
	if n == 0 {
		return
	}
	s.line("")
	if n > folded {
		s.line("<details><summary>%s</summary>\n", plural(n, "probe"))
	}
	s.row(true, probeHeader(s.o.Plan)...)
	for i := range s.o.Probes {
		s.row(false, probeCells(s.o, &s.o.Probes[i])...)
	}
	if n > folded {
		s.line("\n</details>")
	}
}

// derived is what the run was held against, and what the sweep's post-process
// found. It is a table more often than not, aligned for a fixed font.
func (s *summary) derived() {
	f := &finding{o: s.o}
	f.gate()
	f.derived()
	if len(f.out) > 0 {
		s.fenced("text", s.o.Spec.Target.Redact(strings.Join(f.out, "\n")))
	}
}

// fenced writes a block that no text inside it can end.
func (s *summary) fenced(language, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	s.line("\n%s%s\n%s\n%s", fence, language, text, fence)
}

// run says what the run was like, and what to beware of.
func (s *summary) run() {
	s.line("")
	for _, text := range unwrapped(s.o, func(f *finding) {
		f.failures()
		f.best()
		f.run()
		f.tiers()
		f.warnings()
	}) {
		s.line("- %s", md(text))
	}
}

// again says how to reproduce the run.
func (s *summary) again(command string) {
	o := s.o
	server := o.Spec.Target.Redacted()
	if o.Server.Model != "" {
		server = "model " + o.Server.Model + " at " + server
	}
	w := o.Spec.Workload
	s.line("")
	s.line("%s, %d/%d tokens in/out, %s", md(o.Spec.Target.Redact(server)), w.ISL, w.OSL, md(Library()))
	if command == "" {
		command = fmt.Sprintf("AIPERF_SEED=%d go test -count=1", w.Seed)
	}
	s.fenced("sh", strings.Join(strings.Fields(o.Spec.Target.Redact(command)), " "))
}

// md escapes a text for a line or a cell of Markdown: what came from a server or
// a user makes no markup, no table cell, no line and no mention.
func md(s string) string {
	if s == "**missed**" {
		return s
	}
	return mdEscapes.Replace(strings.Join(strings.Fields(s), " "))
}

var mdEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "\\", `\\`, "@", "@\u200b", "#", `\#`,
	"~", `\~`, "!", `\!`,
)
