package plan

// span is the range in which the boundary is looked for when the lowest end
// points of a track are believed to pass; ok is false while there is no bracket.
// An upper bound that passes, but not for certain, closes one as well: it may
// itself be the boundary.
func (t track) span(a axis, end int) (lo, hi float64, ok bool) {
	n := len(t.points)
	if end == 0 || t.points[0].x <= 0 {
		return 0, 0, false
	}
	if end == n {
		top := t.points[n-1]
		if top.x < a.Hi || t.certainPass(top) {
			return 0, 0, false
		}
		hi = a.Hi
	} else {
		hi = min(t.points[min(n-1, end+1)].x, 2*t.points[end].x)
	}
	lo = max(t.points[max(0, end-2)].x, t.points[end-1].x/2)
	return 0.9 * lo, 1.1 * hi, true
}

// perTier reads one answer per tier of one dimension by one; in several
// dimensions, what can be said without a boundary.
func perTier(p Problem, h []Observation, one func(a axis, tier []int) Answer) []Answer {
	a, ok := only(p)
	if !ok {
		return answers(p, h, noiseEstimate)
	}
	var out []Answer
	for _, tier := range tiers(p, h) {
		out = append(out, one(a, tier))
	}
	return out
}
