package recipes

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// conclude ends the run with a reason and a verdict, and derives the result of the
// sweep. An error means that what was measured is no ground for a verdict.
func (r *run) conclude(reason Reason) error {
	o := r.out
	o.Reason = reason
	r.answer()
	r.derive()
	o.Cause = r.cause()
	ruled := r.facts().rule()
	o.Verdict = ruled.verdict
	o.Warnings = append(o.Warnings, ruled.warnings...)
	if o.Spec.Gate != nil {
		o.Verdict = gateVerdict(o.Reason)
	}
	if o.Boundary.NonMonotone {
		if w := r.contradiction(); w != nil {
			o.Warnings = append(o.Warnings, w)
		}
	}
	switch {
	case ruled.err != nil && o.CutShort() == "":
		o.Reason = reasonNothing
	case reason == ReasonDeadline:
		o.Warnings = append(o.Warnings, &DeadlineError{Probes: len(o.Probes)})
	case reason == plan.ReasonMaxTime, reason == plan.ReasonOutOfTime:
		// The answer stands, or the headline says that there is none. What is left to say is how
		// to get a nearer one.
		o.Warnings = append(o.Warnings, inputError([]Input{inputProbeTime},
			"the time of a search, %v, was spent before its style had come to an end: with %s it takes as long as it needs",
			o.Plan.Search.Time, inputProbeTime))
	}
	return ruled.err
}

// contradiction is the warning that a point certainly passed above one that certainly
// failed: the server, or the machine that it shares, was not the same all the time, or its
// latency does not rise with load. The answer then ignores what passed above the first
// miss.
func (r *run) contradiction() error {
	o := r.out
	fail, pass := math.NaN(), math.NaN()
	for _, b := range r.beliefs() {
		own := 1.0
		for _, k := range o.Plan.rising(r.tier(0)) {
			if k < len(b.Margins) {
				own *= b.Margins[k].Pass
			}
		}
		switch at := b.At[0]; {
		case own <= 1-o.Spec.Confidence && math.IsNaN(fail):
			fail = at
		case own >= o.Spec.Confidence && at > fail:
			pass = at
		}
	}
	if math.IsNaN(pass) {
		return nil
	}
	return fmt.Errorf("%w: the limits hold at %v and not at %v; "+
		"the answer is the largest below the first miss: repeat the run when the machine is quiet", ErrNonMonotone, pass, fail)
}
