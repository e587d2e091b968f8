package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// concurrencyRamp finds the concurrency at which latency leaves its value on the idle
// server. It measures 8 log-spaced concurrencies from 1 to 1,000 and reports the first
// at which p99 of the latency is more than 20% above that of the lowest. The defaults
// are AIPerf's. AIPerf compares averages under the name of p99; this rule compares the
// statistic that it names.
var concurrencyRamp = &Recipe{
	Name:  "concurrency-ramp",
	Doc:   "first concurrency at which p99 latency has risen by more than a share over that of the lowest",
	Uses:  []Input{inputSLA, inputAtLeast, inputConcurrency, inputSteps, inputDegradation},
	Axes:  Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		rule := sweep.KneeRule{
			Metric: loadgen.TagLatency, Stat: "p99", Path: PathConcurrency, Threshold: valueOr(in.Degradation, 0.20),
		}
		if in.DegradationMetric != "" {
			m, err := sla.Quantity(in.DegradationMetric, "avg")
			if err != nil {
				return nil, wrong(inputDegradation, "%v", err)
			}
			rule.Metric = m.Tag
		}
		if in.DegradationStat != "" {
			rule.Stat = in.DegradationStat
		}
		if err := rule.CheckStat(); err != nil {
			return nil, wrong(inputDegradation, "%v", err)
		}
		if m, _ := loadgen.LookupMetric(rule.Metric); m.Streamed {
			if err := needsStream(in, m.Name()); err != nil {
				return nil, err
			}
		}
		a, err := logAxis(PathConcurrency, inputConcurrency, in.Concurrency, 1, 1000, in.Steps, 8)
		if err != nil {
			return nil, err
		}
		return &Plan{Grid: []Axis{a}, Limits: in.Limits, Derive: rule}, nil
	},
}
