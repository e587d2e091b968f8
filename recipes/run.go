package recipes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Reason says why a run ended. Most reasons are convergence reasons of planners, in
// AIPerf's words where AIPerf has the planner.
type Reason = string

// The reasons that callers tell apart.
const (
	// ReasonDeadline means that the context's deadline came first.
	ReasonDeadline Reason = "deadline"
	// ReasonCancelled means that the context was cancelled.
	ReasonCancelled Reason = "cancelled"
	// ReasonAborted means that a probe could not be measured, and its repetition
	// could not either.
	ReasonAborted Reason = "aborted"
	// ReasonTooNear means that the floor of a gate is so near to the boundary that
	// the gate's probes could not tell on which side it lies.
	ReasonTooNear Reason = plan.FloorOpen

	// reasonNoValue means that a limit has no value at the endpoint, and reasonNothing
	// that points had no valid request.
	reasonNoValue, reasonNothing Reason = "limit_without_value", "no_valid_request"
)

// run is a recipe being run: the outcome that grows, and what makes it grow.
type run struct {
	out     *Outcome
	prober  Prober
	planner plan.Planner
	problem plan.Problem
	history []plan.Observation
	// ceiling is the planner's own answer for the first tier, before floors are asked; NaN
	// when there is none.
	ceiling float64
	// settings are the values that Spec.Setup was called for last; nil before.
	settings map[Path]float64
}

// Run answers a recipe's question. It expands the recipe to a plan, probes where the
// planner asks, decides each probe against the SLA limits, and concludes. It writes no
// files; Spec.Observe sees every step.
//
// An error means that the recipe or the spec makes no sense, and the outcome is nil, or
// that the answer could not be measured, and the outcome holds what was learnt. A
// missed SLA is not an error. Neither is a deadline: the outcome then says what was
// known by that time.
func Run(ctx context.Context, recipe *Recipe, s Spec) (*Outcome, error) {
	r, err := prepare(recipe, s)
	if err != nil {
		return nil, err
	}
	out := r.out
	closer, err := r.open(ctx)
	if err != nil {
		return out, r.fail(named(recipe, err))
	}
	defer closer.Close()
	if err := cmp.Or(otherServer(s.Resume, out, false), otherServer(s.Baseline, out, true)); err != nil {
		return out, r.fail(err)
	}
	if err := r.fits(); err != nil {
		return out, r.fail(named(recipe, err))
	}
	r.observe()
	for {
		step := r.planner.Next(r.problem, r.history)
		if step.Done {
			err = r.conclude(step.Reason)
			break
		}
		if step.Apart > 0 && !r.wait(ctx, step.Apart) {
			err = ctx.Err()
		}
		var p Probe
		if err == nil {
			p, err = r.probe(ctx, step)
		}
		if err != nil && ctx.Err() != nil {
			err = r.conclude(ended(ctx))
			if out.Reason == ReasonCancelled {
				return out, r.fail(fmt.Errorf("recipe %q: %w", recipe.Name, context.Cause(ctx)))
			}
			break
		}
		if err == nil {
			r.take(p)
			err = r.alive(ctx)
		}
		if err != nil && ctx.Err() == nil {
			_ = r.conclude(ReasonAborted)
			return out, r.fail(fmt.Errorf("recipe %q stopped after %s: %w", recipe.Name, probes(len(out.Probes)), err))
		}
		if err = r.facts().fault(false); err != nil {
			_ = r.conclude(reasonNoValue)
			break
		}
	}
	if err != nil {
		return out, r.fail(named(recipe, err))
	}
	r.observe()
	return out, nil
}

// probes counts probes in words, for example "1 probe".
func probes(n int) string {
	if n == 1 {
		return "1 probe"
	}
	return fmt.Sprintf("%d probes", n)
}

// alive asks the endpoint once more when every request of the last probe failed, without the load
// that failed. What no longer answers is no slow server, and its last probe no verdict.
func (r *run) alive(ctx context.Context) error {
	asked, ok := r.prober.(interface{ Alive(context.Context) error })
	if last := r.out.Probes[len(r.out.Probes)-1]; last.failed < max(last.Observed.Requests, 1) || !ok {
		return nil
	}
	r.rest()
	if err := asked.Alive(ctx); err != nil {
		return fmt.Errorf("every request at %s failed, and then one without that load: %w", place(r.out, len(r.out.Probes)-1), err)
	}
	return nil
}

// take decides a probe, adds it to the outcome and to the history, and calls Observe.
func (r *run) take(p Probe) {
	o := r.out
	o.Warnings = append(o.Warnings, p.decide(o.Plan)...)
	o.Warnings = append(o.Warnings, r.notes(&p)...)
	r.history = append(r.history, p.Observed)
	o.Probes = append(o.Probes, p)
	r.widen()
	r.answer()
	r.observe()
	p.release()
}

// widen gives every reading what visits at other times say of it by now, where there are such visits.
func (r *run) widen() {
	if _, ok := r.planner.(plan.Confirmed); !ok && r.out.Plan.Passes < 2 {
		return
	}
	scatter := r.problem.Scatter(r.history)
	before := len(r.out.Probes) - len(r.history) // what a resumed run left out says nothing
	for i := range scatter {
		p := &r.out.Probes[before+i]
		for k, own := range p.read {
			beyond := scatter[i][k]
			p.Readings[k] = own.Widened(beyond.Value, beyond.SE, beyond.Pass)
		}
	}
}

// probe measures one step with all its trials. With an error, the probe holds the
// trials that were measured before it.
func (r *run) probe(ctx context.Context, step plan.Step) (Probe, error) {
	p := Probe{Step: step, Load: r.out.Spec.load(r.out.Plan, step)}
	if err := r.setUp(ctx, step); err != nil {
		return p, err
	}
	began := time.Now()
	for r.out.Spec.Converge.wantsMore(&p, r.out.Spec.Trials) {
		m, err := r.measure(ctx, p.Load, func() loadgen.Decider { return r.decider(&p) })
		if err != nil {
			return p, err
		}
		r.account(m)
		p.Trials = append(p.Trials, m)
	}
	p.Wall = time.Since(began)
	return p, nil
}

// account has a measurement of the user's own prober say what the tokens cost, if the target
// says so and the prober does not. loadgen's own measurements have it already.
func (r *run) account(m *loadgen.Measurement) {
	t := r.out.Spec.Target
	if r.out.Spec.Prober == nil || m.Server.GPUs > 0 || t.GPUs <= 0 {
		return
	}
	told := m.Server
	told.GPUs, told.Price = t.GPUs, t.Price
	m.Join(told)
}

// wait lets time pass between probes, as the prober does it: it may have a clock of its
// own. One of the user's that has no method Wait is asked again at once. wait reports
// whether ctx is still alive.
func (r *run) wait(ctx context.Context, d time.Duration) bool {
	switch p := r.prober.(type) {
	case interface {
		Wait(context.Context, time.Duration) bool
	}:
		return p.Wait(ctx, d)
	case *loadgen.Generator:
		return pause(ctx, d)
	}
	return ctx.Err() == nil
}

// retryPause is the wait before a probe that could not be measured is repeated.
const retryPause = time.Second

// measure runs one trial, and repeats it if it could not be measured: once, as behind an
// outage that spoilt a part of it, or, if the endpoint was lost, as often as it comes back
// within the time that the target allows for getting ready. A restart of the server spoils one probe and not the run. watch returns a
// new Decider for each attempt, or nil.
func (r *run) measure(ctx context.Context, l loadgen.Load, watch func() loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := r.prober.Probe(ctx, l, watch())
	if err == nil && ctx.Err() == nil {
		if gone, said := outage(m); gone != nil && r.returns(ctx, said) {
			r.out.Warnings = append(r.out.Warnings, repeated(gone))
			m, err = r.prober.Probe(ctx, l, watch())
		}
	}
	if err == nil || ctx.Err() != nil {
		return m, err
	}
	r.out.Warnings = append(r.out.Warnings, repeated(err))
	for began := time.Now(); ; {
		if !pause(ctx, retryPause) {
			return nil, err
		}
		back, ok := r.prober.(interface{ Ready(context.Context) error })
		lost := ok && errors.As(err, new(*loadgen.UnreachableError))
		if lost {
			if err := back.Ready(ctx); err != nil {
				return nil, err
			}
		}
		m, err = r.prober.Probe(ctx, l, watch())
		patient := lost && time.Since(began) < r.out.Spec.Target.Patience()
		if err == nil || ctx.Err() != nil || !patient {
			return m, err
		}
	}
}

// observe calls Spec.Observe. Its error is a warning, because a report that cannot be
// written must not cost a measurement.
func (r *run) observe() {
	o := r.out
	o.Wall = time.Since(o.Began)
	if o.Spec.Observe == nil {
		return
	}
	if err := o.Spec.Observe(o); err != nil {
		o.Warnings = append(o.Warnings, err)
	}
}

// fail closes an outcome that could not be completed. What was learnt stays, and the
// verdict is Inconclusive. It returns err.
func (r *run) fail(err error) error {
	o := r.out
	o.Verdict, o.Err = Inconclusive, err
	if o.Reason == "" {
		o.Reason = ReasonAborted
	}
	r.observe()
	return err
}

// ended returns the reason of a run whose context ended.
func ended(ctx context.Context) Reason {
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

// decider returns what may end the next trial of a probe early. It is nil when whole
// trials are wanted: by the step, by the spec, by the style, or at a rate. What waits at a
// server varies for seconds with the arrivals, and the first of them speak for none of the
// others: with early ends an answer came out 23% too high. An overload ends a probe there.
func (r *run) decider(p *Probe) loadgen.Decider {
	spec, s := &r.out.Spec, r.out.Plan.Search
	if p.Step.Full || spec.FullProbes || s == nil || !s.verdicts() || p.Load.Rate > 0 {
		return nil
	}
	d := sla.NewDecider(r.out.Plan.Limits, p.Load.Requests, p.Load.Concurrency, spec.Confidence)
	d.Every = len(r.out.Plan.Tiers) > 0                // each tier has an answer of its own
	p.deciders = append(p.deciders[:len(p.Trials)], d) // in place of that of a failed attempt
	return d
}
