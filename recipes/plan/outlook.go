package plan

import (
	"math"
	"slices"
)

const (
	// rungs is the number of points on the ladder: 3% apart in a range of 1 to 1,000.
	rungs = 240
	// answerShare of the boundary's median is near enough to it.
	answerShare = 0.97
	// wide is the ratio of the ends of the boundary's interval above which halving it
	// comes first; below, a point likely to pass does.
	wide = 1.15

	narrowing   = "narrowing the boundary"
	faultReason = "a failure that may be a fault of the moment"
)

// outlook is what the models say about one dimension: along a ladder of legal points, the
// probability that each and all below it pass.
type outlook struct{ xs, pass []float64 }

// ladder returns legal points of a search in one dimension, ascending: all whole numbers
// while they are few; otherwise about rungs of them evenly spread in the model's
// coordinate, and more between the two points around the boundary.
func (s *study) ladder() []float64 {
	d := s.space.dims[0]
	var xs []float64
	if d.Int && d.Hi-d.Lo < rungs {
		for x := d.Lo; x <= d.Hi; x++ {
			xs = append(xs, x)
		}
		return xs
	}
	for i := range rungs {
		xs = append(xs, s.space.point([]float64{float64(i) / (rungs - 1)})[0])
	}
	for _, at := range s.points {
		xs = append(xs, at[0])
	}
	if n := s.track.prefix(); n > 0 && n < len(s.points) {
		lo, hi := s.track.points[n-1].x, s.track.points[n].x
		const between = 64 // steps from one of the two points to the other
		for i := range between + 1 {
			xs = append(xs, s.space.legal(0, lo+(hi-lo)*float64(i)/between))
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// prospect returns the outlook over a search in one dimension, worked out once.
func (s *study) prospect() outlook {
	if s.seen != nil {
		return *s.seen
	}
	o := outlook{xs: s.ladder()}
	s.seen = &o
	least := 1.0
	for _, x := range o.xs {
		least = min(least, s.feasible(s.space.unit([]float64{x})))
		o.pass = append(o.pass, least)
	}
	return o
}

// largest returns the largest point that passes, with all below it, with probability p at
// least; NaN when there is none.
func (o outlook) largest(p float64) float64 {
	x := math.NaN()
	for i, q := range o.pass {
		if q < p {
			break
		}
		x = o.xs[i]
	}
	return x
}

// modelLevel is the level of the interval that the models give.
const modelLevel = 0.90

// interval returns the boundary's median and the ends of its interval at modelLevel, NaN
// where an end lies outside of the range.
func (o outlook) interval() (median, lo, hi float64) {
	median, lo, hi = o.largest(0.5), o.largest(1-(1-modelLevel)/2), math.NaN()
	for i, p := range o.pass {
		if p < (1-modelLevel)/2 {
			hi = o.xs[i]
			break
		}
	}
	return median, lo, hi
}

// refine returns the probe in one dimension that would best settle the boundary; ok is
// false when it is settled, or nothing is left to try. First come verdicts that may be
// wrong, then open ones that would be a better answer, then a new point: the largest that
// is likely to pass or, while the boundary's interval is wide, its median.
func (s *study) refine() (step Step, ok bool) {
	if len(s.space.dims) != 1 || len(s.tier) == 0 {
		return Step{}, false
	}
	if step, ok := s.doubt(); ok {
		return step, true
	}
	if s.topPasses() {
		return Step{}, false
	}
	safe, upper := s.ends()
	o := s.prospect()
	median := o.largest(0.5)
	if safe >= answerShare*upper || !math.IsNaN(median) && safe >= answerShare*median {
		return s.second()
	}
	// A point is worth another visit when the models give it this much.
	const likely = 0.8
	if s.known {
		for i := s.track.prefix() - 1; i > s.track.safe(); i-- {
			if s.track.points[i].x*answerShare > safe && s.feasible(s.units[i]) >= likely {
				if step, ok := s.again(i); ok {
					return step, true
				}
			}
		}
	}
	// The answer is wanted first: the point that passes with a little more than the level
	// that counts as certain, then less certain ones where that is known already.
	quantiles := []float64{level + 0.02, 0.75, 0.6, 0.5}
	if low, high := o.largest(level), o.largest(1-level); math.IsNaN(low) || high > wide*low {
		quantiles = []float64{0.5, 0.6, 0.75, level + 0.02}
	}
	for _, p := range quantiles {
		if x := o.largest(p); x > safe && x < upper && !s.probed([]float64{x}) {
			return Step{At: []float64{x}, Reason: narrowing}, true
		}
	}
	if s.known {
		if x, ok := s.between(safe, upper); ok {
			return longer(x, 2, narrowing), true
		}
	}
	return s.second()
}

// second returns another visit of the failure just above the passing points, where the
// boundary would otherwise be settled by a single one, or by visits that contradict each
// other.
func (s *study) second() (Step, bool) {
	n := s.track.prefix()
	if n == len(s.points) {
		return Step{}, false
	}
	if b := s.track.points[n]; !s.track.lone(n) && !b.contrary() || len(b.visits) >= maxVisits {
		return Step{}, false
	}
	return longer(s.points[n][0], 2, faultReason), true
}

// doubt returns another visit of the failure just above the passing points when it rests
// on a single probe and is suspect: it had no value at all, or something passes above it.
func (s *study) doubt() (Step, bool) {
	n := s.track.prefix()
	if n == len(s.points) {
		return Step{}, false
	}
	b := s.track.points[n]
	if len(b.visits) > 1 || n == 0 && !s.track.nonMonotone() {
		return Step{}, false
	}
	for j := range s.tier {
		if len(b.values[j]) == 0 || s.track.nonMonotone() {
			return longer(s.points[n][0], 2, faultReason), true
		}
	}
	return Step{}, false
}

// ends returns the largest point that passes with certainty (below the range when there
// is none) and the smallest above it that fails or stayed open at its last visit, +Inf
// when there is none.
func (s *study) ends() (safe, upper float64) {
	safe, upper = math.Inf(-1), math.Inf(1)
	i := s.track.safe()
	if i >= 0 {
		safe = s.track.points[i].x
	}
	for j := i + 1; j < len(s.points); j++ {
		b := s.track.points[j]
		if j >= s.track.prefix() || len(b.visits) >= maxVisits {
			return safe, b.x
		}
	}
	return safe, upper
}

// between returns an unprobed point in the middle of a bracket, in the model's
// coordinate.
func (s *study) between(safe, upper float64) (float64, bool) {
	d := s.space.dims[0]
	low, high := s.space.unit([]float64{max(safe, d.Lo)})[0], s.space.unit([]float64{min(upper, d.Hi)})[0]
	x := s.space.point([]float64{(low + high) / 2})[0]
	return x, x > safe && x < upper && !s.probed([]float64{x})
}

// topPasses reports whether the highest point passes with certainty, together with
// everything below it.
func (s *study) topPasses() bool {
	i := s.track.safe()
	return i >= 0 && i == s.indexOf(s.space.corner(true))
}

// confirm returns another visit of the largest point believed to pass when its verdict is
// open and the certain answer below it, if any, is too far down to do without it.
func (s *study) confirm() (Step, bool) {
	safe := s.track.safe()
	for i := s.track.prefix() - 1; i > safe; i-- {
		if safe >= 0 && s.track.points[safe].x >= answerShare*s.track.points[i].x {
			break
		}
		if step, ok := s.again(i); ok {
			return step, true
		}
	}
	return Step{}, false
}
