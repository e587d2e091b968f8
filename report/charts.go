package report

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report/plot"
)

// Charts draws an outcome: the search as it closed in, each limit over
// concurrency, throughput against latency, what the recipe derived, and the
// distributions of latency. What was not measured is not drawn.
func Charts(o *recipes.Outcome) []plot.Chart {
	if o.Plan == nil || len(o.Probes) == 0 {
		return nil
	}
	var out []plot.Chart
	add := func(c plot.Chart, ok bool) {
		if ok {
			inSeconds(&c)
			out = append(out, c)
		}
	}
	add(searchTrace(o))
	add(kneeChart(o))
	add(ttftChart(o))
	add(itlChart(o))
	add(frontierChart(o))
	for k := range o.Plan.Limits {
		add(limitChart(o, k))
	}
	add(tradeChart(o))
	for _, metric := range []string{"ttft", "itl", "e2e"} {
		add(distributionChart(o, metric))
	}
	return out
}

// pages writes what a finished run is looked at by: the charts as PNG and SVG,
// unless they are turned off, summary.md and report.html.
func (b *batch) pages(o *recipes.Outcome) {
	b.file("summary.md", func(w io.Writer) error { return Summary(w, o, b.dir.Again) })
	p := Page{Again: b.dir.Again}
	if !b.dir.NoCharts {
		p.Charts = Charts(o)
	}
	for i := range p.Charts {
		c := &p.Charts[i]
		name := filepath.Join("plots", Safe(c.Name))
		b.file(name+".svg", c.SVG)
		b.file(name+".png", c.PNG)
	}
	b.file("report.html", func(w io.Writer) error { return p.Write(w, o) })
}

// class is a kind of point: what it says, and how it looks. What differs in
// verdict differs in shape.
type class struct {
	name  string
	mark  plot.Mark
	color plot.Color
}

var (
	meets    = class{"meets the SLA", plot.Disc, plot.Good}
	misses   = class{"misses the SLA", plot.Cross, plot.Bad}
	likely   = class{"likely meets it", plot.Ring, plot.Good}
	unlikely = class{"likely misses it", plot.CrossRing, plot.Bad}
	doubtful = class{"not to be trusted", plot.Triangle, plot.Quiet}
	measured = class{"measured", plot.Disc, plot.Good}
	classes  = []class{meets, likely, unlikely, misses, doubtful, measured}
)

// classOf is how a probe stands to all limits.
func classOf(o *recipes.Outcome, p *recipes.Probe) class {
	switch p.State() {
	case "untrusted", "unmeasured":
		return doubtful
	}
	if len(p.Readings) == 0 {
		return measured
	}
	pass, certain := p.Passes(o.Spec.Confidence)
	switch {
	case pass && certain:
		return meets
	case pass:
		return likely
	case certain:
		return misses
	}
	return unlikely
}

// classOfReading is how a probe stands to one limit.
func classOfReading(o *recipes.Outcome, p *recipes.Probe, r sla.Reading) class {
	open := !math.IsNaN(r.Pass) && r.Pass > 1-o.Spec.Confidence && r.Pass < o.Spec.Confidence
	switch state := p.State(); {
	case state == "untrusted" || state == "unmeasured":
		return doubtful
	case r.Holds && open:
		return likely
	case r.Holds:
		return meets
	case open:
		return unlikely
	}
	return misses
}

// classed makes a series of each class, so that the legend explains the shapes.
type classed map[class][]plot.Point

func (c classed) series() []plot.Series {
	var out []plot.Series
	for _, k := range classes {
		if points := c[k]; len(points) > 0 {
			out = append(out, plot.Series{Name: k.name, Mark: k.mark, Color: k.color, Points: points})
		}
	}
	return out
}

// tip is what a point says when it is pointed at: where it is, what was seen.
func tip(o *recipes.Outcome, i int) string {
	p := &o.Probes[i]
	var at []string
	for k, path := range o.Plan.Paths() {
		at = append(at, sweep.Leaf(path)+" "+digits(p.Step.At[k]))
	}
	lines := []string{fmt.Sprintf("probe %d: %s", i+1, strings.Join(at, ", ")), word(o, p)}
	for _, r := range p.Readings {
		line := r.Limit.Name() + " " + observed(r)
		if ci := interval(r); ci != "" {
			line += ", " + ci
		}
		lines = append(lines, line)
	}
	if v, ok := p.Stat("throughput", "avg"); ok {
		lines = append(lines, value(v, "tok/s"))
	}
	return strings.Join(append(lines, plural(p.Requests(), "request")), "\n")
}

// interval writes a reading's confidence interval; empty where there is none.
func interval(r sla.Reading) string {
	if math.IsNaN(r.Lo) || math.IsNaN(r.Hi) {
		return ""
	}
	return fmt.Sprintf("95%% CI [%s, %s]", value(r.Lo, r.Limit.Unit()), value(r.Hi, r.Limit.Unit()))
}

// along is what the chart's x axis varies: the only path, or the only one that
// has several values.
func along(o *recipes.Outcome) (k int, ok bool) {
	k = -1
	for i := range o.Plan.Paths() {
		for j := range o.Probes {
			if o.Probes[j].Step.At[i] != o.Probes[0].Step.At[i] {
				if k >= 0 && k != i {
					return 0, false
				}
				k = i
			}
		}
	}
	return k, k >= 0
}

// axisOf is the axis of a swept path.
func axisOf(path string) plot.Axis {
	switch path {
	case recipes.PathConcurrency:
		return plot.Axis{Label: "concurrency (requests in flight)", Log: true, Whole: true}
	case recipes.PathISL:
		return plot.Axis{Label: "prompt length, ISL (tokens)", Log: true, Whole: true}
	case recipes.PathOSL:
		return plot.Axis{Label: "answer length, OSL (tokens)", Log: true, Whole: true}
	case recipes.PathRate:
		return plot.Axis{Label: "request rate (req/s)", Log: true}
	}
	return plot.Axis{Label: sweep.Leaf(path)}
}

// titleOf names a metric and its statistic for a title, and its unit.
func titleOf(metric, stat string) (name, unit string) {
	l := sla.Limit{Metric: metric, Stat: stat}
	short, _, _ := strings.Cut(l.Name(), " ")
	if m, ok := loadgen.LookupMetric(metric); ok && m.Label != "" {
		short = m.Label
	}
	if unit = l.Unit(); unit == "ratio" {
		unit = "share"
	}
	if stat != "avg" || unit == "ms" {
		short += " " + stat
	}
	return short, unit
}

// labelOf is a metric's axis label.
func labelOf(metric, stat string) string {
	name, unit := titleOf(metric, stat)
	if unit == "" {
		return name
	}
	return name + " (" + unit + ")"
}

// wide reports whether values are too far apart for a linear axis.
func wide(vs []float64) bool {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range vs {
		if v > 0 && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return hi/lo > 20 && lo > 0 && !math.IsInf(lo, 0)
}

// inSeconds turns an axis of milliseconds into one of seconds where that reads
// better.
func inSeconds(c *plot.Chart) {
	const from = 10_000
	x, y := 0.0, 0.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			x, y = max(x, p.X), max(y, p.Y)
		}
	}
	label, onX := strings.CutSuffix(c.X.Label, "(ms)")
	if onX = onX && x >= from; onX {
		c.X.Label = label + "(s)"
	}
	label, onY := strings.CutSuffix(c.Y.Label, "(ms)")
	if onY = onY && y >= from; onY {
		c.Y.Label = label + "(s)"
	}
	scale := func(on bool, vs ...*float64) {
		for _, v := range vs {
			if on {
				*v /= 1000
			}
		}
	}
	for _, s := range c.Series {
		for i := range s.Points {
			p := &s.Points[i]
			scale(onX, &p.X)
			scale(onY, &p.Y, &p.Lo, &p.Hi)
		}
	}
	for _, b := range c.Bands {
		for i := range b.Area {
			scale(onX, &b.Area[i].X)
			scale(onY, &b.Area[i].Lo, &b.Area[i].Hi)
		}
	}
	for i := range c.Rules {
		scale(c.Rules[i].Vertical && onX || !c.Rules[i].Vertical && onY, &c.Rules[i].At)
	}
}

// sentence makes a text begin like one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
