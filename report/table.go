package report

import (
	"strings"
	"unicode/utf8"
)

// table aligns columns of text. Cells of columns marked right are right-aligned,
// all others left. A row's last cell may be as long as it likes: it widens no
// column.
type table struct {
	right []bool
	rows  [][]string
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
