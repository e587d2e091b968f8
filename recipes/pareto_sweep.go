package recipes

import (
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// paretoSweep finds the workload shapes and concurrencies that give the best trade of
// TTFT against throughput. Each pair of lengths is measured at each concurrency, by
// default 1, 4, 16, 64 and 256 as in AIPerf.
var paretoSweep = &Recipe{
	Name: "pareto-sweep",
	Doc:  "frontier of p95 TTFT against output token throughput over pairs of prompt and answer lengths",
	Uses: []Input{inputSLA, inputPairs, inputConcurrencyList},
	Axes: Axes{XMetric: loadgen.TagTTFT, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg", Series: []string{"isl", "osl"}},
	Expand: func(in Inputs) (*Plan, error) {
		if in.Pairs == nil {
			return nil, missing("the lengths of prompts and answers, for example 128/128,512/256", inputPairs)
		}
		if err := needsStream(in, "output token throughput over time"); err != nil {
			return nil, err
		}
		pairs, err := parsePairs(*in.Pairs)
		if err != nil {
			return nil, wrong(inputPairs, "%v", err)
		}
		levels := in.ConcurrencyList
		if levels == nil {
			levels = []int{1, 4, 16, 64, 256}
		}
		if len(pairs)*len(levels) < 2 {
			return nil, inputError([]Input{inputPairs, inputConcurrencyList},
				"cannot draw a frontier through %d points: give two pairs with %s or two concurrencies with %s",
				len(pairs)*len(levels), inputPairs, inputConcurrencyList)
		}
		p := &Plan{Limits: in.Limits, Derive: sweep.FrontierRule{
			XMetric: loadgen.TagTTFT, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg",
			ISL: sweep.Leaf(PathISL), OSL: sweep.Leaf(PathOSL), Concurrency: sweep.Leaf(PathConcurrency),
		}}
		for _, pair := range pairs {
			seen := map[int]bool{}
			for _, c := range levels {
				if seen[c] {
					return nil, wrong(inputConcurrencyList, "duplicate concurrency %d", c)
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
