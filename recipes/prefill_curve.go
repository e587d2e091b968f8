package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// prefillCurve measures TTFT of a single request as a function of its prompt's length,
// at 8 lengths from 256 to 32,768 tokens, and fits a line or a parabola through it. The
// defaults are AIPerf's. Concurrency is 1, so that no request waits for another.
var prefillCurve = &Recipe{
	Name:  "prefill-ttft-curve",
	Doc:   "average TTFT as a function of the prompt's length, one request at a time",
	Uses:  []Input{inputSLA, inputISL, inputSteps},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		if err := needsStream(in, "TTFT"); err != nil {
			return nil, err
		}
		isl, err := logAxis(PathISL, inputISL, in.ISL, 256, 32768, in.Steps, 8)
		if err != nil {
			return nil, err
		}
		return &Plan{
			Grid: []Axis{isl, {Path: PathConcurrency, Values: []float64{1}}}, Limits: in.Limits,
			Derive: sweep.TTFTRule{Metric: loadgen.TagTTFT, Stat: "avg", Path: PathISL},
		}, nil
	},
}
