package recipes

import (
	"math"
	"slices"
	"strconv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Inputs are what a user gave a recipe. A nil or empty field was not given, and
// the recipe's default holds.
type Inputs struct {
	TTFT, ITL, TPOT, E2E *float64    // SLA thresholds in ms; TPOT is another name of ITL
	ErrorRate            *float64    // share of failed requests allowed, in (0, 1)
	Attainment           *float64    // share of good requests wanted, in (0, 1]
	Limits               []sla.Limit // further SLA limits, appended to the recipe's own in order
	Tiers                []Tier      // sets of limits that get a boundary each

	Style       Style  // of adaptive recipes; empty: the recipe's own
	Concurrency Bounds // of the search or the sweep, in requests in flight, from 1
	Steps       *int   // grid steps of the recipe's first axis, 2 to 1000
	OSLSteps    *int   // of its second
	ISL, OSL    Bounds // of the curve recipes, in tokens, from 1

	ConcurrencyList []int   // pareto-sweep
	Pairs           *string // pareto-sweep: "128/128,512/256"

	Degradation       *float64 // concurrency-ramp: share by which the metric may rise
	DegradationMetric string   // empty: request_latency
	DegradationStat   string   // empty: p99

	MaxProbes     *int // distinct points of a search, 2 to 200
	InitialPoints *int // of styles bo and optuna, 1 to 199, fewer than MaxProbes
	Replicates    *int // of style smooth_isotonic, 0 to 20: least visits of the answer

	Sampler   string // of style optuna: tpe or gp
	Streaming *bool  // nil: on
}

// Bounds is a range of whole numbers; nil ends take the recipe's default.
type Bounds struct{ Min, Max *int }

func (b Bounds) given() bool { return b.Min != nil || b.Max != nil }

// or fills in defaults.
func (b Bounds) or(lo, hi int) (int, int) { return valueOr(b.Min, lo), valueOr(b.Max, hi) }

func valueOr[T any](p *T, or T) T {
	if p == nil {
		return or
	}
	return *p
}

// Style is how an adaptive recipe searches.
type Style string

const (
	SmoothIsotonic Style = "smooth_isotonic" // doubling, then the root of margins fitted by isotonic regression and PCHIP
	Monotonic      Style = "monotonic"       // doubling, then bisection
	BO             Style = "bo"              // Bayesian optimization of the objective within the limits
	Optuna         Style = "optuna"          // likewise, by the samplers of Optuna
	Grid           Style = "grid"            // log-spaced points, each measured in full
	Sequential     Style = "sequential"      // ours: probes end once their verdict is certain, points lie where they tell most
)

// given lists the inputs that were given.
func (in Inputs) given() []Input {
	var out []Input
	add := func(given bool, name Input) {
		if given {
			out = append(out, name)
		}
	}
	add(in.TTFT != nil, inputTTFT)
	add(in.ITL != nil, inputITL)
	add(in.TPOT != nil, inputTPOT)
	add(in.E2E != nil, inputE2E)
	add(in.ErrorRate != nil, inputErrorRate)
	add(in.Attainment != nil, inputAttainment)
	add(in.Style != "", inputStyle)
	add(in.Concurrency.given(), inputConcurrency)
	add(in.Steps != nil, inputSteps)
	add(in.OSLSteps != nil, inputOSLSteps)
	add(in.ISL.given(), inputISL)
	add(in.OSL.given(), inputOSL)
	add(in.ConcurrencyList != nil, inputConcurrencyList)
	add(in.Pairs != nil, inputPairs)
	add(in.Degradation != nil || in.DegradationMetric != "" || in.DegradationStat != "", inputDegradation)
	add(in.MaxProbes != nil, inputMaxProbes)
	add(in.InitialPoints != nil, inputInitialPoints)
	add(in.Replicates != nil, inputReplicates)
	add(in.Sampler != "", inputSampler)
	return out
}

// validate checks what does not depend on what the recipe does with it.
func (in Inputs) validate() error {
	for _, l := range []struct {
		name Input
		ms   *float64
	}{{inputTTFT, in.TTFT}, {inputITL, in.ITL}, {inputTPOT, in.TPOT}, {inputE2E, in.E2E}} {
		if v := l.ms; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
			return wrong(l.name, "the threshold is %s ms; it must be positive and finite", number(*v))
		}
	}
	if in.ITL != nil && in.TPOT != nil && *in.ITL != *in.TPOT {
		return inputError([]Input{inputITL, inputTPOT}, "got %s ms by %s and %s ms by its alias %s; give one of them",
			number(*in.ITL), inputITL, number(*in.TPOT), inputTPOT)
	}
	if v := in.ErrorRate; v != nil && !(*v > 0 && *v < 1) {
		return wrong(inputErrorRate, "%s is no fraction between 0 and 1; for no error at all use SLA(\"errors <= 0\")", number(*v))
	}
	if v := in.Attainment; v != nil && !(*v > 0 && *v <= 1) {
		return wrong(inputAttainment, "%s is no fraction above 0 and at most 1", number(*v))
	}
	if v := in.Degradation; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
		return wrong(inputDegradation, "%s is no positive fraction", number(*v))
	}
	if s := in.DegradationStat; s != "" && !slices.Contains(loadgen.Stats(), s) {
		return wrong(inputDegradation, "statistic %q is unknown%s", s, sla.Suggest(s, loadgen.Stats()))
	}
	for _, l := range in.Limits {
		if err := l.Validate(); err != nil {
			return wrong(inputSLA, "%s: %v", l, err)
		}
	}
	for _, n := range []struct {
		name Input
		v    *int
		min  int
		max  int
	}{
		{inputSteps, in.Steps, 2, 1000}, {inputOSLSteps, in.OSLSteps, 2, 1000},
		{inputMaxProbes, in.MaxProbes, 2, 200}, {inputInitialPoints, in.InitialPoints, 1, 199}, {inputReplicates, in.Replicates, 0, 20},
	} {
		if n.v != nil && (*n.v < n.min || *n.v > n.max) {
			return wrong(n.name, "%d is not between %d and %d", *n.v, n.min, n.max)
		}
	}
	for _, c := range in.ConcurrencyList {
		if c < 1 {
			return wrong(inputConcurrencyList, "%d is not a concurrency", c)
		}
	}
	if s := in.Style; s != "" && !slices.Contains(styles, s) {
		return wrong(inputStyle, "style %q is unknown%s", s, sla.Suggest(string(s), styleNames()))
	}
	return nil
}

// bounds resolves a range and checks it.
func (b Bounds) resolve(in Input, lo, hi int) (int, int, error) {
	lo, hi = b.or(lo, hi)
	switch {
	case lo < 1:
		return 0, 0, wrong(in, "the lower end is %d; it must be at least 1", lo)
	case lo >= hi:
		return 0, 0, wrong(in, "%d is not below %d; give the lower end first", lo, hi)
	}
	return lo, hi, nil
}

// itl returns the ITL threshold under either name.
func (in Inputs) itl() *float64 {
	if in.ITL != nil {
		return in.ITL
	}
	return in.TPOT
}

// streaming reports whether answers are streamed; only an explicit no is a no.
func (in Inputs) streaming() bool { return valueOr(in.Streaming, true) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
