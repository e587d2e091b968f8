package plan

import "math"

// Settled is style sequential for a baseline: when the search is over it goes on until
// the boundary is known well enough to be compared with. It visits the boundary's median,
// whole probes all, and where the boundary is a cliff the point that is said to fail,
// too. Its answers have an Interval at level 0.95, as those of [Sequential].
type Settled struct {
	Sequential
	// Within is half the boundary's 95% interval, in ln of the searched value, at which
	// it is known well enough. With zero the search goes on for as long as it may.
	Within float64
}

const (
	// settleNear is how near to the median, in ln of the searched value, visits say where
	// the boundary is.
	settleNear = 0.04
	// settleLeast such visits make a baseline, and settleMost end the attempt.
	settleLeast, settleMost = 4, 16
	// cliff is how far from its limit a point is that settles its own side, once it was
	// visited twice.
	cliff = 0.25
	// cliffSpan is how near to each other such points make a cliff, in ln of the searched
	// value: the boundary is anywhere between them.
	cliffSpan = 0.06
)

// Next is the search's own step, then further visits around the boundary.
func (q Settled) Next(p Problem, h []Observation) Step {
	step := q.Sequential.Next(p, h)
	if !step.Done || step.Reason != sequentialPrecision && step.Reason != notIdentifiable {
		return step
	}
	s := newSequence(viewsOf(p, h)[0])
	if s.post == nil {
		return step
	}
	e := s.settled()
	switch {
	case len(h) >= sequentialBudget+settleMost, e.visits >= settleMost, e.visits >= settleLeast && e.half() <= q.Within:
		return step
	case s.suspicious():
		return whole(s.points[s.end].x, "settling the baseline: does it fail?")
	}
	return whole(s.clampDown(e.median), "settling the baseline")
}

// Answers are the search's own, with the boundary as the visits around it have it.
// Several tiers have a boundary each, none of which is a baseline.
func (q Settled) Answers(p Problem, h []Observation) []Answer {
	if len(p.Tiers) > 1 {
		return q.Sequential.Answers(p, h)
	}
	return eachBoundary(p, h, func(v view) Answer {
		s := newSequence(v)
		a := s.answer()
		if s.post != nil {
			if e := s.settled(); e.visits >= settleLeast {
				a.Estimate = e.median
				a.within(e.lo, e.hi, intervalLevel)
			}
		}
		return a
	})
}

// settlement is where a boundary is by the whole probes around it.
type settlement struct {
	// lo and hi are the ends of the interval at intervalLevel.
	median, lo, hi float64
	// visits is the number of whole probes near the median.
	visits int
}

// half is half of the interval, in ln of the searched value.
func (e settlement) half() float64 { return halfWidth(e.lo, e.hi) }

// settled reads the boundary off the posterior, within the points that pass or fail by
// far, twice: at a cliff a straight line is the wrong curve.
func (s *sequence) settled() settlement {
	least, most := s.Lo, math.Inf(1)
	for _, b := range s.points {
		switch g := b.worst(); {
		case len(b.visits) < 2:
		case g < -cliff:
			least = max(least, b.x)
		case g > cliff:
			most = min(most, b.x)
		}
	}
	var e settlement
	e.lo, e.median, e.hi = credible(*s.post)
	switch {
	case least >= most: // they contradict each other
	case math.Log(most/least) < 2*cliffSpan:
		e = settlement{median: math.Sqrt(least * most), lo: least, hi: most}
	default:
		for _, x := range []*float64{&e.median, &e.lo, &e.hi} {
			*x = max(least, min(most, *x))
		}
	}
	for _, b := range s.points {
		for _, v := range b.visits {
			if s.history[v].State != Cut && math.Abs(math.Log(b.x/e.median)) <= settleNear {
				e.visits++
			}
		}
	}
	return e
}

// suspicious reports that all that is known of the boundary is that it lies between a
// point that passes by far and one that was seen to fail: a cliff looks like that, and so
// does a boundary found by stalled probes.
func (s *sequence) suspicious() bool {
	return s.end > 0 && s.end < len(s.points) &&
		s.points[s.end-1].worst() < -cliff && len(s.points[s.end].visits) < settleLeast
}
