package recipes

import (
	"fmt"
	"strings"
)

// Input names one thing a user can give a recipe, by its option's name.
type Input string

const (
	InputTTFT            Input = "TTFT"
	InputITL             Input = "ITL"
	InputTPOT            Input = "TPOT"
	InputE2E             Input = "E2E"
	InputErrorRate       Input = "ErrorRate"
	InputAttainment      Input = "Attainment"
	InputSLA             Input = "SLA"
	InputAtLeast         Input = "AtLeast"
	InputStyle           Input = "Style"
	InputConcurrency     Input = "Concurrency"
	InputSteps           Input = "Steps"
	InputOSLSteps        Input = "OSLSteps"
	InputConcurrencyList Input = "ConcurrencyList"
	InputPairs           Input = "Pairs"
	InputISL             Input = "ISL"
	InputOSL             Input = "OSL"
	InputDegradation     Input = "Degradation"
	InputMaxProbes       Input = "MaxProbes"
	InputInitialPoints   Input = "InitialPoints"
	InputReplicates      Input = "Replicates"
	InputSampler         Input = "Sampler"
	InputStreaming       Input = "Streaming"
	InputTokens          Input = "Tokens"
	InputTrials          Input = "Trials"
	InputEndpoint        Input = "Endpoint"
)

// flags maps inputs to AIPerf's flags, so that a reader of its documentation
// finds the option.
var flags = map[Input]string{
	InputTTFT:            "--ttft-sla-ms",
	InputITL:             "--itl-sla-ms",
	InputTPOT:            "--tpot-sla-ms",
	InputE2E:             "--e2e-sla-ms",
	InputErrorRate:       "--error-rate-sla",
	InputAttainment:      "--slo-attainment-fraction",
	InputSLA:             "--search-sla",
	InputStyle:           "--search-style",
	InputConcurrency:     "--concurrency-min, --concurrency-max",
	InputSteps:           "--concurrency-steps, --isl-steps",
	InputOSLSteps:        "--osl-steps",
	InputConcurrencyList: "--concurrency",
	InputPairs:           "--isl-osl-pairs",
	InputISL:             "--isl-min, --isl-max",
	InputOSL:             "--osl-min, --osl-max",
	InputDegradation:     "--degradation-threshold",
	InputMaxProbes:       "--search-max-iterations",
	InputInitialPoints:   "--search-initial-points",
	InputSampler:         "--optuna-sampler",
	InputStreaming:       "--streaming",
	InputTokens:          "--isl, --osl",
	InputTrials:          "--num-profile-runs",
	InputEndpoint:        "--url",
}

// option writes an input as the Go option, with AIPerf's flag in parentheses.
func (in Input) option() string {
	s := "aiperftest." + string(in) + "(…)"
	if f := flags[in]; f != "" {
		s += " (AIPerf: " + f + ")"
	}
	return s
}

// InputError reports an input that is missing, wrong or in conflict with
// another. It is raised before any traffic is sent.
type InputError struct {
	Recipe  string  // empty when no recipe was known yet
	Inputs  []Input // the inputs at fault
	Problem string  // in words: what is wrong and what to do
}

func (e *InputError) Error() string {
	if e.Recipe == "" {
		return e.Problem
	}
	return fmt.Sprintf("recipe %q %s", e.Recipe, e.Problem)
}

// missing reports required inputs; why says what each is for.
func missing(recipe string, why string, inputs ...Input) error {
	options := make([]string, len(inputs))
	for i, in := range inputs {
		options[i] = in.option()
	}
	return &InputError{Recipe: recipe, Inputs: inputs, Problem: "requires " + strings.Join(options, ", ") + ": " + why}
}

// wrong reports an input with a value that cannot be used.
func wrong(recipe string, in Input, format string, args ...any) error {
	return &InputError{Recipe: recipe, Inputs: []Input{in}, Problem: "cannot use " + in.option() + ": " + fmt.Sprintf(format, args...)}
}

// UnknownRecipeError reports a name that is not in the catalogue.
type UnknownRecipeError struct {
	Name  string
	Known []string
}

func (e *UnknownRecipeError) Error() string {
	return fmt.Sprintf("recipe %q is unknown%s; known are %s", e.Name, didYouMean(e.Name, e.Known), strings.Join(e.Known, ", "))
}

// DeadlineError is the warning of a run that its deadline ended.
type DeadlineError struct{ Probes int }

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("the deadline came after %d probes; the answer is what was certain by then: give the test more time (go test -timeout) or shorter probes", e.Probes)
}
