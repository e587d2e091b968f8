package aiperftest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
)

// The engine speaks of inputs and knows no test: the words below are this
// package's. They are the one table from what a recipe calls an input to the
// option that sets it, and to the flag of AIPerf's that does, so that a reader of
// AIPerf's documentation finds the option.
var flags = map[recipes.Input]string{
	"TTFT":            "--ttft-sla-ms",
	"ITL":             "--itl-sla-ms",
	"TPOT":            "--tpot-sla-ms",
	"E2E":             "--e2e-sla-ms",
	"ErrorRate":       "--error-rate-sla",
	"Attainment":      "--slo-attainment-fraction",
	"SLA":             "--search-sla",
	"SLO":             "--goodput",
	"Tier":            "--search-sla-tier",
	"Style":           "--search-style",
	"Concurrency":     "--concurrency-min, --concurrency-max",
	"Rate":            "--request-rate, --search-space",
	"Arrival":         "--arrival-pattern",
	"MostInFlight":    "--concurrency",
	"Steps":           "--concurrency-steps, --isl-steps",
	"OSLSteps":        "--osl-steps",
	"ConcurrencyList": "--concurrency",
	"Pairs":           "--isl-osl-pairs",
	"ISL":             "--isl-min, --isl-max",
	"OSL":             "--osl-min, --osl-max",
	"Degradation":     "--degradation-threshold",
	"MaxProbes":       "--search-max-iterations",
	"InitialPoints":   "--search-initial-points",
	"Sampler":         "--optuna-sampler",
	"Streaming":       "--streaming",
	"Tokens":          "--isl, --osl",
	"Workload":        "--isl-stddev, --num-prefix-prompts",
	"Prompts":         "--input-file",
	"Trials":          "--num-profile-runs",
	"Converge":        "--convergence-metric",
	"Endpoint":        "--url",
	"EndpointType":    "--endpoint-type",
}

// optionOf writes an input as the option that sets it, with AIPerf's flag in
// parentheses.
func optionOf(in recipes.Input) string {
	if !in.BuiltIn() {
		return fmt.Sprintf("aiperftest.Input(%q, …)", in)
	}
	s := "aiperftest." + string(in) + "(…)"
	if f := flags[in]; f != "" {
		s += " (AIPerf: " + f + ")"
	}
	return s
}

// targets puts the ways out that loadgen's errors name into options and variables.
var targets = strings.NewReplacer(
	"the endpoint: Tokenizer cannot be used: read tokenizer:",
	"aiperftest.Tokenizer(…), the path of a tokenizer.json (names are not downloaded):",
	"the endpoint: Tokenizer cannot be used: read tokenizer", "aiperftest.Tokenizer(…):",
	`the endpoint: Protocol "`, `aiperftest.EndpointType(…): "`,
	"set Target.APIKey", "set AIPERF_API_KEY or use aiperftest.APIKey",
	"set another in Target.APIKey", "give another by AIPERF_API_KEY or aiperftest.APIKey",
	"name the model in Target.Model", "name the model with AIPERF_MODEL or aiperftest.Model",
	"with Target.Body", "with aiperftest.Body",
	"in Target.CAFile (or in SSL_CERT_FILE)", "with aiperftest.CAFile (or in SSL_CERT_FILE)",
	"with Target.Insecure", "with aiperftest.Insecure",
	"give one in Target.CertFile", "give one with aiperftest.ClientCert",
	"set Target.NoStream", "use aiperftest.Streaming(false)",
	"set Target.SamePrompts", "use aiperftest.SamePrompts",
	"the endpoint: GPUs ", "aiperftest.GPUs(…): ", "the endpoint: Price ", "aiperftest.Price(…): ",
	"set Target.GPUs", "use aiperftest.GPUs", "set Target.Price", "use aiperftest.Price",
	"in Target.Metrics", "with aiperftest.ServerMetrics",
)

// protocol is the way out of a server that has another API.
var protocol = regexp.MustCompile(`set Target\.Protocol to ("[a-z0-9_-]+")`)

// spokenError is an error of the engine in the words of a test's author.
type spokenError struct {
	error
	text string
}

// Error is the text in this package's words.
func (e *spokenError) Error() string { return e.text }

// Unwrap returns the engine's error, which a caller may act on.
func (e *spokenError) Unwrap() error { return e.error }

// spoken puts an error into the words of a test's author: options for inputs, and
// the settings of go test for what a run lacks.
func spoken(err error) error {
	var done *spokenError
	if err == nil || errors.As(err, &done) {
		return err
	}
	text := err.Error()
	if in := (*recipes.InputError)(nil); errors.As(err, &in) {
		text = strings.Replace(text, in.Error(), in.Text(optionOf), 1)
	}
	text = targets.Replace(text)
	text = protocol.ReplaceAllString(text, "use aiperftest.EndpointType($1)")
	text = strings.ReplaceAll(text, "set Target.Protocol to the API", "use aiperftest.EndpointType with the API")
	text = strings.ReplaceAll(text, "(…)(", "(") // an option with its value
	if late := (*recipes.DeadlineError)(nil); errors.As(err, &late) {
		text = strings.Replace(text, late.Error(), late.Text("the test more time (go test -timeout)"), 1)
	}
	if text == err.Error() {
		return err
	}
	return &spokenError{err, text}
}

// speak puts an outcome's warnings and its error into this package's words.
func speak(o *recipes.Outcome) {
	for i, w := range o.Warnings {
		o.Warnings[i] = spoken(w)
	}
	o.Err = spoken(o.Err)
}

// unwritten is the warning that a run's files could not be written.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w with aiperftest.Artifacts or AIPERF_ARTIFACTS", err)
}
