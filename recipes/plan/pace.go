package plan

import "math"

const (
	// mostStep is how many times the largest point that passed a new point may ask for: a
	// search learns the size of a server without overloading it by far.
	mostStep = 4.0
	// firstStep is how many times the lowest point the first one may ask for: eight
	// requests at a time are borne by nearly every server.
	firstStep = sequentialStart
)

// careful moves a step to a new point in one dimension down to what the server has shown
// that it bears: mostStep times the largest point that passed for any tier or, while
// nothing did, not far above the lowest. The boundary of an earlier run counts as such a
// point.
func (v view) careful(s Step) Step {
	if !v.single() || v.Lo <= 0 || len(v.List) > 0 {
		return s
	}
	if _, seen := v.distinct(s.At); seen {
		return s
	}
	most := mostStep * v.Lo
	if len(v.history) == 0 {
		most = firstStep * v.Lo
	}
	if b := v.Baseline; b > 0 && b <= v.Hi {
		most = max(most, straddle*b)
	}
	top, fails := 0.0, math.Inf(1) // the largest that passes for a tier, the lowest that fails for all
	for i, tier := range viewsOf(v.Problem, v.history) {
		least := math.Inf(1)
		for _, b := range tier.read(noiseEstimate).points {
			if b.passes() {
				top, most = max(top, b.x), max(most, mostStep*b.x)
			} else {
				least = min(least, b.x)
			}
		}
		if i == 0 || least > fails {
			fails = least
		}
	}
	if s.At[0] <= most {
		return s
	}
	x := v.clampDown(most)
	if x >= fails { // what is asked for lies beyond a failure
		x = v.clampDown(math.Sqrt(max(top, v.Lo) * fails))
	}
	if _, seen := v.distinct([]float64{x}); seen {
		return s // nothing is left below; the style knows why it asks
	}
	s.At, s.Reason = []float64{x}, "as far up as the points that passed allow"
	return s
}
