package recipes

import (
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// maxThroughputTTFT finds the concurrency with the most output tokens per second among
// those at which p95 of TTFT stays below a limit.
var maxThroughputTTFT = &Recipe{
	Name: "max-throughput-ttft-sla",
	Doc:  "highest output token throughput while p95 TTFT stays below a limit",
	Uses: searchInputs(inputTTFT),
	Axes: Axes{XMetric: loadgen.TagTTFT, XStat: "p99", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		if in.TTFT == nil {
			return nil, missing("the limit on p95 TTFT", inputTTFT)
		}
		return maxThroughput(in, sla.Limit{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: *in.TTFT})
	},
}

// maxThroughputITL finds the concurrency with the most output tokens per second among
// those at which p95 of ITL stays below a limit.
var maxThroughputITL = &Recipe{
	Name: "max-throughput-itl-sla",
	Doc:  "highest output token throughput while p95 inter-token latency stays below a limit",
	Uses: searchInputs(inputITL, inputTPOT),
	Axes: Axes{XMetric: loadgen.TagITL, XStat: "p99", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		if in.itl() == nil {
			return nil, missing("the limit on p95 inter-token latency, by one of its two names", inputITL, inputTPOT)
		}
		return maxThroughput(in, sla.Limit{Metric: loadgen.TagITL, Stat: "p95", Op: sla.LT, Threshold: *in.itl()})
	},
}

// maxThroughput returns the plan of both: throughput under the recipe's own limit and
// further ones. Throughput may peak below the boundary, so the objective decides, and
// the boundary alone is not the answer.
func maxThroughput(in Inputs, own sla.Limit) (*Plan, error) {
	limits := append([]sla.Limit{own}, in.Limits...)
	goal := Objective{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}
	if in.Style == Grid {
		return concurrencyGrid(in, limits, goal)
	}
	s, err := concurrencySearch(in, BO, goal)
	if err != nil {
		return nil, err
	}
	return &Plan{Search: s, Limits: limits}, nil
}

// searchInputs returns a recipe's own inputs, followed by those that every adaptive
// recipe over concurrency reads.
func searchInputs(own ...Input) []Input {
	return append(own, inputSLA, inputAtLeast, inputStyle, inputConcurrency, inputSteps,
		inputMaxProbes, inputInitialPoints, inputReplicates, inputSampler)
}

const (
	// searchTime is how long a search plans to take by default. Two then fit into the ten
	// minutes that go test gives a package.
	searchTime = 222 * time.Second
	// searchWindow is the greatest length of the window of its probes. A minute was tried:
	// a small server, of three requests in flight, then took six to fourteen minutes to come
	// to the same answers.
	searchWindow = 18 * time.Second
)

// concurrencySearch returns the adaptive plan over concurrency that the four search
// recipes share; style is the recipe's default. The numbers are AIPerf's: the range of
// 1 to 1,000, the budgets of 30 probes and 20 for style monotonic, the 5 initial points
// and the log-uniform prior of styles bo and optuna, and when they give up.
func concurrencySearch(in Inputs, style Style, goal Objective) (*Search, error) {
	lo, hi, err := in.Concurrency.resolve(inputConcurrency, 1, 1000)
	if err != nil {
		return nil, err
	}
	s, err := loadSearch(in, style, plan.Dim{Path: PathConcurrency, Lo: float64(lo), Hi: float64(hi), Int: true}, goal)
	if err == nil {
		s.Time = searchTime
	}
	return s, err
}

// loadSearch is concurrencySearch over any measure of load.
func loadSearch(in Inputs, style Style, over plan.Dim, goal Objective) (*Search, error) {
	if in.Style != "" {
		style = in.Style
	}
	s := &Search{
		Style:            style,
		Space:            []plan.Dim{over},
		Objectives:       []Objective{goal},
		MaxProbes:        30,
		InitialPoints:    1,
		Patience:         10,
		PlateauWindow:    8,
		PlateauThreshold: 0.01,
		Sampler:          in.Sampler,
		Replicates:       valueOr(in.Replicates, 0),
	}
	switch style {
	case Monotonic:
		s.MaxProbes = 20
	case BO, Optuna:
		s.InitialPoints, s.Space[0].Log = 5, true
	}
	s.MaxProbes = valueOr(in.MaxProbes, s.MaxProbes)
	if n := in.InitialPoints; n != nil && *n >= s.MaxProbes && (style == BO || style == Optuna) {
		return nil, wrong(inputInitialPoints, "%d points leave none of the %d of the search for a model; give fewer than %s",
			*n, s.MaxProbes, inputMaxProbes)
	}
	s.InitialPoints = min(valueOr(in.InitialPoints, s.InitialPoints), s.MaxProbes-1)
	return s, nil
}
