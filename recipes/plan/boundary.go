package plan

import (
	"math"
	"slices"
)

// outlook is what the models say about one dimension: along a ladder of legal
// points, the probability that each and all below it pass.
type outlook struct {
	xs   []float64
	pass []float64
}

// ladder returns legal points of a search in one dimension, ascending: all
// whole numbers while they are few, else about rungs of them evenly spread in
// the model's coordinate, and all between the two points around the boundary.
func (s *study) ladder(rungs int) []float64 {
	d := s.space.dims[0]
	var xs []float64
	if d.Int && d.Hi-d.Lo < float64(rungs) {
		for x := d.Lo; x <= d.Hi; x++ {
			xs = append(xs, x)
		}
		return xs
	}
	for i := range rungs {
		xs = append(xs, s.space.point([]float64{float64(i) / float64(rungs-1)})[0])
	}
	for _, at := range s.points {
		xs = append(xs, at[0])
	}
	if n := s.track.prefix(); n > 0 && n < len(s.points) {
		lo, hi := s.track.points[n-1].x, s.track.points[n].x
		for i := range 65 {
			xs = append(xs, s.space.legal(0, lo+(hi-lo)*float64(i)/64))
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// prospect returns the outlook over a search in one dimension.
func (s *study) prospect() outlook {
	o := outlook{xs: s.ladder(300)}
	least := 1.0
	for _, x := range o.xs {
		least = min(least, s.feasible(s.space.unit([]float64{x})))
		o.pass = append(o.pass, least)
	}
	return o
}

// largest returns the largest point that passes with all below it with
// probability p, NaN for none.
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

// close enough: an answer within 5 % of the boundary's median is an answer.
const answerShare = 0.97

// refine returns the point in one dimension that would best settle the
// boundary: the largest that is likely to pass, or, when that is known already,
// one between it and the median. nil: the answer is near enough to the boundary,
// or nothing is left between them.
func (s *study) refine() []float64 {
	if len(s.space.dims) != 1 || len(s.tier) == 0 {
		return nil
	}
	safe := s.space.dims[0].Lo
	i := s.track.safe()
	if s.topPasses() {
		return nil
	}
	if i >= 0 {
		safe = s.track.points[i].x
	}
	o := s.prospect()
	median := o.largest(0.5)
	if i >= 0 && (math.IsNaN(median) || safe >= answerShare*median) {
		return nil
	}
	quantiles := []float64{level + 0.02, 0.75, 0.6, 0.5}
	if low, high := o.largest(level), o.largest(1-level); math.IsNaN(low) || high > wide*low {
		quantiles = []float64{0.5, 0.6, 0.75, level + 0.02}
	}
	for _, p := range quantiles {
		x := o.largest(p)
		if !math.IsNaN(x) && (x > safe || i < 0) && !s.probed([]float64{x}) {
			return []float64{x}
		}
	}
	return nil
}

// topPasses reports whether the highest point passes with certainty, together
// with everything below it.
func (s *study) topPasses() bool {
	i := s.track.safe()
	return i >= 0 && i == s.indexOf(s.space.corner(true))
}

// wide is the ratio of the ends of the boundary's interval above which halving
// it comes first; below, a point likely to pass does.
const wide = 1.15

// confirm returns another visit of the largest point believed to pass when its
// verdict is open and the certain answer below it, if any, is too far down to do
// without it.
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
