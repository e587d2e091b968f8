package recipes

import (
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// decodeCurve measures ITL as a function of concurrency and of the answer's length, on
// a grid of 6 concurrencies from 1 to 200 and 4 lengths from 64 to 1,024 tokens. The
// defaults are AIPerf's. Nothing is fitted or interpolated.
var decodeCurve = &Recipe{
	Name:  "decode-itl-curve",
	Doc:   "average inter-token latency over concurrency and the answer's length, as measured",
	Uses:  []Input{inputSLA, inputAtLeast, inputConcurrency, inputSteps, inputOSL, inputOSLSteps},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		if err := needsStream(in, "ITL"); err != nil {
			return nil, err
		}
		concurrency, err := logAxis(PathConcurrency, inputConcurrency, in.Concurrency, 1, 200, in.Steps, 6)
		if err != nil {
			return nil, err
		}
		osl, err := logAxis(PathOSL, inputOSL, in.OSL, 64, 1024, in.OSLSteps, 4)
		if err != nil {
			return nil, err
		}
		// Lengths vary slowest, and come first in the names of directories, as
		// in AIPerf's runs.
		return &Plan{Grid: []Axis{osl, concurrency}, Limits: in.Limits, Derive: sweep.ITLRule{
			Metric: loadgen.TagITL, Stat: "avg", Concurrency: PathConcurrency, OSL: PathOSL,
		}}, nil
	},
}
