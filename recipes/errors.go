package recipes

import (
	"fmt"
	"strings"
)

// Input names one thing a user can give a recipe, by its option's name in
// package aiperftest: "TTFT", "Concurrency", "Pairs" …
type Input string

const (
	inputTTFT            Input = "TTFT"
	inputITL             Input = "ITL"
	inputTPOT            Input = "TPOT"
	inputE2E             Input = "E2E"
	inputErrorRate       Input = "ErrorRate"
	inputAttainment      Input = "Attainment"
	inputSLA             Input = "SLA"
	inputAtLeast         Input = "AtLeast"
	inputStyle           Input = "Style"
	inputConcurrency     Input = "Concurrency"
	inputSteps           Input = "Steps"
	inputOSLSteps        Input = "OSLSteps"
	inputConcurrencyList Input = "ConcurrencyList"
	inputPairs           Input = "Pairs"
	inputISL             Input = "ISL"
	inputOSL             Input = "OSL"
	inputDegradation     Input = "Degradation"
	inputMaxProbes       Input = "MaxProbes"
	inputInitialPoints   Input = "InitialPoints"
	inputReplicates      Input = "Replicates"
	inputSampler         Input = "Sampler"
	inputStreaming       Input = "Streaming"
	inputTokens          Input = "Tokens"
	inputPrompts         Input = "Prompts"
	inputTrials          Input = "Trials"
	inputEndpoint        Input = "Endpoint"
)

// flags maps inputs to AIPerf's flags, so that a reader of its documentation
// finds the option.
var flags = map[Input]string{
	inputTTFT:            "--ttft-sla-ms",
	inputITL:             "--itl-sla-ms",
	inputTPOT:            "--tpot-sla-ms",
	inputE2E:             "--e2e-sla-ms",
	inputErrorRate:       "--error-rate-sla",
	inputAttainment:      "--slo-attainment-fraction",
	inputSLA:             "--search-sla",
	inputStyle:           "--search-style",
	inputConcurrency:     "--concurrency-min, --concurrency-max",
	inputSteps:           "--concurrency-steps, --isl-steps",
	inputOSLSteps:        "--osl-steps",
	inputConcurrencyList: "--concurrency",
	inputPairs:           "--isl-osl-pairs",
	inputISL:             "--isl-min, --isl-max",
	inputOSL:             "--osl-min, --osl-max",
	inputDegradation:     "--degradation-threshold",
	inputMaxProbes:       "--search-max-iterations",
	inputInitialPoints:   "--search-initial-points",
	inputSampler:         "--optuna-sampler",
	inputStreaming:       "--streaming",
	inputTokens:          "--isl, --osl",
	inputPrompts:         "--input-file",
	inputTrials:          "--num-profile-runs",
	inputEndpoint:        "--url",
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

// DeadlineError is the warning of a run that its deadline ended, after so many
// probes.
type DeadlineError struct{ Probes int }

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("the deadline came after %d probes; the answer is what was certain by then: give the test more time (go test -timeout) or shorter probes", e.Probes)
}
