package plan

import "math"

const farClip = 3.0 // margins beyond it would bend the fit over the whole bracket

// refine proposes the root of the fitted margins, as long as that halves the
// bracket in two probes; else the middle of what is believed of the boundary.
func (s *smooth) refine(lo, hi float64) Step {
	if x, ok := s.root(lo, hi); ok {
		if y, ok := s.inside(x, lo, hi); ok && !s.stuck(lo, hi) {
			return Step{At: []float64{y}, Size: 1, Full: true, Reason: "root of the fitted margins"}
		}
	}
	m := middle(lo, hi)
	if s.view != nil {
		m = s.view.quantile(0.5)
	}
	m, ok := s.inside(m, lo, hi)
	if !ok {
		return Step{Done: true, Reason: smoothFallback}
	}
	return Step{At: []float64{m}, Size: 1, Full: true, Reason: "bisection"}
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
	if len(s.h) < 2 {
		return false
	}
	t := read(s.p, s.h[:len(s.h)-2], s.tier, noiseEstimate)
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
		if u, ok := c.rootIn(math.Log(lo), math.Log(hi)); ok && u < best {
			best, found = u, true
		}
	}
	return math.Exp(best), found
}

// curve fits limit j's margins, isotonic and smooth in ln x.
func (s *smooth) curve(j int) (*pchip, error) {
	var xs, ys, ws []float64
	for _, b := range s.points {
		if b.x > 0 && !math.IsNaN(b.margins[j]) {
			xs = append(xs, math.Log(b.x))
			ys = append(ys, clip(b.margins[j]))
			ws = append(ws, float64(len(b.values[j])))
		}
	}
	return smoothFit(xs, ys, ws)
}

func clip(g float64) float64 { return max(-farClip, min(farClip, g)) }
