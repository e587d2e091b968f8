package report

import (
	"strings"
	"unicode/utf8"
)

// table aligns columns of text. Cells of columns marked right are right-aligned.
// A row's last cell may be as long as it likes: it widens no column.
type table struct {
	right []bool
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// lines returns the rows, columns two or more spaces apart, each indented.
func (t *table) lines(indent string) []string {
	var widths []int
	for _, r := range t.rows {
		for i, c := range r[:max(len(r)-1, 0)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var out []string
	for _, r := range t.rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, c := range r {
			pad := ""
			if i < len(widths) {
				pad = strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(c), 0))
			}
			if i > 0 {
				b.WriteString("   ")
			}
			if i < len(t.right) && t.right[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

// width is the widest a line of text gets: 100 columns less the 8 that t.Log puts
// before it.
const width = 92

// caller is what t.Log puts before a message's first line beyond that: the
// caller's file and line.
const caller = 16

// wrap breaks text at spaces into lines of at most width, later lines indented.
// A first line that is not indented opens a message.
func wrap(text, first, later string) []string {
	var out []string
	line := first
	fresh := true
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
