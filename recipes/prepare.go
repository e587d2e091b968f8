package recipes

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// prepare resolves a recipe and a spec into a run that is about to begin. It sends
// nothing. Its errors are typed and name the recipe.
func prepare(recipe *Recipe, s Spec) (*run, error) {
	if err := Validate(recipe); err != nil {
		return nil, err
	}
	o := &Outcome{Recipe: recipe, Spec: s, Boundary: noAnswer(), Began: time.Now()}
	r := &run{out: o}
	if err := r.expand(); err != nil {
		return nil, of(recipe, err)
	}
	o.Spec.complete(o.Plan)
	if err := differs(s.Baseline, o, true); err != nil {
		return nil, err
	}
	if err := r.resume(); err != nil {
		return nil, err
	}
	r.planner, r.problem, r.history = plannerOf(o.Plan, &o.Spec), problemOf(o.Plan, &o.Spec), asked(observations(o.Probes))
	// A search that was out of time is resumed for more of it: what was measured before counts as
	// known, and not as time that is spent.
	if was := o.Spec.Resume; was != nil && was.Reason == plan.ReasonOutOfTime && r.problem.Time > 0 {
		r.problem.Time += r.problem.Spent(r.history)
	}
	return r, nil
}

// expand expands the recipe and checks the plan against everything that was given.
func (r *run) expand() error {
	recipe := r.out.Recipe
	if err := r.out.Spec.Inputs.validate(); err != nil {
		return err
	}
	if err := r.out.Spec.file(); err != nil {
		return err
	}
	s := r.out.Spec
	for _, in := range s.Inputs.given() {
		if !recipe.uses(in) {
			r.out.Warnings = append(r.out.Warnings, unused(recipe, in))
		}
	}
	if (s.AtLeast > 0 || s.LeastRate > 0) && !recipe.uses(inputAtLeast) {
		r.out.Warnings = append(r.out.Warnings, unused(recipe, inputAtLeast))
	}
	p, err := recipe.Expand(s.Given())
	if err != nil {
		return err
	}
	if p != nil {
		if err := r.out.Spec.schedule(p); err != nil {
			return err
		}
	}
	// The order decides which of several mistakes is reported.
	for _, check := range []func() error{
		func() error { return p.withTiers(s.Inputs.Tiers) },
		func() error { return p.validate() },
		func() error { return p.settable(s.Workload.Workload) },
		func() error { return p.withSLO(s.Inputs.SLO) },
		func() error { return s.Converge.validate(p) },
		func() error { return p.conflicts(recipe, s.Inputs) },
		func() error { return s.Gate.validate(p, s.least(p)) },
		func() error { return s.tokens(p) },
		func() error { return p.streams(s.Inputs) },
		func() error { return s.validate(p) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	r.out.Warnings = append(r.out.Warnings, p.ignored(recipe, s)...)
	r.out.Plan = p
	return nil
}

// open makes what runs the probes, and waits until it is ready. The Closer ends it; it
// is not nil unless there is an error.
func (r *run) open(ctx context.Context) (io.Closer, error) {
	o := r.out
	r.prober = o.Spec.Prober
	if r.prober == nil && o.Spec.Spread != nil {
		p, err := o.Spec.Spread(ctx, o)
		if err != nil {
			return nil, err
		}
		r.prober = p
	}
	if r.prober == nil {
		g, err := loadgen.New(o.Spec.Target)
		if err != nil {
			return nil, targetInput(err)
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
			if o.Spec.Spread != nil && errors.As(err, new(*loadgen.TargetError)) { // what cannot be sent to workers
				err = targetInput(err)
			}
			return nil, err
		}
	}
	if p, ok := r.prober.(interface{ Where() string }); ok {
		o.Where = p.Where()
		if o.Spec.Note != "" {
			o.Spec.Note += "; "
		}
		o.Spec.Note += "the load comes from " + o.Where
	}
	if p, ok := r.prober.(interface{ Server() loadgen.Server }); ok {
		o.Server = p.Server()
		r.problem.Request = o.Server.Request(o.Spec.Workload)
		o.Warnings = append(o.Warnings, o.Server.Notes...)
	}
	return closer, nil
}

// targetInput returns the error of a target that cannot be used as one of the input at
// fault.
func targetInput(err error) error {
	if t := (*loadgen.TargetError)(nil); errors.As(err, &t) && t.Field == string(inputPrompts) {
		return inputError([]Input{inputPrompts}, "%s %s", inputPrompts, t.Problem)
	}
	return inputError([]Input{inputEndpoint}, "cannot use the endpoint: %v", err)
}
