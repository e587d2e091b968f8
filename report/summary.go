package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
)

// summary writes summary.md, what a CI job shows on its page: the finding first,
// then the limits, want and got, what was derived, the probes, what the run was
// like, and again, the command that does it once more. If again is empty, the
// command only repeats the seed.
//
//	### ✅ max-concurrency-under-sla: SLA met up to concurrency 16
//
//	| limit | want | got (at concurrency 16) | evidence | margin |  |
//	| --- | --- | --- | --- | --- | --- |
//	| ttft p95 | &lt; 200ms | 95ms | 95% CI \[91.3ms, 98.8ms\] | 52% headroom | met |
func (v *view) summary(w io.Writer, again string) error {
	s := &summary{view: v}
	mark := map[recipes.Verdict]string{recipes.Met: "✅", recipes.Missed: "❌", recipes.Inconclusive: "⚠️"}[v.Verdict]
	if v.badge() == "measured" {
		mark = "📊" // there was no limit to meet
	}
	s.line("### %s %s: %s", mark, md(v.called()), md(v.headline()))
	s.limitRows()
	s.derivedBlock()
	for _, why := range paragraphs(s.why) {
		s.line("\n%s", md(why))
	}
	s.probeRows()
	s.runList()
	s.again(again)
	_, err := w.Write(s.Bytes())
	return err
}

// StepSummary appends the summary to the page of the CI job that the process runs
// in, the file that GITHUB_STEP_SUMMARY names. Without the variable, or while the
// outcome has no plan, it does nothing. It writes once, at the end of the file:
// tests that run side by side do not write into each other's. The error says that it
// was the job's summary, and wraps the operating system's.
func StepSummary(o *recipes.Outcome, again string) error {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" || o.Plan == nil {
		return nil
	}
	var b bytes.Buffer
	if err := viewOf(o).summary(&b, again); err != nil {
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

// summary is the page while it is written.
type summary struct {
	*view
	bytes.Buffer
}

// line writes one line.
func (s *summary) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// row writes one line of a table, its cells escaped; the first is followed by the rule below it.
func (s *summary) row(head bool, cells ...string) {
	for i, c := range cells {
		cells[i] = md(c)
	}
	s.line("| %s |", strings.Join(cells, " | "))
	if head {
		s.line("|%s", strings.Repeat(" --- |", len(cells)))
	}
}

// limitRows is the table of want and got.
func (s *summary) limitRows() {
	p := s.shown()
	if p == nil || len(p.Readings) == 0 {
		return
	}
	s.line("")
	s.row(true, "limit", "want", "got ("+s.shownAt(p)+")", "evidence", "margin", "")
	for _, r := range s.pooled(*p) {
		word := "met"
		if !r.Holds && s.Verdict != recipes.Met {
			word = "**missed**"
		}
		s.row(false, r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r), word)
	}
}

// folded is how many probes a table shows before it is folded away: a job's page has
// those of other jobs below it.
const folded = 20

// probeRows is the table of all probes.
func (s *summary) probeRows() {
	n := len(s.probes)
	if n == 0 {
		return
	}
	s.line("")
	if n > folded {
		s.line("<details><summary>%s</summary>\n", plural(n, "probe"))
	}
	s.row(true, s.probeHead()...)
	for _, p := range s.probes {
		s.row(false, s.probeCells(p)...)
	}
	if n > folded {
		s.line("\n</details>")
	}
}

// derivedBlock is what the run was held against, and what the sweep's post-process
// found. It is a table more often than not, aligned for a fixed font.
func (s *summary) derivedBlock() {
	t := &text{}
	s.compared(t)
	s.among(t)
	s.derived(t)
	if len(t.lines) > 0 {
		s.fenced("text", s.redact(strings.Join(t.lines, "\n")))
	}
}

// fenced writes a block that no text inside it can end: its fence is longer than any
// row of backquotes in the text.
func (s *summary) fenced(language, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	s.line("\n%s%s\n%s\n%s", fence, language, text, fence)
}

// runList says what the run was like, and what to beware of, an item a paragraph.
func (s *summary) runList() {
	s.line("")
	for _, item := range paragraphs(s.failed, s.best, s.costs, s.endpoints, s.users, s.stages, s.run, s.tiers, s.warned) {
		s.line("- %s", md(item))
	}
}

// again says how to reproduce the run: the server, the lengths, this library's version
// and the command.
func (s *summary) again(command string) {
	server := strings.Join(s.Spec.Target.Endpoints(), ", ")
	if s.Server.Model != "" {
		server = "model " + s.Server.Model + " at " + server
	}
	w := s.Spec.Workload
	s.line("")
	s.line("%s, %s, %s", md(s.redact(server)), md(s.redact(s.lengths())), md(library()))
	if command == "" {
		command = fmt.Sprintf("AIPERF_SEED=%d go test -count=1", w.Seed)
	}
	s.fenced("sh", strings.Join(strings.Fields(s.redact(command)), " "))
}

// row and fenced are the only ways for others' text into the page, and both escape it.

// md escapes a text for a line or a cell of Markdown: what came from a server or
// a user makes no markup, no table cell, no line and no mention.
func md(s string) string {
	if s == "**missed**" {
		return s
	}
	return mdEscapes.Replace(strings.Join(strings.Fields(s), " "))
}

// mdEscapes are the characters that mean something in Markdown or HTML, or name
// somebody on a code host.
var mdEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "\\", `\\`, "@",
	"@\u200b", "#", `\#`,
	"~", `\~`, "!", `\!`,
)
