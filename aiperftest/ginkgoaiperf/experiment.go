package ginkgoaiperf

import (
	"math"
	"time"

	"github.com/onsi/gomega/gmeasure"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
)

// Experiment turns a run into a gmeasure experiment, to be added to a report,
// cached, or compared with RankStats. Each metric at each point is a
// measurement, named as "ttft p95 at concurrency 64"; its samples are the
// point's trials, all visits together. Latencies are durations, the others
// values with units. What a point does not have, it has no measurement of.
func Experiment(o *recipes.Outcome) *gmeasure.Experiment {
	if o.Recipe == nil {
		return gmeasure.NewExperiment("nothing was measured")
	}
	e := gmeasure.NewExperiment("recipe " + o.Recipe.Name)
	e.RecordNote(report.Headline(o))
	for i := range o.Probes {
		at := report.Point(o, i)
		for _, m := range metrics(o) {
			for _, trial := range o.Probes[i].Trials {
				one := recipes.Probe{Trials: []*loadgen.Measurement{trial}}
				if v, ok := one.Stat(m.Metric, m.Stat); ok && !math.IsInf(v, 0) {
					record(e, m.Name()+" at "+at, v, m.Unit())
				}
			}
		}
	}
	return e
}

// metrics lists what is recorded of a point: what the probe table shows, and
// what the limits are on.
func metrics(o *recipes.Outcome) []sla.Limit {
	var out []sla.Limit
	seen := map[string]bool{}
	add := func(l sla.Limit) {
		if name := l.Name(); !seen[name] {
			seen[name] = true
			out = append(out, l)
		}
	}
	for _, text := range []string{"ttft:p95", "itl:p95", "e2e:p99", "throughput:avg", "req-rate:avg", "errors:avg"} {
		if l, err := sla.ParseLimit(text + ":le:1"); err == nil {
			add(l)
		}
	}
	if o.Plan != nil {
		for _, l := range o.Plan.Limits {
			add(l)
		}
	}
	return out
}

func record(e *gmeasure.Experiment, name string, v float64, unit string) {
	if unit == "ms" {
		d := time.Duration(math.Round(v * float64(time.Millisecond)))
		e.RecordDuration(name, d, gmeasure.Precision(time.Microsecond))
		return
	}
	e.RecordValue(name, v, gmeasure.Units(unit), gmeasure.Precision(3))
}
