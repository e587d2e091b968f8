package report

import (
	"io"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/plot"
)

// What Dir writes, one file at a time, for the tests in package report_test.

// Charts draws an outcome.
func Charts(o *recipes.Outcome) []plot.Chart { return viewOf(o).charts() }

// HTML writes report.html with its charts, and again as the command that does the
// run once more.
func HTML(w io.Writer, o *recipes.Outcome, again string) error {
	return viewOf(o).html(w, again, Charts(o))
}

// BareHTML writes it without charts.
func BareHTML(w io.Writer, o *recipes.Outcome, again string) error {
	return viewOf(o).html(w, again, nil)
}
