package plan

import "math"

// baseline is the boundary of an earlier run, when there is one inside the
// range.
func (s *sequence) baseline() (float64, bool) {
	b := s.p.Baseline
	return b, b > 0 && b >= s.Lo && b <= s.Hi
}

// floor is the value that a gate asks for.
func (s *sequence) floor() (float64, bool) {
	f := s.p.Floor
	return f, f > 0 && f >= s.Lo && f <= s.Hi
}

// straddle is how far above a baseline its failure is looked for.
const straddle = 1.06

// gate ends a search as soon as it is certain on which side of the floor the
// boundary lies, and asks the floor itself first, longer while it is open.
func (s *sequence) gate() (Step, bool) {
	f, ok := s.floor()
	if !ok {
		return Step{}, false
	}
	f = s.clampUp(f)
	for i, b := range s.points {
		switch {
		case i < s.end && b.x >= f && s.sure(b) && (s.known || s.certainPass(b) || s.view != nil):
			return Step{Done: true, Reason: sequentialFloorHolds}, true
		case b.x <= f && s.certainFail(b) && i >= s.end:
			return Step{Done: true, Reason: sequentialFloorBroken}, true
		}
	}
	if s.view != nil && s.end < len(s.points) && s.points[s.end].x > f*0.5 && s.view.ln[0] < math.Log(f) && s.view.passes(f) <= 1-s.confidence {
		return Step{Done: true, Reason: sequentialFloorBroken}, true
	}
	for i, b := range s.points {
		if b.x == f {
			return s.confirm(i)
		}
	}
	return probe(f, "the floor of the gate"), true
}

// clampUp is the smallest legal value at or above x.
func (s *sequence) clampUp(x float64) float64 {
	if s.Int {
		x = math.Ceil(x)
	}
	return max(s.Lo, min(s.Hi, x))
}

// warm is the start from a baseline: it, then the point that straddles the
// boundary with it if nothing has changed.
func (s *sequence) warm() (Step, bool) {
	b, ok := s.baseline()
	if !ok || len(s.points) > 1 {
		return Step{}, false
	}
	b = s.clampDown(b)
	if len(s.points) == 0 {
		return probe(b, "the baseline"), true
	}
	first := s.points[0]
	if first.x != b { // a gate's floor came first
		if first.passes() && first.x < b {
			return probe(b, "the baseline"), true
		}
		return Step{}, false
	}
	if first.worst() > nearMargin || first.worst() < -nearMargin {
		return Step{}, false // it has changed, and by far
	}
	if first.passes() {
		if x := s.up(b, straddle); x > b {
			return probe(x, "just above the baseline"), true
		}
		return Step{}, false
	}
	if x := s.clampDown(b / straddle); x < b {
		return probe(x, "just below the baseline"), true
	}
	return Step{}, false
}
