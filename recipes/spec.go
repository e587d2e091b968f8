package recipes

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Spec is everything a run needs beside its recipe. After a run it says what was
// used, defaults filled in.
type Spec struct {
	Target   loadgen.Target // the endpoint; not read when Prober is set
	Workload loadgen.Load   // lengths, size and seed of a normal probe; its Concurrency is not read
	Inputs   Inputs
	Trials   int          // measurements a probe; 0: 1
	Converge *Convergence // further trials at a sweep's points; nil: none

	AtLeast    int     // a search is met only when its answer reaches this; 0: any answer will do
	Confidence float64 // of a probe's verdict; 0: plan.DefaultConfidence
	FullProbes bool    // measure every probe to its end; false: one that is there for its verdict alone ends once that is certain

	Prober   Prober               // what runs probes; nil: HTTP load on Target
	Observe  func(*Outcome) error // called before the first probe, after each, and at the end; its error becomes a warning
	Resume   *Outcome             // an interrupted run of the same question to go on from; nil: start anew
	Baseline *Outcome             // a finished run of the same question to start from and compare with; nil: none
	Gate     *Gate                // ask only whether the boundary is still where an earlier one was; nil: search for it
	Precise  float64              // go on until the boundary's 95 % interval is this narrow, ± as a share; 0: the style's own end
	Note     string               // what every report must say of this run, as that the server is simulated
}

// Prober runs one probe: a load in, a measurement out. loadgen.Generator is the
// one for HTTP; tests plug in analytic response surfaces, and other executors
// can be added without touching a planner.
//
// A Prober may also have Ready(context.Context) error, called once before the
// first probe, and Close() error, called at the end.
type Prober interface {
	// Probe measures at the load. Load may continue at this level until the
	// next Probe, ctx's end, or Close. The Decider may be nil.
	Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error)
}

// prepare resolves recipe and spec into a run about to begin. It sends nothing;
// errors are typed and name the recipe.
func prepare(recipe *Recipe, s Spec) (*run, error) {
	if err := Validate(recipe); err != nil {
		return nil, err
	}
	o := &Outcome{Recipe: recipe, Spec: s, Boundary: noAnswer(), Began: time.Now()}
	if err := o.expand(); err != nil {
		return nil, of(recipe, err)
	}
	o.Spec.complete(o.Plan)
	if err := o.differs(s.Baseline, true); err != nil {
		return nil, err
	}
	if err := o.resume(); err != nil {
		return nil, err
	}
	return &run{
		out: o, planner: plannerOf(o.Plan, &o.Spec), problem: problemOf(o.Plan, &o.Spec), history: observations(o.Probes),
	}, nil
}

// expand expands the recipe and checks what comes of it against everything that
// was given.
func (o *Outcome) expand() error {
	recipe, s := o.Recipe, o.Spec
	if err := s.Inputs.validate(); err != nil {
		return err
	}
	for _, in := range s.Inputs.given() {
		if !recipe.uses(in) {
			o.Warnings = append(o.Warnings, unused(recipe, in))
		}
	}
	p, err := recipe.Expand(s.Inputs)
	if err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return p.withTiers(s.Inputs.Tiers) },
		func() error { return p.validate() },
		func() error { return s.Converge.validate(p) },
		func() error { return p.conflicts(recipe, s.Inputs) },
		func() error { return s.Gate.validate(p, s.AtLeast) },
		func() error { return p.streams(s.Inputs) },
		func() error { return s.validate(p) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	o.Warnings = append(o.Warnings, p.ignored(recipe, s)...)
	o.Plan = p
	return nil
}

// streams refuses limits on what only streamed answers have when answers are not
// streamed.
func (p *Plan) streams(in Inputs) error {
	if in.streaming() {
		return nil
	}
	for _, l := range p.Limits {
		if l.Streamed() {
			return streamingOff(fmt.Sprintf("%q", l.Name()))
		}
	}
	return nil
}

// validate checks what is no matter of the recipe's inputs.
func (s *Spec) validate(p *Plan) error {
	switch {
	case s.Trials < 0:
		return wrong(inputTrials, "%d is not a number of trials", s.Trials)
	case s.AtLeast < 0:
		return wrong(inputAtLeast, "%d is not a concurrency", s.AtLeast)
	case s.Confidence != 0 && !(s.Confidence > 0.5 && s.Confidence < 1):
		return inputError(nil, "cannot use confidence %v: give a probability between 0.5 and 1", s.Confidence)
	case s.Target.Prompts != "" && slices.Contains(p.Paths(), PathISL):
		return inputError([]Input{inputPrompts}, "sweeps prompt lengths and cannot send prompts of a file; leave out %s", inputPrompts)
	case s.Prober == nil && s.Target.URL == "":
		return inputError([]Input{inputEndpoint}, "has no endpoint to load: give %s, or a Prober", inputEndpoint)
	}
	return nil
}

// complete fills in defaults.
func (s *Spec) complete(p *Plan) {
	s.Target.NoStream = s.Target.NoStream || !s.Inputs.streaming()
	s.Trials = max(s.Trials, 1)
	if s.Confidence == 0 {
		s.Confidence = plan.DefaultConfidence
	}
	w := &s.Workload
	w.ISL = cmp.Or(w.ISL, loadgen.DefaultISL)
	w.OSL = cmp.Or(w.OSL, loadgen.DefaultOSL)
	w.Requests = cmp.Or(w.Requests, loadgen.DefaultRequests)
	w.Window = cmp.Or(w.Window, loadgen.DefaultWindow)
	w.SLO = p.SLO
}

// load is the workload at a step's point, as long as the step asks.
func (s *Spec) load(p *Plan, step plan.Step) loadgen.Load {
	l := s.Workload
	for i, path := range p.Paths() {
		switch v := step.At[i]; path {
		case PathConcurrency:
			l.Concurrency = int(v)
		case PathRate:
			l.Rate = v
		case PathISL:
			l.ISL = int(v)
		case PathOSL:
			l.OSL = int(v)
		}
	}
	if l.Concurrency == 0 && l.Rate == 0 {
		l.Concurrency = s.Workload.Concurrency
	}
	if step.Size > 0 {
		l.Requests = int(math.Ceil(float64(l.Requests) * step.Size))
		l.Window = time.Duration(float64(l.Window) * step.Size)
	}
	return l
}

// unused warns of an input that the recipe does not read, and names those that
// do. AIPerf ignores it in silence.
func unused(r *Recipe, in Input) error {
	hint := "no recipe reads it"
	if who := readers(in); len(who) > 0 {
		hint = "it is read by " + list(who)
	}
	return of(r, inputError([]Input{in}, "does not use %s; %s", in, hint))
}

// readers names the recipes that read an input.
func readers(in Input) []string {
	var who []string
	for _, r := range All() {
		if r.uses(in) {
			who = append(who, r.Name)
		}
	}
	return who
}

// validate checks that a plan has exactly one shape and sensible parts.
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
			return wrong(inputStyle, "style %q is not one this version has; use %s", s.Style, list(styleNames()))
		}
		for _, d := range s.Space {
			if !(d.Lo < d.Hi) || d.Log && d.Lo <= 0 {
				return bad("searches %s from %v to %v", d.Path, d.Lo, d.Hi)
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
			return bad("has a limit %s: %v", l, err)
		}
	}
	if err := checkDerivation(p.Derive); err != nil {
		return bad("%v", err)
	}
	return nil
}

// open makes what runs the probes, and waits until it is ready.
func (r *run) open(ctx context.Context) (io.Closer, error) {
	o := r.out
	r.prober = o.Spec.Prober
	if r.prober == nil {
		g, err := loadgen.New(o.Spec.Target)
		if err != nil {
			return nil, inputError([]Input{inputEndpoint}, "cannot use the endpoint: %v", err)
		}
		r.prober = g
	}
	closer, ok := r.prober.(io.Closer)
	if !ok {
		closer = io.NopCloser(nil)
	}
	if p, ok := r.prober.(interface{ Ready(context.Context) error }); ok {
		if err := p.Ready(ctx); err != nil {
			closer.Close()
			return nil, err
		}
	}
	if p, ok := r.prober.(interface{ Server() loadgen.Server }); ok {
		o.Server = p.Server()
	}
	return closer, nil
}

// list joins names as English does: a, b and c.
func list(names []string) string {
	s := ""
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			s += " and "
		case i > 0:
			s += ", "
		}
		s += n
	}
	return s
}
