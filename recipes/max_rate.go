package recipes

import (
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// The recipes over rate send requests at so many a second, whatever has become of those
// before: an open loop, as users who do not wait for each other are one. A server that does
// not keep up has missed, since its latencies grow for as long as one looks.

// maxRequestRate finds the highest request rate at which every limit holds. AIPerf has no
// such recipe; its answer is that of an explicit search over the request rate.
var maxRequestRate = &Recipe{
	Name: "max-request-rate-under-sla",
	Doc:  "highest rate of requests a second at which every SLA limit holds",
	Uses: rateInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: sweep.Leaf(PathRate), YStat: "value"},
	Expand: func(in Inputs) (*Plan, error) {
		limits := in.limits()
		if len(limits) == 0 && len(in.Tiers) == 0 {
			return nil, noLimit()
		}
		return rateSearch(in, limits, nil, Objective{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true})
	},
}

// maxGoodputRate finds the highest request rate at which enough of the requests are good,
// 95% by default. That is the goodput of Zhong et al. 2024 ("DistServe", OSDI): the
// highest rate that a system serves within its objectives.
var maxGoodputRate = &Recipe{
	Name: "max-goodput-rate-under-slo",
	Doc:  "highest rate of requests a second at which enough of them meet their TTFT, ITL and latency limits",
	Uses: rateInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputAttainment),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagGoodput, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		slo, attained, err := in.good()
		if err != nil {
			return nil, err
		}
		return rateSearch(in, append([]sla.Limit{attained}, in.Limits...), slo,
			Objective{Metric: loadgen.TagGoodput, Stat: "avg", Maximize: true})
	},
}

// noLimit is the error of a recipe that searches for the end of limits and has none.
func noLimit() error {
	return inputError([]Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA},
		"requires at least one SLA: give %s, %s, %s, %s or %s, or two or more of %s", inputTTFT, inputITL, inputE2E,
		inputErrorRate, inputSLA, inputTier)
}

// rateInputs returns a recipe's own inputs, followed by those that every adaptive recipe
// over the request rate reads.
func rateInputs(own ...Input) []Input {
	all := searchInputs(own...)
	return append(slices.DeleteFunc(all, func(in Input) bool { return in == inputConcurrency }), inputRate, inputArrival)
}

// The range of a search over the request rate unless another is given, in requests a
// second.
const leastRate, mostRate = 1, 1000

// rateTime is how long a search over the request rate plans to take by default. A queue at a
// server that is all but full comes and goes over many seconds, so that a visit says less
// than one at a concurrency. In 180 s, nine answers of twenty were more than 5% too low.
const rateTime = 330 * time.Second

// rateSearch returns the plan of a recipe over the request rate: the largest rate at which
// the limits hold, or in style grid 8 log-spaced rates.
func rateSearch(in Inputs, limits []sla.Limit, slo map[loadgen.Tag]float64, goal Objective) (*Plan, error) {
	lo, hi, err := in.rates(leastRate, mostRate)
	if err != nil {
		return nil, err
	}
	if in.Style == Grid {
		values, err := rateSteps(lo, hi, valueOr(in.Steps, 8))
		if err != nil {
			return nil, err
		}
		return &Plan{
			Grid: []Axis{{Path: PathRate, Values: values}}, Limits: limits, SLO: slo,
			Derive: sweep.BreachRule{Limits: limits, Path: PathRate},
		}, nil
	}
	s, err := loadSearch(in, SmoothIsotonic, plan.Dim{Path: PathRate, Lo: lo, Hi: hi}, goal)
	if err != nil {
		return nil, err
	}
	s.Boundary, s.Time = true, rateTime
	return &Plan{Search: s, Limits: limits, SLO: slo}, nil
}
