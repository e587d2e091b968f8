package recipes

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Inputs are what a user gave a recipe. A nil or empty field was not given, and the
// recipe's default applies. Each recipe says in Uses which of them it reads.
type Inputs struct {
	// TTFT, ITL, TPOT and E2E are SLA thresholds in ms, positive and finite. TPOT is
	// another name of ITL.
	TTFT, ITL, TPOT, E2E *float64
	// ErrorRate is the share of requests that may fail, in (0, 1).
	ErrorRate *float64
	// Attainment is the share of good requests that is wanted, in (0, 1].
	Attainment *float64
	// SLO has upper limits on single requests, by the tag of the metric and in its display
	// unit. With any recipe and any load, a request that is within all of them is good, so
	// that limits on good requests and on goodput have values. If nil, the recipe alone says
	// which request is good.
	SLO map[loadgen.Tag]float64
	// Limits are further SLA limits. They follow the recipe's own, in their order.
	Limits []sla.Limit
	// Tiers are sets of limits that each get a boundary, 2 to 10 of them.
	Tiers []Tier

	// Style is that of an adaptive recipe.
	Style Style
	// Concurrency is the range of a search or a sweep, in requests in flight.
	Concurrency Bounds
	// Rate is the range of a search over the request rate, in requests a second, the lower
	// end first. An end of 0 takes the recipe's default.
	Rate [2]float64
	// Steps is the number of grid steps on the recipe's first axis, and OSLSteps the
	// number on its second, 2 to 1,000.
	Steps, OSLSteps *int
	// ISL and OSL are the ranges of the curve recipes, in tokens.
	ISL, OSL Bounds

	// ConcurrencyList has the concurrencies of pareto-sweep, positive and distinct.
	ConcurrencyList []int
	// Pairs has the prompt and answer lengths of pareto-sweep, in tokens, for example
	// "128/128,512/256".
	Pairs *string

	// Degradation is the share by which the metric of concurrency-ramp may rise.
	// DegradationMetric and DegradationStat name that metric; empty means p99 of
	// request_latency.
	Degradation       *float64
	DegradationMetric string
	DegradationStat   string

	// MaxProbes is the number of distinct points of a search, 2 to 200.
	MaxProbes *int
	// InitialPoints is for styles bo and optuna: 1 to 199, and fewer than MaxProbes.
	InitialPoints *int
	// Replicates is for style smooth_isotonic: the least number of visits of the
	// answer, 0 to 20.
	Replicates *int

	// Sampler is for style optuna: tpe or gp.
	Sampler string
	// Streaming says whether answers are streamed. If nil they are.
	Streaming *bool

	// Own has the inputs that recipes of one's own declare: names that stand in Uses, and
	// values of the types that the recipe says.
	Own map[Input]any

	// Target, Workload and Trials are what else the run was given, with the defaults of
	// lengths and trials, for a recipe that depends on the endpoint or on the load. A run
	// sets them before it expands the recipe; nothing reads what is set before.
	Target   loadgen.Target
	Workload loadgen.Load
	Trials   int
}

// Bounds is a range of positive integers, both ends included. A nil end takes the
// recipe's default.
type Bounds struct{ Min, Max *int }

// given reports whether either end was given.
func (b Bounds) given() bool { return b.Min != nil || b.Max != nil }

// resolve returns the range with lo and hi as defaults, and checks that it is
// positive and not empty. An error names the input in.
func (b Bounds) resolve(in Input, lo, hi int) (int, int, error) {
	lo, hi = valueOr(b.Min, lo), valueOr(b.Max, hi)
	switch {
	case lo < 1:
		return 0, 0, wrong(in, "the lower end is %d; it must be at least 1", lo)
	case lo >= hi:
		return 0, 0, wrong(in, "%d is not below %d; give the lower end first", lo, hi)
	}
	return lo, hi, nil
}

// valueOr returns *p, or the default if p is nil.
func valueOr[T any](p *T, or T) T {
	if p == nil {
		return or
	}
	return *p
}

// given lists the recipe inputs that were given. Limits, tiers and limits on single
// requests are not among them, since every recipe takes them.
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
	add(in.Rate != [2]float64{}, inputRate)
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
	return append(out, slices.Sorted(maps.Keys(in.Own))...)
}

// leastLatency is the smallest threshold of a latency, in ms, that can be meant.
const leastLatency = 0.05

// mostDegradation is the largest share by which a metric may rise that can be meant: 1,000%.
const mostDegradation = 10

// samplers are those of style optuna.
var samplers = []string{"tpe", "gp"}

// unknownSampler says of a sampler that there is none of that name, and why where it is one
// of AIPerf's.
func unknownSampler(name string) string {
	if strings.EqualFold(name, "botorch") {
		return `sampler "botorch" is a Python library and not to be had here; gp is the one that is nearest to it`
	}
	return fmt.Sprintf("sampler %q is unknown%s; the samplers are tpe and gp", name, sla.Suggest(name, samplers))
}

// validate checks the values by themselves, whatever the recipe does with them.
func (in Inputs) validate() error {
	for _, l := range []struct {
		name Input
		ms   *float64
	}{{inputTTFT, in.TTFT}, {inputITL, in.ITL}, {inputTPOT, in.TPOT}, {inputE2E, in.E2E}} {
		if v := l.ms; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
			return wrong(l.name, "the threshold is %s ms; it must be positive and finite", number(*v))
		} else if v != nil && *v < leastLatency {
			return wrong(l.name, "the threshold is %v, which no server meets; a duration without a unit is in nanoseconds: did you mean %v?",
				time.Duration(*v*1e6), time.Duration(*v*1e6)*time.Millisecond)
		}
	}
	if in.ITL != nil && in.TPOT != nil && *in.ITL != *in.TPOT {
		return inputError([]Input{inputITL, inputTPOT}, "got %s ms from %s and %s ms from its alias %s; give only one of them",
			number(*in.ITL), inputITL, number(*in.TPOT), inputTPOT)
	}
	if v := in.ErrorRate; v != nil && !(*v > 0 && *v < 1) {
		return wrong(inputErrorRate, "%s is not a fraction between 0 and 1; to allow no error at all, use SLA(\"errors <= 0\")", number(*v))
	}
	if v := in.Attainment; v != nil && !(*v > 0 && *v <= 1) {
		return wrong(inputAttainment, "%s is not a fraction above 0 and at most 1", number(*v))
	}
	if v := in.Degradation; v != nil && !(*v > 0 && !math.IsInf(*v, 0)) {
		return wrong(inputDegradation, "%s is not a positive fraction", number(*v))
	} else if v != nil && *v > mostDegradation {
		return wrong(inputDegradation, "%s is a rise of %s%%; give a fraction: 0.2 is 20%%", number(*v), number(100**v))
	}
	if s := in.DegradationStat; s != "" && !slices.Contains(loadgen.Stats(), s) {
		return wrong(inputDegradation, "statistic %q is unknown%s", s, sla.Suggest(s, loadgen.Stats()))
	}
	if err := checkSLO(in.SLO); err != nil {
		return err
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
	if s := in.Sampler; s != "" && !slices.Contains(samplers, s) {
		return wrong(inputSampler, "%s", unknownSampler(s))
	}
	for _, c := range in.ConcurrencyList {
		if c < 1 {
			return wrong(inputConcurrencyList, "%d is not a positive integer", c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Own)) {
		if name.BuiltIn() || name == "" {
			return wrong(name, "a recipe cannot declare an input of this name, which is taken; choose another")
		}
	}
	if s := in.Style; s != "" && !slices.Contains(styles, s) {
		return wrong(inputStyle, "style %q is unknown%s; the styles are %s", s, sla.Suggest(string(s), styleNames()), list(styleNames()))
	}
	return nil
}

// itl returns the ITL threshold under either name.
func (in Inputs) itl() *float64 {
	if in.ITL != nil {
		return in.ITL
	}
	return in.TPOT
}

// streaming reports whether answers are streamed. They are unless that was turned off.
func (in Inputs) streaming() bool { return valueOr(in.Streaming, true) }

// Given returns the inputs as a recipe gets them: with what else the run was given.
func (s Spec) Given() Inputs {
	in := s.Inputs
	in.Target, in.Workload, in.Trials = s.Target, s.Workload, max(s.Trials, 1)
	w := &in.Workload
	w.ISL, w.OSL = cmp.Or(w.ISL, loadgen.DefaultISL), cmp.Or(w.OSL, loadgen.DefaultOSL)
	return in
}

// number writes a value with as many digits as it needs, and no exponent.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
