package plan

import "math"

const (
	patience      = 8    // probes inside a bracket without noise after which it need not end in neighbours
	patienceShare = 0.01 // what is enough then; AIPerf stops at 5 % always
)

const farClip = 3.0 // margins beyond it would bend the fit over the whole bracket

// interpolate narrows a bracket without noise down to neighbours by ITP
// (Oliveira & Takahashi 2020, ACM TOMS 47:1): the root of the fitted margins,
// projected so close to the middle that the worst case is that of bisection.
func (s *smooth) interpolate(lo, hi float64) Step {
	resolution := 1.0
	if !s.Int {
		resolution = max(1e-3*math.Abs(hi), 1e-9*(s.Hi-s.Lo))
	}
	first, steps := s.firstBracket()
	if hi-lo <= resolution || steps >= patience && s.narrow(lo, hi, patienceShare) {
		return Step{Done: true, Reason: s.precision()}
	}
	m := lo + (hi-lo)/2
	radius := max(0, math.Exp2(math.Ceil(math.Log2(first/resolution))-float64(steps)-1)*resolution-(hi-lo)/2)
	x, reason := m, "bisection"
	if root, ok := s.root(lo, hi); ok {
		x, reason = max(m-radius, min(m+radius, root)), "root of the fitted margins"
	}
	x, ok := s.inside(x, lo, hi)
	if !ok {
		return Step{Done: true, Reason: smoothFallback}
	}
	return Step{At: []float64{x}, Size: 1, Full: true, Reason: reason}
}

// firstBracket replays the history to the first bracket: its width, and how
// many observations were made since.
func (s *smooth) firstBracket() (width float64, steps int) {
	for i := range s.h {
		t := read(s.p, s.h[:i+1], s.tier, noiseEstimate)
		if n := t.prefix(); n > 0 && n < len(t.points) {
			return t.points[n].x - t.points[n-1].x, len(s.h) - i - 1
		}
	}
	return s.Hi - s.Lo, 0
}

// refine proposes the root of the fitted margins, as long as that halves the
// bracket in two probes; else the middle of what is believed of the boundary.
func (s *smooth) refine(lo, hi float64) Step {
	if x, ok := s.root(lo, hi); ok {
		if y, ok := s.inside(x, lo, hi); ok && !s.stuck(lo, hi) {
			return Step{At: []float64{y}, Size: 1, Full: true, Reason: "root of the fitted margins"}
		}
	}
	m := s.view.quantile(0.5)
	if m <= lo || m >= hi { // disturbed probes pull it out of the bracket
		m = middle(lo, hi)
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
