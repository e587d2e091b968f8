package recipes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Input names one thing that a user can give a recipe, for example "TTFT",
// "Concurrency" or "Pairs". A front door has a table from inputs to its own options.
type Input string

// The inputs that recipes and their runs read.
const (
	inputTTFT            Input = "TTFT"
	inputITL             Input = "ITL"
	inputTPOT            Input = "TPOT"
	inputE2E             Input = "E2E"
	inputErrorRate       Input = "ErrorRate"
	inputAttainment      Input = "Attainment"
	inputSLA             Input = "SLA"
	inputSLO             Input = "SLO"
	inputTier            Input = "Tier"
	inputAtLeast         Input = "AtLeast"
	inputStyle           Input = "Style"
	inputConcurrency     Input = "Concurrency"
	inputRate            Input = "Rate"
	inputArrival         Input = "Arrival"
	inputMostInFlight    Input = "MostInFlight"
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
	inputWorkload        Input = "Workload"
	inputRequests        Input = "Requests"
	inputProbeTime       Input = "ProbeTime"
	inputPrompts         Input = "Prompts"
	inputTrials          Input = "Trials"
	inputConverge        Input = "Converge"
	inputEndpoint        Input = "Endpoint"
	inputEndpointType    Input = "EndpointType"
	inputSetup           Input = "Setup"
	inputConfidence      Input = "Confidence"
)

// inputs lists all of them, whose names a recipe of one's own cannot take.
var inputs = []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputAttainment, inputSLA, inputSLO, inputTier,
	inputAtLeast, inputStyle, inputConcurrency, inputRate, inputArrival, inputMostInFlight, inputSteps, inputOSLSteps,
	inputConcurrencyList, inputPairs, inputISL, inputOSL, inputDegradation, inputMaxProbes, inputInitialPoints, inputReplicates,
	inputSampler, inputStreaming, inputTokens, inputWorkload, inputRequests, inputProbeTime, inputPrompts, inputTrials,
	inputConverge, inputEndpoint, inputEndpointType, inputSetup, inputConfidence}

// BuiltIn reports whether the input is one of this package's, and not one that a recipe
// declares itself.
func (in Input) BuiltIn() bool { return slices.Contains(inputs, in) }

// InputError reports an input that is missing, wrong or in conflict with another. It
// is returned before anything is sent.
//
// A recipe's Expand leaves Recipe empty; the run that expands it fills it in.
type InputError struct {
	// Recipe is the name of the recipe; empty when none is known yet.
	Recipe string
	// Inputs are those at fault.
	Inputs []Input
	// Problem says what is wrong and what to do.
	Problem string

	// format is Problem before its inputs were written out, and args what it prints:
	// inputs, lists of inputs, and anything else. format is empty when Problem names
	// no input.
	format string
	args   []any
}

// Error returns the problem, with inputs by their plain names.
func (e *InputError) Error() string {
	return e.Text(func(in Input) string { return string(in) })
}

// Text returns the error with each input that it mentions written by name, so that a
// front door can speak of its own options.
func (e *InputError) Text(name func(Input) string) string {
	problem := e.Problem
	if e.format != "" {
		problem = e.written(name)
	}
	if e.Recipe == "" {
		return problem
	}
	return fmt.Sprintf("recipe %q %s", e.Recipe, problem)
}

// written returns the problem with its inputs written by name.
func (e *InputError) written(name func(Input) string) string {
	args := make([]any, len(e.args))
	for i, a := range e.args {
		switch a := a.(type) {
		case Input:
			args[i] = name(a)
		case []Input:
			var names []string
			for _, in := range a {
				names = append(names, name(in))
			}
			args[i] = strings.Join(names, ", ")
		default:
			args[i] = a
		}
	}
	return fmt.Sprintf(e.format, args...)
}

// inputError returns an InputError of a format whose arguments may be inputs, and
// lists of inputs.
func inputError(inputs []Input, format string, args ...any) *InputError {
	e := &InputError{Inputs: inputs, format: format, args: args}
	e.Problem = e.written(func(in Input) string { return string(in) })
	return e
}

// missing reports required inputs; why says what they are.
func missing(why string, inputs ...Input) error {
	return inputError(inputs, "requires %s: %s", inputs, why)
}

// wrong reports an input with a value that cannot be used.
func wrong(in Input, format string, args ...any) error {
	return inputError([]Input{in}, "cannot use %s: "+format, append([]any{in}, args...)...)
}

// of adds the recipe's name to an InputError that has none. Other errors stay as they
// are.
func of(r *Recipe, err error) error {
	var e *InputError
	if errors.As(err, &e) && e.Recipe == "" {
		named := *e
		named.Recipe = r.Name
		return &named
	}
	return err
}

// named adds the recipe's name to an error of any kind, once.
func named(r *Recipe, err error) error {
	if in := (*InputError)(nil); errors.As(err, &in) {
		return of(r, err)
	}
	return fmt.Errorf("recipe %q: %w", r.Name, err)
}
