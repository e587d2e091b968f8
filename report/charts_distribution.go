package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report/plot"
)

// shares are the percentiles of a distribution's curve: each has as much room as
// the next, since it is the upper ones that limits are on.
var shares = []string{"min", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "max"}

// apart are colours for up to three curves, none that of an SLA line.
var apart = [...]plot.Color{plot.First, plot.Third, plot.Sixth}

// distributionChart shows a latency's percentiles at the answer, and beside it
// at the next point that missed, or at the ends of a sweep.
func distributionChart(o *recipes.Outcome, metric string) (plot.Chart, bool) {
	name, _ := titleOf(metric, "avg")
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
	for n, i := range telling(o) {
		p := &o.Probes[i]
		s := plot.Series{Name: place(o, i), Color: apart[n], Mark: plot.Shape(n), Line: plot.Solid}
		for k, share := range shares {
			v, ok := p.Stat(metric, share)
			if !ok {
				continue
			}
			s.Points = append(s.Points, plot.Point{X: float64(k), Y: v, Tip: fmt.Sprintf("%s\n%s %s %s", place(o, i), name, share, value(v, "ms"))})
			all = append(all, v)
		}
		if len(s.Points) > 1 {
			c.Series = append(c.Series, s)
		}
	}
	if len(c.Series) == 0 {
		return c, false
	}
	for _, l := range o.Plan.Limits {
		if short, _ := titleOf(l.Metric, "p50"); short == name+" p50" && l.Unit() == "ms" {
			c.Rules = append(c.Rules, plot.Rule{Name: "SLA " + l.String(), Color: plot.Bad, At: l.Threshold})
			all = append(all, l.Threshold)
		}
	}
	c.Y.Log = wide(all)
	return c, true
}

// telling are the probes whose distributions say most: the answer and what lies
// just beyond it; of a sweep its ends and its middle.
func telling(o *recipes.Outcome) []int {
	n := len(o.Probes)
	if n == 0 {
		return nil
	}
	if !o.Best.Found {
		var out []int
		for _, i := range []int{0, n / 2, n - 1} {
			if !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
		return out
	}
	out := []int{o.Best.Probe}
	if len(o.Plan.Paths()) != 1 {
		return out
	}
	beyond := -1
	for i := range o.Probes {
		at := o.Probes[i].Step.At[0]
		if at > o.Probes[o.Best.Probe].Step.At[0] && classOf(o, &o.Probes[i]) == misses && (beyond < 0 || at < o.Probes[beyond].Step.At[0]) {
			beyond = i
		}
	}
	if beyond >= 0 {
		out = append(out, beyond)
	}
	return out
}

// place names a probe by the point it measured.
func place(o *recipes.Outcome, i int) string {
	s := ""
	for k, path := range o.Plan.Paths() {
		if k > 0 {
			s += ", "
		}
		s += sweep.Leaf(path) + " " + digits(o.Probes[i].Step.At[k])
	}
	return s
}
