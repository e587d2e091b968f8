package recipes

import (
	"context"
	"fmt"
	"io"
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
	Judge    func(*Outcome)       // called once the run has its verdict and before Observe's last call: what holds it against another run sets Comparison; nil: nothing does
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

// prepare resolves recipe and spec into an outcome about to run. It sends
// nothing; errors are typed.
func prepare(r *Recipe, s Spec) (*Outcome, error) {
	if err := Validate(r); err != nil {
		return nil, err
	}
	if err := s.Inputs.validate(r.Name); err != nil {
		return nil, err
	}
	o := &Outcome{Recipe: r, Spec: s, Boundary: noAnswer()}
	for _, in := range s.Inputs.given() {
		if !r.uses(in) {
			o.Warnings = append(o.Warnings, unused(r, in))
		}
	}
	p, err := r.Expand(s.Inputs)
	if err != nil {
		return nil, err
	}
	if err := p.withTiers(r.Name, s.Inputs.Tiers); err != nil {
		return nil, err
	}
	if err := p.validate(r.Name); err != nil {
		return nil, err
	}
	if err := s.Converge.validate(r.Name, p); err != nil {
		return nil, err
	}
	if err := p.conflicts(r, s.Inputs); err != nil {
		return nil, err
	}
	if err := s.Gate.validate(r.Name, p, s.AtLeast); err != nil {
		return nil, err
	}
	o.Warnings = append(o.Warnings, p.ignored(r, s)...)
	if !s.Inputs.streaming() {
		for _, l := range p.Limits {
			if l.streamed() {
				return nil, &InputError{Recipe: r.Name, Inputs: []Input{inputStreaming}, Problem: fmt.Sprintf(
					"requires streaming (AIPerf: --streaming): %q has no value without it; leave out aiperftest.Streaming(false) or choose another recipe", l.Name())}
			}
		}
		o.Spec.Target.NoStream = true
	}
	switch {
	case s.Trials < 0:
		return nil, wrong(r.Name, inputTrials, "%d is not a number of trials", s.Trials)
	case s.AtLeast < 0:
		return nil, wrong(r.Name, inputAtLeast, "%d is not a concurrency", s.AtLeast)
	case s.Confidence != 0 && !(s.Confidence > 0.5 && s.Confidence < 1):
		return nil, &InputError{Recipe: r.Name, Problem: fmt.Sprintf("cannot use confidence %v: give a probability between 0.5 and 1", s.Confidence)}
	case s.Target.Prompts != "" && slices.Contains(p.Paths(), PathISL):
		return nil, &InputError{Recipe: r.Name, Inputs: []Input{inputPrompts}, Problem: "sweeps prompt lengths and cannot send prompts of a file; leave out " + inputPrompts.option()}
	case s.Prober == nil && s.Target.URL == "":
		return nil, &InputError{Recipe: r.Name, Inputs: []Input{inputEndpoint},
			Problem: "has no endpoint to load: set Spec.Target.URL or Spec.Prober; in a test use " + inputEndpoint.option() + " or AIPERF_URL"}
	}
	o.Plan = p
	o.Spec.Trials = max(s.Trials, 1)
	if s.Confidence == 0 {
		o.Spec.Confidence = plan.DefaultConfidence
	}
	w := &o.Spec.Workload
	if w.ISL == 0 {
		w.ISL = loadgen.DefaultISL
	}
	if w.OSL == 0 {
		w.OSL = loadgen.DefaultOSL
	}
	if w.Requests == 0 {
		w.Requests = loadgen.DefaultRequests
	}
	if w.Window == 0 {
		w.Window = loadgen.DefaultWindow
	}
	w.SLO = p.SLO
	if s.Baseline != nil {
		if err := o.differs(s.Baseline, true); err != nil {
			return nil, err
		}
	}
	if err := o.resume(); err != nil {
		return nil, err
	}
	return o, nil
}

// unused warns of an input that the recipe does not read, and names those that
// do. AIPerf ignores it in silence.
func unused(r *Recipe, in Input) error {
	hint := "no recipe reads it"
	if who := readers(in); len(who) > 0 {
		hint = "it is read by " + list(who)
	}
	return &InputError{Recipe: r.Name, Inputs: []Input{in}, Problem: "does not use " + in.option() + "; " + hint}
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
func (p *Plan) validate(recipe string) error {
	bad := func(format string, args ...any) error {
		return &InputError{Recipe: recipe, Problem: "expands to a plan that " + fmt.Sprintf(format, args...)}
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
			return wrong(recipe, inputStyle, "style %q is not one this version has; use %s", s.Style, list(styleNames()))
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
		if err := l.validate(); err != nil {
			return bad("has a limit %s: %v", l, err)
		}
	}
	if err := p.Post.validate(); err != nil {
		return bad("%v", err)
	}
	return nil
}

// open returns what runs the probes, ready.
func (o *Outcome) open(ctx context.Context) (Prober, io.Closer, error) {
	p := o.Spec.Prober
	if p == nil {
		g, err := loadgen.New(o.Spec.Target)
		if err != nil {
			return nil, nil, &InputError{Recipe: o.Recipe.Name, Inputs: []Input{inputEndpoint}, Problem: "cannot use the endpoint: " + err.Error()}
		}
		p = g
	}
	closer, ok := p.(io.Closer)
	if !ok {
		closer = io.NopCloser(nil)
	}
	if r, ok := p.(interface{ Ready(context.Context) error }); ok {
		if err := r.Ready(ctx); err != nil {
			closer.Close()
			return nil, nil, err
		}
	}
	if s, ok := p.(interface{ Server() loadgen.Server }); ok {
		o.Server = s.Server()
	}
	return p, closer, nil
}

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

// retryPause is the wait before a probe that could not be measured is repeated.
const retryPause = time.Second
