package report

import (
	"encoding/csv"
	"io"
	"strconv"
)

// csvTable writes comma-separated values with the line ends that AIPerf's files
// have. It keeps its first error for done.
type csvTable struct {
	w   *csv.Writer
	err error
}

// newCSV returns a table that is written to w.
func newCSV(w io.Writer) *csvTable {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return &csvTable{w: c}
}

// row adds a row; one without cells is an empty line, which is how AIPerf parts the
// tables of a file.
func (c *csvTable) row(cells ...string) {
	if c.err == nil {
		c.err = c.w.Write(cells)
	}
}

// done flushes the table and returns its first error.
func (c *csvTable) done() error {
	c.w.Flush()
	if c.err != nil {
		return c.err
	}
	return c.w.Error()
}

// fixed writes a float64 or an int with so many decimals; what is not there, or is
// none of these, is an empty cell.
func fixed(v any, decimals int) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', decimals, 64)
	case int:
		return strconv.FormatFloat(float64(v), 'f', decimals, 64)
	}
	return ""
}

// csvStats are the columns of the tables in profile_export_aiperf.csv, in AIPerf's order.
var csvStats = []string{"avg", "min", "max", "sum", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "std"}
