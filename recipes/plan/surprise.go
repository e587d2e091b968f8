package plan

import (
	"math"
	"slices"
)

const (
	surpriseMargin = 0.1 // how far on the wrong side of the limit an outlier shows
	surpriseSpan   = 1.5 // the trend of the passing points is trusted up to this factor above them
)

// faulty reports that point i, the lowest failure, failed as a whole and may
// have done so by a passing fault: it is asked again before anything is
// concluded from it, at once when it is all that says that the range ends, else
// when the bracket has closed on it.
func (s *smooth) faulty(i int) bool {
	b := s.points[i]
	if !s.open(b) || len(b.visits) >= maxVisits || !slices.ContainsFunc(b.visits, func(v int) bool { return s.h[v].State == Failed }) {
		return false
	}
	for _, c := range s.points[i+1:] {
		if s.certainFail(c) {
			return i > 0 && s.narrow(s.points[i-1].x, b.x, relativePrecision)
		}
	}
	return true
}

// surprising reports that point i, the lowest failure, is far off what the
// passing points below it lead to expect, that no other failure above is, and
// that it was not asked often enough: an outlier looks like that, and so does a
// cliff until a second point has fallen off it.
func (s *smooth) surprising(i int) bool {
	b := s.points[i]
	if len(b.visits) >= maxVisits {
		return false
	}
	for _, c := range s.points[i+1:] { // a certain pass above a certain failure
		if s.certainFail(b) && c.passes() && s.certainPass(c) {
			return true
		}
	}
	if i < 2 || b.x > surpriseSpan*s.points[i-1].x {
		return false
	}
	if len(b.visits) > 1 {
		for j := range s.tier { // visits that disagree need a third
			lo, hi := math.Inf(1), math.Inf(-1)
			for _, v := range b.values[j] {
				lo, hi = min(lo, v.Value), max(hi, v.Value)
			}
			if lo <= 0 && hi > straight {
				return true
			}
		}
		return false
	}
	slope := max(0, s.trend(i-1))
	off := func(b belief) bool {
		return !b.passes() && b.worst() > surpriseMargin &&
			s.points[i-1].worst()+slope*math.Log(b.x/s.points[i-1].x) < -surpriseMargin
	}
	if !off(b) {
		return false
	}
	for _, c := range s.points[i+1:] {
		if off(c) {
			return false
		}
	}
	return true
}
