package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// maxGoodput finds the concurrency with the most good requests per second, among those
// at which enough of the requests are good, 95% by default. A request is good when it
// meets its limits on TTFT, ITL and latency (Zhong et al. 2024, "DistServe", OSDI).
var maxGoodput = &Recipe{
	Name: "max-goodput-under-slo",
	Doc:  "highest rate of requests that meet their TTFT, ITL and latency limits, while enough of them do",
	Uses: searchInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputAttainment),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagGoodput, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		var absent []Input
		for _, l := range []struct {
			name Input
			ms   *float64
		}{{inputTTFT, in.TTFT}, {inputITL, in.itl()}, {inputE2E, in.E2E}} {
			if l.ms == nil {
				absent = append(absent, l.name)
			}
		}
		if len(absent) > 0 {
			return nil, missing("limits on TTFT, ITL and request latency together say which request is good", absent...)
		}
		slo := map[string]float64{loadgen.TagTTFT: *in.TTFT, loadgen.TagITL: *in.itl(), loadgen.TagLatency: *in.E2E}
		if err := needsStream(in, "a request's TTFT and ITL"); err != nil {
			return nil, err
		}
		attained := sla.Limit{Metric: loadgen.TagGoodShare, Stat: "avg", Op: sla.GE, Threshold: valueOr(in.Attainment, 0.95)}
		limits := append([]sla.Limit{attained}, in.Limits...)
		goal := Objective{Metric: loadgen.TagGoodput, Stat: "avg", Maximize: true}
		if in.Style == Grid {
			p, err := concurrencyGrid(in, limits, goal)
			if err != nil {
				return nil, err
			}
			p.SLO = slo
			return p, nil
		}
		s, err := concurrencySearch(in, BO, goal)
		if err != nil {
			return nil, err
		}
		return &Plan{Search: s, Limits: limits, SLO: slo}, nil
	},
}
