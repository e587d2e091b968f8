package report

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/report/plot"
)

// A probe may be cut into slices of time: each trial then has AIPerf's two files of them, and
// the probe that is shown a chart. They are made while the probe's requests are still there,
// and the chart is drawn at the end of the run from what was kept.

// slicesJSON writes profile_export_aiperf_timeslices.json of one trial: a block a metric, as
// in profile_export_aiperf.json, in an object a slice:
//
//	"timeslices": [
//	    {"timeslice_index": 0, "time_to_first_token": {"unit": "ms", "avg": 45.2, "p95": 70.1, …}, …},
//	    {"timeslice_index": 1, …}
//	]
func (v *view) slicesJSON(w io.Writer, i, trial int, parts []*loadgen.Measurement) error {
	out := []object{}
	for k, p := range parts {
		slice := object{"timeslice_index": k}
		for tag, m := range p.Metrics {
			slice[tag] = block(m)
		}
		out = append(out, slice)
	}
	return writeJSON(w, object{"timeslices": out, "input_config": v.inputConfig(i, trial)})
}

// slicesCSV writes profile_export_aiperf_timeslices.csv of one trial: a line a slice, metric
// and statistic, with two decimals.
func slicesCSV(w io.Writer, parts []*loadgen.Measurement) error {
	c := newCSV(w)
	c.row("Timeslice", "Metric", "Unit", "Stat", "Value")
	for k, p := range parts {
		for _, tag := range slices.Sorted(maps.Keys(p.Metrics)) {
			m := p.Metrics[tag]
			for _, stat := range csvStats {
				if n := csvNumber(m, stat); n != "" {
					c.row(fmt.Sprint(k), csvName(tag, ""), m.Unit, stat, n)
				}
			}
		}
	}
	return c.done()
}

// timeline is what a chart needs of the slices of one trial. It is kept to the end of the run,
// where the requests are not, and has three numbers a slice.
type timeline struct {
	// length is that of a slice.
	length time.Duration
	// values has one entry a slice for each of the metrics of timelines, NaN where there is
	// none.
	values map[loadgen.Tag][]float64
}

// timelines are the curves of the chart over time, and the statistic that each shows.
var timelines = []struct {
	metric loadgen.Tag
	stat   string
}{{loadgen.TagTTFT, "p95"}, {loadgen.TagTokenRate, "avg"}, {loadgen.TagWaiting, "avg"}}

// timelineOf keeps of some slices what the chart shows.
func timelineOf(parts []*loadgen.Measurement, length time.Duration) timeline {
	t := timeline{length: length, values: map[loadgen.Tag][]float64{}}
	for _, c := range timelines {
		for _, p := range parts {
			x, ok := p.Stat(c.metric, c.stat)
			if !ok {
				x = math.NaN() // no request started in it, as between two parts of the window
			}
			t.values[c.metric] = append(t.values[c.metric], x)
		}
	}
	return t
}

// timelineChart shows TTFT, throughput and requests waiting over the time of the probe that is
// shown, each as a multiple of its own mean: what matters is whether they stay. The numbers
// themselves are in the tips.
func (v *view) timelineChart(kept map[int]timeline) (plot.Chart, bool) {
	p := v.shown()
	if p == nil {
		return plot.Chart{}, false
	}
	t := kept[p.index]
	c := plot.Chart{
		Name: "timeline", Title: sentence(fmt.Sprintf("over the time of the probe at %v", p.Load)),
		Caption: "Each curve as a multiple of its own mean over the slices; level curves are a steady probe.",
		X:       plot.Axis{Label: "time since the window opened (s)", Zero: true}, Y: plot.Axis{Label: "multiple of the mean", Zero: true},
	}
	for k, curve := range timelines {
		values, sum, n := t.values[curve.metric], 0.0, 0.0
		for _, x := range values {
			if !math.IsNaN(x) {
				sum, n = sum+x, n+1
			}
		}
		mean := sum / n
		if n < 2 || mean <= 0 {
			continue
		}
		name, unit := metricTitle(curve.metric, curve.stat)
		s := plot.Series{Name: name, Color: apart[k], Mark: plot.Shape(k), Line: plot.Solid}
		for i, x := range values {
			if math.IsNaN(x) {
				continue
			}
			at := (float64(i) + 0.5) * t.length.Seconds()
			s.Points = append(s.Points, plot.Point{X: at, Y: x / mean, Tip: fmt.Sprintf("%s %s\nat %ss", name, value(x, unit), digits(at))})
		}
		c.Series = append(c.Series, s)
	}
	return c, len(c.Series) > 0
}
