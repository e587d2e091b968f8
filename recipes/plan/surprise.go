package plan

import (
	"math"
	"slices"
)

const (
	surpriseMargin = 0.1 // how far on the wrong side of the limit an outlier shows
	contradiction  = 0.3 // how far visits of a point must differ for another to decide between them
	loneSpan       = 0.1 // width of a bracket, as a share of its upper end, that a lone failure may not end
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
	if len(b.visits) > 1 {
		return b.contrary()
	}
	if i < 2 || b.x > surpriseSpan*s.points[i-1].x {
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

// lone reports that point i, the lowest failure, is known by a single visit that
// the point below does not lead to expect. A stalled probe looks like that, and
// so does a cliff: no search may end there before a second visit.
func (t track) lone(i int) bool {
	if i < 1 || i >= len(t.points) {
		return false
	}
	b := t.points[i]
	return len(b.visits) == 1 && b.inexact() && b.worst()-t.points[i-1].worst() > contradiction
}

// arbiter is a third visit of a point whose two visits contradict each other.
func (t track) arbiter() (Step, bool) {
	for _, b := range t.points {
		if len(b.visits) == 2 && b.contrary() {
			return Step{At: []float64{b.x}, Size: 1, Full: true, Reason: "two visits disagree: once more"}, true
		}
	}
	return Step{}, false
}

// contrary reports that visits of a point lie on both sides of a limit, and far
// apart.
func (b belief) contrary() bool {
	for _, vs := range b.values {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range vs {
			lo, hi = min(lo, v.Value), max(hi, v.Value)
		}
		if lo <= 0 && hi > 0 && hi-lo > apart(vs) {
			return true
		}
	}
	return false
}

// disturbed reports that a visit was a stalled probe, by the median of three or
// more at the point.
func (b belief) disturbed(j int, e Estimate) bool {
	vs := b.values[j]
	return len(vs) > 2 && math.Abs(e.Value-b.margins[j]) > apart(vs)
}

// apart is how far visits must differ to be more than noise.
func apart(vs []Estimate) float64 {
	least := contradiction
	for _, v := range vs {
		if v.SE > 0 && !math.IsInf(v.SE, 0) {
			least = max(least, 5*v.SE)
		}
	}
	return least
}

// inexact reports that a margin was measured, and may be off.
func (b belief) inexact() bool {
	for _, vs := range b.values {
		for _, v := range vs {
			if v.SE != 0 {
				return true
			}
		}
	}
	return false
}
