package recipes

import "github.com/aiperf-go/aiperf/loadgen"

// prefillCurve answers: TTFT of a lone request as a function of its prompt's
// length.
var prefillCurve = &Recipe{
	Name:  "prefill-ttft-curve",
	Doc:   "average TTFT as a function of the prompt's length, one request at a time",
	Uses:  []Input{inputSLA, inputISL, inputSteps},
	Plots: true,
	Expand: func(in Inputs) (*Plan, error) {
		const name = "prefill-ttft-curve"
		if err := needsStream(name, in, "TTFT"); err != nil {
			return nil, err
		}
		isl, err := logAxis(name, PathISL, inputISL, in.ISL, 256, 32768, in.Steps, 8)
		if err != nil {
			return nil, err
		}
		return &Plan{Grid: []Axis{isl, {Path: PathConcurrency, Values: []float64{1}}}, Limits: in.Limits, Post: &PostProcess{
			Handler: handlerTTFT,
			Params:  map[string]any{"metric_tag": loadgen.TagTTFT, "stat": "avg", "swept_param": PathISL},
			File:    "prefill_curve.json",
		}}, nil
	},
}
