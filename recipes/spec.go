package recipes

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Spec is everything that a run needs besides its recipe. It needs a Target or a
// Prober; the zero value of any other field is a default. In Outcome.Spec it says what
// was used, with the defaults filled in.
type Spec struct {
	// Target is the endpoint. It is not read when Prober is set.
	Target loadgen.Target
	// Workload has the lengths, the size and the seed of a normal probe. What the plan
	// varies, which is mostly the concurrency, comes from the plan instead.
	Workload loadgen.Load
	// Inputs are those of the recipe.
	Inputs Inputs
	// Trials is the number of measurements in a probe; 0 means 1.
	Trials int
	// Converge adds trials at the points of a sweep until a metric is known well
	// enough; nil means none.
	Converge *Convergence

	// AtLeast is the concurrency that the answer must reach for the verdict Met; 0
	// means that any answer will do.
	AtLeast int
	// Confidence is the probability, between 0.5 and 1, from which the verdict on a
	// probe is certain; 0 means plan.DefaultConfidence.
	Confidence float64
	// FullProbes measures every probe to its end. If false, a probe that exists for
	// its verdict alone ends once that is certain.
	FullProbes bool

	// Prober runs the probes. If nil, they are HTTP load on Target.
	Prober Prober
	// Observe, if not nil, is called before the first probe, after each, and at the
	// end. Its error becomes a warning.
	Observe func(*Outcome) error
	// Resume is an interrupted run of the same question to continue; nil means to
	// start from the beginning.
	Resume *Outcome
	// Baseline is a finished run of the same question. The search starts from its
	// boundary; nil means that there is none.
	Baseline *Outcome
	// Gate asks only whether the boundary is still where an earlier run found it. If
	// nil, the boundary is searched for.
	Gate *Gate
	// Precise continues a sequential search until half the boundary's 95% interval is
	// at most this share of it. 0 means to end when the style does.
	Precise float64
	// Note is what every report must say about this run, for example that the server
	// is simulated.
	Note string
}

// Prober runs one probe: it turns a load into a measurement. loadgen.Generator does it
// over HTTP. Tests plug in analytic response surfaces, and other executors can be
// added without changing a planner.
//
// A Prober may also have any of these methods, which are called if it does:
//
//	Ready(context.Context) error    before the first probe
//	Server() loadgen.Server         after Ready; what the endpoint says about itself
//	Rest()                          to end the load that is kept up between probes
//	Close() error                   at the end of the run
type Prober interface {
	// Probe measures at the load. It may keep up that load until the next Probe, the
	// end of the context, or Close. The Decider may be nil; otherwise it is told
	// about each request, and may end the probe.
	Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error)
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

// load returns the workload at the point of a step, with the size that the step asks
// for.
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

// validate checks what does not depend on the recipe's inputs.
func (s *Spec) validate(p *Plan) error {
	switch {
	case s.Trials < 0:
		return wrong(inputTrials, "%d is negative; give at least 1", s.Trials)
	case s.AtLeast < 0:
		return wrong(inputAtLeast, "%d is negative; give a concurrency of at least 1", s.AtLeast)
	case s.Confidence != 0 && !(s.Confidence > 0.5 && s.Confidence < 1):
		return inputError(nil, "cannot use confidence %v: give a probability between 0.5 and 1", s.Confidence)
	case s.Target.Prompts != "" && slices.Contains(p.Paths(), PathISL):
		return inputError([]Input{inputPrompts}, "sweeps prompt lengths and cannot send prompts from a file; leave out %s", inputPrompts)
	case s.Prober == nil && s.Target.URL == "":
		return inputError([]Input{inputEndpoint}, "has no endpoint to load: give %s, or a Prober", inputEndpoint)
	}
	return nil
}
