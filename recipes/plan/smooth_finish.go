package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/bootstrap"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

const (
	// worthwhile is the relative gain of the answer below which no further probe is worth
	// it.
	worthwhile = 0.004
	// lastVisits are for claims, and for seeing the answer again, in a search whose time
	// ends.
	lastVisits = 4
	// worthwhileRate is the same of a search that has a time to end in, along a dimension
	// without steps: nobody can tell 52.7 requests a second from 53.
	worthwhileRate = 0.01
	// nearVisits is the number of visits within nearWindow of the boundary, in ln x,
	// after which only what is known is claimed; claims is how many visits more are made
	// until a claim has come true.
	nearVisits = 11
	claims     = 5
	nearWindow = 0.1
)

// finish makes the answer certain, as long as one more probe can be expected to raise it.
func (s *smooth) finish() Step {
	safe := s.Lo
	if i := s.safeIndex(); i >= 0 {
		safe = s.points[i].x
	}
	m := s.post.Quantile(0.5)
	near, late := s.near(m, nearWindow), s.late(lastVisits*s.typical())
	x := s.free(s.target(m))
	// A claim passes for certain by what is known already: it only has to be probed.
	claim := s.free(s.post.Quantile(s.level))
	if near >= nearVisits || late || x < max(safe, claim)*(1+worthwhile) {
		x = claim
	}
	gain := worthwhile
	if s.hurried() {
		gain = worthwhileRate
	}
	if near < nearVisits+claims && x > safe && x >= safe*(1+gain) {
		return whole(x, "confirming the answer")
	}
	if n := s.end; n < len(s.points) && !late { // a plateau or a cliff may have misled the posterior
		lo, hi := s.points[n-1].x, s.points[n].x
		if m, ok := s.inside(middle(lo, hi), lo, hi); ok && !s.narrow(lo, hi, relativePrecision) {
			return whole(m, "bisection: the bracket is wide")
		}
	}
	if s.safeIndex() < 0 && s.end > 0 {
		if step, ok := s.confirm(s.end - 1); ok {
			return step
		}
	}
	return done(s.precision())
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

// target is the largest value that can be expected to pass with certainty once it has
// been probed: the median of the boundary less what will be left of its spread.
func (s *smooth) target(m float64) float64 {
	sd := s.post.Spread() / 2
	probe := s.probeError(m)
	left := 0.0 // what will be left of the spread
	if sd > 0 && probe > 0 {
		left = 1 / math.Sqrt(1/(sd*sd)+1/(probe*probe))
	}
	return min(s.Hi, m*math.Exp(-zOf(s.level)*left))
}

// probeError is the error of one more visit near m in units of ln x: noise over slope,
// the largest of any limit that matters there.
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
		if b.margins[j] < -boundary.Straight && c.margins[j] < -boundary.Straight || slope <= 0 {
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

// answer reads the boundary off the posterior, or off the bracket where there is none.
func (s *smooth) answer() Answer {
	a := s.track.answer()
	if s.post == nil {
		return a
	}
	a.Safe = s.valueAt(s.safeIndex())
	lo, median, hi := credible(s.honest(s.look))
	a.Estimate = median
	a.within(lo, hi, intervalLevel)
	return a
}

// Types of the boundary in AIPerf's boundary_summary.
const (
	smoothType = "smooth"
	cliffType  = "cliff"
)

// Summary is what smooth_isotonic adds to AIPerf's boundary_summary.
type Summary struct {
	// Type is "smooth" or "cliff"; empty while there is no bracket.
	Type string
	// Binding is the index into Observation.Margins of the limit nearest to breaking at
	// the boundary; −1 when none is known.
	Binding int
	// CILow and CIHigh are the 95% interval of the binding margin g at the answer, in
	// AIPerf's sense; NaN without two visits that differ.
	CILow, CIHigh float64

	// Identifiable is false when noise over slope leaves the boundary wider than ±10%:
	// the interval is the answer then, not the estimate.
	Identifiable bool
	// Factor is how many times as long the probes would have to be to settle the boundary
	// to ±10%; 1 when it is settled.
	Factor float64
}

// Summary reads the boundary summary of the first tier off a history.
func (SmoothIsotonic) Summary(p Problem, h []Observation) Summary {
	none := Summary{Binding: -1, CILow: math.NaN(), CIHigh: math.NaN(), Identifiable: true, Factor: 1}
	v := viewsOf(p, h)[0]
	if !v.single() {
		return none
	}
	s := newSmooth(v)
	out := none
	if s.end == 0 || s.end == len(s.points) && s.post == nil {
		return out
	}
	out.Type = smoothType
	if s.cliff() {
		out.Type = cliffType
	}
	out.Binding = s.binding()
	out.CILow, out.CIHigh = s.marginCI(out.Binding)
	if s.post != nil {
		answer := s.answer()
		out.Identifiable, out.Factor = s.identifies(answer.Lo, answer.Hi)
	}
	return out
}

// binding is the limit nearest to breaking at the upper end of the bracket, in units of
// its scatter: the last place where the limits can be told apart by measurement.
func (s *smooth) binding() int {
	b := s.points[min(s.end, len(s.points)-1)]
	var margins, sigmas []float64
	for j := range s.tier {
		g := b.margins[j]
		if math.IsNaN(g) { // what was not measured there broke there
			g = math.Inf(1)
		}
		margins = append(margins, g)
		sigmas = append(sigmas, s.noise[j].sd)
	}
	j, _ := nearest(margins, sigmas)
	if j < 0 {
		return -1
	}
	return s.tier[j]
}

// marginCI is the bootstrap interval of the binding margin over the visits of the safe
// point.
func (s *smooth) marginCI(limit int) (lo, hi float64) {
	i := s.safeIndex()
	for j, k := range s.tier {
		if k != limit || i < 0 || len(s.points[i].values[j]) < 2 {
			continue
		}
		var gs []float64
		for _, e := range s.points[i].values[j] {
			gs = append(gs, e.Value)
		}
		return bootstrap.MeanInterval(gs, s.Seed)
	}
	return math.NaN(), math.NaN()
}

// nearest returns the index of the limit nearest to breaking, and by how much: the
// largest margin in units of its scale. Without scales (nil), or where one is zero, the
// raw margin counts. Ties go to the first; without margins the index is −1. (AIPerf's
// normalize_margins.)
func nearest(margins, scales []float64) (index int, value float64) {
	index, value = -1, math.Inf(-1)
	for i, m := range margins {
		if i < len(scales) && scales[i] > 0 {
			m /= scales[i]
		}
		if index < 0 || m > value {
			index, value = i, m
		}
	}
	return index, value
}
