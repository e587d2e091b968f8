package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/report/plot"
)

// gpuChart shows throughput of a GPU against the speed that each user sees, a curve for each
// shape of the workload: what a fleet gives away for speed. Both are better the higher they are,
// so that the front runs from the upper left to the lower right. A ring marks what no other
// point beats in both, whatever its shape.
//
// Points that cannot be trusted are left out. A single point has nothing to trade, and without
// event streams there is no speed.
func (v *view) gpuChart() (plot.Chart, bool) {
	c := plot.Chart{
		Name: "gpu_pareto", Title: "Throughput of a GPU against the speed of a user",
		Caption: "One point a probe, its " + v.dimension() + " beside it; up and to the right is better. " +
			"A ring marks what no other point beats in both.",
		X: plot.Axis{Label: "output throughput per user (tok/s)"},
		Y: plot.Axis{Label: "output throughput per GPU (tok/s)", Zero: true},
	}
	type shape struct{ isl, osl int }
	var order []shape
	points := map[shape][]plot.Point{}
	var all []trade
	for _, p := range v.probes {
		x, okX := p.Stat(loadgen.TagPerUser, "avg")
		y, okY := p.Stat(loadgen.TagPerGPU, "avg")
		if !okX || !okY || p.silent() {
			continue
		}
		s := shape{p.Load.ISL, p.Load.OSL}
		if !slices.Contains(order, s) {
			order = append(order, s)
		}
		tip := fmt.Sprintf("%s\n%s a GPU, %s a user", v.tip(p), value(y, "tok/s"), value(x, "tok/s"))
		if cost, ok := p.Stat(loadgen.TagCost, "avg"); ok {
			tip += "\n" + digits(cost) + " per million output tokens"
		}
		points[s] = append(points[s], plot.Point{X: x, Y: y, Label: digits(p.Load.Level()), Tip: tip})
		all = append(all, trade{x, y})
	}
	if len(all) < 2 {
		return c, false
	}
	for i, s := range order {
		name := "measured"
		if len(order) > 1 {
			name = fmt.Sprintf("%d in / %d out", s.isl, s.osl)
		}
		curve := points[s]
		slices.SortStableFunc(curve, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
		c.Series = append(c.Series, plot.Series{Name: name, Color: plot.Curve(i), Mark: plot.Shape(i), Line: plot.Solid, Points: curve})
	}
	halo := plot.Series{Name: "Pareto-optimal", Mark: plot.Halo, Color: plot.Ink}
	for _, t := range frontOf(all, true, false) {
		halo.Points = append(halo.Points, plot.Point{X: t.x, Y: t.y})
	}
	c.Series = append(c.Series, halo)
	return c, true
}
