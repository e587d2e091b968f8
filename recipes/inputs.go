package recipes

import (
	"math"
	"slices"
)

// Inputs are what a user gave a recipe. A nil or empty field was not given, and
// the recipe's default holds.
type Inputs struct {
	TTFT, ITL, TPOT, E2E *float64 // SLA thresholds in ms; TPOT is another name of ITL
	ErrorRate            *float64 // share of failed requests allowed, in (0, 1)
	Attainment           *float64 // share of good requests wanted, in (0, 1]
	Limits               []Limit  // further SLA limits, appended to the recipe's own in order

	Style       Style
	Concurrency Bounds
	Steps       *int // grid steps of the recipe's first axis
	OSLSteps    *int // of its second
	ISL, OSL    Bounds

	ConcurrencyList []int  // pareto-sweep
	Pairs           string // pareto-sweep: "128/128,512/256"

	Degradation       *float64 // concurrency-ramp: share by which the metric may rise
	DegradationMetric string   // empty: request_latency
	DegradationStat   string   // empty: p99

	MaxProbes, InitialPoints, Replicates *int
	Sampler                              string // of style optuna: tpe or gp
	Streaming                            *bool  // nil: on
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
	SmoothIsotonic Style = "smooth_isotonic"
	Monotonic      Style = "monotonic"
	BO             Style = "bo"
	Optuna         Style = "optuna"
	Grid           Style = "grid"
	Sequential     Style = "sequential"
)

// given lists the inputs that were given.
func (in Inputs) given() []Input {
	var out []Input
	add := func(given bool, name Input) {
		if given {
			out = append(out, name)
		}
	}
	add(in.TTFT != nil, InputTTFT)
	add(in.ITL != nil, InputITL)
	add(in.TPOT != nil, InputTPOT)
	add(in.E2E != nil, InputE2E)
	add(in.ErrorRate != nil, InputErrorRate)
	add(in.Attainment != nil, InputAttainment)
	add(in.Style != "", InputStyle)
	add(in.Concurrency.given(), InputConcurrency)
	add(in.Steps != nil, InputSteps)
	add(in.OSLSteps != nil, InputOSLSteps)
	add(in.ISL.given(), InputISL)
	add(in.OSL.given(), InputOSL)
	add(in.ConcurrencyList != nil, InputConcurrencyList)
	add(in.Pairs != "", InputPairs)
	add(in.Degradation != nil || in.DegradationMetric != "" || in.DegradationStat != "", InputDegradation)
	add(in.MaxProbes != nil, InputMaxProbes)
	add(in.InitialPoints != nil, InputInitialPoints)
	add(in.Replicates != nil, InputReplicates)
	add(in.Sampler != "", InputSampler)
	return out
}

// validate checks what does not depend on what the recipe does with it.
func (in Inputs) validate(recipe string) error {
	for _, l := range []struct {
		name Input
		ms   *float64
	}{{InputTTFT, in.TTFT}, {InputITL, in.ITL}, {InputTPOT, in.TPOT}, {InputE2E, in.E2E}} {
		if v := l.ms; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
			return wrong(recipe, l.name, "the threshold is %s ms; it must be positive and finite", number(*v))
		}
	}
	if in.ITL != nil && in.TPOT != nil && *in.ITL != *in.TPOT {
		return &InputError{Recipe: recipe, Inputs: []Input{InputITL, InputTPOT}, Problem: "got " + number(*in.ITL) + " ms by " +
			InputITL.option() + " and " + number(*in.TPOT) + " ms by its alias " + InputTPOT.option() + "; give one of them"}
	}
	if v := in.ErrorRate; v != nil && !(*v > 0 && *v < 1) {
		return wrong(recipe, InputErrorRate, "%s is no fraction between 0 and 1; for no error at all use SLA(\"errors <= 0\")", number(*v))
	}
	if v := in.Attainment; v != nil && !(*v > 0 && *v <= 1) {
		return wrong(recipe, InputAttainment, "%s is no fraction above 0 and at most 1", number(*v))
	}
	if v := in.Degradation; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
		return wrong(recipe, InputDegradation, "%s is no positive fraction", number(*v))
	}
	if s := in.DegradationStat; s != "" && !slices.Contains(stats, s) {
		return wrong(recipe, InputDegradation, "statistic %q is unknown%s", s, didYouMean(s, stats))
	}
	for _, l := range in.Limits {
		if err := l.validate(); err != nil {
			return wrong(recipe, InputSLA, "%s: %v", l, err)
		}
	}
	for _, n := range []struct {
		name Input
		v    *int
		min  int
		max  int
	}{
		{InputSteps, in.Steps, 2, 1000}, {InputOSLSteps, in.OSLSteps, 2, 1000},
		{InputMaxProbes, in.MaxProbes, 2, 200}, {InputInitialPoints, in.InitialPoints, 1, 199}, {InputReplicates, in.Replicates, 0, 20},
	} {
		if n.v != nil && (*n.v < n.min || *n.v > n.max) {
			return wrong(recipe, n.name, "%d is not between %d and %d", *n.v, n.min, n.max)
		}
	}
	for _, c := range in.ConcurrencyList {
		if c < 1 {
			return wrong(recipe, InputConcurrencyList, "%d is not a concurrency", c)
		}
	}
	if s := in.Style; s != "" && !slices.Contains(styles, s) {
		return wrong(recipe, InputStyle, "style %q is unknown%s", s, didYouMean(string(s), styleNames()))
	}
	return nil
}

// bounds resolves a range and checks it.
func (b Bounds) resolve(recipe string, in Input, lo, hi int) (int, int, error) {
	lo, hi = b.or(lo, hi)
	switch {
	case lo < 1:
		return 0, 0, wrong(recipe, in, "the lower end is %d; it must be at least 1", lo)
	case lo >= hi:
		return 0, 0, wrong(recipe, in, "%d is not below %d; give the lower end first", lo, hi)
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
