package plan

import (
	"math"
	"slices"
	"time"
)

const (
	// sequentialStart is a point that most servers bear, three doublings from the bottom.
	sequentialStart = 8
	// sequentialSlow is how long the requests of the start may take on a server that answers one
	// after another: where each takes three seconds, eight at a time have their verdict after 45 s.
	sequentialSlow = 12 * time.Second
	// sequentialBudget is the number of distinct points when the problem names none.
	sequentialBudget = 30
)

// Sequential finds the boundary of one dimension with few probes, each of which may end
// as soon as its verdict is certain. In coordinates (ln x, g), where queueing curves are
// nearly straight, it jumps towards the limit along the secant, narrows the bracket with
// the ITP method, and finishes on a posterior of the boundary: the answer is the largest
// probed point that is believed to pass and close to the median. Its answers have an
// Interval at level 0.95 once there is a bracket, and a Bracket before that and without
// errors. The zero value is ready.
type Sequential struct {
	// Objective adds a search for the best first goal below the boundary: golden section
	// in ln x, when the best point is not the boundary itself.
	Objective bool
}

// Next returns the next step: of the first tier that is not at its end, since every probe
// counts for all; then of the objective.
func (q Sequential) Next(p Problem, h []Observation) Step {
	if p.Budget <= 0 {
		p.Budget = sequentialBudget
	}
	views := viewsOf(p, h)
	if s, ok := views[0].blocked(); ok {
		return s
	}
	if len(h) >= 2*p.Budget { // visits of known points count, too, in the end
		return done(ReasonMaxIterations)
	}
	reason := ""
	for i, v := range views {
		s := newSequence(v)
		step := s.next()
		if !step.Done {
			return v.within(step)
		}
		if i == 0 {
			reason = step.Reason
			if q.Objective && len(p.Goals) > 0 {
				if step, ok := s.climb(); ok {
					return v.within(step)
				}
			}
		}
	}
	return done(reason)
}

// Answers returns one answer per tier: Safe is the answer, Estimate the median of the
// boundary.
func (q Sequential) Answers(p Problem, h []Observation) []Answer {
	return eachBoundary(p, h, func(v view) Answer {
		s := newSequence(v)
		a := s.answer()
		if len(p.Tiers) > 1 {
			a.Reason = ReasonMaxIterations
			if step := s.next(); step.Done {
				a.Reason = step.Reason
			}
		}
		return a
	})
}

// sequence is a history read for one tier.
type sequence struct {
	bracket
	// known says that verdicts come with certainties of their own.
	known bool
}

// newSequence reads the history and looks for the boundary in its bracket.
func newSequence(v view) *sequence {
	s := &sequence{bracket: bracketOf(v), known: v.certain()}
	s.end = s.split()
	if s.see(s.sight) {
		s.end = s.settle()
	}
	return s
}

// split is the end of the bracket with the least total contradiction: points below it
// that fail and points above that pass count by their evidence. Of equals the lowest is
// taken. A failure that stayed certain when it was asked again ends the prefix whatever
// passes above.
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

// settle moves the bracket over points whose own verdict is in doubt and whose neighbours
// know better.
func (s *sequence) settle() int {
	n := s.end
	for n > 0 && !s.points[n-1].passes() && s.post.Passes(s.points[n-1].x) < 0.5 {
		n--
	}
	for n < len(s.points) && !s.certainFail(s.points[n]) && s.post.Passes(s.points[n].x) >= 0.5 {
		n++
	}
	return n
}

// bisectionReasons are the ends of a search that bisects because its range has no
// logarithm.
var bisectionReasons = map[string]string{
	monotonicPrecision: sequentialPrecision,
	monotonicNoPass:    sequentialNoPass,
	monotonicNoFailure: sequentialNoFailure,
}

// next is the step after the history.
func (s *sequence) next() Step {
	if s.Lo <= 0 { // no logarithm, no curve to be straight in it
		step := s.bisect()
		step.Reason = bisectionReasons[step.Reason]
		return step
	}
	if step, ok := s.warm(); ok {
		return step
	}
	n := len(s.points)
	switch {
	case n == 0:
		start := float64(sequentialStart)
		if s.Request > 0 {
			start = min(start, max(1, math.Floor(float64(sequentialSlow)/float64(s.Request))))
		}
		return probe(s.clamp(start), "the start")
	case s.end == 0:
		return s.down()
	case s.post == nil && s.end == n:
		return s.explore(s.upward())
	}
	if step, ok := s.arbiter(); ok {
		return step
	}
	if step, ok := s.surprise(); ok {
		return step
	}
	if s.closed() {
		return done(sequentialPrecision)
	}
	if s.end < n {
		lo, hi := s.points[s.end-1].x, s.points[s.end].x
		if s.exact {
			if s.narrow(lo, hi, 0) {
				return done(sequentialPrecision)
			}
			return s.refine(lo, hi)
		}
		if s.post.Spread() > finishSpread && !s.narrow(lo, hi, relativePrecision) {
			return s.explore(s.refine(lo, hi))
		}
	}
	return s.finish()
}

// safeIndex is the largest point of the prefix that is believed with certainty, −1 for
// none.
func (s *sequence) safeIndex() int { return s.last(s.end, s.sure) }

// answer reads the boundary off the posterior, or off the bracket where there is none.
func (s *sequence) answer() Answer {
	a := s.track.answer()
	if s.post == nil {
		return a
	}
	a.Safe = s.valueAt(s.safeIndex())
	a.NonMonotone = a.NonMonotone || slices.ContainsFunc(s.points[s.end:], s.certainPass)
	lo, median, hi := s.interval()
	a.Estimate = median
	a.within(lo, hi, intervalLevel)
	return a
}

// interval is the interval of the boundary at intervalLevel, and its median. Two certain
// verdicts bound it, whatever the curve; the median stays between them.
func (s *sequence) interval() (lo, median, hi float64) {
	lo, median, hi = credible(s.honest(s.sight))
	if n := s.end; n > 0 && n < len(s.points) && s.certainPass(s.points[n-1]) && s.certainFail(s.points[n]) {
		lo, hi = max(lo, s.points[n-1].x), min(hi, s.points[n].x)
		median = max(lo, min(hi, median))
	}
	return lo, median, hi
}
