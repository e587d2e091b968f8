package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// answer reads off what is known so far: the boundary, the tiers and the best point.
func (r *run) answer() {
	o := r.out
	o.Tiers = r.planner.Answers(r.problem, r.history)
	o.Boundary, r.ceiling = noAnswer(), math.NaN()
	if len(o.Tiers) > 0 {
		r.ceiling = o.Tiers[0].Safe
		beliefs := r.beliefs()
		for i := range o.Tiers {
			o.Tiers[i].Safe = r.supported(o.Tiers[i].Safe, i, beliefs)
		}
		o.Boundary = o.Tiers[0]
	}
	o.Best = r.best()
}

// supported returns the largest point at or below a planner's answer for the i-th tier that
// its own visits speak for, and at which the floors certainly hold. A planner may answer
// with a point that neighbours alone speak for, and knows nothing of floors. It is NaN when
// there is none, and the answer itself when it is no single value.
func (r *run) supported(safe float64, i int, beliefs []belief) float64 {
	o := r.out
	if len(r.problem.Dims) != 1 || len(o.Plan.Limits) == 0 || o.Spec.Gate != nil {
		return safe
	}
	tier := r.tier(i)
	best := math.NaN()
	for _, b := range beliefs {
		x, floors, holds := b.At[0], 1.0, b.State != plan.Failed
		for _, k := range tier {
			if k >= len(b.Margins) {
				continue
			}
			if pass := b.Margins[k].Pass; o.Plan.floor(k) {
				floors *= pass
			} else {
				holds = holds && pass >= 0.5
			}
		}
		if holds && floors >= o.Spec.Confidence && x <= safe && !(x <= best) {
			best = x
		}
	}
	return best
}

// tier returns the indexes of all limits of the i-th tier, floors included.
func (r *run) tier(i int) []int {
	if i < len(r.out.Plan.Tiers) {
		return r.out.Plan.Tiers[i].Limits
	}
	all := make([]int, len(r.out.Plan.Limits))
	for k := range all {
		all[k] = k
	}
	return all
}

// best chooses the point to deploy at. When the boundary is the question, that is its
// safe value. Otherwise it is the point with the best objective among those that
// certainly meet the limits of the first tier.
func (r *run) best() Best {
	o := r.out
	var best Best
	if p := o.Plan; p.Search == nil && len(p.Limits)+len(p.Objectives) == 0 && len(p.points()) > 1 {
		return best // a curve has no best point
	}
	for i := range o.Probes {
		p := &o.Probes[i]
		at := math.NaN()
		if len(p.Step.At) == 1 {
			at = p.Step.At[0]
		}
		switch pass, certain := p.passes(p.ofTier(o.Plan.Tiers, 0), o.Spec.Confidence); {
		case len(o.Plan.Limits) == 0 && p.Observed.State == plan.Failed:
			// Without limits any point would do, but not one at which nothing succeeded.
			continue
		case len(o.Plan.Limits) == 0:
		case len(p.Step.At) == 1:
			// A probe is not judged by itself here. Several visits of a point and of
			// its neighbours together make an answer certain, and the boundary is
			// where that is worked out.
			if !(at <= o.Boundary.Safe) {
				continue
			}
		case !pass || !certain:
			continue
		}
		value := math.NaN()
		if len(p.Observed.Goals) > 0 {
			value = p.Observed.Goals[0].Value
		}
		b := Best{Load: p.Load, Probe: i, Objective: value, Found: true}
		switch {
		case !best.Found:
			best = b
		case o.Plan.Search != nil && o.Plan.Search.Boundary, o.Plan.Search == nil && len(o.Plan.Objectives) == 0 && !math.IsNaN(at):
			if at >= o.Probes[best.Probe].Step.At[0] {
				best = b
			}
		case o.Plan.better(value, best.Objective):
			best = b
		}
	}
	return best
}

// better reports whether a is a better value of the first objective than b. A missing
// value, which is NaN, is never better, and any other is better than a missing one.
func (p *Plan) better(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return !math.IsNaN(a)
	}
	goals := p.objectives()
	if len(goals) > 0 && !goals[0].Maximize {
		return a < b
	}
	return a > b
}
