package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// maxConcurrency finds the highest concurrency at which every limit holds. Its answer
// is the boundary itself, so it needs at least one limit; the objective, output token
// throughput, only ranks the points for reports.
var maxConcurrency = &Recipe{
	Name: "max-concurrency-under-sla",
	Doc:  "highest concurrency at which every SLA limit holds",
	Uses: searchInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: sweep.Leaf(PathConcurrency), YStat: "value"},
	Expand: func(in Inputs) (*Plan, error) {
		limits := in.limits()
		if len(limits) == 0 && len(in.Tiers) == 0 {
			return nil, noLimit()
		}
		if in.Style == Grid {
			return concurrencyGrid(in, limits)
		}
		s, err := concurrencySearch(in, SmoothIsotonic, Objective{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true})
		if err != nil {
			return nil, err
		}
		s.Boundary = true
		return &Plan{Search: s, Limits: limits}, nil
	},
}

// limits turns the SLA inputs into limits: first those that have an input of their own,
// then the others in their order. The statistics are those of AIPerf: p95 of TTFT and
// ITL, p99 of the request's latency.
func (in Inputs) limits() []sla.Limit {
	var limits []sla.Limit
	add := func(v *float64, factor float64, tag, stat string) {
		if v != nil {
			limits = append(limits, sla.Limit{Metric: tag, Stat: stat, Op: sla.LT, Threshold: *v * factor})
		}
	}
	add(in.TTFT, 1, loadgen.TagTTFT, "p95")
	add(in.itl(), 1, loadgen.TagITL, "p95")
	add(in.E2E, 1, loadgen.TagLatency, "p99")
	add(in.ErrorRate, 100, loadgen.TagErrorRate, "avg") // the metric is in percent, the input a fraction
	return append(limits, in.Limits...)
}
