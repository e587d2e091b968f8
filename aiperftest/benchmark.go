package aiperftest

import (
	"sync"
	"testing"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// benchmark is a *testing.B, or what stands for one.
type benchmark interface {
	ReportMetric(n float64, unit string)
}

// benchUnits are the metrics of a benchmark line. benchstat scales units that end
// in -ns to seconds and takes any other as it is, so latencies are in
// nanoseconds; that also keeps their digits, of which testing prints four behind
// the point and none of large numbers.
var benchUnits = []struct {
	metric, stat, unit string
	scale              float64 // from the metric's display unit
}{
	{"ttft", "p50", "ttft-p50-ns", 1e6},
	{"ttft", "p95", "ttft-p95-ns", 1e6},
	{"itl", "p95", "itl-p95-ns", 1e6},
	{"e2e", "p95", "e2e-p95-ns", 1e6},
	{"throughput", "avg", "out-tok/s", 1},
	{"req-rate", "avg", "req/s", 1},
	{"goodput", "avg", "good-req/s", 1},
	{"errors", "avg", "errors-%", 1},
}

// benchCapacity is the answer of a search. It is its only metric: a search stops
// at another load each time, and latencies at different loads do not compare.
const benchCapacity = "max-concurrency"

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
	p := report.Shown(o)
	switch {
	case p == nil:
	case len(o.Plan.Scenarios) != 1:
		if o.Best.Found {
			add(benchCapacity, float64(o.Best.Concurrency()))
		}
	default:
		for _, u := range benchUnits {
			if v, ok := p.Stat(u.metric, u.stat); ok {
				add(u.unit, v*u.scale)
			}
		}
	}
}

// quiet reports whether a run is to say only what went wrong. A benchmark prints
// its log with and without -v, between the lines of results.
func quiet(t T) bool {
	_, ok := t.(benchmark)
	return ok && testing.Testing() && !testing.Verbose()
}
