package root

import "math"

// The parameters of the ITP method (Oliveira & Takahashi 2020, "An enhancement of the
// bisection method average performance preserving minmax optimality", section 2.1).
const (
	// truncation is κ₁ over the width of the first bracket, the value of the paper's
	// experiments.
	truncation = 0.2
	// precision is the half width of a bracket that is narrow enough, 2ε in the paper.
	// The searched values are logarithms, so it is 1%.
	precision = 0.01
	// clip bounds the values that the secant goes through: one beyond it says how far off
	// the curve is, not where it crosses zero.
	clip = 1.0
	// slack is n₀, the steps that the worst case may take more than bisection; one is the
	// value of the paper's experiments.
	slack = 1
)

// Falsi returns the zero of the secant in [a, b] by the rule of false position, where the
// values at the ends are ga ≤ 0 and gb > 0. Where one of them is missing (NaN) or of the
// other sign it returns the middle.
func Falsi(a, b, ga, gb float64) float64 {
	ga, gb = max(ga, -clip), min(gb, clip)
	if !(ga <= 0 && gb > 0) {
		return (a + b) / 2
	}
	return (gb*a - ga*b) / (gb - ga)
}

// ITP returns where to evaluate next in the bracket [a, b], after steps evaluations since
// it was first wide: the estimate of the zero, truncated towards the middle and projected
// so that the worst case is that of bisection and one step more.
func ITP(a, b, estimate, first float64, steps int) float64 {
	half, width := (a+b)/2, b-a
	if width <= 0 {
		return half
	}
	sigma := 1.0
	if half < estimate {
		sigma = -1
	}
	x := half
	if d := truncation / first * width * width; d <= math.Abs(half-estimate) {
		x = estimate + sigma*d
	}
	most := math.Ceil(math.Log2(max(first/(2*precision), 1))) + slack
	r := max(precision*math.Exp2(most-float64(steps))-width/2, 0)
	if math.Abs(x-half) > r {
		x = half - sigma*r
	}
	return x
}
