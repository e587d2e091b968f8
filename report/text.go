package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// indent is what the lines of a message below its first one begin with.
const indent = "    "

// width is the widest a line of text gets: 100 columns less the 8 that t.Log puts
// before it.
const width = 92

// caller is what t.Log puts before a message's first line beyond that: the
// caller's file and line.
const caller = 16

// text collects the lines of a message. The zero value is an empty one for a
// terminal. What adds to a message is a function of a *text, so that the finding, the
// summary and the page are made of the same parts.
type text struct {
	// unwrapped keeps each paragraph on one line: a page breaks lines itself.
	unwrapped bool

	lines []string
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
	t.lines = append(t.lines, wrap(s, indent, indent+indent)...)
}

// table adds the rows of a table, each line after the given indent.
func (t *text) table(rows *table, indent string) {
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

// wrap breaks a text at its white space into lines of at most width, later lines indented.
// A first line that is not indented opens a message.
func wrap(text, first, later string) []string {
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
