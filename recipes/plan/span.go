package plan

import "math"

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

// An edge of the range where the boundary is looked for may hold so much of the
// posterior; beyond it, the range is too narrow.
const (
	edgeCells = 4
	edgeMass  = 0.01
	widening  = 1.5
	widenings = 8
)

// wideEnough returns a posterior, looked for again in wider ranges for as long as
// the evidence leaves room for the boundary beyond their ends: where noise has
// turned a verdict its neighbours do not bound the boundary, and an interval
// between them would be too narrow (of 60 searches with noise of 50 % a probe it
// held the truth in 19, this one in 51). The search itself keeps to the narrow
// range: it is finer, and in the wide one it is drawn to where the curve is not
// straight.
func (a axis) wideEnough(view posterior, look func(lo, hi float64) posterior) posterior {
	for range widenings {
		n := len(view.ln)
		lo, hi := math.Exp(view.ln[0]), math.Exp(view.ln[n-1])
		below := 1-view.passes(math.Exp(view.ln[edgeCells])) > edgeMass && lo > 0.9*a.Lo
		above := view.passes(math.Exp(view.ln[n-1-edgeCells])) > edgeMass && hi < 1.1*a.Hi
		if !below && !above {
			break
		}
		if below {
			lo = max(0.9*a.Lo, lo/widening)
		}
		if above {
			hi = min(1.1*a.Hi, hi*widening)
		}
		view = look(lo, hi)
	}
	return view
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
