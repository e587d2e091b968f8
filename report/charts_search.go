package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/plot"
)

// searchTrace is the chart of a search in one dimension, probe by probe, with the
// bracket that its verdicts leave for the boundary closing in. The x axis counts probes
// from 1, the y axis is the searched value, and a rule marks the answer. A search in
// several dimensions has no such chart, nor has one that stayed at a single value.
func (v *view) searchTrace() (plot.Chart, bool) {
	s := v.Plan.Search
	if s == nil || len(s.Space) != 1 || len(v.Visits()) < 2 {
		return plot.Chart{}, false
	}
	c := plot.Chart{
		Name: "search_trace", Title: sentence(v.headline()),
		Caption: "Each probe in the order of the search, at the value it tried.",
		X:       plot.Axis{Label: "probe", Whole: true},
		Y:       axisOf(s.Space[0].Path),
	}
	// The line joins the probes in their order; shapes tell their verdicts.
	points := classed{}
	path := plot.Series{Color: plot.Quiet, Line: plot.Dashed}
	for _, p := range v.probes {
		at := plot.Point{X: float64(p.index + 1), Y: p.Step.At[0], Label: v.label(p, p.Step.At[0]), Tip: v.tip(p)}
		points.add(p.standing, at)
		path.Points = append(path.Points, plot.Point{X: at.X, Y: at.Y})
	}
	c.Series = append([]plot.Series{path}, points.series()...)
	if area := v.bracket(); len(area) > 0 {
		c.Bands = []plot.Band{{Name: "bracket", Color: plot.Good, Steps: true, Area: area}}
		c.Caption += " The band is what the verdicts so far, likely ones included, leave for the boundary: " +
			"above the largest value that passed below the smallest that did not."
	}
	if safe := v.Boundary.Safe; !math.IsNaN(safe) {
		c.Rules = append(c.Rules, plot.Rule{Name: v.sustained(), Color: plot.Good, At: safe})
	}
	return c, true
}

// bracket is the band of the search trace: what the first n probes leave for the boundary, for every n from the
// first verdict on. It begins at the bounds of the search. Of several visits of a point the last counts.
func (v *view) bracket() []plot.Range {
	dim := v.Plan.Search.Space[0]
	last := map[float64]bool{} // whether it passed
	var out []plot.Range
	for _, p := range v.probes {
		switch p.standing {
		case met, likely:
			last[p.Step.At[0]] = true
		case missed, unlikely:
			last[p.Step.At[0]] = false
		}
		if len(last) == 0 {
			continue
		}
		// The smallest failure bounds it from above, whatever passes beyond; the largest
		// pass below that bounds it from below.
		lo, hi := dim.Lo, dim.Hi
		for at, passed := range last {
			if !passed {
				hi = min(hi, at)
			}
		}
		for at, passed := range last {
			if passed && at < hi {
				lo = max(lo, at)
			}
		}
		if lo > hi {
			lo = hi
		}
		out = append(out, plot.Range{X: float64(p.index + 1), Lo: lo, Hi: hi})
	}
	if n := len(out); n > 0 { // the last one holds for a while too
		out = append(out, plot.Range{X: out[n-1].X + 0.5, Lo: out[n-1].Lo, Hi: out[n-1].Hi})
	}
	return out
}

// limitChart shows the metric of one of the plan's limits, by index, over what was varied, with its confidence
// band and the SLA line.
func (v *view) limitChart(limit int) (plot.Chart, bool) {
	k, ok := v.along()
	if !ok {
		return plot.Chart{}, false
	}
	l := v.Plan.Limits[limit]
	path := v.Plan.Paths()[k]
	name, _ := metricTitle(l.Metric, l.Stat)
	c := plot.Chart{
		Name:  fmt.Sprintf("sla_%d_%s_%s", limit+1, l.Metric, l.Stat),
		Title: sentence(fmt.Sprintf("%s over %s, SLA %s", name, inWords(path), l.Want())),
		X:     axisOf(path), Y: plot.Axis{Label: metricAxis(l.Metric, l.Stat), Zero: true},
		Rules: []plot.Rule{{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold}},
	}
	points := classed{}
	var seen []float64
	// The line and the band go through the last visit of each value; points show all.
	latest := map[float64]plot.Range{}
	line := map[float64]float64{}
	for _, p := range v.probes {
		// What was not measured has no point, and the line goes on without it.
		r := p.Readings[limit]
		if math.IsNaN(r.Value) {
			continue
		}
		x := p.Step.At[k]
		pt := plot.Point{X: x, Y: r.Value, Lo: r.Lo, Hi: r.Hi, Label: v.label(p, x), Tip: v.tip(p)}
		points.add(p.standingTo(r, v.Spec.Confidence), pt)
		seen = append(seen, r.Value)
		line[x] = r.Value
		if !math.IsNaN(r.Lo) && !math.IsNaN(r.Hi) {
			latest[x] = plot.Range{X: x, Lo: r.Lo, Hi: r.Hi}
		}
	}
	if len(seen) == 0 {
		return plot.Chart{}, false
	}
	// Shares and rates begin at zero; a latency may span decades.
	c.Y.Log = l.Unit() == "ms" && wide(append(seen, l.Threshold))
	curve := plot.Series{Color: plot.Quiet, Line: plot.Solid}
	for x, y := range line {
		curve.Points = append(curve.Points, plot.Point{X: x, Y: y})
	}
	slices.SortFunc(curve.Points, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
	var band []plot.Range
	for _, r := range latest {
		band = append(band, r)
	}
	slices.SortFunc(band, func(a, b plot.Range) int { return cmp.Compare(a.X, b.X) })
	c.Caption = "One point a probe, its number of requests in flight beside it."
	if path == recipes.PathRate {
		c.Caption = "One point a probe, its rate in requests/s beside it."
	}
	// One interval is a bar on its point already.
	if len(band) > 1 {
		c.Bands = []plot.Band{{Name: "95% confidence", Color: plot.Quiet, Area: band}}
		c.Caption += " Bars and band are 95% confidence intervals."
	}
	c.Series = append([]plot.Series{curve}, points.series()...)
	// A sweep may have a boundary too, but did not look for it.
	if b := v.Boundary; v.Plan.Search != nil && !math.IsNaN(b.Safe) {
		c.Rules = append(c.Rules, plot.Rule{Name: v.sustained(), Color: plot.Good, At: b.Safe, Vertical: true})
	}
	return c, true
}

// A rule at the end of the range is no boundary, and must not read like one.

// sustained is what the rule at a search's answer says.
func (v *view) sustained() string {
	if v.rangeEnd() != "" {
		return "range ends: " + v.level(v.Boundary.Safe)
	}
	return "sustained: " + v.level(v.Boundary.Safe)
}

// Sixty probes lie within a few percent of each other: written beside their points, their
// values overlap, and the two that matter cannot be read. The tips and the table have them all.

// labelled is how many values a chart has room to write beside its points.
const labelled = 16

// label is what stands beside a probe's point at x. Of a long search only the answer and the
// next miss have one: the others crowd around them, and hide what they say.
func (v *view) label(p probe, x float64) string {
	if len(v.probes) <= labelled || v.Plan.Search == nil || len(p.Step.At) != 1 {
		return digits(x)
	}
	_, next := v.Boundary.Ends()
	if at := p.Step.At[0]; at == v.Boundary.Safe || at == next {
		return digits(x)
	}
	return ""
}

// binding is the limit, by its index, that stops the load from being higher: the one that is
// nearest to its threshold at the shown probe. It is -1 where there is none.
func (v *view) binding() int {
	p := v.shown()
	if p == nil {
		return -1
	}
	// A margin is on a log scale and positive where its limit is missed, so that margins of
	// different metrics compare.
	least, worst := -1, math.Inf(-1)
	for k, m := range p.Observed.Margins {
		if k < len(v.Plan.Limits) && m.Value > worst {
			least, worst = k, m.Value
		}
	}
	return least
}

// throughputChart shows what a search's loads give: output tokens a second over the load, with
// the answer. It is the other half of the answer's chart, over the same axis.
func (v *view) throughputChart() (plot.Chart, bool) {
	k, ok := v.along()
	if !ok {
		return plot.Chart{}, false
	}
	path := v.Plan.Paths()[k]
	name, _ := metricTitle("throughput", "avg")
	c := plot.Chart{
		Name: "throughput", Title: sentence(fmt.Sprintf("%s over %s", name, inWords(path))),
		X: axisOf(path), Y: plot.Axis{Label: metricAxis("throughput", "avg"), Zero: true},
		Caption: "What each load gives. Where the curve is flat, more load only waits longer.",
	}
	// As in the chart beside it, points show every probe and the line goes through the last
	// visit of each load, so that a point which was measured again is not joined to itself.
	points, line := classed{}, map[float64]float64{}
	for _, p := range v.probes {
		x, ok := p.Stat("throughput", "avg")
		if !ok {
			continue
		}
		at := p.Step.At[k]
		points.add(p.standing, plot.Point{X: at, Y: x, Label: v.label(p, at), Tip: v.tip(p)})
		line[at] = x
	}
	if len(line) < 2 {
		return plot.Chart{}, false
	}
	curve := plot.Series{Color: plot.Quiet, Line: plot.Solid}
	for x, y := range line {
		curve.Points = append(curve.Points, plot.Point{X: x, Y: y})
	}
	slices.SortFunc(curve.Points, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
	c.Series = append([]plot.Series{curve}, points.series()...)
	if b := v.Boundary; !math.IsNaN(b.Safe) {
		c.Rules = append(c.Rules, plot.Rule{Name: v.sustained(), Color: plot.Good, At: b.Safe, Vertical: true})
	}
	return c, true
}
