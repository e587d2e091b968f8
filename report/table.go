package report

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// table aligns columns of text. Cells of columns marked right are right-aligned,
// all others left. A row's last cell may be as long as it likes: it widens no
// column.
type table struct {
	right []bool
	rows  [][]string
	// spare are the columns that may be left out, from 0, the one that is missed least first.
	spare []int
}

// numbers returns an empty table whose first n columns are right-aligned.
func numbers(n int) *table {
	t := &table{}
	for range n {
		t.right = append(t.right, true)
	}
	return t
}

// add adds a row. Rows may differ in length.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// A table is not folded: rows of two lines cannot be read down a column. In a narrow log it
// loses columns instead, and the run's files have all of them.

// fit leaves out spare columns until the widest row has at most width columns.
func (t *table) fit(width int) {
	widest := func() (n int) {
		for _, line := range t.lines("") {
			n = max(n, utf8.RuneCountInString(line))
		}
		return n
	}
	for len(t.spare) > 0 && widest() > width {
		out := t.spare[0]
		for i, r := range t.rows {
			if out < len(r) {
				t.rows[i] = slices.Delete(slices.Clone(r), out, out+1)
			}
		}
		if out < len(t.right) {
			t.right = slices.Delete(slices.Clone(t.right), out, out+1)
		}
		t.spare = slices.Clone(t.spare[1:])
		for i, k := range t.spare {
			if k > out {
				t.spare[i]--
			}
		}
	}
}

// lines returns the rows, columns three or more spaces apart, each line after the
// given indent.
func (t *table) lines(indent string) []string {
	// Widths are counted in runes: what is aligned is text with ± and µ, and no cell
	// has letters of double width.
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
