package plan

import "math"

const (
	worthwhile = 0.004 // relative gain of the answer below which no further probe is worth it
	nearVisits = 11    // visits within nearWindow of the boundary after which only what is known is claimed
	claims     = 5     // visits more, until a claim has come true
	nearWindow = 0.1   // in ln x
)

// finish makes the answer certain, as long as one more probe can be expected
// to raise it.
func (s *smooth) finish() Step {
	safe := s.Lo
	if i := s.safeIndex(); i >= 0 {
		safe = s.points[i].x
	}
	m := s.view.quantile(0.5)
	near := 0
	for _, b := range s.points {
		if math.Abs(math.Log(b.x/m)) < nearWindow {
			near += len(b.visits)
		}
	}
	x := s.free(s.target(m))
	claim := s.free(s.view.quantile(s.level)) // passes for certain by what is known already: it only has to be probed
	if near >= nearVisits || x < max(safe, claim)*(1+worthwhile) {
		x = claim
	}
	if near < nearVisits+claims && x > safe && x >= safe*(1+worthwhile) {
		return Step{At: []float64{x}, Size: 1, Full: true, Reason: "confirming the answer"}
	}
	if n := s.end; n < len(s.points) { // a plateau or a cliff may have misled the posterior
		lo, hi := s.points[n-1].x, s.points[n].x
		if m, ok := s.inside(middle(lo, hi), lo, hi); ok && !s.narrow(lo, hi, relativePrecision) {
			return Step{At: []float64{m}, Size: 1, Full: true, Reason: "bisection: the bracket is wide"}
		}
	}
	if s.safeIndex() < 0 && s.end > 0 {
		if step, ok := s.confirm(s.end - 1); ok {
			return step
		}
	}
	return Step{Done: true, Reason: s.precision()}
}

// free is the largest legal value at or below x that may be visited again.
func (s *smooth) free(x float64) float64 {
	x = s.clampDown(x)
	for i := len(s.points) - 1; i >= 0; i-- {
		if b := s.points[i]; b.x == x && len(b.visits) >= maxVisits {
			x = s.clampDown(s.under(x))
		}
	}
	return x
}

// under is the next lower legal value.
func (s *smooth) under(x float64) float64 {
	if s.Int {
		return x - 1
	}
	return x * (1 - worthwhile)
}

// target is the largest value that can be expected to pass with certainty once
// it has been probed: the median of the boundary less what will be left of its
// spread.
func (s *smooth) target(m float64) float64 {
	sd := s.view.spread() / 2
	probe := s.probeError(m)
	left := 0.0
	if sd > 0 && probe > 0 {
		left = 1 / math.Sqrt(1/(sd*sd)+1/(probe*probe))
	}
	return min(s.Hi, m*math.Exp(-zOf(s.level)*left))
}

// probeError is the error of one more visit near m in units of ln x: noise over
// slope, the largest of any limit that matters there.
func (s *smooth) probeError(m float64) float64 {
	worst := 0.0
	for j := range s.tier {
		below, above := -1, -1
		for i, b := range s.points {
			if math.IsNaN(b.margins[j]) || b.x <= 0 {
				continue
			}
			if b.x < m*0.995 {
				below = i
			}
			if b.x > m*1.005 && above < 0 {
				above = i
			}
		}
		if below < 0 || above < 0 {
			continue
		}
		b, c := s.points[below], s.points[above]
		slope := (clip(c.margins[j]) - clip(b.margins[j])) / math.Log(c.x/b.x)
		if b.margins[j] < -straight && c.margins[j] < -straight || slope <= 0 {
			continue
		}
		noise := s.noise[j].sd
		if vs := c.values[j]; len(vs) > 0 && !math.IsNaN(vs[0].SE) {
			noise = vs[0].SE
		}
		worst = max(worst, noise/slope)
	}
	return worst
}
