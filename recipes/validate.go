package recipes

import (
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
)

// validate checks that a plan has exactly one shape, and that its parts make sense.
func (p *Plan) validate() error {
	bad := func(format string, args ...any) error {
		return inputError(nil, "expands to a plan that "+format, args...)
	}
	if p == nil {
		return bad("is nil")
	}
	shapes := 0
	if s := p.Search; s != nil {
		shapes++
		switch {
		case len(s.Space) == 0:
			return bad("searches no dimension")
		case len(s.Objectives) == 0:
			return bad("has no objective")
		case s.planner() == nil:
			return wrong(inputStyle, "style %q is unknown; the styles are %s", s.Style, list(styleNames()))
		}
		for _, d := range s.Space {
			if !(d.Lo < d.Hi) || d.Log && d.Lo <= 0 {
				return bad("searches %s from %v to %v; the bounds must ascend, and be positive on a log scale", d.Path, d.Lo, d.Hi)
			}
		}
	}
	if p.Grid != nil {
		shapes++
		for _, a := range p.Grid {
			if len(a.Values) == 0 {
				return bad("sweeps no values of %s", a.Path)
			}
		}
	}
	if p.Scenarios != nil {
		shapes++
		if len(p.Scenarios) == 0 {
			return bad("has no scenario")
		}
	}
	if shapes != 1 {
		return bad("has %d of the shapes search, grid and scenarios; it needs exactly one", shapes)
	}
	for _, l := range p.Limits {
		if err := l.Validate(); err != nil {
			return bad("has the invalid limit %s: %v", l, err)
		}
	}
	if err := checkDerivation(p.Derive); err != nil {
		return bad("%v", err)
	}
	return nil
}

// streams refuses limits on metrics that only streamed answers have, when answers are
// not streamed.
func (p *Plan) streams(in Inputs) error {
	if in.streaming() {
		return nil
	}
	for _, l := range p.Limits {
		if l.Streamed() {
			return streamingOff(fmt.Sprintf("%q", l.Name()))
		}
	}
	for tag := range in.SLO {
		if m, _ := loadgen.LookupMetric(tag); m.Streamed {
			return streamingOff(m.Name() + " of a good request")
		}
	}
	return nil
}

// needsStream refuses inputs that turn streaming off, for a recipe that reads a metric
// that only streamed answers have. what names the metric.
func needsStream(in Inputs, what string) error {
	if in.streaming() {
		return nil
	}
	return streamingOff(what)
}

// streamingOff is the error of a metric that has no value without streaming.
func streamingOff(what string) error {
	return inputError([]Input{inputStreaming},
		"requires streaming: %s has no value when %s is off; turn it on or choose another recipe", what, inputStreaming)
}

// conflicts reports inputs that the plan leaves no room for: tunables of a search
// for a sweep, and a list of concurrencies for a recipe that chooses its own.
func (p *Plan) conflicts(r *Recipe, in Inputs) error {
	if in.ConcurrencyList != nil && !r.uses(inputConcurrencyList) {
		return wrong(inputConcurrencyList, "the recipe chooses the concurrencies itself; give %s, or use a recipe that reads a list: %s",
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
	return inputError(tunables,
		"cannot use %s: the recipe measures every point of a sweep and has no search to tune; leave it out, or ask for other points with %s",
		tunables, inputSteps)
}

// ignored returns warnings about what was given and has no effect on this plan, though
// the recipe reads it: grid steps in a search, tunables of another style, lengths
// where each point has its own.
func (p *Plan) ignored(r *Recipe, s Spec) []error {
	var out []error
	in, paths := s.Inputs, p.Paths()
	if (s.Workload.ISL != 0 || s.Workload.OSL != 0) && slices.Contains(paths, PathISL) && slices.Contains(paths, PathOSL) {
		out = append(out, unused(r, inputTokens))
	}
	if w := s.Workload.Workload; slices.Contains(paths, PathISL) && !w.Same(w.Fixed(1, 0)) ||
		slices.Contains(paths, PathOSL) && !w.Same(w.Fixed(0, 1)) {
		out = append(out, of(r, inputError([]Input{inputWorkload}, "sweeps lengths, and its points take the place of the laws of %s",
			inputWorkload)))
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
		list   string
	}{
		{inputInitialPoints, in.InitialPoints != nil, []Style{BO, Optuna}, "styles bo and optuna"},
		{inputReplicates, in.Replicates != nil, []Style{SmoothIsotonic}, "style smooth_isotonic"},
		{inputSampler, in.Sampler != "", []Style{Optuna}, "style optuna"},
	} {
		if t.given && !slices.Contains(t.styles, p.Search.Style) {
			out = append(out, of(r, inputError([]Input{t.name}, "does not use %s in style %s; it is for %s", t.name, p.Search.Style, t.list)))
		}
	}
	return out
}

// unused is the warning about an input that the recipe does not read; it names those
// that do. AIPerf ignores such an input in silence.
func unused(r *Recipe, in Input) error {
	hint := "no recipe reads it"
	if who := readers(in); len(who) > 0 {
		hint = "it is read by " + list(who)
	}
	return of(r, inputError([]Input{in}, "does not use %s; %s", in, hint))
}

// readers names the recipes of the catalogue that read an input.
func readers(in Input) []string {
	var who []string
	for _, r := range All() {
		if r.uses(in) {
			who = append(who, r.Name)
		}
	}
	return who
}
