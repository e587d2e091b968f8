package recipes

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// frontier is pareto_sweep.json.
type frontier struct {
	XMetric string         `json:"x_metric"`
	XStat   string         `json:"x_stat"`
	YMetric string         `json:"y_metric"`
	YStat   string         `json:"y_stat"`
	Cells   []frontierCell `json:"cells"`
}

type frontierCell struct {
	ISL         int  `json:"isl"`
	OSL         int  `json:"osl"`
	Concurrency int  `json:"concurrency"`
	X           num  `json:"x"`
	Y           num  `json:"y"`
	Optimal     bool `json:"pareto_optimal"`
}

// exportPareto marks the points that none beats with less x and more y, over all
// shapes together. Equal points do not beat each other; one with a value that is
// not finite is never marked, and beats none.
func exportPareto(a *Aggregate, from map[string]any) (any, error) {
	var f frontier
	var isl, osl, concurrency string
	if err := texts(handlerPareto, from, map[string]*string{
		"x_metric": &f.XMetric, "x_stat": &f.XStat, "y_metric": &f.YMetric, "y_stat": &f.YStat,
		"isl_key": &isl, "osl_key": &osl, "concurrency_key": &concurrency,
	}); err != nil {
		return nil, err
	}
	var points [][]float64
	for i := range a.Rows {
		row := &a.Rows[i]
		x, okX := row.Stat(f.XMetric, f.XStat)
		y, okY := row.Stat(f.YMetric, f.YStat)
		in, okIn := row.Param(isl)
		out, okOut := row.Param(osl)
		c, okC := row.Param(concurrency)
		if !okX || !okY || !okIn || !okOut || !okC || !finite(in) || !finite(out) || !finite(c) {
			continue
		}
		f.Cells = append(f.Cells, frontierCell{
			ISL: int(math.Trunc(in)), OSL: int(math.Trunc(out)), Concurrency: int(math.Trunc(c)), X: num(x), Y: num(y),
		})
		points = append(points, []float64{x, y})
	}
	if len(points) == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has %s, %s and %s with %s %s and %s %s; were all its requests failed, or not streamed?",
			handlerPareto, isl, osl, concurrency, f.XMetric, f.XStat, f.YMetric, f.YStat)
	}
	for i, optimal := range plan.Pareto([]plan.Goal{{Maximize: false}, {Maximize: true}}, points) {
		f.Cells[i].Optimal = optimal
	}
	return f, nil
}
