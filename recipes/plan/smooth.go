package plan

import (
	"math"
)

// Convergence reasons of AIPerf's smooth_isotonic planner.
const (
	smoothPrecision = "smooth_isotonic_precision_reached"
	smoothCliff     = "smooth_isotonic_cliff_precision_reached"
	smoothNoPass    = "smooth_isotonic_no_pass_in_range"
	smoothNoFailure = "smooth_isotonic_no_failure_in_range"
	smoothFallback  = "smooth_isotonic_pchip_fallback_bisection"
)

const (
	farMargin   = -1.0 // below it, a step up is a factor of four
	smoothSteps = 30   // budget when the problem has none
	enoughShare = 0.985
	nearVisits  = 7
	nearWindow  = 0.1
)

// SmoothIsotonic finds the boundary of one dimension with AIPerf's
// smooth_isotonic (aiperf-planners, section 5), mended.
type SmoothIsotonic struct{}

// Next returns the next point.
func (SmoothIsotonic) Next(p Problem, h []Observation) Step {
	a, ok := only(p)
	if !ok {
		return Step{Done: true, Reason: reasonNotOneDimension}
	}
	if s, ok := silence(h); ok {
		return s
	}
	if p.Budget <= 0 {
		p.Budget = smoothSteps
	}
	s := newSmooth(p, h, a, tiers(p, h)[0])
	step := s.next()
	if !step.Done && len(h) >= 2*p.Budget {
		step = Step{Done: true, Reason: maxIterations}
	}
	return within(p, h, step)
}

// Answers reads the boundary off the history.
func (SmoothIsotonic) Answers(p Problem, h []Observation) []Answer {
	a, ok := only(p)
	if !ok {
		return answers(p, h, noiseEstimate)
	}
	var out []Answer
	for _, tier := range tiers(p, h) {
		out = append(out, newSmooth(p, h, a, tier).answer())
	}
	return out
}

// smooth is a history read for one tier, with what follows from it.
type smooth struct {
	track
	axis
	p     Problem
	h     []Observation
	tier  []int
	exact bool         // every margin came with standard error 0
	view  *outlookGrid // nil: no bracket yet, or exact
	end   int          // number of lowest points believed to pass
}

func newSmooth(p Problem, h []Observation, a axis, tier []int) *smooth {
	s := &smooth{track: read(p, h, tier, noiseEstimate), axis: a, p: p, h: h, tier: tier}
	s.exact = true
	for _, o := range h {
		for _, k := range tier {
			if says(o) && k >= 0 && k < len(o.Limits) && !(o.Limits[k].SE == 0) && !math.IsNaN(o.Limits[k].Value) {
				s.exact = false
			}
		}
	}
	s.end = s.prefix()
	if s.exact || s.end == 0 || s.end == len(s.points) || s.points[0].x <= 0 {
		return s
	}
	lo := s.points[max(0, s.end-2)].x
	hi := s.points[min(len(s.points)-1, s.end+1)].x
	lo = max(lo, s.points[s.end-1].x/2)
	hi = min(hi, s.points[s.end].x*2)
	view := s.look(h, tier, lo*0.9, hi*1.1)
	s.view = &view
	// With a posterior, a verdict that was not certain by itself is believed
	// as its neighbours have it.
	s.end = 0
	for s.end < len(s.points) {
		b := s.points[s.end]
		if s.certainFail(b) || !b.passes() && view.passes(b.x) < 0.5 {
			break
		}
		s.end++
	}
	return s
}

// safeIndex is the largest point that passes with certainty together with all
// below it, −1 for none.
func (s *smooth) safeIndex() int {
	for i := s.end - 1; i >= 0; i-- {
		if s.sure(s.points[i]) {
			return i
		}
	}
	return -1
}

func (s *smooth) sure(b belief) bool {
	if s.view == nil {
		return s.certainPass(b)
	}
	return s.view.passes(b.x) >= s.confidence
}

func (s *smooth) next() Step {
	switch {
	case len(s.points) == 0, s.points[0].x > s.Lo:
		return Step{At: []float64{s.Lo}, Size: 1, Reason: "the lowest point"}
	case s.prefix() == 0:
		if step, ok := s.confirm(0); ok {
			return step
		}
		return Step{Done: true, Reason: smoothNoPass}
	}
	n := s.end
	if n == len(s.points) {
		top := s.points[n-1]
		if top.x < s.Hi {
			factor := 2.0
			if top.worst() < farMargin {
				factor = 4
			}
			return Step{At: []float64{s.up(top.x, factor)}, Size: 1, Reason: "exponential bracket"}
		}
		if step, ok := s.confirm(n - 1); ok {
			return step
		}
		return Step{Done: true, Reason: smoothNoFailure}
	}
	lo, hi := s.points[n-1].x, s.points[n].x
	if s.view == nil {
		if s.narrow(lo, hi, 0) {
			return Step{Done: true, Reason: smoothPrecision}
		}
		return s.refine(lo, hi)
	}
	spread := math.Log(s.view.quantile(0.1) / s.view.quantile(0.9))
	_ = spread
	m := s.view.quantile(0.5)
	wide := math.Abs(math.Log(s.view.quantile(0.1)/s.view.quantile(0.9))) > 0.1
	if wide && !s.narrow(lo, hi, relativePrecision) {
		return s.refine(lo, hi)
	}
	return s.finish(m)
}

// refine proposes the root of the fitted margins, or the middle.
func (s *smooth) refine(lo, hi float64) Step {
	if x, ok := s.root(lo, hi); ok {
		if y, ok := s.inside(x, lo, hi); ok && !s.stuck(lo, hi) {
			return Step{At: []float64{y}, Size: 1, Full: true, Reason: "root of the fitted margins"}
		}
	}
	m, ok := s.inside(math.Sqrt(lo*hi), lo, hi)
	if !ok {
		return Step{Done: true, Reason: smoothPrecision}
	}
	return Step{At: []float64{m}, Size: 1, Full: true, Reason: "bisection"}
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
	return math.Log(hi/lo) > math.Log(t.points[n].x/t.points[n-1].x)/2
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
			ys = append(ys, max(-3, min(3, b.margins[j])))
			ws = append(ws, float64(len(b.values[j])))
		}
	}
	return smoothFit(xs, ys, ws)
}

// finish makes the answer certain.
func (s *smooth) finish(m float64) Step {
	safe := math.NaN()
	if i := s.safeIndex(); i >= 0 {
		safe = s.points[i].x
	}
	if safe >= enoughShare*m || s.Int && m-safe < 1 {
		return Step{Done: true, Reason: smoothPrecision}
	}
	near := 0
	for _, b := range s.points {
		if math.Abs(math.Log(b.x/m)) < nearWindow {
			near += len(b.visits)
		}
	}
	if near >= nearVisits {
		return Step{Done: true, Reason: smoothPrecision}
	}
	q := s.clampDown(s.view.quantile(s.confidence))
	if !(q > safe) { // what is known supports no better answer: learn more where it matters
		q = s.clampDown(s.view.quantile(0.7))
	}
	for _, b := range s.points {
		if b.x == q && len(b.visits) >= maxVisits {
			q = s.clampDown(q - 1)
		}
	}
	return Step{At: []float64{q}, Size: 1, Full: true, Reason: "confirming the answer"}
}

func (s *smooth) clampDown(x float64) float64 {
	if s.Int {
		x = math.Floor(x)
	}
	return max(s.Lo, min(s.Hi, x))
}

func (s *smooth) answer() Answer {
	a := s.track.answer()
	if s.view == nil {
		return a
	}
	a.Safe = math.NaN()
	if i := s.safeIndex(); i >= 0 {
		a.Safe = s.points[i].x
	}
	a.Estimate = s.view.quantile(0.5)
	a.Lo, a.Hi = s.view.quantile(0.975), s.view.quantile(0.025)
	return a
}
