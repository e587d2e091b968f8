package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/report/bench"
	past "github.com/aiperf-go/aiperf/report/history"
	"github.com/aiperf-go/aiperf/report/plot"
)

// A history is drawn a metric a chart, in the unit in which the metric is printed, over the
// number of the run and not over its time: nights without a run would be gaps, and five runs of
// one afternoon a single spot. The dates are the axis' ticks. Levels and their changes are those
// of package report/history, over the runs that are drawn, so that what a chart shows is what
// its rule works with.

// pastRuns is how many runs a chart of a history shows, and pastCharts how many charts there
// are at most.
const pastRuns, pastCharts = 60, 8

// change is a change of the level of a metric in a history, as Changes of package history finds
// it. It says when, and by how much, and not why: the facts of the first run of the new level,
// its commit above all, are what to look at.
type change struct {
	point, unit string
	// first is the first run of the new level, and before and after are the two levels, which
	// are geometric means.
	first         past.Run
	before, after float64
}

// pastMetric is a metric of a history with its values, newest last. Runs that did not measure
// it, for example because their recipe had other points then, are left out, and so are all but
// the last pastRuns.
type pastMetric struct {
	bench.Series
	// values has one value a run of runs, which are indexes of the trend's.
	values []float64
	runs   []int
	// starts are the indexes of values at which a level begins, from 0.
	starts []int
}

// pastMetrics are what the charts of a history show: what is judged first, then what everybody
// wants to know of a fixed load; at most pastCharts. A metric of zero has no logarithm, and no
// changes of level: the share of errors is drawn nowhere, since it is zero in every good run.
func (v *view) pastMetrics() []pastMetric {
	now := v.trend.Runs[len(v.trend.Runs)-1]
	var chosen []bench.Series
	add := func(take func(bench.Series) bool) {
		for _, s := range now.Series {
			have := slices.ContainsFunc(chosen, func(c bench.Series) bool { return c.Point == s.Point && c.Unit == s.Unit })
			if !have && len(chosen) < pastCharts && take(s) {
				chosen = append(chosen, s)
			}
		}
	}
	add(func(s bench.Series) bool {
		return slices.ContainsFunc(v.trend.Moves, func(m past.Move) bool { return m.Point == s.Point && m.Unit == s.Unit })
	})
	add(func(s bench.Series) bool { return bench.Answers(s.Unit) })
	for _, name := range []string{"ttft p95", "itl p95", "e2e p95", "tok/s", "req/s"} {
		unit, _ := bench.UnitOf(name)
		add(func(s bench.Series) bool { return s.Unit == unit })
	}
	var out []pastMetric
	for _, s := range chosen {
		m := pastMetric{Series: s}
		m.values, m.runs = v.trend.Values(s.Point, s.Unit)
		from := max(0, len(m.values)-pastRuns)
		m.values, m.runs = m.values[from:], m.runs[from:]
		lns := make([]float64, len(m.values))
		for i, x := range m.values {
			lns[i] = math.Log(x)
		}
		m.starts = []int{0}
		if !slices.ContainsFunc(lns, func(x float64) bool { return !finite(x) }) {
			m.starts = append(m.starts, past.Changes(lns)...)
		}
		out = append(out, m)
	}
	return out
}

// level is the geometric mean of the k-th stretch, in the unit of the values. It is the mean that
// the rule compares with, and a run that is twice as slow pulls it up less than it would an
// arithmetic one.
func (m *pastMetric) level(k int) float64 {
	end := len(m.values)
	if k+1 < len(m.starts) {
		end = m.starts[k+1]
	}
	sum := 0.0
	for _, x := range m.values[m.starts[k]:end] {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(end-m.starts[k]))
}

// levelChanges are the changes of level of what the charts show, newest first. A change of the
// server shows in several metrics, often one run apart, and has a row in each: which of them
// moved, and which did not, is what tells a slower prefill from a slower decode.
func (v *view) levelChanges(metrics []pastMetric) []change {
	var out []change
	for i := range metrics {
		m := &metrics[i]
		for k := 1; k < len(m.starts); k++ {
			out = append(out, change{m.Point, m.Unit, v.trend.Runs[m.runs[m.starts[k]]], m.level(k - 1), m.level(k)})
		}
	}
	slices.SortStableFunc(out, func(a, b change) int { return b.first.Time.Compare(a.first.Time) })
	return out
}

// pastLooks are how the runs of a history are drawn, by what they are to later ones. They differ in
// shape as well, as looks do.
var pastLooks = map[past.Mark]look{
	past.Plain:    {"a run", plot.Disc, plot.Good},
	past.Accepted: {"a new level, accepted", plot.Ring, plot.Doubt},
	past.Worse:    {"worse than those before it", plot.Cross, plot.Bad},
}

// pastChart shows one metric over the runs of a history, with its levels and their changes, and
// where it is judged, with the value beyond which a single run fails. A point's tip has the day,
// the value, the verdict and the facts of its run. The axis begins at zero only for what is zero
// somewhere: changes of a few percent are what is looked for.
func (v *view) pastChart(m pastMetric) plot.Chart {
	name, unit, divisor := bench.Describe(m.Unit)
	at, title := "", sentence(name)
	if m.Point != "" {
		at = "-" + m.Point
		title += " at " + m.Point
	}
	label := name
	if unit != "" {
		label += " (" + unit + ")"
	}
	c := plot.Chart{
		Name: Safe("history-" + m.Unit + at), Title: title + " over the last " + plural(len(m.values), "run"),
		Caption: "One point a run, the median of its trials. The lines are levels; an upright line is where a level changed, " +
			"by a test with a chance of 1% at most of a change that is none.",
		X: plot.Axis{Label: "run"}, Y: plot.Axis{Label: label, Zero: slices.Min(m.values) == 0},
	}
	points := map[past.Mark][]plot.Point{}
	for i, x := range m.values {
		r := v.trend.Runs[m.runs[i]]
		tip := fmt.Sprintf("%s\n%s %s\n%s", r.Time.Format("2 January 2006, 15:04 UTC"), name, value(x/divisor, unit), markWord(r))
		if facts := v.redact(runFacts(r)); facts != "" {
			tip += "\n" + facts
		}
		mark := r.Mark
		if _, known := pastLooks[mark]; !known {
			mark = past.Plain
		}
		points[mark] = append(points[mark], plot.Point{X: float64(i + 1), Y: x / divisor, Tip: tip})
	}
	for k, start := range m.starts {
		end := len(m.values)
		if k+1 < len(m.starts) {
			end = m.starts[k+1]
		}
		y := m.level(k) / divisor
		ends := []plot.Point{{X: float64(start) + 0.6, Y: y}, {X: float64(end) + 0.4, Y: y}}
		s := plot.Series{Color: plot.Quiet, Line: plot.Solid, Points: ends}
		if finite(y) {
			c.Series = append(c.Series, s)
		}
		if k > 0 {
			c.Rules = append(c.Rules, plot.Rule{Name: fmt.Sprintf("%+.1f%%", 100*(m.level(k)/m.level(k-1)-1)), Color: plot.Doubt,
				At: float64(start) + 0.5, Vertical: true})
		}
	}
	for _, mark := range []past.Mark{past.Plain, past.Accepted, past.Worse} {
		k := pastLooks[mark]
		if len(points[mark]) > 0 {
			c.Series = append(c.Series, plot.Series{Name: k.name, Mark: k.mark, Color: k.color, Points: points[mark]})
		}
	}
	for _, move := range v.trend.Moves {
		if move.Point == m.Point && move.Unit == m.Unit {
			c.Rules = append(c.Rules, plot.Rule{Name: "fails beyond " + value(move.Bound/divisor, unit), Color: plot.Bad, At: move.Bound / divisor})
		}
	}
	c.X.Ticks = v.dates(m)
	return c
}

// dates are the ticks of a history's axis: at most six days, evenly over the runs, and of
// several runs of one day the first alone.
func (v *view) dates(m pastMetric) []plot.Tick {
	const most = 6
	n := len(m.runs)
	var out []plot.Tick
	for k := range min(most, n) {
		i := k
		if n > most {
			i = k * (n - 1) / (most - 1)
		}
		if label := v.trend.Runs[m.runs[i]].Time.Format("2 Jan 2006"); k == 0 || out[len(out)-1].Label != label {
			out = append(out, plot.Tick{At: float64(i + 1), Label: label})
		}
	}
	return out
}
