package plan

import "math"

// The ITP method's parameters (Oliveira and Takahashi 2020, "An enhancement of
// the bisection method average performance preserving minmax optimality",
// section 2.1). The slack of one step is the one of their experiments.
const (
	itpTruncate  = 0.2  // κ₁, over the width of the first bracket
	itpPrecision = 0.01 // in ln x
	itpClip      = 1.0  // a margin beyond it says how far off the curve is, not where it crosses
	itpSlack     = 1    // n₀
)

// Once the posterior is narrower than aimSpread in ln x, the point of which it
// believes with aimPass that it passes takes the place of the secant's zero: a
// probe there can be the answer, one at the zero fails every other time.
const aimSpread, aimPass = 0.2, 0.7

// falsi is the secant's zero in [a, b], where the margins are ga ≤ 0 and gb > 0;
// the middle where one of them is missing.
func falsi(a, b, ga, gb float64) float64 {
	ga, gb = max(ga, -itpClip), min(gb, itpClip)
	if !(ga <= 0 && gb > 0) {
		return (a + b) / 2
	}
	return (gb*a - ga*b) / (gb - ga)
}

// itp returns where to look next in the bracket [a, b], after steps probes since
// the bracket was as wide as first: the estimate falsi of the zero, truncated
// towards the middle and projected so that the worst case is bisection's plus
// itpSlack.
func itp(a, b, falsi, first float64, steps int) float64 {
	half, width := (a+b)/2, b-a
	if width <= 0 {
		return half
	}
	sigma := 1.0
	if half < falsi {
		sigma = -1
	}
	x := half
	if d := itpTruncate / first * width * width; d <= math.Abs(half-falsi) {
		x = falsi + sigma*d
	}
	most := math.Ceil(math.Log2(max(first/(2*itpPrecision), 1))) + itpSlack
	r := max(itpPrecision*math.Exp2(most-float64(steps))-width/2, 0)
	if math.Abs(x-half) > r {
		x = half - sigma*r
	}
	return x
}

// refine is the ITP step inside the bracket.
func (s *sequence) refine(lo, hi float64) Step {
	a, b := math.Log(lo), math.Log(hi)
	first, steps := s.firstBracket()
	f := falsi(a, b, s.points[s.end-1].worst(), s.points[s.end].worst())
	if s.view != nil && s.view.spread() < aimSpread {
		f = max(a, min(b, math.Log(s.view.quantile(aimPass))))
	}
	x := itp(a, b, f, max(first, b-a), steps)
	y, ok := s.inside(math.Exp(x), lo, hi)
	if !ok {
		return Step{Done: true, Reason: sequentialPrecision}
	}
	return probe(y, "refinement (ITP)")
}

// firstBracket is the width in ln x of the first bracket that the history had,
// and how many visits came after it.
func (s *sequence) firstBracket() (width float64, steps int) {
	for i := range s.h {
		t := read(s.p, s.h[:i+1], s.tier, noiseEstimate)
		if n := t.prefix(); n > 0 && n < len(t.points) {
			return math.Log(t.points[n].x / t.points[n-1].x), len(s.h) - i - 1
		}
	}
	return 0, 0
}
