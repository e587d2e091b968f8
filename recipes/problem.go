package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// problemOf returns the problem that a plan poses to its planner: the space, the
// goals, the tiers, and what an earlier run knows about the boundary.
func problemOf(pl *Plan, spec *Spec) plan.Problem {
	p := plan.Problem{
		Seed:       spec.Workload.Seed,
		Confidence: spec.Confidence,
		Baseline:   math.NaN(),
		Floor:      math.NaN(),
	}
	if s := pl.Search; s != nil {
		p.Dims, p.Budget, p.Time = s.Space, s.MaxProbes, s.Time
		for _, g := range s.Objectives {
			p.Goals = append(p.Goals, plan.Goal{Maximize: g.Maximize, Reference: valueOr(g.Reference, math.NaN())})
		}
		if b := spec.Baseline; b != nil && len(s.Space) == 1 {
			// The estimate is nearer to the boundary than the safe value, which lies
			// on its feasible side; not every style has an estimate.
			p.Baseline = b.Boundary.Estimate
			if math.IsNaN(p.Baseline) {
				p.Baseline = b.Boundary.Safe
			}
		}
		if spec.Gate != nil && len(s.Space) == 1 {
			p.Floor = spec.Gate.Floor()
		}
		for _, t := range pl.Tiers {
			p.Tiers = append(p.Tiers, pl.rising(t.Limits))
		}
		if spec.Gate == nil { // which asks at one load whether all limits hold there
			pl.withoutFloors(&p)
		}
		return p
	}
	// A grid and scenarios are lists of points. Each dimension spans the values that
	// it takes in the list; everything but a request rate is a whole number.
	p.List = pl.points()
	for i, path := range pl.Paths() {
		d := plan.Dim{Path: path, Lo: math.Inf(1), Hi: math.Inf(-1), Int: path != PathRate}
		for _, at := range p.List {
			d.Lo, d.Hi = min(d.Lo, at[i]), max(d.Hi, at[i])
			d.Int = d.Int && at[i] == math.Trunc(at[i])
		}
		p.Dims = append(p.Dims, d)
	}
	pl.withoutFloors(&p)
	return p
}

// withoutFloors leaves floors out of what a planner looks for. It looks for the load up to
// which the limits hold; where the floors hold below that is seen once it is known.
func (p *Plan) withoutFloors(problem *plan.Problem) {
	all := make([]int, len(p.Limits))
	for k := range all {
		all[k] = k
	}
	if rest := p.rising(all); len(problem.Tiers) == 0 && len(rest) < len(all) {
		problem.Tiers = [][]int{rest}
	}
}

// plannerOf returns what proposes the points of a run. With Spec.Precise a sequential
// search goes on after its own end, until the boundary is known that well.
func plannerOf(pl *Plan, spec *Spec) plan.Planner {
	p := pl.planner()
	if _, ok := p.(plan.List); ok {
		// Trials are a size that the user has chosen, and a comparison needs equal ones. The
		// points of a sweep are compared with each other, too, and keep their equal sizes; only where
		// none passes with certainty is one of them visited longer, behind the others.
		return plan.List{Decide: !spec.repeats() && len(pl.points()) == 1, Passes: pl.Passes}
	}
	switch q, ok := p.(plan.Sequential); {
	case ok && spec.Gate != nil:
		return plan.Gate{}
	case ok && spec.Precise > 0:
		return plan.Settled{Sequential: q, Within: spec.Precise}
	}
	if s := pl.Search; s != nil && len(s.Space) == 1 && len(pl.Limits) > 0 {
		return plan.Confirmed{Planner: p}
	}
	return p
}

// planner returns what proposes the points of the plan.
func (p *Plan) planner() plan.Planner {
	switch {
	case len(p.Tiers) > 0 && p.Search.Style != Sequential:
		// AIPerf's planner of tiers shares every probe between them, whatever the
		// style. Sequential does that by itself, and ends its probes early too.
		return plan.MultiTier{}
	case p.Search != nil:
		return p.Search.planner()
	}
	return plan.List{}
}

// planner returns the planner of the style, or nil for a style that has none: Grid,
// which is not a search, and unknown ones.
func (s *Search) planner() plan.Planner {
	switch s.Style {
	case Monotonic:
		return plan.Monotonic{}
	case SmoothIsotonic:
		return plan.SmoothIsotonic{Replicates: s.Replicates}
	case BO:
		return plan.Bayes{Initial: s.InitialPoints, Patience: s.Patience, Window: s.PlateauWindow, Threshold: s.PlateauThreshold}
	case Sequential:
		// Without Boundary the planner goes on below the boundary, for the best
		// objective there.
		return plan.Sequential{Objective: !s.Boundary}
	case Optuna:
		return plan.Optuna{
			Sampler: s.Sampler, Initial: s.InitialPoints, Patience: s.Patience,
			Window: s.PlateauWindow, Threshold: s.PlateauThreshold, Terminator: s.Terminator,
		}
	}
	return nil
}
