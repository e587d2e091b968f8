package recipes

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Gate asks a search whether its boundary is still where an earlier run's was. Only
// one load is probed, the floor, until it is certain whether the limits hold there.
type Gate struct {
	// With is the file of the earlier run.
	With string
	// Was is the earlier boundary, in units of the searched value, and the Interval how
	// well it is known. The zero Interval means that it is not known, as any other of
	// level 0.
	Was float64
	plan.Interval
	// Tolerance is the share of the boundary that may be lost, in (0, 1).
	Tolerance float64
	// Real says that the searched value is no whole number, as a request rate is.
	Real bool
}

// Floor returns the boundary that the gate asks for: what is left of the earlier one
// when the tolerance is lost.
func (g *Gate) Floor() float64 { return g.Was * (1 - g.Tolerance) }

// Known returns half the earlier boundary's interval as a share of the boundary. It is
// NaN when the interval is not known.
func (g *Gate) Known() float64 {
	if !(g.Level > 0) {
		return math.NaN()
	}
	return math.Log(g.Hi/g.Lo) / 2
}

// preciseShare says how well a boundary is to be known for a baseline, and vagueShare
// how badly it may be known: half its interval, as a share of the tolerance. With
// 0.6 the verdict of a gate rests on the baseline's probes about as much as on its own.
const preciseShare, vagueShare = 0.6, 1.2

// Precise returns the Spec.Precise of a run that is to be the baseline of gates with
// this tolerance.
func (g *Gate) Precise() float64 { return preciseShare * g.Tolerance }

// Vague reports whether the earlier boundary is known too badly to show a loss of the
// tolerance. A boundary whose interval is not known is taken at its word, and one with
// an interval of at most 2 whole numbers has next to nothing between its ends.
func (g *Gate) Vague() bool {
	return g.Known() > vagueShare*g.Tolerance && (g.Real || g.Hi-g.Lo > 2)
}

// Over returns the gate as one of a search of this outcome's plan, of which it takes whether
// the searched value is a whole number.
func (g Gate) Over(o *Outcome) *Gate {
	g.Real = o.Plan.Search != nil && len(o.Plan.Search.Space) == 1 && !o.Plan.Search.Space[0].Int
	return &g
}

// validate checks a gate against the plan that it is for.
func (g *Gate) validate(p *Plan, atLeast float64) error {
	bad := func(format string, args ...any) error {
		return &InputError{Problem: "cannot be a gate: " + fmt.Sprintf(format, args...)}
	}
	switch s := p.Search; {
	case g == nil:
		return nil
	case !(g.Tolerance > 0 && g.Tolerance < 1):
		return bad("the tolerance is %v; give a fraction between 0 and 1", g.Tolerance)
	case atLeast > 0:
		return bad("AtLeast(%v) asks for another value than the floor; leave one of the two out", atLeast)
	case len(p.Tiers) > 0:
		return bad("each tier has its own boundary; use one gate for each")
	case s == nil || len(s.Space) != 1:
		return bad("it does not search for a single boundary")
	case s.Style != Sequential:
		return bad("style %s probes more than the floor; leave the style out, or use style %s", s.Style, Sequential)
	case len(p.Limits) == 0:
		return bad("it has no SLA limits, so every load would pass")
	case !(g.Was > 0):
		return bad("the baseline has no boundary")
	case g.Floor() > s.Space[0].Hi:
		return bad("the floor %v is above the range, which ends at %v", g.Floor(), s.Space[0].Hi)
	}
	return nil
}

// AtFloor returns how a gate stands with the probes so far, and with how many requests a probe
// it would have been certain, which is 0 when that is not known, or not needed. Both are zero for
// a run that is not a gate.
func (o *Outcome) AtFloor() (stand plan.Stand, enough int) {
	if o.Spec.Gate == nil {
		return stand, 0
	}
	stand = plan.Gate{}.Stand(problemOf(o.Plan, &o.Spec), observations(o.Probes))
	if n := stand.Enough(); !math.IsInf(n, 0) && n > 1 && stand.Visits > 0 {
		// The estimate is rounded up to a multiple of 50 requests.
		enough = int(math.Ceil(n*float64(o.Spec.Workload.Requests)/50)) * 50
	}
	return stand, enough
}

// gateVerdict returns the verdict of a gate by why it ended.
func gateVerdict(reason Reason) Verdict {
	switch reason {
	case plan.FloorHolds:
		return Met
	case plan.FloorBroken:
		return Missed
	}
	return Inconclusive
}
