package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// maxGoodput finds the concurrency with the most good requests per second, among those
// at which enough of the requests are good, 95% by default. A request is good when it
// meets those limits on TTFT, ITL and latency that are given (Zhong et al. 2024,
// "DistServe", OSDI). AIPerf requires all three of them.
var maxGoodput = &Recipe{
	Name: "max-goodput-under-slo",
	Doc:  "highest rate of requests that meet their TTFT, ITL and latency limits, while enough of them do",
	Uses: searchInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputAttainment),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagGoodput, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		slo, attained, err := in.good()
		if err != nil {
			return nil, err
		}
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

// good returns what a good request is, for a recipe whose question is about good requests,
// and the limit on their share. Without any limit on a request there is no such question.
func (in Inputs) good() (slo map[loadgen.Tag]float64, attained sla.Limit, err error) {
	slo = in.slo()
	if len(slo)+len(in.SLO) == 0 {
		return nil, attained, inputError([]Input{inputTTFT, inputITL, inputE2E, inputSLO},
			"requires at least one limit that says which request is good: give %s, %s, %s or %s", inputTTFT, inputITL, inputE2E, inputSLO)
	}
	for tag := range slo {
		if m, _ := loadgen.LookupMetric(tag); m.Streamed {
			if err := needsStream(in, "a request's TTFT and ITL"); err != nil {
				return nil, attained, err
			}
		}
	}
	return slo, sla.Limit{Metric: loadgen.TagGoodShare, Stat: "avg", Op: sla.GE, Threshold: valueOr(in.Attainment, 0.95)}, nil
}
