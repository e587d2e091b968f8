package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report/plot"
)

// searchTrace shows a search in one dimension probe by probe, and the bracket
// that its verdicts leave for the boundary closing in.
func searchTrace(o *recipes.Outcome) (plot.Chart, bool) {
	s := o.Plan.Search
	if s == nil || len(s.Space) != 1 || len(o.Probes) < 2 {
		return plot.Chart{}, false
	}
	c := plot.Chart{
		Name: "search_trace", Title: sentence(Headline(o)),
		Caption: "Each probe in the order of the search, at the value it tried.",
		X:       plot.Axis{Label: "probe", Whole: true},
		Y:       axisOf(s.Space[0].Path),
	}
	points := classed{}
	path := plot.Series{Color: plot.Quiet, Line: plot.Dashed}
	for i := range o.Probes {
		p := &o.Probes[i]
		at := plot.Point{X: float64(i + 1), Y: p.Step.At[0], Label: digits(p.Step.At[0]), Tip: tip(o, i)}
		k := classOf(o, p)
		points[k] = append(points[k], at)
		path.Points = append(path.Points, plot.Point{X: at.X, Y: at.Y})
	}
	c.Series = append([]plot.Series{path}, points.series()...)
	if area := bracket(o); len(area) > 0 {
		c.Bands = []plot.Band{{Name: "bracket", Color: plot.Good, Steps: true, Area: area}}
		c.Caption += " The band is what the verdicts so far, likely ones included, leave for the boundary: above the largest value that passed below the smallest that did not."
	}
	if safe := o.Boundary.Safe; !math.IsNaN(safe) {
		c.Rules = append(c.Rules, plot.Rule{Name: "sustained: " + digits(safe), Color: plot.Good, At: safe})
	}
	return c, true
}

// bracket is what the first n probes leave for the boundary, for every n from the
// first verdict on. Of several visits of a point the last counts.
func bracket(o *recipes.Outcome) []plot.Range {
	dim := o.Plan.Search.Space[0]
	last := map[float64]bool{} // whether it passed
	var out []plot.Range
	for i := range o.Probes {
		p := &o.Probes[i]
		switch k := classOf(o, p); k {
		case meets, likely:
			last[p.Step.At[0]] = true
		case misses, unlikely:
			last[p.Step.At[0]] = false
		}
		if len(last) == 0 {
			continue
		}
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
		out = append(out, plot.Range{X: float64(i + 1), Lo: lo, Hi: hi})
	}
	if n := len(out); n > 0 { // the last one holds for a while too
		out = append(out, plot.Range{X: out[n-1].X + 0.5, Lo: out[n-1].Lo, Hi: out[n-1].Hi})
	}
	return out
}

// limitChart shows one limit's metric over what was varied, with its confidence
// band and the SLA line.
func limitChart(o *recipes.Outcome, limit int) (plot.Chart, bool) {
	k, ok := along(o)
	if !ok {
		return plot.Chart{}, false
	}
	l := o.Plan.Limits[limit]
	path := o.Plan.Paths()[k]
	name, _ := titleOf(l.Metric, l.Stat)
	c := plot.Chart{
		Name:  fmt.Sprintf("sla_%d_%s_%s", limit+1, l.Metric, l.Stat),
		Title: sentence(fmt.Sprintf("%s over %s, SLA %s", name, sweep.Leaf(path), l.Want())),
		X:     axisOf(path), Y: plot.Axis{Label: labelOf(l.Metric, l.Stat), Zero: true},
		Rules: []plot.Rule{{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold}},
	}
	points := classed{}
	var seen []float64
	latest := map[float64]plot.Range{}
	line := map[float64]float64{}
	for i := range o.Probes {
		p := &o.Probes[i]
		r := p.Readings[limit]
		if math.IsNaN(r.Value) {
			continue
		}
		x := p.Step.At[k]
		class := classOfReading(o, p, r)
		pt := plot.Point{X: x, Y: r.Value, Lo: r.Lo, Hi: r.Hi, Label: digits(x), Tip: tip(o, i)}
		points[class] = append(points[class], pt)
		seen = append(seen, r.Value)
		line[x] = r.Value
		if !math.IsNaN(r.Lo) && !math.IsNaN(r.Hi) {
			latest[x] = plot.Range{X: x, Lo: r.Lo, Hi: r.Hi}
		}
	}
	if len(seen) == 0 {
		return plot.Chart{}, false
	}
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
	if len(band) > 1 {
		c.Bands = []plot.Band{{Name: "95 % confidence", Color: plot.Quiet, Area: band}}
		c.Caption += " Bars and band are 95 % confidence intervals."
	}
	c.Series = append([]plot.Series{curve}, points.series()...)
	if b := o.Boundary; o.Plan.Search != nil && !math.IsNaN(b.Safe) {
		c.Rules = append(c.Rules, plot.Rule{Name: "sustained: " + digits(b.Safe), Color: plot.Good, At: b.Safe, Vertical: true})
	}
	return c, true
}
