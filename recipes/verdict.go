package recipes

import (
	"fmt"
	"math"
)

// conclude ends the run with a reason and a verdict, and derives the result of the
// sweep.
func (r *run) conclude(reason Reason) {
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

// searchVerdict is the verdict of a search: met when there is a certain answer that
// reaches AtLeast, missed when it is certain that there is none.
func (r *run) searchVerdict() Verdict {
	o := r.out
	if o.Spec.Gate != nil {
		return gateVerdict(o.Reason)
	}
	if len(o.Plan.Tiers) > 0 {
		return r.tiersVerdict()
	}
	least := float64(o.Spec.AtLeast)
	answer := o.Boundary.Safe
	if o.Best.Found && !o.Plan.Search.Boundary {
		answer = max(answer, float64(o.Best.Concurrency()))
	}
	switch {
	case len(o.Plan.Limits) == 0 && o.Best.Found && r.complete():
		return Met
	case o.Best.Found && (least == 0 || answer >= least):
		return Met
	case r.certainlyBelow(least):
		return Missed
	}
	return Inconclusive
}

// tiersVerdict is the verdict of a search with tiers: met when every tier has a certain
// answer that reaches AtLeast, missed when the search came to its own end and a tier
// has none.
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

// certainlyBelow reports whether the limits certainly break at the least answer that
// is wanted, or below it. If least is 0, that is the lowest point of the range.
func (r *run) certainlyBelow(least float64) bool {
	o := r.out
	dims := o.Plan.Search.Space
	if len(dims) != 1 {
		return r.complete() && !o.Boundary.Passed
	}
	least = max(least, dims[0].Lo)
	for i := range o.Probes {
		p := &o.Probes[i]
		if pass, certain := p.Passes(o.Spec.Confidence); !pass && certain && p.Step.At[0] <= least {
			return true
		}
	}
	return false
}

// complete reports whether the search came to its own end. A planner that saw only
// probes that say nothing gives untrusted or unmeasured as its reason.
func (r *run) complete() bool {
	switch r.out.Reason {
	case "", ReasonDeadline, ReasonCancelled, ReasonAborted, "untrusted", "unmeasured":
		return false
	}
	return true
}

// sweepVerdict is the verdict of a sweep. With limits it is met when a point certainly
// passes and reaches AtLeast, and missed when every point was measured and none can.
// Without limits it is met when every point was measured.
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

// contradiction is the warning that a point passed above one that failed: the server,
// or the machine that it shares, was not the same all the time, or its latency does
// not rise with load. The answer then ignores what passed above the first miss.
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
	return fmt.Errorf("%w: the limits hold at %v and not at %v; "+
		"the answer is the largest below the first miss: repeat the run when the machine is quiet", ErrNonMonotone, pass, fail)
}
