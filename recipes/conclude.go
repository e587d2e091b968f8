package recipes

import (
	"errors"
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

func noAnswer() plan.Answer {
	nan := math.NaN()
	return plan.Answer{Safe: nan, Estimate: nan, Interval: plan.Interval{Lo: nan, Hi: nan}, Bracket: plan.Bracket{Lo: nan, Hi: nan}}
}

// answer reads what is known so far: boundary, tiers and best point.
func (o *Outcome) answer(planner plan.Planner, problem plan.Problem, history []plan.Observation) {
	o.Tiers = planner.Answers(problem, history)
	o.Boundary = noAnswer()
	if len(o.Tiers) > 0 {
		o.Boundary = o.Tiers[0]
	}
	o.Best = o.best()
}

// best chooses the point to deploy at: the safe boundary where that is the
// question, else the certain feasible point with the best objective.
func (o *Outcome) best() Best {
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
		switch pass, certain := p.passes(o.firstTier(p), o.Spec.Confidence); {
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
		case o.better(value, best.Objective):
			best = b
		}
	}
	return best
}

// firstTier is the readings that the run's own boundary is about.
func (o *Outcome) firstTier(p *Probe) []Reading {
	if len(o.Plan.Tiers) == 0 {
		return p.Readings
	}
	var rs []Reading
	for _, k := range o.Plan.Tiers[0].Limits {
		rs = append(rs, p.Readings[k])
	}
	return rs
}

// tiersVerdict: met when every tier has a certain answer; missed when the search
// came to its own end and a tier has none.
func (o *Outcome) tiersVerdict() Verdict {
	for _, t := range o.Tiers {
		if !(t.Safe >= float64(o.Spec.AtLeast)) {
			if o.complete() && !t.Passed {
				return Missed
			}
			return Inconclusive
		}
	}
	return Met
}

// better compares the first objective; a missing value is never better.
func (o *Outcome) better(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return !math.IsNaN(a)
	}
	goals := o.Plan.objectives()
	if len(goals) > 0 && !goals[0].Maximize {
		return a < b
	}
	return a > b
}

// conclude ends the run with a reason and a verdict.
func (o *Outcome) conclude(planner plan.Planner, problem plan.Problem, history []plan.Observation, reason string) {
	o.Reason = reason
	o.answer(planner, problem, history)
	if o.Plan.Search != nil {
		o.Verdict = o.searchVerdict()
	} else {
		o.Verdict = o.sweepVerdict(len(problem.List))
	}
	if o.Boundary.NonMonotone {
		o.Warnings = append(o.Warnings, o.contradiction())
	}
	o.derive()
	if o.Spec.Judge != nil {
		o.Spec.Judge(o)
		if o.Comparison != nil {
			o.join()
		}
	}
	if reason == ReasonDeadline {
		o.Warnings = append(o.Warnings, &DeadlineError{Probes: len(o.Probes)})
	}
}

// searchVerdict: met when a certain answer exists (and reaches AtLeast); missed
// when it is certain that none does.
func (o *Outcome) searchVerdict() Verdict {
	if o.Spec.Gate != nil {
		return gateVerdict(o.Reason)
	}
	if len(o.Plan.Tiers) > 0 {
		return o.tiersVerdict()
	}
	floor := float64(o.Spec.AtLeast)
	answer := o.Boundary.Safe
	if o.Best.Found && !o.Plan.Search.Boundary {
		answer = max(answer, float64(o.Best.Concurrency()))
	}
	switch {
	case len(o.Plan.Limits) == 0 && o.Best.Found && o.complete():
		return Met
	case o.Best.Found && (floor == 0 || answer >= floor):
		return Met
	case o.certainlyBelow(floor):
		return Missed
	}
	return Inconclusive
}

// certainlyBelow reports whether a point at or below the floor has certainly
// failed; without a floor, whether the lowest possible point has.
func (o *Outcome) certainlyBelow(floor float64) bool {
	dims := o.Plan.Search.Space
	if len(dims) != 1 {
		return o.complete() && !o.Boundary.Passed
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
func (o *Outcome) complete() bool {
	switch o.Reason {
	case "", ReasonDeadline, ReasonCancelled, ReasonAborted, "untrusted", "unmeasured":
		return false
	}
	return true
}

// sweepVerdict: with limits, met when at least one point passes and missed when
// none can; without, met when every point was measured.
func (o *Outcome) sweepVerdict(points int) Verdict {
	measured, failed := 0, 0
	for i := range o.Probes {
		p := &o.Probes[i]
		if p.Observed.State == plan.Untrusted || p.Observed.State == plan.Unmeasured {
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
func (o *Outcome) contradiction() error {
	fail, pass := math.Inf(1), math.Inf(-1)
	for i := range o.Probes {
		p := &o.Probes[i]
		at := p.Step.At[0]
		switch ok, _ := p.passes(o.firstTier(p), o.Spec.Confidence); {
		case p.Observed.State == plan.Untrusted, p.Observed.State == plan.Unmeasured:
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
