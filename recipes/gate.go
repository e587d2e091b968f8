package recipes

import "github.com/aiperf-go/aiperf/recipes/plan"

// Gate asks a search whether its boundary is still where an earlier run's was.
type Gate struct {
	Was       float64 // the earlier boundary
	Tolerance float64 // the share of it that may be lost, in [0, 1)
}

// Floor is the boundary that is asked for.
func (g *Gate) Floor() float64 { return g.Was * (1 - g.Tolerance) }

// gateVerdict is the verdict of a gate by why it ended.
func gateVerdict(reason string) Verdict {
	switch reason {
	case plan.FloorHolds:
		return Met
	case plan.FloorBroken:
		return Missed
	}
	return Inconclusive
}

// planner returns what proposes the run's points.
func (o *Outcome) planner() plan.Planner {
	p := o.Plan.planner()
	if q, ok := p.(plan.Sequential); ok && o.Spec.Precise > 0 {
		return plan.Settled{Sequential: q, Within: o.Spec.Precise}
	}
	return p
}
