package recipes

import (
	"slices"

	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// logAxis is a swept path with log-spaced whole numbers: the ends that were
// given or the recipe's own, in the steps that were given or the recipe's own.
func logAxis(path string, in Input, b Bounds, lo, hi int, steps *int, or int) (Axis, error) {
	lo, hi, err := b.resolve(in, lo, hi)
	if err != nil {
		return Axis{}, err
	}
	values, err := logSteps(float64(lo), float64(hi), valueOr(steps, or))
	if err != nil {
		return Axis{}, wrong(in, "%v", err)
	}
	a := Axis{Path: path}
	for _, v := range values {
		a.Values = append(a.Values, float64(v))
	}
	return a, nil
}

// concurrencyGrid is what an adaptive recipe over concurrency expands to in
// style grid: log-spaced points, each held against the limits, and where they
// break. AIPerf has the style for max-concurrency-under-sla alone and ignores the
// number of steps.
func concurrencyGrid(in Inputs, limits []sla.Limit, objectives ...Objective) (*Plan, error) {
	a, err := logAxis(PathConcurrency, inputConcurrency, in.Concurrency, 1, 1000, in.Steps, 8)
	if err != nil {
		return nil, err
	}
	return &Plan{
		Grid:       []Axis{a},
		Limits:     limits,
		Objectives: objectives,
		Derive:     sweep.BreachRule{Filters: sweep.Filters(limits), Path: PathConcurrency},
	}, nil
}

// needsStream refuses answers that are not streamed where a recipe reads a
// metric that only streamed ones have.
func needsStream(in Inputs, what string) error {
	if in.streaming() {
		return nil
	}
	return streamingOff(what)
}

// streamingOff says that what was asked for has no value without streaming.
func streamingOff(what string) error {
	return inputError([]Input{inputStreaming},
		"requires streaming: %s has no value when %s is off; turn it on or choose another recipe", what, inputStreaming)
}

// conflicts reports inputs that the plan leaves no room for: tunables of a search
// on a sweep, and a list of concurrencies on a recipe that sweeps its own.
func (p *Plan) conflicts(r *Recipe, in Inputs) error {
	if in.ConcurrencyList != nil && !r.uses(inputConcurrencyList) {
		return wrong(inputConcurrencyList, "the recipe chooses the concurrencies itself; give %s, or take a recipe that reads a list: %s",
			inputConcurrency, list(readers(inputConcurrencyList)))
	}
	if p.Search != nil {
		return nil
	}
	var tunables []Input
	for _, t := range []struct {
		name Input
		v    *int
	}{{inputMaxProbes, in.MaxProbes}, {inputInitialPoints, in.InitialPoints}, {inputReplicates, in.Replicates}} {
		if t.v != nil {
			tunables = append(tunables, t.name)
		}
	}
	if len(tunables) == 0 {
		return nil
	}
	return inputError(tunables, "cannot use %s: it measures every point of a sweep, and there is no search to tune; leave it out, or ask for other points with %s",
		tunables, inputSteps)
}

// ignored warns of what was given and this plan has no use for, though the
// recipe reads it: grid steps in a search, tunables of another style, lengths
// where each point brings its own.
func (p *Plan) ignored(r *Recipe, s Spec) []error {
	var out []error
	in, paths := s.Inputs, p.Paths()
	if (s.Workload.ISL != 0 || s.Workload.OSL != 0) && slices.Contains(paths, PathISL) && slices.Contains(paths, PathOSL) {
		out = append(out, unused(r, inputTokens))
	}
	if p.Search == nil {
		return out
	}
	if in.Steps != nil {
		out = append(out, unused(r, inputSteps))
	}
	for _, t := range []struct {
		name   Input
		given  bool
		styles []Style
	}{
		{inputInitialPoints, in.InitialPoints != nil, []Style{BO, Optuna}},
		{inputReplicates, in.Replicates != nil, []Style{SmoothIsotonic}},
		{inputSampler, in.Sampler != "", []Style{Optuna}},
	} {
		if t.given && !slices.Contains(t.styles, p.Search.Style) {
			out = append(out, of(r, inputError([]Input{t.name}, "does not use %s in style %s; it goes with %v", t.name, p.Search.Style, t.styles)))
		}
	}
	return out
}
