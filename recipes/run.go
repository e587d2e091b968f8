package recipes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Reasons for an end that no planner gave.
const (
	ReasonDeadline  = "deadline"  // the context's deadline came first
	ReasonCancelled = "cancelled" // the context was cancelled
	ReasonAborted   = "aborted"   // a probe could not be measured, twice
)

// Run answers a recipe's question: it expands the recipe to a plan, probes where
// the plan's planner asks, decides each probe against the SLA limits, and
// concludes. It writes nothing; Spec.Observe sees every step.
//
// An error means that the answer could not be measured, or that recipe or spec
// make no sense; the outcome, when there is one, then holds what was learnt. An
// SLA that is missed is no error, and neither is a deadline: the outcome says
// what is known by then.
func Run(ctx context.Context, r *Recipe, s Spec) (*Outcome, error) {
	o, err := prepare(r, s)
	if err != nil {
		return nil, err
	}
	o.Began = time.Now()
	prober, closer, err := o.open(ctx)
	if err != nil {
		return o, o.fail(fmt.Errorf("recipe %q: %w", r.Name, err))
	}
	defer closer.Close()
	if err := cmp.Or(o.sameServer(s.Resume, false), o.sameServer(s.Baseline, true)); err != nil {
		return o, o.fail(err)
	}
	o.observe()

	planner, problem, history := o.planner(), o.problem(), o.history()
	for {
		step := planner.Next(problem, history)
		if step.Done {
			o.conclude(planner, problem, history, step.Reason)
			break
		}
		p, err := o.probe(ctx, prober, step)
		if err != nil && ctx.Err() != nil {
			o.conclude(planner, problem, history, ended(ctx))
			if o.Reason == ReasonCancelled {
				return o, o.fail(fmt.Errorf("recipe %q: %w", r.Name, context.Cause(ctx)))
			}
			break
		}
		if err != nil {
			o.conclude(planner, problem, history, ReasonAborted)
			return o, o.fail(fmt.Errorf("recipe %q stopped after %d probes: %w", r.Name, len(o.Probes), err))
		}
		history = o.take(p, planner, problem, history)
	}
	o.observe()
	return o, nil
}

// take decides a probe, adds it to the outcome and shows that; it returns the
// history with it.
func (o *Outcome) take(p Probe, planner plan.Planner, problem plan.Problem, history []plan.Observation) []plan.Observation {
	o.Warnings = append(o.Warnings, p.decide(o.Plan.Limits, o.Plan.objectives())...)
	o.Warnings = append(o.Warnings, o.notes(&p)...)
	history = append(history, p.Observed)
	o.Probes = append(o.Probes, p)
	o.answer(planner, problem, history)
	o.observe()
	p.release()
	return history
}

// probe measures one step, all its trials.
func (o *Outcome) probe(ctx context.Context, prober Prober, step plan.Step) (Probe, error) {
	p := Probe{Step: step, Load: o.load(step)}
	began := time.Now()
	for o.Spec.Converge.wantsMore(&p, o.Spec.Trials) {
		m, err := o.measure(ctx, prober, p.Load, func() loadgen.Decider { return p.decider(o) })
		if err != nil {
			return p, err
		}
		p.Trials = append(p.Trials, m)
	}
	p.Wall = time.Since(began)
	return p, nil
}

// measure runs one trial, and once more when it could not be had. watch makes
// what may end it early, for each attempt anew.
func (o *Outcome) measure(ctx context.Context, prober Prober, l loadgen.Load, watch func() loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := prober.Probe(ctx, l, watch())
	if err == nil || ctx.Err() != nil {
		return m, err
	}
	o.Warnings = append(o.Warnings, fmt.Errorf("repeated a probe that could not be measured: %w", err))
	if !pause(ctx, retryPause) {
		return nil, err
	}
	return prober.Probe(ctx, l, watch())
}

// decider returns what may end the next trial early, nil where values are
// wanted: by the step, by the spec, or by the style.
func (p *Probe) decider(o *Outcome) loadgen.Decider {
	if p.Step.Full || o.Spec.FullProbes || o.Plan.Search == nil || !o.Plan.Search.verdicts() {
		return nil
	}
	d := newSequential(o.Plan.Limits, p.Load.Requests, p.Load.Concurrency, o.Spec.Confidence)
	p.deciders = append(p.deciders[:len(p.Trials)], d) // in place of one whose trial could not be had
	return d
}

// verdicts reports whether the style asks for values, by Step.Full, where it
// wants more than a verdict. Monotonic does not: where the answer is the best
// objective its probes measure that, too. The others fit curves through all
// their points; smooth_isotonic's answers on real servers came out 10 to 20 %
// low when the probes of its bracket were cut short.
func (s *Search) verdicts() bool {
	return s.Style == Sequential || s.Style == Monotonic && s.Boundary
}

// load is the workload at a step's point, as long as the step asks.
func (o *Outcome) load(step plan.Step) loadgen.Load {
	l := o.Spec.Workload
	for i, path := range o.Plan.Paths() {
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
		l.Concurrency = o.Spec.Workload.Concurrency
	}
	if step.Size > 0 {
		l.Requests = int(math.Ceil(float64(l.Requests) * step.Size))
		l.Window = time.Duration(float64(l.Window) * step.Size)
	}
	return l
}

// release drops what a long search must not keep: the requests of probes that
// have been decided and reported, and what makes their prompts.
func (p *Probe) release() {
	for _, m := range p.Trials {
		m.Requests, m.Body = nil, nil
	}
}

// observe shows the outcome to the caller. A report that cannot be written does
// not spoil a measurement.
func (o *Outcome) observe() {
	o.Wall = time.Since(o.Began)
	if o.Spec.Observe == nil {
		return
	}
	if err := o.Spec.Observe(o); err != nil {
		o.Warnings = append(o.Warnings, err)
	}
}

// fail closes an outcome that could not be completed: what was learnt stays, but
// it is no verdict.
func (o *Outcome) fail(err error) error {
	o.Verdict, o.Err = Inconclusive, err
	if o.Reason == "" {
		o.Reason = ReasonAborted
	}
	o.observe()
	return err
}

func ended(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ReasonDeadline
	}
	return ReasonCancelled
}

// pause waits for d and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
