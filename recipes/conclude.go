package recipes

import (
	"errors"
	"fmt"
	"math"
)

// answer reads what is known so far: boundary, tiers and best point.
func (r *run) answer() {
	o := r.out
	o.Tiers = r.planner.Answers(r.problem, r.history)
	o.Boundary = noAnswer()
	if len(o.Tiers) > 0 {
		o.Boundary = o.Tiers[0]
	}
	o.Best = r.best()
}

// best chooses the point to deploy at: the safe boundary where that is the
// question, else the certain feasible point with the best objective.
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
			// Several visits of a point, and of its neighbours, decide together
			// what is certain: the boundary knows.
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

// tiersVerdict: met when every tier has a certain answer; missed when the search
// came to its own end and a tier has none.
func (r *run) tiersVerdict() Verdict {
	o := r.out
	for _, t := range o.Tiers {
		if !(t.Safe >= float64(o.Spec.AtLeast)) {
			if r.complete() && !t.Passed {
				return Missed
			}
			return Inconclusive
		}
	}
	return Met
}

// better compares values of the first objective; a missing value is never better.
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

// conclude ends the run with a reason and a verdict.
func (r *run) conclude(reason string) {
	o := r.out
	o.Reason = reason
	r.answer()
	if o.Plan.Search != nil {
		o.Verdict = r.searchVerdict()
	} else {
		o.Verdict = r.sweepVerdict()
	}
	if o.Boundary.NonMonotone {
		o.Warnings = append(o.Warnings, r.contradiction())
	}
	r.derive()
	if reason == ReasonDeadline {
		o.Warnings = append(o.Warnings, &DeadlineError{Probes: len(o.Probes)})
	}
}

// searchVerdict: met when a certain answer exists (and reaches AtLeast); missed
// when it is certain that none does.
func (r *run) searchVerdict() Verdict {
	o := r.out
	if o.Spec.Gate != nil {
		return gateVerdict(o.Reason)
	}
	if len(o.Plan.Tiers) > 0 {
		return r.tiersVerdict()
	}
	floor := float64(o.Spec.AtLeast)
	answer := o.Boundary.Safe
	if o.Best.Found && !o.Plan.Search.Boundary {
		answer = max(answer, float64(o.Best.Concurrency()))
	}
	switch {
	case len(o.Plan.Limits) == 0 && o.Best.Found && r.complete():
		return Met
	case o.Best.Found && (floor == 0 || answer >= floor):
		return Met
	case r.certainlyBelow(floor):
		return Missed
	}
	return Inconclusive
}

// certainlyBelow reports whether a point at or below the floor has certainly
// failed; without a floor, whether the lowest possible point has.
func (r *run) certainlyBelow(floor float64) bool {
	o := r.out
	dims := o.Plan.Search.Space
	if len(dims) != 1 {
		return r.complete() && !o.Boundary.Passed
	}
	floor = max(floor, dims[0].Lo)
	for i := range o.Probes {
		p := &o.Probes[i]
		if pass, certain := p.Passes(o.Spec.Confidence); !pass && certain && p.Step.At[0] <= floor {
			return true
		}
	}
	return false
}

// complete reports whether the search came to its own end.
func (r *run) complete() bool {
	switch r.out.Reason {
	case "", ReasonDeadline, ReasonCancelled, ReasonAborted, "untrusted", "unmeasured":
		return false
	}
	return true
}

// sweepVerdict: with limits, met when at least one point passes and missed when
// none can; without, met when every point was measured.
func (r *run) sweepVerdict() Verdict {
	o, points := r.out, len(r.problem.List)
	measured, failed := 0, 0
	for i := range o.Probes {
		p := &o.Probes[i]
		if !p.trusted() {
			continue
		}
		measured++
		pass, certain := p.Passes(o.Spec.Confidence)
		switch {
		case len(o.Plan.Limits) == 0:
		case pass && certain && p.Load.Concurrency >= o.Spec.AtLeast:
			return Met
		case certain:
			failed++
		}
	}
	switch {
	case measured < points || points == 0:
		return Inconclusive
	case len(o.Plan.Limits) == 0:
		return Met
	case failed == measured:
		return Missed
	}
	return Inconclusive
}

// contradiction is the warning that a point passed above one that failed: the
// server, or the machine it shares, was not the same all the time, or latency
// does not rise with load. The answer is the prefix one.
func (r *run) contradiction() error {
	o := r.out
	fail, pass := math.Inf(1), math.Inf(-1)
	for i := range o.Probes {
		p := &o.Probes[i]
		at := p.Step.At[0]
		switch ok, _ := p.passes(p.ofTier(o.Plan.Tiers, 0), o.Spec.Confidence); {
		case !p.trusted():
		case ok:
			pass = max(pass, at)
		case at > o.Boundary.Safe || math.IsNaN(o.Boundary.Safe):
			fail = min(fail, at)
		}
	}
	return fmt.Errorf("%w: the limits hold at %v and not at %v; the answer is the largest below the first miss: repeat the run when the machine is quiet", ErrNonMonotone, pass, fail)
}

// ErrNonMonotone warns that the limits hold at a higher load than one at which
// they do not.
var ErrNonMonotone = errors.New("not monotone")
