package recipes

import (
	"fmt"
	"math"
)

// conclude ends the run with a reason and a verdict, and derives the result of the
// sweep. An error means that what was measured is no ground for a verdict.
func (r *run) conclude(reason Reason) error {
	o := r.out
	o.Reason = reason
	r.answer()
	r.derive()
	ruled := r.facts().rule()
	o.Verdict = ruled.verdict
	o.Warnings = append(o.Warnings, ruled.warnings...)
	if o.Spec.Gate != nil {
		o.Verdict = gateVerdict(o.Reason)
	}
	if o.Boundary.NonMonotone {
		o.Warnings = append(o.Warnings, r.contradiction())
	}
	switch {
	case ruled.err != nil && r.cut() == "":
		o.Reason = reasonNothing
	case reason == ReasonDeadline:
		o.Warnings = append(o.Warnings, &DeadlineError{Probes: len(o.Probes)})
	}
	return ruled.err
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
