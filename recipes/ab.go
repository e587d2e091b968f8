package recipes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// RunPair measures the points of a sweep on two endpoints in turns, so that what drifts
// on the network or on this machine drifts for both. At each point there are
// Spec.Trials blocks for each endpoint, in pairs whose order is drawn: old and new,
// then new and old, or the other way round. One endpoint is idle while the other is
// loaded, and both get the same prompts. It calls Observe of each spec as Run does.
//
// A recipe that searches is an error, since a search stops at a different load each
// time. Both outcomes are nil when the recipe or a spec makes no sense.
func RunPair(ctx context.Context, recipe *Recipe, old, new Spec) (*Outcome, *Outcome, error) {
	new.Workload.Seed = old.Workload.Seed // both get the same prompts
	p, err := preparePair(recipe, old, new)
	if err != nil {
		return nil, nil, err
	}
	a, b := p[0].out, p[1].out
	for i, r := range p {
		r.out.Began = time.Now()
		r.out.Spec.Workload.Target = arms[i]
		closer, err := r.open(ctx)
		if err != nil {
			for _, r := range p {
				_ = r.fail(nil)
			}
			return a, b, fmt.Errorf("recipe %q, %s endpoint: %w", recipe.Name, arms[i], err)
		}
		defer closer.Close()
		r.rest() // Ready is over, and the endpoint is idle until its first block
		r.observe()
	}
	rng := rand.New(rand.NewPCG(old.Workload.Seed, 0xab))
	for _, at := range p[0].problem.List {
		if err := p.point(ctx, at, rng); err != nil {
			return a, b, p.stop(ctx, err)
		}
	}
	for i, r := range p {
		if failed := r.conclude(plan.ReasonGridComplete); failed != nil && err == nil {
			err = fmt.Errorf("recipe %q, %s endpoint: %w", recipe.Name, arms[i], failed)
		}
	}
	for _, r := range p {
		if err != nil {
			_ = r.fail(err)
		}
		r.observe()
	}
	return a, b, err
}

// arms are the names of the two endpoints in Load.Target.
var arms = [2]string{"old", "new"}

// pairRun is one recipe being run on two endpoints, the old one first.
type pairRun [2]*run

// preparePair prepares both runs and refuses what cannot be measured in turns.
func preparePair(recipe *Recipe, old, new Spec) (p pairRun, err error) {
	for i, s := range []Spec{old, new} {
		if p[i], err = prepare(recipe, s); err != nil {
			return p, err
		}
	}
	switch {
	case old.Resume != nil || old.Converge != nil:
		return p, of(recipe, inputError(nil,
			"cannot combine Compare with Resume or Converge: both endpoints must be measured the same number of times in a single run"))
	case old.Setup != nil || new.Setup != nil:
		return p, of(recipe, inputError([]Input{inputSetup}, "cannot combine Compare with %s: each endpoint stays as it is", inputSetup))
	case p[0].out.Plan.Search != nil:
		return p, of(recipe, inputError(nil,
			"cannot compare two endpoints: a search stops at a different load each time; use recipes.Fixed or a sweep"))
	}
	return p, nil
}

// point measures one point on both endpoints in turns.
func (p pairRun) point(ctx context.Context, at []float64, rng *rand.Rand) error {
	step := plan.Step{At: at, Size: 1, Full: true, Reason: "in turns"}
	var probes [2]Probe
	for i, r := range p {
		probes[i] = Probe{Step: step, Load: r.out.Spec.load(r.out.Plan, step)}
	}
	for _, arm := range turns(p[0].out.Spec.Trials, rng) {
		m, err := p[arm].block(ctx, &probes[arm])
		if err != nil {
			return err
		}
		probes[arm].Trials = append(probes[arm].Trials, m)
	}
	for i, r := range p {
		r.take(probes[i])
		if err := r.alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// turns returns the order of n blocks of each arm. They are pairs, of which every
// second one mirrors the one before it, so that a drift that is linear in time cancels
// within four blocks. The order of each first pair is drawn.
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

// block measures one trial on one arm, and leaves its endpoint idle. Trials are never
// cut short here, because their values are compared.
func (r *run) block(ctx context.Context, p *Probe) (*loadgen.Measurement, error) {
	began := time.Now()
	m, err := r.measure(ctx, p.Load, func() loadgen.Decider { return nil })
	r.rest()
	p.Wall += time.Since(began)
	return m, err
}

// rest ends the load that a prober keeps up between probes.
func (r *run) rest() {
	if p, ok := r.prober.(interface{ Rest() }); ok {
		p.Rest()
	}
}

// stop concludes both arms when one of them cannot go on. A deadline is not an error.
func (p pairRun) stop(ctx context.Context, err error) error {
	reason := ReasonAborted
	if ctx.Err() != nil {
		reason = ended(ctx)
	}
	for _, r := range p {
		_ = r.conclude(reason)
		r.observe()
	}
	if reason == ReasonDeadline {
		return nil
	}
	out := p[0].out
	return fmt.Errorf("recipe %q stopped after %d points: %w", out.Recipe.Name, len(out.Probes), err)
}
