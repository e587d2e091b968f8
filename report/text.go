package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// indent is what the lines of a message below its first one begin with.
const indent = "    "

// The widest a log is taken to be where nothing is said of it, and the least that the
// messages are made for, in columns.
const (
	usualColumns = 100
	leastColumns = 60
)

// logged is what t.Log puts before every line, and caller what it puts before a message's
// first line beyond that: the caller's file and line.
const (
	logged = 8
	caller = 16
)

// Log writes the messages of a run for a test's log. Its zero value writes for a log that
// is 100 columns wide, as those of CI systems are.
type Log struct {
	// Columns is the width of the log; 0 means 100. Less than 60 is taken for 60. In a
	// narrower log than usual paragraphs are folded earlier, and tables leave out the
	// columns that are missed least.
	Columns int
	// Alone says that the log has nothing of the run but its finding, which then is short
	// when the limits are met, and otherwise ends with what was asked.
	Alone bool
}

// text returns an empty message for the log. What the message is about adds its parts to it,
// and its writeTo writes it.
func (l Log) text() *text { return &text{columns: l.Columns} }

// text collects the lines of a message. The zero value is an empty one for a
// terminal. What adds to a message is a function of a *text, so that the finding, the
// summary and the page are made of the same parts.
type text struct {
	// unwrapped keeps each paragraph on one line: a page breaks lines itself.
	unwrapped bool
	// columns is the width of the log that the message is for; 0 is the usual one.
	columns int

	lines []string
}

// width is the widest a line gets.
func (t *text) width() int {
	if t.columns == 0 {
		return usualColumns - logged
	}
	return max(t.columns, leastColumns) - logged
}

// open adds the first line of a message, on as many lines as it takes; t.Log puts the
// caller before the first.
func (t *text) open(s string) {
	t.lines = append(t.lines, wrap(t.width(), s, "", indent)...)
}

// line adds one line as it is, without the spaces at its end.
func (t *text) line(format string, args ...any) {
	t.lines = append(t.lines, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// paragraph adds a sentence, indented, on as many lines as it takes.
func (t *text) paragraph(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if t.unwrapped {
		t.line("%s%s", indent, strings.Join(strings.Fields(s), " "))
		return
	}
	t.lines = append(t.lines, wrap(t.width(), s, indent, indent+indent)...)
}

// What a log shows of a run that is met has a line for each fact, and no more: who looks for
// another test's failure has to read past it. The whole text is in the run's files.

// single adds a sentence, indented, on one line, and cuts what the line has no room for.
func (t *text) single(format string, args ...any) { t.cut(fmt.Sprintf(format, args...), "") }

// cut adds a sentence, indented, on one line that ends in tail, and cuts what the line has no
// room for before it.
func (t *text) cut(s, tail string) {
	room := max(t.width()-len(indent)-utf8.RuneCountInString(tail), leastColumns/3)
	if r := []rune(strings.Join(strings.Fields(s), " ")); len(r) > room {
		s = strings.TrimRight(string(r[:room-1]), " ,;:") + "…"
	} else {
		s = string(r)
	}
	t.line("%s%s%s", indent, s, tail)
}

// table adds the rows of a table, each line after the given indent. A log that is
// narrower than usual gets no more columns than it has room for.
func (t *text) table(rows *table, indent string) {
	if t.columns > 0 && t.width() < usualColumns-logged {
		rows.fit(t.width() - len(indent))
	}
	t.lines = append(t.lines, rows.lines(indent)...)
}

// paragraphs are the parts of a message that is not for a terminal: each paragraph
// on one line, without its indent.
func paragraphs(parts ...func(*text)) []string {
	t := &text{unwrapped: true}
	for _, part := range parts {
		part(t)
	}
	for i, line := range t.lines {
		t.lines[i] = strings.TrimSpace(line)
	}
	return t.lines
}

// writeTo writes the lines, each with its end.
func (t *text) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(t.lines, "\n")+"\n")
	return err
}

// wrap breaks a text at its white space into lines of at most width columns, later lines
// indented. A first line that is not indented opens a message.
func wrap(width int, text, first, later string) []string {
	var out []string
	line := first
	fresh := true
	// A word that is too long for a line gets one of its own, whole: it may be a path.
	room := width
	if first == "" {
		room -= caller
	}
	for _, w := range strings.Fields(text) {
		if !fresh && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > room {
			out = append(out, line)
			line, fresh, room = later, true, width
		}
		if !fresh {
			line += " "
		}
		line, fresh = line+w, false
	}
	return append(out, line)
}
