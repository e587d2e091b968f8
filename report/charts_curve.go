package report

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/plot"
)

// kneeChart shows the result of concurrency-ramp: the metric, what it was on the idle server,
// how far it may rise, and where it has risen by more.
func (v *view) kneeChart() (plot.Chart, bool) {
	k, ok := v.Knee()
	if !ok {
		return plot.Chart{}, false
	}
	name, unit := metricTitle(k.Metric, k.Stat)
	rise := digits(100*k.Threshold) + "%"
	// The rise is what the user gave; the limit is what it comes to in the unit of the
	// metric.
	limit := k.Baseline * (1 + k.Threshold)
	c := plot.Chart{
		Name: "degradation_knee", Title: fmt.Sprintf("Knee at concurrency %d: %s has risen by more than %s", k.Concurrency, name, rise),
		Caption: fmt.Sprintf("The knee is the first concurrency at which %s exceeds its value at concurrency %d by more than %s.", name,
			k.Lowest, rise),
		X: axisOf(recipes.PathConcurrency), Y: plot.Axis{Label: metricAxis(k.Metric, k.Stat), Zero: true},
		Rules: []plot.Rule{
			{Name: "baseline " + value(k.Baseline, unit), Color: plot.Quiet, At: k.Baseline},
			{Name: "+" + rise + ": " + value(limit, unit), Color: plot.Bad, At: limit},
		},
	}
	if k.Concurrency > 0 {
		c.Rules = append(c.Rules, plot.Rule{Name: fmt.Sprintf("knee: %d", k.Concurrency), Color: plot.Doubt, At: float64(k.Concurrency),
			Vertical: true})
	} else {
		c.Title = sentence(fmt.Sprintf("no knee: %s rises by less than %s up to concurrency %s", name, rise, digits(k.Highest)))
	}
	// What is apart here is not a verdict but the side of the knee's line.
	below := look{"within +" + rise, plot.Disc, plot.Good}
	above := look{"beyond it", plot.Cross, plot.Bad}
	points := map[look][]plot.Point{}
	line := plot.Series{Color: plot.Quiet, Line: plot.Solid}
	var ys []float64
	for _, p := range v.probes {
		x, ok := p.Stat(k.Metric, k.Stat)
		if !ok {
			continue
		}
		kind := below
		if x > limit {
			kind = above
		}
		pt := plot.Point{X: float64(p.Load.Concurrency), Y: x, Label: digits(float64(p.Load.Concurrency)),
			Tip: fmt.Sprintf("concurrency %d\n%s %s (%+.0f%%)", p.Load.Concurrency, name, value(x, unit), 100*(x/k.Baseline-1))}
		pt.Lo, pt.Hi = errorBar(p, k.Metric, k.Stat)
		points[kind] = append(points[kind], pt)
		line.Points = append(line.Points, plot.Point{X: pt.X, Y: pt.Y})
		ys = append(ys, x)
	}
	c.Y.Log = wide(ys)
	c.Series = []plot.Series{line}
	for _, kind := range []look{below, above} {
		c.Series = append(c.Series, plot.Series{Name: kind.name, Mark: kind.mark, Color: kind.color, Points: points[kind]})
	}
	return c, true
}

// errorBar is the 95% interval of a statistic at a probe of one trial, from its
// standard error on a log scale: latencies are skewed, and never negative. It is NaN
// where it is unknown.
func errorBar(p probe, tag, stat string) (lo, hi float64) {
	const z = 1.96
	v, ok := p.Stat(tag, stat)
	if !ok || len(p.Trials) != 1 {
		return math.NaN(), math.NaN()
	}
	// Several trials would need their spread, too, which the aggregate has.
	se, ok := p.Trials[0].Metrics[tag].SE[stat]
	if !ok || v <= 0 {
		return math.NaN(), math.NaN()
	}
	f := math.Exp(z * se / v)
	return v / f, v * f
}

// ttftChart shows the result of prefill-ttft-curve: TTFT over the prompt's length as measured,
// the fit, and how far the points lie from it.
func (v *view) ttftChart() (plot.Chart, bool) {
	f, ok := v.TTFTFit()
	if !ok {
		return plot.Chart{}, false
	}
	c := plot.Chart{
		Name: "prefill_ttft", Title: "TTFT over prompt length: no fit",
		Caption: f.Problem,
		X:       axisOf(recipes.PathISL), Y: plot.Axis{Label: "TTFT avg (ms)", Zero: true},
	}
	// A line is to look like one.
	c.X.Log, c.X.Zero = false, true
	points := plot.Series{Name: "measured", Mark: plot.Disc, Color: plot.Good}
	// ss is the sum of squared residuals, of the points that the curve has a value for.
	ss := 0.0
	for _, p := range v.probes {
		v, ok := p.Stat("ttft", "avg")
		if !ok {
			continue
		}
		said := fmt.Sprintf("%d tokens in: %s", p.Load.ISL, value(v, "ms"))
		if fit := f.At(float64(p.Load.ISL)); !math.IsNaN(fit) {
			ss += (v - fit) * (v - fit)
			said += fmt.Sprintf("\nfit %s", value(fit, "ms"))
		}
		pt := plot.Point{X: float64(p.Load.ISL), Y: v, Tip: said}
		pt.Lo, pt.Hi = errorBar(p, loadgen.TagTTFT, "avg")
		points.Points = append(points.Points, pt)
	}
	c.Series = []plot.Series{points}
	// Without a fit the points are shown all the same, and the caption says why there
	// is none.
	if f.Problem != "" || len(f.Coefficients) == 0 {
		return c, true
	}
	c.Title = equation(f) + fmt.Sprintf(", r² %.3f", f.RSquared)
	if !f.Confident {
		c.Title += " (low confidence)"
	}
	c.Caption = "Average TTFT of one request at a time, and the least-squares fit."
	curve := plot.Series{Name: "fit", Color: plot.Second, Line: plot.Solid}
	// The residual standard error has as many degrees of freedom as points are left
	// over by the coefficients; with none the fit goes through all of them.
	const steps = 60
	free := len(points.Points) - len(f.Coefficients)
	s := math.Sqrt(ss / float64(max(free, 1)))
	band := plot.Band{Name: "±2 residual standard errors", Color: plot.Second}
	for i := range steps + 1 {
		x := f.From + (f.To-f.From)*float64(i)/steps
		y := f.At(x)
		curve.Points = append(curve.Points, plot.Point{X: x, Y: y})
		band.Area = append(band.Area, plot.Range{X: x, Lo: max(y-2*s, 0), Hi: y + 2*s})
	}
	// A band from no degrees of freedom would look like certainty.
	if free > 0 {
		c.Bands = []plot.Band{band}
		c.Caption += fmt.Sprintf(" The band is twice the residual standard error, %s, either way.", value(s, "ms"))
	}
	c.Series = []plot.Series{curve, points}
	return c, true
}

// itlChart shows the result of decode-itl-curve as a map: ITL over concurrency and the answer's
// length.
func (v *view) itlChart() (plot.Chart, bool) {
	s, ok := v.ITLSurface()
	if !ok || len(s.ITL) == 0 {
		return plot.Chart{}, false
	}
	// The map has answer lengths up, concurrencies to the right, and the surface has them
	// the other way round.
	h := &plot.Heat{Unit: "ms", Format: digits}
	for _, v := range s.Concurrency {
		h.X = append(h.X, digits(v))
	}
	for j, v := range s.OSL {
		h.Y = append(h.Y, digits(v))
		var line []float64
		for i := range s.Concurrency {
			line = append(line, s.ITL[i][j])
		}
		h.Z = append(h.Z, line)
	}
	h.Tip = func(y, x int) string {
		return fmt.Sprintf("concurrency %s, OSL %s\nITL avg %s", h.X[x], h.Y[y], value(h.Z[y][x], "ms"))
	}
	return plot.Chart{
		Name: "decode_itl", Title: "ITL avg (ms) over concurrency and answer length", Heat: h,
		Caption: "Average inter-token latency in ms, as measured. A hatched cell was not measured.",
		X:       plot.Axis{Label: "concurrency (requests in flight)"}, Y: plot.Axis{Label: "answer length, OSL (tokens)"},
	}, true
}
