package plan

// span is the range in which the boundary is looked for; ok is false while there
// is no bracket. An upper bound that passes, but not for certain, closes one: it
// may itself be the boundary.
func (s *sequence) span() (lo, hi float64, ok bool) {
	n := len(s.points)
	if s.end == 0 || s.points[0].x <= 0 {
		return 0, 0, false
	}
	if s.end == n {
		top := s.points[n-1]
		if top.x < s.Hi || s.certainPass(top) {
			return 0, 0, false
		}
		hi = s.Hi
	} else {
		hi = min(s.points[min(n-1, s.end+1)].x, 2*s.points[s.end].x)
	}
	lo = max(s.points[max(0, s.end-2)].x, s.points[s.end-1].x/2)
	return 0.9 * lo, 1.1 * hi, true
}

// sight is the posterior of the boundary over [lo, hi], with the baseline's
// prior when there is one.
func (s *sequence) sight(lo, hi float64) posterior {
	return s.look(s.h, s.tier, lo, hi)
}
