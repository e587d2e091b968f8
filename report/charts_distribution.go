package report

import (
	"fmt"
	"strings"

	"github.com/aiperf-go/aiperf/report/plot"
)

// shares are the x axis: the percentiles of a distribution's curve: each has as much room as
// the next, since it is the upper ones that limits are on.
var shares = []string{"min", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "max"}

// apart are colours for up to three curves, none that of an SLA line.
var apart = [...]plot.Color{plot.First, plot.Third, plot.Sixth}

// distributionChart shows a latency's percentiles at the answer, and beside it
// at the next point that missed, or at the ends of a sweep. The metric goes by its
// short name.
func (v *view) distributionChart(metric string) (plot.Chart, bool) {
	name, _ := metricTitle(metric, "avg")
	name = strings.TrimSuffix(name, " avg")
	c := plot.Chart{
		Name: "distribution_" + metric, Title: sentence("distribution of " + name),
		Caption: "Percentiles of the successful requests.",
		X:       plot.Axis{Label: "percentile of requests"}, Y: plot.Axis{Label: name + " (ms)", Zero: true},
	}
	for i, s := range shares {
		c.X.Ticks = append(c.X.Ticks, plot.Tick{At: float64(i), Label: s})
	}
	var all []float64
	for n, p := range v.telling() {
		s := plot.Series{Name: v.place(p), Color: apart[n], Mark: plot.Shape(n), Line: plot.Solid}
		for k, share := range shares {
			x, ok := p.Stat(metric, share)
			if !ok {
				continue
			}
			tip := fmt.Sprintf("%s\n%s %s %s", v.place(p), name, share, value(x, "ms"))
			s.Points = append(s.Points, plot.Point{X: float64(k), Y: x, Tip: tip})
			all = append(all, x)
		}
		if len(s.Points) > 1 {
			c.Series = append(c.Series, s)
		}
	}
	if len(c.Series) == 0 {
		return c, false
	}
	// Each limit on the metric is a line, whatever its statistic: where the curve
	// crosses it, that share of the requests is slower.
	for _, l := range v.Plan.Limits {
		if short, _ := metricTitle(l.Metric, "p50"); short == name+" p50" && l.Unit() == "ms" {
			c.Rules = append(c.Rules, plot.Rule{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold})
			all = append(all, l.Threshold)
		}
	}
	c.Y.Log = wide(all)
	return c, true
}
