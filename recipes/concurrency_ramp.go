package recipes

import (
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
)

// concurrencyRamp answers: the concurrency at which latency leaves what it is on
// the idle server.
var concurrencyRamp = &Recipe{
	Name:  "concurrency-ramp",
	Doc:   "first concurrency at which p99 latency has risen by more than a share over that of the lowest",
	Uses:  []Input{inputSLA, inputAtLeast, inputConcurrency, inputSteps, inputDegradation},
	Axes:  Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		const name = "concurrency-ramp"
		tag, stat := loadgen.TagLatency, "p99"
		if in.DegradationMetric != "" {
			m, ok := metricOf(in.DegradationMetric)
			if !ok {
				return nil, wrong(name, inputDegradation, "metric %q is unknown%s", in.DegradationMetric, didYouMean(in.DegradationMetric, metricNames()))
			}
			tag = m.tag
		}
		if in.DegradationStat != "" {
			stat = in.DegradationStat
		}
		if !slices.Contains(handlerStats, stat) {
			return nil, wrong(name, inputDegradation, "statistic %q is not one that sweeps are compared by; use %s", stat, list(handlerStats))
		}
		if m, _ := metricOf(tag); m.streamed {
			if err := needsStream(name, in, m.short); err != nil {
				return nil, err
			}
		}
		a, err := logAxis(name, PathConcurrency, inputConcurrency, in.Concurrency, 1, 1000, in.Steps, 8)
		if err != nil {
			return nil, err
		}
		return &Plan{Grid: []Axis{a}, Limits: in.Limits, Post: &PostProcess{
			Handler: handlerKnee,
			Params: map[string]any{
				"threshold_pct": valueOr(in.Degradation, 0.20), "metric_tag": tag, "stat": stat, "swept_param": PathConcurrency,
			},
			File: "degradation_knee.json",
		}}, nil
	},
}
