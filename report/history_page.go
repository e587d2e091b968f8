package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/report/bench"
	"github.com/aiperf-go/aiperf/report/plot"
)

// The page of a history is written by each run anew, from the file of all runs: it needs no
// server, no database and no earlier page. What is on it is that of the question of this run
// alone, its recipe with its label, its model and its lengths; another question of the same
// file has a page of its own, beside the report of its own run.

// historyPage is what the template of history.html reads. As in page, everything is text but
// for the charts, the style and the script.
type historyPage struct {
	// Title is the headline of the run, and Badge its verdict.
	Title, Verdict, Badge, Recipe string
	// Facts are what was measured, and Told how the run stands to those before it, in
	// paragraphs.
	Facts string
	Told  []string
	// Moves are the metrics that were judged; nil when none was.
	Moves *comparedRows

	Charts []figure
	// Changes has a change of a level a row, and Runs a run, newest first.
	Changes, Runs comparedRows

	Style  template.CSS
	Script template.JS
	Policy string
}

// historyText is the template; the look of a chart in it is defined by that of report.html.
//
//go:embed history.gohtml
var historyText string

// historyTemplate shares the look of a chart with report.html.
var historyTemplate = template.Must(template.Must(pageTemplate.Clone()).New("history.html").Parse(historyText))

// historyHTML writes history.html: how the run stands to those before it, the charts of
// pastCharts, which may be none, the changes of level, and the last pastRuns runs, the newest
// first. Like report.html it is one file that opens without a network, under the same policy.
// Facts come from a file that others write to, and are escaped as everything is.
func (v *view) historyHTML(w io.Writer, charts []plot.Chart) error {
	p := historyPage{Title: v.headline(), Verdict: v.Verdict.String(), Badge: v.badge(), Recipe: v.called(), Facts: v.facts(),
		Told:  paragraphs(v.amongWhich),
		Moves: v.moveRows(),
		Style: template.CSS(pageStyle + plotColors()), Script: template.JS(pageScript), Policy: policy}
	for i := range charts {
		f, err := figureOf(&charts[i])
		if err != nil {
			return fmt.Errorf("write history.html: %w", err)
		}
		p.Charts = append(p.Charts, f)
	}
	metrics := v.pastMetrics()
	p.Changes.Head = []string{"from", "metric", "was", "is", "change", "facts of the first run"}
	for _, c := range v.levelChanges(metrics) {
		name, unit, divisor := bench.Describe(c.unit)
		if c.point != "" {
			name += " at " + c.point
		}
		p.Changes.Rows = append(p.Changes.Rows, comparedRow{Cells: []string{c.first.Time.Format("2 January 2006, 15:04"), name,
			value(c.before/divisor, unit), value(c.after/divisor, unit), fmt.Sprintf("%+.1f%%", 100*(c.after/c.before-1)),
			v.redact(runFacts(c.first))}})
	}
	p.Runs.Head = []string{"began (UTC)"}
	for _, m := range metrics {
		name, _, _ := bench.Describe(m.Unit)
		if m.Point != "" {
			name += " at " + m.Point
		}
		p.Runs.Head = append(p.Runs.Head, name)
	}
	p.Runs.Head = append(p.Runs.Head, "verdict", "facts")
	for i, r := range slices.Backward(v.trend.Runs[max(0, len(v.trend.Runs)-pastRuns):]) {
		row := comparedRow{Cells: []string{r.Time.Format("2 January 2006, 15:04")}}
		if r.Mark == "worse" {
			row.Kind = "missed"
		}
		for _, m := range metrics {
			_, unit, divisor := bench.Describe(m.Unit)
			x, ok := r.Value(m.Point, m.Unit)
			if !ok {
				x = math.NaN()
			}
			row.Cells = append(row.Cells, value(x/divisor, unit))
		}
		word := markWord(r)
		if i == len(v.trend.Runs)-1-max(0, len(v.trend.Runs)-pastRuns) {
			word += ", this run"
		}
		row.Cells = append(row.Cells, word, v.redact(runFacts(r)))
		p.Runs.Rows = append(p.Runs.Rows, row)
	}
	var b bytes.Buffer
	if err := historyTemplate.ExecuteTemplate(&b, "history.html", p); err != nil {
		return fmt.Errorf("write history.html: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// pastCharts draws the run's history, a chart a metric.
func (v *view) pastCharts() []plot.Chart {
	var out []plot.Chart
	for _, m := range v.pastMetrics() {
		out = append(out, v.pastChart(m))
	}
	return out
}
