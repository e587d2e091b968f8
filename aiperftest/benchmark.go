package aiperftest

import (
	"sync"
	"testing"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
	"github.com/aiperf-go/aiperf/report/bench"
)

// benchmark is a *testing.B, or what stands for one.
type benchmark interface {
	ReportMetric(n float64, unit string)
}

// benchmarks has the runs of each benchmark so far, by its T. A loop calls Run
// several times, and ReportMetric keeps the last value: the mean is reported.
var benchmarks sync.Map

// means sums what the runs of one benchmark measured.
type means struct {
	mu  sync.Mutex
	sum map[string]float64
	n   map[string]float64
}

// reportMetrics adds a run to the line of the benchmark that it is in, if it is
// in one. The time of an iteration is that of the whole run, ramps and searches
// included, and says nothing of the server: ns/op is suppressed.
func reportMetrics(t T, o *recipes.Outcome) {
	b, ok := t.(benchmark)
	if !ok {
		return
	}
	v, earlier := benchmarks.LoadOrStore(t, &means{sum: map[string]float64{}, n: map[string]float64{}})
	if !earlier {
		t.Cleanup(func() { benchmarks.Delete(t) })
	}
	m := v.(*means)
	m.mu.Lock()
	defer m.mu.Unlock()
	add := func(unit string, v float64) {
		m.sum[unit] += v
		m.n[unit]++
		b.ReportMetric(m.sum[unit]/m.n[unit], unit)
	}
	b.ReportMetric(0, "ns/op")
	for _, v := range bench.Line(o, report.Shown(o)) {
		add(v.Unit, v.Value)
	}
}

// quiet reports whether a run is to say only what went wrong. A benchmark prints
// its log with and without -v, between the lines of results.
func quiet(t T) bool {
	_, ok := t.(benchmark)
	return ok && testing.Testing() && !talkTo(t).told
}
