package recipes

import "math"

// answer reads off what is known so far: the boundary, the tiers and the best point.
func (r *run) answer() {
	o := r.out
	o.Tiers = r.planner.Answers(r.problem, r.history)
	o.Boundary = noAnswer()
	if len(o.Tiers) > 0 {
		o.Boundary = o.Tiers[0]
	}
	o.Best = r.best()
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
