package report

import (
	"context"

	"github.com/aiperf-go/aiperf/loadgen"
)

// formula is a prober whose numbers are a function of the load.
type formula struct {
	wobble func(trial int) float64 // by how much a measurement is off; nil: not at all
	trials map[int]int
}

func (f formula) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	c, off := float64(l.Concurrency), 1.0
	if f.wobble != nil {
		off = f.wobble(f.trials[l.Concurrency])
		f.trials[l.Concurrency]++
	}
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{}}
	set := func(tag, unit string, stats map[string]float64) {
		m.Metrics[tag] = loadgen.Metric{Unit: unit, Stats: stats}
	}
	one := func(v float64) map[string]float64 { return map[string]float64{"avg": v} }
	ttft := (20 + c*1.3) * off
	set(loadgen.TagTTFT, "ms", map[string]float64{"avg": ttft, "p95": ttft * 1.2, "p99": ttft * 1.3, "count": 300})
	set(loadgen.TagLatency, "ms", map[string]float64{"p99": 1000 + 10*c})
	set(loadgen.TagTokenRate, "tokens/sec", one(8000*c/(c+200)*off))
	set(loadgen.TagReqRate, "requests/sec", one(60*c/(c+200)*off))
	set(loadgen.TagErrorRate, "%", one(0))
	set(loadgen.TagCompleted, "requests", one(300))
	set(loadgen.TagCount, "requests", one(300))
	set(loadgen.TagErrors, "requests", one(0))
	return m, nil
}
