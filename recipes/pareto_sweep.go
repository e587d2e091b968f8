package recipes

import (
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
)

// paretoSweep answers: which workload shapes and concurrencies give the best
// trade of TTFT against throughput.
var paretoSweep = &Recipe{
	Name: "pareto-sweep",
	Doc:  "frontier of p95 TTFT against output token throughput over pairs of prompt and answer lengths",
	Uses: []Input{inputSLA, inputPairs, inputConcurrencyList},
	Axes: Axes{XMetric: loadgen.TagTTFT, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg", Series: []string{"isl", "osl"}},
	Expand: func(in Inputs) (*Plan, error) {
		const name = "pareto-sweep"
		if in.Pairs == nil {
			return nil, missing(name, "the lengths of prompts and answers, as 128/128,512/256", inputPairs)
		}
		if err := needsStream(name, in, "output token throughput over time"); err != nil {
			return nil, err
		}
		pairs, err := parsePairs(*in.Pairs)
		if err != nil {
			return nil, wrong(name, inputPairs, "%v", err)
		}
		levels := in.ConcurrencyList
		if levels == nil {
			levels = []int{1, 4, 16, 64, 256}
		}
		if len(pairs)*len(levels) < 2 {
			return nil, &InputError{Recipe: name, Inputs: []Input{inputPairs, inputConcurrencyList},
				Problem: fmt.Sprintf("cannot draw a frontier through %d points: give two pairs by %s or two concurrencies by %s",
					len(pairs)*len(levels), inputPairs.option(), inputConcurrencyList.option())}
		}
		p := &Plan{Limits: in.Limits, Post: &PostProcess{
			Handler: handlerPareto,
			Params: map[string]any{
				"x_metric": loadgen.TagTTFT, "x_stat": "p95", "y_metric": loadgen.TagTokenRate, "y_stat": "avg",
				"isl_key": "isl", "osl_key": "osl", "concurrency_key": "concurrency",
			},
			File: "pareto_sweep.json",
		}}
		for _, pair := range pairs {
			seen := map[int]bool{}
			for _, c := range levels {
				if seen[c] {
					return nil, wrong(name, inputConcurrencyList, "%d is there twice", c)
				}
				seen[c] = true
				p.Scenarios = append(p.Scenarios, Scenario{
					Name:   fmt.Sprintf("shape_%d_%d_c%d", pair.isl, pair.osl, c),
					Values: []Value{{PathISL, float64(pair.isl)}, {PathOSL, float64(pair.osl)}, {PathConcurrency, float64(c)}},
				})
			}
		}
		return p, nil
	},
}
