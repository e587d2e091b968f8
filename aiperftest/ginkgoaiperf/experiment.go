package ginkgoaiperf

import (
	"math"
	"slices"
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
//
// The points of a sweep are all there. Of a search that found an answer they are the answer
// and the next load above it that missed: the others only led there.
func Experiment(o *recipes.Outcome) *gmeasure.Experiment {
	if o.Recipe == nil {
		return gmeasure.NewExperiment("nothing was measured")
	}
	e := gmeasure.NewExperiment("recipe " + o.Recipe.Name)
	e.RecordNote(report.Headline(o))
	for i := range o.Probes {
		if !tells(o, i) {
			continue
		}
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

// tells reports whether the point of the i-th probe is one of the experiment's.
func tells(o *recipes.Outcome, i int) bool {
	if o.Plan == nil || o.Plan.Search == nil || !o.Best.Found || len(o.Plan.Search.Objectives) > 1 {
		return true
	}
	answer, at := o.Probes[o.Best.Probe].Step.At, o.Probes[i].Step.At
	_, next := o.Boundary.Ends()
	return slices.Equal(at, answer) || len(at) == 1 && at[0] == next
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
