package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/aiperf-go/aiperf/report/plot"
)

// html writes report.html: one file that opens without a network, in a narrow
// window, in dark mode, printed, and with scripting off. Text of the server and of
// the user is escaped by html/template; charts escape their own, and the page's
// security policy lets nothing run but its own script, and nothing be fetched.
//
// again is the command that does the run once more, and may be empty. Charts may be
// nil.
func (v *view) html(w io.Writer, again string, charts []plot.Chart) error {
	p := page{Title: v.headline(), Verdict: v.Verdict.String(), Again: v.redact(again),
		Style: template.CSS(pageStyle + plotColors()), Script: template.JS(pageScript), Policy: policy}
	if v.Recipe != nil {
		p.Recipe, p.Doc = v.called(), v.Recipe.Doc
	}
	p.Badge = v.badge()
	for i := range charts {
		f, err := figureOf(&charts[i])
		if err != nil {
			return fmt.Errorf("write report.html: %w", err)
		}
		// Beyond the first screen the order is that of the charts.
		if onFirst := 1 + min(v.pair(), len(charts)-1); i < onFirst {
			p.Answer = append(p.Answer, f)
			continue
		}
		p.Charts = append(p.Charts, f)
	}
	if v.Plan != nil {
		p.fill(v)
	}
	// Rendered whole before a byte is written: a page that breaks off looks like
	// one that is complete.
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("write report.html: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// figureOf draws a chart for a page.
func figureOf(c *plot.Chart) (figure, error) {
	var b bytes.Buffer
	if err := c.Inline(&b); err != nil {
		return figure{}, err
	}
	svg := template.HTML(b.String()) //nolint:gosec // made by plot, which escapes
	return figure{Name: c.Name, Caption: c.Caption, SVG: svg, Data: dataOf(c)}, nil
}

// A curve that is read off a sweep needs no second chart: its result is the chart.

// pair is how many charts stand beside the first on the first screen: that of the throughput
// beside that of the limit which binds, of a search.
func (v *view) pair() int {
	if v.Plan != nil && v.Plan.Search != nil && v.binding() >= 0 && len(v.Plan.Search.Space) == 1 && len(v.Visits()) > 1 {
		return 1
	}
	return 0
}

var (
	//go:embed page.gohtml
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	// pageTemplate escapes by context: text, attribute, style.
	pageTemplate = template.Must(template.New("report.html").Parse(pageText))
)

// policy allows inline styles, this script by its hash, and images from the page
// itself.
var policy = func() string {
	sum := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// The page takes its charts' colours from style sheet variables, so that dark mode
// needs no second drawing.

// darkColors are the charts' colours on a dark page, as light as needed to be
// read there.
var darkColors = map[string]string{
	"ink": "#e6edf3", "paper": "#161b22", "good": "#58b4f0", "bad": "#ff9a4d", "doubt": "#d6a6d0", "quiet": "#7d8590",
	"c3": "#3fd0a4", "c4": "#e6a3c9", "c5": "#8fd0f5", "c6": "#e3b341",
}

// plotColors is the style sheet's part for charts.
func plotColors() string {
	var b strings.Builder
	b.WriteString("@media screen and (prefers-color-scheme: dark) { :root {")
	for _, name := range plot.Palette() {
		if v, ok := darkColors[name]; ok {
			fmt.Fprintf(&b, " --plot-%s: %s;", name, v)
		}
	}
	b.WriteString(" } }\n")
	return b.String()
}
