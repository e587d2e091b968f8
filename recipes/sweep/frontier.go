package sweep

import (
	"encoding/json"
	"fmt"
	"math"
)

// FrontierRule marks the points of a sweep that no other point beats on two metrics.
// It gives the result of pareto-sweep.
type FrontierRule struct {
	// XMetric, by tag, with XStat is the quantity of which less is better; YMetric
	// with YStat is the one of which more is better.
	XMetric string `json:"x_metric"`
	XStat   string `json:"x_stat"`
	YMetric string `json:"y_metric"`
	YStat   string `json:"y_stat"`
	// ISL, OSL and Concurrency are the paths of the swept values, or their leaves.
	ISL         string `json:"isl_key"`
	OSL         string `json:"osl_key"`
	Concurrency string `json:"concurrency_key"`
}

// Frontier is a trade of x, of which less is better, against y, of which more is.
type Frontier struct {
	// The metrics go by tag.
	XMetric, XStat, YMetric, YStat string
	// Cells has every point with all five values, in the order of the sweep.
	Cells []FrontierCell
}

// FrontierCell is one point of a Frontier.
type FrontierCell struct {
	// ISL and OSL are in tokens, Concurrency in requests in flight.
	ISL, OSL, Concurrency int
	// X and Y are in the display units of their metrics.
	X, Y float64
	// Optimal says that no other point is at least as good on both axes and better
	// on one. It is false for a point with a value that is not finite.
	Optimal bool
}

// Name returns AIPerf's name of the handler.
func (FrontierRule) Name() string { return "pareto_sweep_export" }

// File returns AIPerf's name of the file.
func (FrontierRule) File() string { return "pareto_sweep.json" }

// Derive returns a Frontier over all workload shapes together. Equal points do not
// beat each other. A point with a value that is not finite is never marked, and beats
// no other. It is an error if no point has all five values.
func (r FrontierRule) Derive(s *Sweep) (Result, error) {
	if err := need(r.Name(), quantity{r.XMetric, r.XStat}, quantity{r.YMetric, r.YStat}); err != nil {
		return nil, err
	}
	if err := needPaths(r.Name(), r.ISL, r.OSL, r.Concurrency); err != nil {
		return nil, err
	}
	f := Frontier{XMetric: r.XMetric, XStat: r.XStat, YMetric: r.YMetric, YStat: r.YStat}
	for i := range s.Points {
		p := &s.Points[i]
		x, okX := p.Stat(r.XMetric, r.XStat)
		y, okY := p.Stat(r.YMetric, r.YStat)
		in, okIn := p.Param(r.ISL)
		out, okOut := p.Param(r.OSL)
		c, okC := p.Param(r.Concurrency)
		if !okX || !okY || !okIn || !okOut || !okC || !finite(in) || !finite(out) || !finite(c) {
			continue
		}
		f.Cells = append(f.Cells, FrontierCell{
			ISL: int(math.Trunc(in)), OSL: int(math.Trunc(out)), Concurrency: int(math.Trunc(c)), X: x, Y: y,
		})
	}
	if len(f.Cells) == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has %s, %s and %s with %s %s and %s %s; "+
			"did every request fail, or were the answers not streamed?",
			r.Name(), r.ISL, r.OSL, r.Concurrency, r.XMetric, r.XStat, r.YMetric, r.YStat)
	}
	for i := range f.Cells {
		f.Cells[i].Optimal = f.optimal(f.Cells[i])
	}
	return f, nil
}

// optimal reports whether no other cell is at least as good on both axes and
// better on one.
func (f Frontier) optimal(c FrontierCell) bool {
	if !finite(c.X) || !finite(c.Y) {
		return false
	}
	for _, o := range f.Cells {
		if finite(o.X) && finite(o.Y) && o.X <= c.X && o.Y >= c.Y && (o.X < c.X || o.Y > c.Y) {
			return false
		}
	}
	return true
}

// MarshalJSON writes pareto_sweep.json.
func (f Frontier) MarshalJSON() ([]byte, error) {
	type cell struct {
		ISL         int  `json:"isl"`
		OSL         int  `json:"osl"`
		Concurrency int  `json:"concurrency"`
		X           num  `json:"x"`
		Y           num  `json:"y"`
		Optimal     bool `json:"pareto_optimal"`
	}
	cells := []cell{}
	for _, c := range f.Cells {
		cells = append(cells, cell{c.ISL, c.OSL, c.Concurrency, num(c.X), num(c.Y), c.Optimal})
	}
	return json.Marshal(object{{"x_metric", f.XMetric}, {"x_stat", f.XStat}, {"y_metric", f.YMetric}, {"y_stat", f.YStat}, {"cells", cells}})
}
