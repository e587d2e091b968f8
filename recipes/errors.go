package recipes

import (
	"errors"
	"fmt"
	"strings"
)

// Input names one thing that a user can give a recipe: "TTFT", "Concurrency",
// "Pairs" … A front door has a table from inputs to its own options.
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
	inputTier            Input = "Tier"
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
	inputConverge        Input = "Converge"
	inputEndpoint        Input = "Endpoint"
)

// InputError reports an input that is missing, wrong or in conflict with
// another. It is raised before any traffic is sent.
//
// A recipe's Expand leaves Recipe empty; the run that expands it fills it in.
type InputError struct {
	Recipe  string  // empty when no recipe is known yet
	Inputs  []Input // the inputs at fault
	Problem string  // what is wrong and what to do, in words

	format string // Problem before its inputs were written out; empty when it names none
	args   []any  // of format: inputs, lists of inputs, and whatever else is printed
}

// Error names inputs by their plain names.
func (e *InputError) Error() string {
	return e.Text(func(in Input) string { return string(in) })
}

// Text returns the error with each input that its words mention written as name
// has it, so that a front door can speak of its own options.
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

// inputError makes an InputError of a format in which inputs, and lists of them,
// are verbs like any other.
func inputError(inputs []Input, format string, args ...any) *InputError {
	e := &InputError{Inputs: inputs, format: format, args: args}
	e.Problem = e.written(func(in Input) string { return string(in) })
	return e
}

// missing reports required inputs; why says what each is for.
func missing(why string, inputs ...Input) error {
	return inputError(inputs, "requires %s: %s", inputs, why)
}

// wrong reports an input with a value that cannot be used.
func wrong(in Input, format string, args ...any) error {
	return inputError([]Input{in}, "cannot use %s: "+format, append([]any{in}, args...)...)
}

// of names the recipe that an error is about, where nothing has yet.
func of(r *Recipe, err error) error {
	var e *InputError
	if errors.As(err, &e) && e.Recipe == "" {
		named := *e
		named.Recipe = r.Name
		return &named
	}
	return err
}

// named puts the recipe's name before an error of any kind, once.
func named(r *Recipe, err error) error {
	if in := (*InputError)(nil); errors.As(err, &in) {
		return of(r, err)
	}
	return fmt.Errorf("recipe %q: %w", r.Name, err)
}

// UnknownRecipeError reports a name that is not in the catalogue.
type UnknownRecipeError struct {
	Name    string
	Nearest string // what was probably meant, as "; did you mean …?"; empty when no name is near
	Known   []string
}

// Error lists the names that are known, and the nearest one.
func (e *UnknownRecipeError) Error() string {
	return fmt.Sprintf("recipe %q is unknown%s; known are %s", e.Name, e.Nearest, strings.Join(e.Known, ", "))
}

// DeadlineError is the warning of a run that its deadline ended, after so many
// probes.
type DeadlineError struct{ Probes int }

// Error says what the answer is worth.
func (e *DeadlineError) Error() string {
	return e.Text("the run more time")
}

// Text returns the error with what to give more of in a front door's own words,
// for example "the test more time (go test -timeout)".
func (e *DeadlineError) Text(more string) string {
	return fmt.Sprintf("the deadline came after %d probes; the answer is what was certain by then: give %s or shorter probes", e.Probes, more)
}
