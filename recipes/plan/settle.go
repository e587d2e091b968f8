package plan

import "math"

// Settled is style sequential for a baseline: when the search is over it goes on
// until the boundary is known well enough to be compared with. It visits the
// boundary's median, whole probes all, and where the boundary is a cliff the
// point that is said to fail, too.
type Settled struct {
	Sequential
	Within float64 // half the boundary's 95 % interval, in ln of the searched value
}

const (
	settleNear = 0.04 // visits so near to the median, in ln of the searched value, say where the boundary is
	// settleLeast such visits make a baseline, and settleMost end the attempt.
	settleLeast, settleMost = 4, 16
	// cliff is how far from its limit a point is that settles its own side,
	// once it was visited twice.
	cliff = 0.25
	// cliffSpan is how near to each other such points make a cliff, in ln of the
	// searched value: the boundary is anywhere between them.
	cliffSpan = 0.06
)

// Next is the search's own step, then further visits around the boundary.
func (q Settled) Next(p Problem, h []Observation) Step {
	step := q.Sequential.Next(p, h)
	if !step.Done || step.Reason != sequentialPrecision && step.Reason != notIdentifiable {
		return step
	}
	a, _ := only(p)
	s := newSequence(p, h, a, tiers(p, h)[0])
	if s.view == nil {
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

func whole(x float64, why string) Step {
	return Step{At: []float64{x}, Size: 1, Full: true, Reason: why}
}

// Answers are the search's own, with the boundary as the visits around it have
// it.
func (q Settled) Answers(p Problem, h []Observation) []Answer {
	if len(p.Tiers) > 1 { // each has a boundary of its own, none of which is a baseline
		return q.Sequential.Answers(p, h)
	}
	return perTier(p, h, func(a axis, tier []int) Answer {
		s := newSequence(p, h, a, tier)
		answer := s.answer()
		if s.view != nil {
			if e := s.settled(); e.visits >= settleLeast {
				answer.Estimate, answer.Lo, answer.Hi = e.median, e.lo, e.hi
			}
		}
		return answer
	})
}

// settlement is where a boundary is by the whole probes around it.
type settlement struct {
	median, lo, hi float64 // lo, hi: 95 % interval
	visits         int
}

func (e settlement) half() float64 { return halfWidth(e.lo, e.hi) }

// settled reads the boundary off the posterior, within the points that pass or
// fail by far, twice: at a cliff a straight line is the wrong curve.
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
	e := settlement{median: s.view.quantile(0.5), lo: s.view.quantile(0.975), hi: s.view.quantile(0.025)}
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
			if s.h[v].State != Cut && math.Abs(math.Log(b.x/e.median)) <= settleNear {
				e.visits++
			}
		}
	}
	return e
}

// suspicious reports that all that is known of the boundary is that it lies
// between a point that passes by far and one that was seen to fail: a cliff looks
// like that, and so does a boundary found by stalled probes.
func (s *sequence) suspicious() bool {
	return s.end > 0 && s.end < len(s.points) &&
		s.points[s.end-1].worst() < -cliff && len(s.points[s.end].visits) < settleLeast
}
