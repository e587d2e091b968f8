package recipes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// RunPair measures a recipe's fixed loads on two endpoints in turns, so that what
// drifts on the machine between them and here drifts for both: Spec.Trials blocks
// of each a point, in pairs whose order is drawn (old new, then new old, or the
// other way round), one endpoint idle while the other is loaded. It writes
// nothing, as Run, and the specs' Observe and Judge are called as Run calls them,
// the old one's first.
//
// A recipe that searches is an error: it stops at another load each time, and
// there is nothing to take turns at.
func RunPair(ctx context.Context, r *Recipe, old, new Spec) (*Outcome, *Outcome, error) {
	new.Workload.Seed = old.Workload.Seed // both get the same prompts
	a, err := prepare(r, old)
	if err != nil {
		return nil, nil, err
	}
	b, err := prepare(r, new)
	if err != nil {
		return nil, nil, err
	}
	if old.Resume != nil || old.Converge != nil {
		return nil, nil, &InputError{Recipe: r.Name, Problem: "cannot measure two endpoints in turns and resume, or converge: blocks of both are of one number, and of one run"}
	}
	if a.Plan.Search != nil {
		return nil, nil, &InputError{Recipe: r.Name, Problem: "cannot measure two endpoints in turns: it searches, and stops at another load each time; use recipes.Fixed or a sweep"}
	}
	arms := [2]*Outcome{a, b}
	var probers [2]Prober
	for i, o := range arms {
		o.Began = time.Now()
		o.Spec.Workload.Target = [2]string{"old", "new"}[i]
		p, closer, err := o.open(ctx)
		if err != nil {
			for _, o := range arms {
				_ = o.fail(nil)
			}
			return a, b, fmt.Errorf("recipe %q, %s endpoint: %w", r.Name, o.Spec.Workload.Target, err)
		}
		defer closer.Close()
		rest(p) // its first inference is over
		probers[i] = p
		o.observe()
	}
	rng := rand.New(rand.NewPCG(old.Workload.Seed, 0xab))
	points := a.problem().List
	for _, at := range points {
		step := plan.Step{At: at, Size: 1, Full: true, Reason: "in turns"}
		var probes [2]Probe
		for i, o := range arms {
			probes[i] = Probe{Step: step, Load: o.load(step)}
		}
		for _, arm := range turns(a.Spec.Trials, rng) {
			m, err := arms[arm].block(ctx, probers[arm], &probes[arm])
			if err != nil {
				return a, b, stopPair(ctx, arms, err)
			}
			probes[arm].Trials = append(probes[arm].Trials, m)
		}
		for i, o := range arms {
			o.take(probes[i], o.planner(), o.problem(), o.history())
		}
	}
	for _, o := range arms {
		o.conclude(o.planner(), o.problem(), o.history(), plan.ReasonGridComplete)
		o.observe()
	}
	return a, b, nil
}

// turns is the order of n blocks of each arm: pairs, every second the mirror of
// the one before it, so that a drift that is straight in time cancels within
// four blocks.
func turns(n int, rng *rand.Rand) []int {
	var order []int
	first := 0
	for i := range n {
		if i%2 == 0 {
			first = rng.IntN(2)
		} else {
			first = 1 - first
		}
		order = append(order, first, 1-first)
	}
	return order
}

// block measures once on one arm, and leaves its endpoint idle.
func (o *Outcome) block(ctx context.Context, prober Prober, p *Probe) (*loadgen.Measurement, error) {
	began := time.Now()
	m, err := o.measure(ctx, prober, p.Load, func() loadgen.Decider { return nil })
	rest(prober)
	p.Wall += time.Since(began)
	return m, err
}

// rest ends the load that a prober keeps up between probes.
func rest(p Prober) {
	if r, ok := p.(interface{ Rest() }); ok {
		r.Rest()
	}
}

// stopPair ends both arms where one could not go on.
func stopPair(ctx context.Context, arms [2]*Outcome, err error) error {
	reason := ReasonAborted
	if ctx.Err() != nil {
		reason = ended(ctx)
	}
	for _, o := range arms {
		o.conclude(o.planner(), o.problem(), o.history(), reason)
		o.observe()
	}
	if reason == ReasonDeadline {
		return nil
	}
	return fmt.Errorf("recipe %q stopped after %d points: %w", arms[0].Recipe.Name, len(arms[0].Probes), err)
}
