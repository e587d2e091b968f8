package plan

import (
	"math"
	"slices"
)

const (
	finishSpread  = 0.08 // spread of the posterior in ln x from which on it chooses the points
	finishPass    = 0.88 // P(b ≥ x) of the point to probe
	finishWindow  = 0.15 // in ln x: probes so near to the median count as the finish's
	furtherProbes = 5    // of them
	mostRefining  = 14   // visits after the first bracket, where noise leaves the posterior wide

	// The least P(b ≥ x) of an answer, without and with certainties of the
	// probes' own.
	answerPass, certainPass = 0.86, 0.9
	// The least share of the boundary's median that an answer must reach. The
	// last two percent would cost as many probes as all before where a probe's
	// own error is that large.
	closeEnough, closeCertain = 0.97, 0.95

	// exploreSize is the length of a probe on the way to the boundary.
	exploreSize = 0.5
	// bend is how many times steeper than its secant a curve may become before
	// a failure is a surprise.
	bend = 2.5
)

// level is the least P(b ≥ x) of an answer.
func (s *sequence) level() float64 {
	if s.known {
		return certainPass
	}
	return answerPass
}

// near is the share of the boundary's median that an answer must reach.
func (s *sequence) near() float64 {
	if s.known {
		return closeCertain
	}
	return closeEnough
}

// sure reports whether a point is an answer: the posterior leaves little doubt,
// or the point's own verdict is certain and the posterior does not contradict.
// Where requests carry the certainty it takes more agreement, since they know
// nothing of what moves a whole probe; a verdict beyond 99.9 % stands alone: at a
// cliff a straight line is the wrong neighbourhood.
func (s *sequence) sure(b belief) bool {
	if s.view == nil || b.x <= s.Lo { // below the range nothing speaks for its lowest point
		return s.certainPass(b)
	}
	p := s.view.passes(b.x)
	return p >= s.level() || s.certainPass(b) && (p >= 0.7 || !s.known && p >= 0.5 || b.pass > 0.999 && p >= 0.5)
}

// finish probes where the boundary is likely to hold, until such a point is
// close to the boundary's median or enough probes lie around it.
func (s *sequence) finish() Step {
	m := s.view.quantile(0.5)
	i := s.safeIndex()
	if i >= 0 && s.points[i].x >= s.clampDown(s.near()*m) {
		return Step{Done: true, Reason: s.ending(false)}
	}
	near := 0
	for _, b := range s.points {
		if math.Abs(math.Log(b.x/m)) < finishWindow {
			near += len(b.visits)
		}
	}
	if _, steps := s.firstBracket(); near <= furtherProbes && steps < mostRefining {
		x := s.clampDown(s.view.quantile(max(finishPass, s.level()+0.02)))
		if !slices.ContainsFunc(s.points, func(b belief) bool { return b.x == x && len(b.visits) >= maxVisits }) {
			return probe(x, "where the boundary is likely to hold")
		}
	}
	if i < 0 { // nothing is certain yet: the largest that may be
		for k := s.end - 1; k >= max(0, s.end-3); k-- {
			if step, ok := s.confirm(k); ok {
				return step
			}
		}
	}
	return Step{Done: true, Reason: s.ending(true)}
}

// ending names the end of a search that has a posterior; spent: it had no probes
// left for a better answer.
func (s *sequence) ending(spent bool) string {
	n := len(s.points)
	switch ok, _ := s.identifiable(); {
	case s.end == n && s.points[n-1].x >= s.Hi && s.sure(s.points[n-1]):
		return sequentialNoFailure
	case spent && !ok:
		return notIdentifiable
	}
	return sequentialPrecision
}

// identifiable reports whether the boundary is known to ±10 %, and else how
// many times the requests a probe would take to settle it.
func (s *sequence) identifiable() (ok bool, factor float64) {
	if s.view == nil {
		return true, 1
	}
	lo, _, hi := s.interval()
	return s.identifies(lo, hi)
}

// Identifiable reports whether the history settles the first tier's boundary to
// ±10 %. Where noise over slope does not allow that, factor is how many times
// as many requests a probe would: standard errors fall with their root.
func (Sequential) Identifiable(p Problem, h []Observation) (ok bool, factor float64) {
	a, one := only(p)
	if !one {
		return true, 1
	}
	return newSequence(p, h, a, tiers(p, h)[0]).identifiable()
}

// surprise asks the lowest failure again when it is far off what the passing
// points below it lead to expect, however much the curve may bend, and no other
// failure is: a stalled probe would end the search there. A cliff looks the
// same until it was asked twice.
func (s *sequence) surprise() (Step, bool) {
	i := s.end
	if s.exact || i < 2 || i >= len(s.points) {
		return Step{}, false
	}
	b, last := s.points[i], s.points[i-1]
	again := Step{At: []float64{b.x}, Size: 1, Reason: "a surprise: once more"}
	if len(b.visits) > 1 {
		return Step{}, false
	}
	for _, c := range s.points[i+1:] {
		if c.passes() && s.certainPass(c) {
			return again, true
		}
	}
	slope := bend * max(s.secant(i-2, i-1), slopeBefore)
	off := func(b belief) bool {
		return b.worst() > surpriseMargin && last.worst()+slope*math.Log(b.x/last.x) < -surpriseMargin
	}
	if !off(b) {
		return Step{}, false
	}
	for _, c := range s.points[i+1:] {
		if off(c) {
			return Step{}, false
		}
	}
	return again, true
}
