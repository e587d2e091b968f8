package plan

// baseline is the boundary of an earlier run, when there is one inside the
// range.
func (s *sequence) baseline() (float64, bool) {
	b := s.p.Baseline
	return b, b > 0 && b >= s.Lo && b <= s.Hi
}

// straddle is how far above a baseline its failure is looked for.
const straddle = 1.06

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
	if first.x != b {
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
