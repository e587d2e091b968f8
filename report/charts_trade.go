package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/report/plot"
)

// tradeChart shows throughput against latency, as the recipe's axes have it, and
// the probes that no other beats in both. Where a limit is on the axis' metric,
// its statistic is shown. A sweep with a frontier of its own has a better chart, and
// a single point has nothing to trade.
func (v *view) tradeChart() (plot.Chart, bool) {
	ax := v.Recipe.Axes
	if _, swept := v.Frontier(); swept || ax.XMetric == "" || len(v.probes) < 2 {
		return plot.Chart{}, false
	}
	// The first limit on the axis' metric decides which statistic is shown.
	c := plot.Chart{Name: "throughput_latency"}
	stat := ax.XStat
	for _, l := range v.Plan.Limits {
		if l.Metric == ax.XMetric && (v.front() == nil || l.Stat == stat) {
			stat = l.Stat
			c.Rules = []plot.Rule{{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold, Vertical: true}}
			break
		}
	}
	points := classed{}
	var all []trade
	var xs []float64
	for _, p := range v.probes {
		x, okX := p.Stat(ax.XMetric, stat)
		y, okY := p.Stat(ax.YMetric, ax.YStat)
		if !okX || !okY {
			continue
		}
		points.add(p.standing, plot.Point{X: x, Y: y, Label: digits(p.Load.Level()), Tip: v.tip(p)})
		if !p.silent() {
			all = append(all, trade{x, y})
		}
		xs = append(xs, x)
	}
	// Probes that cannot be trusted are points, and no part of the front.
	if len(xs) < 2 {
		return plot.Chart{}, false
	}
	xName, _ := metricTitle(ax.XMetric, stat)
	yName, _ := metricTitle(ax.YMetric, ax.YStat)
	c.Title = sentence(fmt.Sprintf("%s against %s", yName, xName))
	c.Caption = "One point a probe, its " + v.dimension() + " beside it; up and to the left is better. " +
		"The stairs join the probes that no other beats in both."
	c.X = plot.Axis{Label: metricAxis(ax.XMetric, stat), Log: wide(xs), Zero: true}
	c.Y = plot.Axis{Label: metricAxis(ax.YMetric, ax.YStat), Zero: true}
	front := plot.Series{Name: "Pareto front", Color: plot.Ink, Line: plot.Stairs}
	for _, t := range frontOf(all, ax.XMaximize, ax.YMinimize) {
		front.Points = append(front.Points, plot.Point{X: t.x, Y: t.y})
	}
	c.Series = append([]plot.Series{front}, points.series()...)
	return c, true
}

// trade is a point of the chart, in the axes' units.
type trade struct{ x, y float64 }

// frontOf returns the points that no other beats in both, by ascending x. Less is
// better on x and more on y, unless the axes say otherwise; of equal points one is
// returned.
func frontOf(points []trade, xMaximize, yMinimize bool) []trade {
	// With both signs turned so that less is better, one pass by ascending x finds the
	// front: a point is on it when its y is less than all before.
	sx, sy := 1.0, -1.0
	if xMaximize {
		sx = -1
	}
	if yMinimize {
		sy = 1
	}
	sorted := slices.SortedFunc(slices.Values(points), func(a, b trade) int {
		return cmp.Or(cmp.Compare(sx*a.x, sx*b.x), cmp.Compare(sy*a.y, sy*b.y))
	})
	var out []trade
	best := math.Inf(1)
	for _, t := range sorted {
		if sy*t.y < best {
			best = sy * t.y
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b trade) int { return cmp.Compare(a.x, b.x) })
	return out
}

// frontierChart shows the result of pareto-sweep: a curve for each shape of the workload, and
// which points no other beats.
func (v *view) frontierChart() (plot.Chart, bool) {
	f, ok := v.Frontier()
	if !ok {
		return plot.Chart{}, false
	}
	xName, xUnit := metricTitle(f.XMetric, f.XStat)
	yName, yUnit := metricTitle(f.YMetric, f.YStat)
	c := plot.Chart{
		Name: "pareto_sweep", Title: sentence(fmt.Sprintf("%s against %s, by shape of the workload", yName, xName)),
		Caption: "A curve for each pair of prompt and answer lengths, concurrency beside its points; " +
			"up and to the left is better. A ring marks what no other point beats in both.",
		X: plot.Axis{Label: metricAxis(f.XMetric, f.XStat)},
		Y: plot.Axis{Label: metricAxis(f.YMetric, f.YStat), Zero: true},
	}
	// A shape is a pair of prompt and answer lengths; the legend has them in the order
	// in which they were given.
	type shape struct{ isl, osl int }
	var order []shape
	byShape := map[shape][]plot.Point{}
	// The points that none beats have a ring around their mark.
	halo := plot.Series{Name: "Pareto-optimal", Mark: plot.Halo, Color: plot.Ink}
	var xs []float64
	for _, cell := range f.Cells {
		s := shape{cell.ISL, cell.OSL}
		if _, seen := byShape[s]; !seen {
			order = append(order, s)
		}
		said := []string{fmt.Sprintf("%d/%d tokens, concurrency %d", s.isl, s.osl, cell.Concurrency),
			xName + " " + value(cell.X, xUnit), yName + " " + value(cell.Y, yUnit)}
		if cell.Optimal {
			said = append(said, "Pareto-optimal")
			halo.Points = append(halo.Points, plot.Point{X: cell.X, Y: cell.Y})
		}
		byShape[s] = append(byShape[s], plot.Point{X: cell.X, Y: cell.Y, Label: fmt.Sprint(cell.Concurrency), Tip: strings.Join(said, "\n")})
		xs = append(xs, cell.X)
	}
	c.X.Log = wide(xs)
	for i, s := range order {
		c.Series = append(c.Series, plot.Series{
			Name: fmt.Sprintf("%d in / %d out", s.isl, s.osl), Color: plot.Curve(i), Mark: plot.Shape(i), Line: plot.Solid, Points: byShape[s],
		})
	}
	c.Series = append(c.Series, halo)
	// A limit is a line when it is on the very statistic that the axis has.
	for _, l := range v.Plan.Limits {
		if l.Metric == f.XMetric && l.Stat == f.XStat {
			c.Rules = append(c.Rules, plot.Rule{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold, Vertical: true})
		}
	}
	return c, true
}
