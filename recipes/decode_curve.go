package recipes

import "github.com/aiperf-go/aiperf/loadgen"

// decodeCurve answers: ITL as a function of concurrency and of the answer's
// length.
var decodeCurve = &Recipe{
	Name:  "decode-itl-curve",
	Doc:   "average inter-token latency over concurrency and the answer's length, as measured",
	Uses:  []Input{inputSLA, inputAtLeast, inputConcurrency, inputSteps, inputOSL, inputOSLSteps},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		const name = "decode-itl-curve"
		if err := needsStream(name, in, "ITL"); err != nil {
			return nil, err
		}
		concurrency, err := logAxis(name, PathConcurrency, inputConcurrency, in.Concurrency, 1, 200, in.Steps, 6)
		if err != nil {
			return nil, err
		}
		osl, err := logAxis(name, PathOSL, inputOSL, in.OSL, 64, 1024, in.OSLSteps, 4)
		if err != nil {
			return nil, err
		}
		// Lengths vary slowest, and come first in the names of directories, as
		// in AIPerf's runs.
		return &Plan{Grid: []Axis{osl, concurrency}, Limits: in.Limits, Post: &PostProcess{
			Handler: handlerITL,
			Params: map[string]any{
				"metric_tag": loadgen.TagITL, "stat": "avg", "concurrency_param": PathConcurrency, "osl_param": PathOSL,
			},
			File: "decode_itl_surface.json",
		}}, nil
	},
}
