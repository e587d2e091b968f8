package plan

import "math"

// Visits of a gate's floor. The least are enough for a server that is far off;
// the most are those of one whose boundary is the floor itself.
const (
	GateLeast, GateMost = 3, 12
	// GateError is the chance that a verdict leaves each way. A server that is
	// as it was, or that lost twice the tolerance, lies a tolerance away from
	// the floor, and is judged wrongly far less often.
	GateError = 0.05
)

// Convergence reasons of a gate.
const (
	FloorHolds  = "sequential_floor_holds"  // the boundary is certainly at or above the floor
	FloorBroken = "sequential_floor_broken" // it is certainly below
	FloorOpen   = "sequential_floor_open"   // it is too near the floor to tell
)

// gate is the search of a problem with a floor: it decides on which side of the
// floor the boundary lies, and ends as soon as that is certain. It asks nothing
// but the floor: whether the limits hold there is the whole question, and needs
// no model of the curve.
//
// A probe's requests know how far they scatter, and nothing of what moves a
// whole probe (a neighbour on the machine, a garbage collection, the weather):
// what visits of the same point disagree by decides, so there are several, and
// none of them is cut short.
type gate struct {
	x    float64 // the least legal value at or above the floor
	h    []Observation
	tier []int
}

// gateOf returns the gate that the problem asks for; ok is false for a search.
func gateOf(p Problem, h []Observation, a axis) (g gate, ok bool) {
	f := p.Floor
	if !(f > 0 && f <= a.Hi) {
		return g, false
	}
	f = max(f, a.Lo)
	if a.Int {
		f = math.Ceil(f)
	}
	return gate{x: min(f, a.Hi), h: h, tier: tiers(p, h)[0]}, true
}

func (g gate) next() Step {
	p, visits := g.holds()
	switch {
	case visits < GateLeast && len(g.h) < 2*GateMost:
	case p >= 1-GateError:
		return Step{Done: true, Reason: FloorHolds}
	case p <= GateError:
		return Step{Done: true, Reason: FloorBroken}
	case visits >= GateMost, len(g.h) >= 2*GateMost: // half of them said nothing
		return Step{Done: true, Reason: FloorOpen}
	}
	return Step{At: []float64{g.x}, Size: 1, Full: true, Reason: "the floor of the gate"}
}

// Stand is how a gate stands.
type Stand struct {
	At     float64 // the point that is asked
	Pass   float64 // P(every limit holds there)
	Visits int
}

// AtFloor returns how the gate of the problem's floor stands; the zero Stand
// where there is none.
func (Sequential) AtFloor(p Problem, h []Observation) Stand {
	if a, ok := only(p); ok {
		if g, ok := gateOf(p, h, a); ok {
			pass, visits := g.holds()
			return Stand{g.x, pass, visits}
		}
	}
	return Stand{}
}

// Enough is how many times the requests a probe would have made the verdict
// certain, standard errors falling with their root; +Inf where the visits favour
// neither side.
func (s Stand) Enough() float64 {
	z := zOf(s.Pass)
	if math.Abs(z) < 0.1 {
		return math.Inf(1)
	}
	need := zOf(1 - GateError)
	return need * need / (z * z)
}

// answer says what the visits of the floor say of the boundary: it is on one
// side of it.
func (g gate) answer() Answer {
	a := Answer{Safe: math.NaN(), Estimate: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}
	switch step := g.next(); step.Reason {
	case FloorHolds:
		a.Safe, a.Lo, a.Passed = g.x, g.x, true
	case FloorBroken:
		a.Hi = g.x
	}
	return a
}

// holds is P(every limit holds at the floor) by the visits made there, and their
// number.
func (g gate) holds() (p float64, visits int) {
	var here []Observation
	for _, o := range g.h {
		if says(o) && len(o.At) > 0 && o.At[0] == g.x {
			here = append(here, o)
		}
	}
	p = 1.0
	for _, k := range g.tier {
		var rs []Estimate
		for _, o := range here {
			r := Estimate{Value: failedMargin, SE: math.NaN()}
			if o.State != Failed && k >= 0 && k < len(o.Limits) && !math.IsNaN(o.Limits[k].Value) {
				r = o.Limits[k].Estimate
			}
			rs = append(rs, r)
		}
		p *= below(rs)
	}
	return p, len(here)
}

// failedMargin stands for a visit whose requests all failed, or that lacks the
// limit's metric: what was not measured does not hold.
const failedMargin = 3.0

// gateNoise are the values of τ tried: those of the planner, and beyond them up
// to a machine so busy that probes disagree by a factor of two.
var gateNoise = noisesTo(4.5)

// gateReach is the error that the margins tried reach four times beyond those
// seen, a probe's own apart.
const gateReach = 0.2

// below is P(true margin < 0) by visits of one point: the margin has a flat
// prior, and errors are Student's t, so that one stalled visit does not outweigh
// the others, with variance SE² + τ². τ is what moves whole probes; its prior is
// the planner's for noise, and the visits themselves soon overrule it.
func below(rs []Estimate) float64 {
	if len(rs) == 0 {
		return 0.5
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, r := range rs {
		lo, hi = min(lo, r.Value), max(hi, r.Value)
	}
	if lo == hi && rs[0].SE == 0 { // exact
		if lo <= 0 {
			return 1
		}
		return 0
	}
	var reach float64
	for _, r := range rs {
		if !math.IsNaN(r.SE) {
			reach = max(reach, r.SE)
		}
	}
	reach = 4 * math.Hypot(reach, gateReach)
	lo, hi = min(lo-reach, -reach/8), max(hi+reach, reach/8)
	const cells = 600
	step := (hi - lo) / cells
	logs := make([]float64, cells)
	var at []float64
	for i := range logs {
		at = append(at, lo+(float64(i)+0.5)*step)
	}
	for i, g := range at {
		scores := make([]float64, 0, len(gateNoise))
		for _, noise := range gateNoise {
			q := math.Log(noise/noiseMedian) / noiseSpread
			score := -q * q / 2
			for _, r := range rs {
				v := noise * noise
				if !math.IsNaN(r.SE) {
					v += r.SE * r.SE
				}
				d := r.Value - g
				score -= (errorDOF+1)/2*math.Log1p(d*d/(errorDOF*v)) + math.Log(v)/2
			}
			scores = append(scores, score)
		}
		logs[i] = logSumExp(scores)
	}
	total := logSumExp(logs)
	p := 0.0
	for i, l := range logs {
		switch share := math.Exp(l - total); {
		case at[i]+step/2 <= 0:
			p += share
		case at[i]-step/2 < 0:
			p += share * (0 - (at[i] - step/2)) / step
		}
	}
	return min(1, p)
}
