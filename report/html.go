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

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/plot"
)

// HTML writes report.html: one file that opens without a network, in a narrow
// window, in dark mode, printed, and with scripting off.
func HTML(w io.Writer, o *recipes.Outcome) error {
	return Page{Charts: Charts(o)}.Write(w, o)
}

// Page is report.html with what an outcome does not know.
type Page struct {
	Again  string       // the command that does the run once more; empty: the page does not say
	Charts []plot.Chart // nil: none are shown
}

// Write writes the page. Text of the server and of the user is escaped by
// html/template; charts escape their own, and the page's security policy lets
// nothing run but its own script, and nothing be fetched.
func (p Page) Write(w io.Writer, o *recipes.Outcome) error {
	v := view{Title: "nothing was measured", Again: o.Spec.Target.Redact(p.Again), Style: template.CSS(pageStyle + plotColors()), Script: template.JS(pageScript), Policy: policy}
	if o.Recipe != nil {
		v.Recipe, v.Doc = o.Recipe.Name, o.Recipe.Doc
	}
	v.Title = Headline(o)
	v.Verdict = o.Verdict.String()
	for i := range p.Charts {
		c := &p.Charts[i]
		var b bytes.Buffer
		if err := c.Inline(&b); err != nil {
			return fmt.Errorf("write report.html: %w", err)
		}
		v.Charts = append(v.Charts, figure{Name: c.Name, Caption: c.Caption, SVG: template.HTML(b.String())}) //nolint:gosec // made by plot, which escapes
	}
	if o.Plan != nil {
		v.fill(o)
	}
	// Rendered whole before a byte is written: a page that breaks off looks like
	// one that is complete.
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("write report.html: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

var (
	//go:embed page.gohtml
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	page = template.Must(template.New("report.html").Parse(pageText))
)

// policy allows inline styles, this script by its hash, and images from the page
// itself.
var policy = func() string {
	sum := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

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
