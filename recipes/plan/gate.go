package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

const (
	// gateLeast visits of the floor are enough for a server that is far off; gateMost are
	// those of one whose boundary is the floor itself.
	gateLeast, gateMost = 3, 12
	// gateError is the chance that a verdict leaves each way. A server that is as it was,
	// or that lost twice the tolerance, lies a tolerance away from the floor, and is
	// judged wrongly far less often.
	gateError = 0.05
)

// Gate decides on which side of Problem.Floor the boundary of one dimension lies, and
// ends as soon as that is certain. It asks nothing but the floor: whether the limits hold
// there is the whole question, and needs no model of the curve. Its answer has a Bracket
// with one end, the floor. The zero value is ready.
//
// A probe's requests know how far they scatter, and nothing of what moves a whole probe
// (a neighbour on the machine, a garbage collection, the weather): what visits of the
// same point disagree by decides, so there are several, and none of them is cut short.
type Gate struct{}

// Next returns another visit of the floor, or Done with FloorHolds, FloorBroken or
// FloorOpen; with no_floor where the problem has no floor within its range.
func (Gate) Next(p Problem, h []Observation) Step {
	g := newGate(p, h)
	if s, ok := g.blocked(); ok {
		return s
	}
	return g.next()
}

// Answers says what the visits of the floor say of the boundary of the first tier: it is
// on one side of it.
func (Gate) Answers(p Problem, h []Observation) []Answer {
	return []Answer{newGate(p, h).answer()}
}

// Stand is how a gate stands. The zero Stand means that there is nothing to ask.
type Stand struct {
	// At is the point that is asked: the floor, rounded up to a legal value.
	At float64
	// Pass is P(every limit holds there) by the visits so far.
	Pass   float64
	Visits int
	// A verdict takes Least to Most visits, and P of at least Certainty either way.
	Least, Most int
	Certainty   float64
}

// Stand returns how the gate stands after the history.
func (Gate) Stand(p Problem, h []Observation) Stand {
	g := newGate(p, h)
	if !g.asks() {
		return Stand{}
	}
	pass, visits := g.holds()
	return Stand{At: g.x, Pass: pass, Visits: visits, Least: gateLeast, Most: gateMost, Certainty: 1 - gateError}
}

// Enough returns how many times the requests a probe would have made the verdict certain,
// standard errors falling with their root; +Inf where the visits favour neither side.
func (s Stand) Enough() float64 {
	z := zOf(s.Pass)
	if math.Abs(z) < 0.1 { // a hundred times as many, and more
		return math.Inf(1)
	}
	need := zOf(1 - gateError)
	return need * need / (z * z)
}

// gate is a history read for the floor, and for the first tier.
type gate struct {
	view
	// x is the least legal value at or above the floor; NaN when nothing is asked.
	x float64
}

// newGate reads the history for the floor, rounded up to a legal value.
func newGate(p Problem, h []Observation) gate {
	g := gate{view: viewsOf(p, h)[0], x: math.NaN()}
	if f := p.Floor; g.single() && f > 0 && f <= g.Hi {
		if f = max(f, g.Lo); g.Int {
			f = math.Ceil(f)
		}
		g.x = min(f, g.Hi)
	}
	return g
}

// asks reports whether there is a floor within the range.
func (g gate) asks() bool { return !math.IsNaN(g.x) }

// next is the step after the history.
func (g gate) next() Step {
	if !g.asks() {
		return done(reasonNoFloor)
	}
	switch p, visits := g.holds(); {
	case visits < gateLeast && len(g.history) < 2*gateMost:
	case p >= 1-gateError:
		return done(FloorHolds)
	case p <= gateError:
		return done(FloorBroken)
	case visits >= gateMost, len(g.history) >= 2*gateMost: // half of them said nothing
		return done(FloorOpen)
	}
	return whole(g.x, "the floor of the gate")
}

// answer is the floor as the one or the other end of a bracket, once it is certain which.
func (g gate) answer() Answer {
	a := noAnswer()
	switch g.next().Reason {
	case FloorHolds:
		a.Safe, a.Bracket.Lo, a.Passed = g.x, g.x, true
	case FloorBroken:
		a.Bracket.Hi = g.x
	}
	return a
}

// holds is P(every limit holds at the floor) by the visits made there, and their number.
func (g gate) holds() (p float64, visits int) {
	var here []Observation
	for _, o := range g.history {
		if o.says() && len(o.At) > 0 && o.At[0] == g.x {
			here = append(here, o)
		}
	}
	p = 1.0
	for _, k := range g.tier {
		var values, ses []float64
		for _, o := range here {
			e := Estimate{Value: failedMargin, SE: math.NaN()}
			if m, ok := o.margin(k); ok && o.State != Failed && !math.IsNaN(m.Value) {
				e = m.Estimate
			}
			values, ses = append(values, e.Value), append(ses, e.SE)
		}
		p *= boundary.Below(values, ses)
	}
	return p, len(here)
}

// failedMargin stands for a visit whose requests all failed, or that lacks the limit's
// metric: what was not measured does not hold. It is twenty times the limit.
const failedMargin = 3.0
