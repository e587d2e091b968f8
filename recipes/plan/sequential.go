package plan

import (
	"math"
	"slices"
)

// Convergence reasons of style sequential; max_iterations is one more.
const (
	sequentialPrecision = "sequential_precision_reached"
	sequentialNoPass    = "sequential_no_pass_in_range"
	sequentialNoFailure = "sequential_no_failure_in_range"
	notIdentifiable     = "not_identifiable" // noise over slope leaves the boundary wider than ±10 %
)

const (
	sequentialStart  = 8  // a point that most servers bear, three doublings from the bottom
	sequentialBudget = 30 // distinct points when the problem names none
)

// Sequential finds the boundary of one dimension with few probes, each of which
// may end as soon as its verdict is certain. In coordinates (ln x, g), where
// queueing curves are nearly straight, it jumps towards the limit along the
// secant, narrows the bracket with the ITP method, and finishes on a posterior
// of the boundary: the answer is the largest probed point that is believed to
// pass and close to the median. The zero value is ready.
type Sequential struct {
	// Objective adds a search for the best first goal below the boundary:
	// golden section in ln x, when the best point is not the boundary itself.
	Objective bool
}

// Next returns the next step: of the first tier that is not at its end, since
// every probe counts for all; then of the objective.
func (q Sequential) Next(p Problem, h []Observation) Step {
	a, ok := only(p)
	if !ok {
		return Step{Done: true, Reason: reasonNotOneDimension}
	}
	if s, ok := silence(h); ok {
		return s
	}
	if g, ok := gateOf(p, h, a); ok {
		return g.next()
	}
	if p.Budget <= 0 {
		p.Budget = sequentialBudget
	}
	if len(h) >= 2*p.Budget {
		return Step{Done: true, Reason: maxIterations}
	}
	reason := ""
	for i, tier := range tiers(p, h) {
		s := newSequence(p, h, a, tier)
		step := s.next()
		if !step.Done {
			return within(p, h, step)
		}
		if i == 0 {
			reason = step.Reason
			if q.Objective && len(p.Goals) > 0 {
				if step, ok := s.climb(); ok {
					return within(p, h, step)
				}
			}
		}
	}
	return Step{Done: true, Reason: reason}
}

// Answers returns one answer per tier: Safe is the answer, Estimate the median
// of the boundary, Lo and Hi its 95 % interval (the bracket where there is no
// posterior).
func (q Sequential) Answers(p Problem, h []Observation) []Answer {
	if a, ok := only(p); ok {
		if g, ok := gateOf(p, h, a); ok {
			return []Answer{g.answer()}
		}
	}
	return perTier(p, h, func(a axis, tier []int) Answer {
		s := newSequence(p, h, a, tier)
		out := s.answer()
		if len(p.Tiers) > 1 {
			out.Reason = maxIterations
			if step := s.next(); step.Done {
				out.Reason = step.Reason
			}
		}
		return out
	})
}

// sequence is a history read for one tier.
type sequence struct {
	track
	axis
	p     Problem
	h     []Observation
	tier  []int
	known bool       // verdicts come with certainties of their own
	exact bool       // margins come without error
	end   int        // number of lowest points believed to pass
	view  *posterior // nil: no bracket yet, or exact
}

func newSequence(p Problem, h []Observation, a axis, tier []int) *sequence {
	s := &sequence{track: read(p, h, tier, noiseEstimate), axis: a, p: p, h: h, tier: tier, exact: exact(h, tier)}
	for _, o := range h {
		for _, k := range tier {
			s.known = s.known || says(o) && k >= 0 && k < len(o.Limits) && !math.IsNaN(o.Limits[k].Pass)
		}
	}
	s.end = s.split()
	if lo, hi, ok := s.span(a, s.end); ok && !s.exact {
		view := s.sight(lo, hi)
		s.view = &view
		s.end = s.settle()
	}
	return s
}

// split is the bracket with the least total contradiction: points below it that
// fail and points above that pass count by their evidence. Of equals the lowest
// is taken. A failure that stayed certain when it was asked again ends the
// prefix whatever passes above.
func (s *sequence) split() int {
	n := len(s.points)
	top := n
	for i, b := range s.points {
		if !b.passes() && s.certainFail(b) && len(b.visits) > 1 {
			top = i
			break
		}
	}
	best, at := math.Inf(1), 0
	for k := range top + 1 {
		cost := 0.0
		for i, b := range s.points[:top] {
			z := zOf(b.pass)
			if i < k {
				z = -z
			}
			cost += max(z, 0)
		}
		if cost < best {
			best, at = cost, k
		}
	}
	return at
}

// settle moves the bracket over points whose own verdict is in doubt and whose
// neighbours know better.
func (s *sequence) settle() int {
	n := s.end
	for n > 0 && !s.points[n-1].passes() && s.view.passes(s.points[n-1].x) < 0.5 {
		n--
	}
	for n < len(s.points) && !s.certainFail(s.points[n]) && s.view.passes(s.points[n].x) >= 0.5 {
		n++
	}
	return n
}

// next is the step after the history.
func (s *sequence) next() Step {
	if s.Lo <= 0 { // no logarithm, no curve to be straight in it
		step := s.bisect(s.axis)
		step.Reason = map[string]string{
			monotonicPrecision: sequentialPrecision, monotonicNoPass: sequentialNoPass, monotonicNoFailure: sequentialNoFailure,
		}[step.Reason]
		return step
	}
	if step, ok := s.warm(); ok {
		return step
	}
	n := len(s.points)
	switch {
	case n == 0:
		return probe(s.clamp(sequentialStart), "the start")
	case s.end == 0:
		return s.down()
	case s.view == nil && s.end == n:
		return s.explore(s.upward())
	}
	if step, ok := s.arbiter(); ok {
		return step
	}
	if step, ok := s.surprise(); ok {
		return step
	}
	if s.end < n {
		lo, hi := s.points[s.end-1].x, s.points[s.end].x
		if s.exact {
			if s.narrow(lo, hi, 0) {
				return Step{Done: true, Reason: sequentialPrecision}
			}
			return s.refine(lo, hi)
		}
		if s.view.spread() > finishSpread && !s.narrow(lo, hi, relativePrecision) {
			return s.explore(s.refine(lo, hi))
		}
	}
	return s.finish()
}

// explore shortens a probe on the way to the boundary where verdicts carry
// their certainty: which side it is on is all that it is for, and a doubt is
// settled by the probes that come nearer.
func (s *sequence) explore(step Step) Step {
	if s.known && step.Size == 1 {
		step.Size = exploreSize
	}
	return step
}

func probe(x float64, why string) Step {
	return Step{At: []float64{x}, Size: 1, Reason: why}
}

// down is the step while nothing passes: straight to the lowest point, which
// says whether there is an answer at all.
func (s *sequence) down() Step {
	if b := s.points[0]; b.x > s.Lo {
		if _, ok := s.baseline(); ok && len(s.points) < 4 && b.x > 2*s.Lo { // near an old boundary the new one is likelier than at the bottom
			factor := max(leastJump, min(mostJump, overshoot*math.Exp(b.worst()/slopeMedian)))
			if math.IsNaN(factor) {
				factor = mostJump
			}
			return probe(s.clamp(b.x/factor), "jump below the baseline")
		}
		return probe(s.Lo, "the lowest point: the start failed")
	}
	if step, ok := s.confirm(0); ok {
		return step
	}
	return Step{Done: true, Reason: sequentialNoPass}
}

// The jump up while everything passes, as a factor.
const (
	leastJump, mostJump = 1.6, 6.0
	overshoot           = 1.12 // a bracket is wanted, not the boundary itself
	slopeBefore         = 1.0  // of g in ln x, before a secant is known
)

// upward is the step while everything passes: as far as the secant of the last
// two points says that the limit lies, and a little farther.
func (s *sequence) upward() Step {
	n := len(s.points)
	top := s.points[n-1]
	if top.x >= s.Hi {
		if step, ok := s.confirm(n - 1); ok {
			return step
		}
		return Step{Done: true, Reason: sequentialNoFailure}
	}
	slope := slopeBefore
	if n > 1 && top.x > leastJump*s.points[n-2].x*0.9 { // of nearer points noise makes the slope
		slope = s.secant(n-2, n-1)
	}
	factor := float64(mostJump)
	if g := top.worst(); slope > 0 && !math.IsNaN(g) {
		factor = min(mostJump, max(leastJump, overshoot*math.Exp(-g/slope)))
	}
	x := s.up(top.x, factor)
	return probe(x, "jump along the secant")
}

// secant is the slope of the worst margin in ln x between two points; NaN where
// one has none.
func (s *sequence) secant(i, j int) float64 {
	a, b := s.points[i], s.points[j]
	return (b.worst() - a.worst()) / math.Log(b.x/a.x)
}

// safeIndex is the largest point of the prefix that is believed with
// certainty, −1 for none.
func (s *sequence) safeIndex() int { return s.last(s.end, s.sure) }

// answer reads the boundary off the posterior, or off the bracket where there
// is none.
func (s *sequence) answer() Answer {
	a := s.track.answer()
	if s.view == nil {
		return a
	}
	a.Safe = math.NaN()
	if i := s.safeIndex(); i >= 0 {
		a.Safe = s.points[i].x
	}
	a.NonMonotone = a.NonMonotone || slices.ContainsFunc(s.points[s.end:], func(b belief) bool { return s.certainPass(b) })
	a.Lo, a.Estimate, a.Hi = s.interval()
	return a
}

// interval is the 95 % interval of the boundary and its median. Two certain
// verdicts bound it, whatever the curve; the median stays between them.
func (s *sequence) interval() (lo, median, hi float64) {
	view := s.wideEnough(*s.view, s.sight)
	lo, median, hi = view.quantile(0.975), view.quantile(0.5), view.quantile(0.025)
	if n := s.end; n > 0 && n < len(s.points) && s.certainPass(s.points[n-1]) && s.certainFail(s.points[n]) {
		lo, hi = max(lo, s.points[n-1].x), min(hi, s.points[n].x)
		median = max(lo, min(hi, median))
	}
	return lo, median, hi
}
