package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/isotonic"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/pchip"
)

const (
	// patience is the number of probes inside a bracket without noise after which it need
	// not end in neighbours, and patienceShare is the share of its upper end that is
	// narrow enough then; AIPerf stops at 5% always.
	patience      = 8
	patienceShare = 0.01
	// farClip bounds the margins that are fitted: larger ones would bend the curve over
	// the whole bracket.
	farClip = 3.0
	// surpriseMargin is how far on the wrong side of the limit an outlier shows.
	surpriseMargin = 0.1
	// loneSpan is the width of a bracket, as a share of its upper end, that a failure
	// seen once may not end.
	loneSpan = 0.1
	// surpriseSpan is the factor up to which the trend of the passing points is trusted
	// above them.
	surpriseSpan = 1.5

	fittedRoot = "root of the fitted margins"
	bisection  = "bisection"
)

// interpolate narrows a bracket without noise down to neighbours by ITP (Oliveira &
// Takahashi 2020, ACM TOMS 47:1): the root of the fitted margins, projected so close to
// the middle that the worst case is that of bisection.
func (s *smooth) interpolate(lo, hi float64) Step {
	resolution := 1.0 // the distance of two values that are neighbours
	if !s.Int {
		resolution = max(1e-3*math.Abs(hi), 1e-9*(s.Hi-s.Lo))
	}
	first, steps := s.Hi-s.Lo, 0
	if pass, fail, since, ok := s.first(); ok {
		first, steps = fail-pass, since
	}
	if hi-lo <= resolution || steps >= patience && s.narrow(lo, hi, patienceShare) {
		return done(s.precision())
	}
	m := lo + (hi-lo)/2
	radius := max(0, math.Exp2(math.Ceil(math.Log2(first/resolution))-float64(steps)-1)*resolution-(hi-lo)/2)
	x, reason := m, bisection
	if root, ok := s.root(lo, hi); ok {
		x, reason = max(m-radius, min(m+radius, root)), fittedRoot
	}
	x, ok := s.inside(x, lo, hi)
	if !ok {
		return done(smoothFallback)
	}
	return whole(x, reason)
}

// refine proposes the root of the fitted margins, as long as that halves the bracket in
// two probes; otherwise the middle of what is believed of the boundary.
func (s *smooth) refine(lo, hi float64) Step {
	if x, ok := s.root(lo, hi); ok {
		if y, ok := s.inside(x, lo, hi); ok && !s.stuck(lo, hi) {
			return whole(y, fittedRoot)
		}
	}
	m := s.post.Quantile(0.5)
	if m <= lo || m >= hi { // disturbed probes pull it out of the bracket
		m = middle(lo, hi)
	}
	m, ok := s.inside(m, lo, hi)
	if !ok {
		return done(smoothFallback)
	}
	return whole(m, bisection)
}

// middle is the geometric mean, or the arithmetic one where there is none.
func middle(lo, hi float64) float64 {
	if lo <= 0 {
		return lo + (hi-lo)/2
	}
	return math.Sqrt(lo * hi)
}

// stuck reports that the last two probes did not halve the bracket.
func (s *smooth) stuck(lo, hi float64) bool {
	if len(s.history) < 2 {
		return false
	}
	t := s.until(len(s.history) - 2).read(noiseEstimate)
	n := t.prefix()
	if n == 0 || n == len(t.points) {
		return false
	}
	before, after := t.points[n].x-t.points[n-1].x, hi-lo
	if lo > 0 && t.points[n-1].x > 0 {
		before, after = math.Log(t.points[n].x/t.points[n-1].x), math.Log(hi/lo)
	}
	return after > before/2
}

// root is the smallest zero of any limit's fitted curve in [lo, hi].
func (s *smooth) root(lo, hi float64) (float64, bool) {
	best, found := math.Inf(1), false
	for j := range s.tier {
		c, err := s.curve(j)
		if err != nil {
			continue
		}
		if u, ok := c.RootIn(math.Log(lo), math.Log(hi)); ok && u < best {
			best, found = u, true
		}
	}
	return math.Exp(best), found
}

// curve fits limit j's margins, isotonic and smooth in ln x.
func (s *smooth) curve(j int) (*pchip.Curve, error) {
	var xs, ys, ws []float64
	for _, b := range s.points {
		if b.x > 0 && !math.IsNaN(b.margins[j]) {
			xs = append(xs, math.Log(b.x))
			ys = append(ys, clip(b.margins[j]))
			ws = append(ws, float64(len(b.values[j])))
		}
	}
	return isotonic.Smooth(xs, ys, ws)
}

// clip bounds a margin for the fit.
func clip(g float64) float64 { return max(-farClip, min(farClip, g)) }

// faulty reports that point i, the lowest failure, failed as a whole and may have done so
// by a passing fault: it is asked again before anything is concluded from it: at once
// when it is all that says that the range ends, otherwise when the bracket has closed on
// it.
func (s *smooth) faulty(i int) bool {
	b := s.points[i]
	if !s.open(b) || len(b.visits) >= maxVisits || s.failed(b.visits) == 0 {
		return false
	}
	for _, c := range s.points[i+1:] {
		if s.certainFail(c) {
			return i > 0 && s.narrow(s.points[i-1].x, b.x, relativePrecision)
		}
	}
	return true
}

// surprising reports that point i, the lowest failure, is far off what the passing points
// below it lead to expect, that no other failure above is, and that it was not asked
// often enough: an outlier looks like that, and so does a cliff until a second point has
// fallen off it.
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
