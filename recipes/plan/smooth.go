package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

const (
	// smoothBudget is the number of distinct points when the problem names no budget:
	// AIPerf's default for the recipes.
	smoothBudget = 30
	// farMargin is the margin below which a step up is a factor of four.
	farMargin = -1.0
	// wideSpread is the spread of the posterior in ln x above which the root is sought
	// first; below, the answer is made certain.
	wideSpread = 0.06

	// boundaryLevel is the least P(every limit holds) of an answer that rests on its
	// neighbours more than on its own verdict. It is lower than the certainty of a
	// verdict: at 0.98 a boundary whose probes scatter by 2% would be understated by 3 to
	// 6%. Between 0.87 and 0.95 it trades a tenth of a percent of error for as much of
	// violations: on surfaces where noise moves the boundary by less than 3% a probe, 1
	// to 4% of answers lie above the true one, nearly all within 5% of it; where it moves
	// it by more, 18%.
	boundaryLevel = 0.90
	// rateLevel is the same over a rate, in a search that has a time to end in. Latencies at
	// a server that is all but full scatter by 20% from one ten seconds to the next, so that
	// boundaryLevel would understate its rate by 3 to 7% at the end of five minutes. With 0.8
	// two answers in thirty were more than 5% too low, and with 0.6 one, at −9%: a rate that is
	// answered too soon is refuted later, when no time is left.
	rateLevel = 0.70
)

// SmoothIsotonic finds the boundary of one dimension from margins, as AIPerf's
// smooth_isotonic does: an exponential bracket, then the root of the margins' isotonic,
// smooth fit until the bracket is narrow. It differs in that the margins of all limits
// are compared in one unit, in ln x; steps up are longer while the limit is far; nothing
// that the bracket has decided is probed; a failure far off the trend is asked again,
// since one stalled probe would end the search below it; and the answer is made certain,
// by a posterior over the boundary, for as long as another probe can be expected to raise
// it. Where every standard error is 0 the search goes on to neighbouring values instead.
// Its answers have an Interval at level 0.95 once there is a bracket, and a Bracket
// before that and without errors. The zero value is ready.
type SmoothIsotonic struct {
	// Replicates is the least number of visits of the answer (AIPerf's sla_replicates):
	// it is probed so often before the search ends, and what the visits say together
	// counts. Zero means as often as its verdict is in doubt.
	Replicates int
}

// Next returns the next step of the bracket, the refinement or the confirmation.
func (y SmoothIsotonic) Next(p Problem, h []Observation) Step {
	if p.Budget <= 0 {
		p.Budget = smoothBudget
	}
	v := viewsOf(p, h)[0]
	if s, ok := v.blocked(); ok {
		return s
	}
	s := newSmooth(v)
	step := s.next()
	if i := s.safeIndex(); step.Done && i >= 0 && len(s.points[i].visits) < y.Replicates {
		step = whole(s.points[i].x, "a replicate of the answer")
	}
	if !step.Done && len(h) >= 2*p.Budget { // visits of known points count, too, in the end
		step = done(ReasonMaxIterations)
	}
	return v.within(step)
}

// Answers reads the boundary off the history.
func (SmoothIsotonic) Answers(p Problem, h []Observation) []Answer {
	return eachBoundary(p, h, func(v view) Answer { return newSmooth(v).answer() })
}

// smooth is a history read for one tier, with what follows from it.
type smooth struct {
	bracket
	// level is the least P(every limit holds) of an answer.
	level float64
}

// newSmooth reads the history and looks for the boundary in its bracket. A problem that
// asks for more than the default certainty asks for as much of the answer.
func newSmooth(v view) *smooth {
	s := &smooth{bracket: bracketOf(v), level: v.level()}
	if s.confidence > DefaultConfidence {
		s.level = s.confidence
	}
	s.end = s.prefix()
	if s.see(s.look) {
		s.end = 0
		for s.end < len(s.points) && s.believed(s.points[s.end]) {
			s.end++
		}
	}
	return s
}

// level is the least P(every limit holds) of an answer that rests on its neighbours.
func (v view) level() float64 {
	if v.hurried() {
		return rateLevel
	}
	return boundaryLevel
}

// hurried reports a search over a rate, which has no steps, that has a time to end in.
func (v view) hurried() bool { return v.Time > 0 && !v.Int }

// believed reports whether a point is believed to pass: by its own verdict, or, when that
// is a failure in doubt, as its neighbours have it.
func (s *smooth) believed(b belief) bool {
	return b.passes() || !s.certainFail(b) && s.post.Passes(b.x) >= 0.5
}

// safeIndex is the largest point that passes with certainty together with all below it,
// −1 for none.
func (s *smooth) safeIndex() int { return s.last(s.end, s.sure) }

// sure reports whether a point passes with certainty: its neighbours leave little doubt,
// or its own verdict does and they do not contradict it. A verdict beyond 99% stands
// alone: on a cliff a straight line is the wrong neighbourhood.
func (s *smooth) sure(b belief) bool {
	if s.post == nil || b.x <= s.Lo { // below the range nothing speaks for its lowest point
		return s.certainPass(b)
	}
	p := s.post.Passes(b.x)
	return p >= s.level || s.certainPass(b) && (p >= 0.7 || b.pass > 0.99)
}

// next is the step after the history.
func (s *smooth) next() Step {
	n := s.end
	if step, ok := s.arbiter(); ok {
		return step
	}
	switch {
	case len(s.points) == 0, s.points[0].x > s.Lo:
		return probe(s.Lo, lowestPoint)
	case s.prefix() == 0:
		if step, ok := s.confirm(0); ok {
			return step
		}
		return done(smoothNoPass)
	case n == len(s.points):
		return s.above(s.points[n-1])
	}
	lo, hi := s.points[n-1].x, s.points[n].x
	switch {
	case s.faulty(n) || !s.exact && s.surprising(n) || s.lone(n) && s.narrow(lo, hi, loneSpan):
		return Step{At: []float64{hi}, Size: 2, Full: true, Reason: "a surprise: once more"}
	case s.post == nil:
		return s.interpolate(lo, hi)
	case s.post.Spread() > wideSpread && !s.narrow(lo, hi, relativePrecision):
		return s.refine(lo, hi)
	}
	return s.finish()
}

// above is the step while everything passes, top being the largest point.
func (s *smooth) above(top belief) Step {
	switch {
	case top.x < s.Hi:
		return probe(s.up(top.x, s.stride()), "exponential bracket")
	case s.post == nil: // the top passes for certain
		return done(smoothNoFailure)
	}
	return s.finish()
}

// precision names the end of a search that found its boundary.
func (s *smooth) precision() string {
	if n := len(s.points); s.end == n && n > 0 && s.sure(s.points[n-1]) {
		return smoothNoFailure
	}
	if s.cliff() {
		return smoothCliff
	}
	return smoothPrecision
}

// cliff reports that the margin jumps across the bracket: it rises between the last pass
// and the first failure by more than a curve as steep as the limit's neighbourhood would
// in ten such steps, and the failure is far.
func (s *smooth) cliff() bool {
	n := s.end
	if n < 2 || n >= len(s.points) {
		return false
	}
	jump := s.points[n].worst() - s.points[n-1].worst()
	slope := math.Abs(s.trend(n - 1))
	return s.points[n].worst() > surpriseMargin && jump > boundary.Straight/2 &&
		jump > 10*slope*math.Log(s.points[n].x/s.points[n-1].x)
}

// stride is the factor of the next step up while everything passes: four where the margin
// is far from the limit, or where the trend says that it will still be after the step;
// otherwise two.
func (s *smooth) stride() float64 {
	n := len(s.points)
	g := s.points[n-1].worst()
	if g < farMargin || n > 1 && g+s.trend(n-1)*math.Log(4) < -boundary.Straight {
		return 4
	}
	return 2
}

// trend is the slope in ln x of the worst margin between point i and the one below; +Inf
// when there is none.
func (s *smooth) trend(i int) float64 {
	if i < 1 || s.points[i-1].x <= 0 {
		return math.Inf(1)
	}
	slope := s.slope(i-1, i)
	if math.IsNaN(slope) {
		return math.Inf(1)
	}
	return slope
}
