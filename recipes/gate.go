package recipes

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Gate asks a search whether its boundary is still where an earlier run's was:
// the limits are asked at the floor alone, until it is certain whether they hold
// there.
type Gate struct {
	// With is the file that it is compared with.
	With string
	// Was is the earlier boundary, and the Interval how well it is known. The zero Interval
	// means that it is not known, as any other of level 0.
	Was float64
	plan.Interval
	// Tolerance is the share of the boundary that may be lost, in (0, 1).
	Tolerance float64
}

// Floor is the boundary that is asked for.
func (g *Gate) Floor() float64 { return g.Was * (1 - g.Tolerance) }

// Known is half the earlier boundary's interval as a share of it; NaN when none is known.
func (g *Gate) Known() float64 {
	if !(g.Level > 0) {
		return math.NaN()
	}
	return math.Log(g.Hi/g.Lo) / 2
}

// How well a boundary is to be known for a baseline, and how badly it may be:
// half its interval, as a share of the tolerance. So a gate's verdict rests
// on the baseline's probes about as much as on its own.
const preciseShare, vagueShare = 0.6, 1.2

// PreciseFor is the Spec.Precise of a baseline for gates of that tolerance.
func PreciseFor(tolerance float64) float64 { return preciseShare * tolerance }

// Vague reports that the earlier boundary is not known well enough to show a loss
// of the tolerance. Where no interval is known it is taken at its word.
func (g *Gate) Vague() bool { return g.Known() > vagueShare*g.Tolerance && g.Hi-g.Lo > 2 }

// validate checks a gate against the plan that it is for.
func (g *Gate) validate(p *Plan, atLeast int) error {
	bad := func(format string, args ...any) error {
		return &InputError{Problem: "cannot be a gate: " + fmt.Sprintf(format, args...)}
	}
	switch s := p.Search; {
	case g == nil:
		return nil
	case !(g.Tolerance > 0 && g.Tolerance < 1):
		return bad("the tolerance is %v; give a fraction between 0 and 1", g.Tolerance)
	case atLeast > 0:
		return bad("AtLeast(%d) asks for another floor; leave one of them out", atLeast)
	case len(p.Tiers) > 0:
		return bad("each of its tiers has a boundary of its own; gate them one by one")
	case s == nil || len(s.Space) != 1:
		return bad("it does not search for one boundary")
	case s.Style != Sequential:
		return bad("style %s asks more than the floor; leave the style out, or use style %s", s.Style, Sequential)
	case len(p.Limits) == 0:
		return bad("it has no SLA limits, so that everything holds")
	case !(g.Was > 0):
		return bad("the baseline has no boundary")
	case g.Floor() > s.Space[0].Hi:
		return bad("its floor %v is above the range, which ends at %v", g.Floor(), s.Space[0].Hi)
	}
	return nil
}

// ReasonTooNear ends a gate whose floor is so near to the boundary that its
// visits could not tell the sides apart.
const ReasonTooNear = plan.FloorOpen

// Floor is how a gate stands.
type Floor struct {
	At          float64 // the point that is asked: the floor, rounded to a legal value
	Pass        float64 // P(every limit holds there)
	Visits      int     // probes that it rests on
	Least, Most int     // of them
	Certainty   float64 // P that is enough, either way
	Requests    int     // a probe that would have been enough; 0: not known, or not needed
}

// AtFloor returns how the gate stands by the probes so far; the zero Floor where
// the run is no gate.
func (o *Outcome) AtFloor() Floor {
	if o.Spec.Gate == nil {
		return Floor{}
	}
	s := plan.Gate{}.Stand(problemOf(o.Plan, &o.Spec), observations(o.Probes))
	f := Floor{At: s.At, Pass: s.Pass, Visits: s.Visits, Least: s.Least, Most: s.Most, Certainty: s.Certainty}
	if n := s.Enough(); !math.IsInf(n, 0) && n > 1 && s.Visits > 0 {
		f.Requests = int(math.Ceil(n*float64(o.Spec.Workload.Requests)/50)) * 50
	}
	return f
}

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
