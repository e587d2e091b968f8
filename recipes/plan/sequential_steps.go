package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/root"
)

const (
	// leastJump and mostJump bound the jump up while everything passes, as a factor: a
	// smaller one is not worth a probe, a larger one trusts a secant too far.
	leastJump, mostJump = 1.6, mostStep
	// overshoot is how far beyond the expected limit a jump goes: a bracket is wanted,
	// not the boundary itself.
	overshoot = 1.12
	// slopeBefore is the slope of g in ln x that is assumed before a secant is known.
	slopeBefore = 1.0
	// straddle is how far above a baseline its failure is looked for.
	straddle = 1.06
	// exploreSize is the length of a probe on the way to the boundary.
	exploreSize = 0.5
	// bend is how many times steeper than its secant a curve may become before a failure
	// is a surprise.
	bend = 2.5
	// Once the posterior is narrower than aimSpread in ln x, the point of which it
	// believes with aimPass that it passes takes the place of the secant's zero: a probe
	// there can be the answer, one at the zero fails every other time.
	aimSpread, aimPass = 0.2, 0.7
)

// baseline is the boundary of an earlier run, when there is one inside the range.
func (s *sequence) baseline() (float64, bool) {
	b := s.Baseline
	return b, b > 0 && b >= s.Lo && b <= s.Hi
}

// warm is the start from a baseline: it, then the point that straddles the boundary with
// it if nothing has changed.
func (s *sequence) warm() (Step, bool) {
	b, ok := s.baseline()
	if !ok || len(s.points) > 1 {
		return Step{}, false
	}
	b = s.clampDown(b)
	if len(s.points) == 0 {
		return probe(b, "the baseline"), true
	}
	first := s.points[0]
	if first.x != b {
		return Step{}, false
	}
	if first.worst() > nearMargin || first.worst() < -nearMargin {
		return Step{}, false // it has changed, and by far
	}
	if first.passes() {
		if x := s.up(b, straddle); x > b {
			return probe(x, "just above the baseline"), true
		}
		return Step{}, false
	}
	if x := s.clampDown(b / straddle); x < b {
		return probe(x, "just below the baseline"), true
	}
	return Step{}, false
}

// explore shortens a probe on the way to the boundary where verdicts carry their
// certainty: which side it is on is all that it is for, and a doubt is settled by the
// probes that come nearer.
func (s *sequence) explore(step Step) Step {
	if s.known && step.Size == 1 {
		step.Size = exploreSize
	}
	return step
}

// down is the step while nothing passes: straight to the lowest point, which says whether
// there is an answer at all.
func (s *sequence) down() Step {
	if b := s.points[0]; b.x > s.Lo {
		// Near an old boundary the new one is likelier than at the bottom, for a few
		// probes.
		if _, ok := s.baseline(); ok && len(s.points) < 4 && b.x > 2*s.Lo {
			factor := max(leastJump, min(mostJump, overshoot*math.Exp(b.worst()/boundary.SlopeMedian)))
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
	return done(sequentialNoPass)
}

// upward is the step while everything passes: as far as the secant of the last two points
// says that the limit lies, and a little farther.
func (s *sequence) upward() Step {
	n := len(s.points)
	top := s.points[n-1]
	if top.x >= s.Hi {
		if step, ok := s.confirm(n - 1); ok {
			return step
		}
		return done(sequentialNoFailure)
	}
	slope := slopeBefore
	if n > 1 && top.x > leastJump*s.points[n-2].x*0.9 { // of nearer points noise makes the slope
		slope = s.slope(n-2, n-1)
	}
	factor := mostJump
	if g := top.worst(); slope > 0 && !math.IsNaN(g) {
		factor = min(mostJump, max(leastJump, overshoot*math.Exp(-g/slope)))
	}
	x := s.up(top.x, factor)
	return probe(x, "jump along the secant")
}

// refine is the ITP step inside the bracket.
func (s *sequence) refine(lo, hi float64) Step {
	a, b := math.Log(lo), math.Log(hi)
	first, steps := s.firstWidth()
	f := root.Falsi(a, b, s.points[s.end-1].worst(), s.points[s.end].worst())
	if s.post != nil && s.post.Spread() < aimSpread {
		f = max(a, min(b, math.Log(s.post.Quantile(aimPass))))
	}
	x := root.ITP(a, b, f, max(first, b-a), steps)
	y, ok := s.inside(math.Exp(x), lo, hi)
	if !ok {
		return done(sequentialPrecision)
	}
	return probe(y, "refinement (ITP)")
}

// firstWidth is the width in ln x of the first bracket that the history had, and how many
// visits came after it; zeros while there was none.
func (s *sequence) firstWidth() (width float64, steps int) {
	if pass, fail, since, ok := s.first(); ok {
		return math.Log(fail / pass), since
	}
	return 0, 0
}

// surprise asks the lowest failure again when it is far off what the passing points below
// it lead to expect, however much the curve may bend, and no other failure is: a stalled
// probe would end the search there. A cliff looks the same until it was asked twice.
func (s *sequence) surprise() (Step, bool) {
	i := s.end
	if s.exact || i < 2 || i >= len(s.points) {
		return Step{}, false
	}
	b, last := s.points[i], s.points[i-1]
	again := probe(b.x, "a surprise: once more")
	if len(b.visits) > 1 {
		return Step{}, false
	}
	for _, c := range s.points[i+1:] {
		if c.passes() && s.certainPass(c) {
			return again, true
		}
	}
	slope := bend * max(s.slope(i-2, i-1), slopeBefore)
	off := func(b belief) bool {
		return b.worst() > surpriseMargin && last.worst()+slope*math.Log(b.x/last.x) < -surpriseMargin
	}
	if !off(b) {
		return Step{}, false
	}
	for _, c := range s.points[i+1:] {
		if off(c) {
			return Step{}, false
		}
	}
	return again, true
}
