package plan

// Convergence reasons of AIPerf's monotonic_sla planner, and of any planner's
// end without an answer.
const (
	maxIterations         = "max_iterations"
	monotonicPrecision    = "monotonic_precision_reached"
	monotonicNoPass       = "monotonic_no_pass_in_range"
	monotonicNoFailure    = "monotonic_no_failure_in_range"
	reasonUnmeasured      = "unmeasured"
	reasonUntrusted       = "untrusted"
	reasonNotOneDimension = "not_one_dimension"
)

// relativePrecision is AIPerf's: a bracket narrower than 5 % of its upper end
// is an answer.
const relativePrecision = 0.05

// maxVisits is how often one point is probed for its verdict: once, then at
// twice and four times the length. What is open after seven times the normal
// probe is within a fraction of a percent of its limit, and stays open.
const maxVisits = 3

// Monotonic finds the boundary of one dimension by doubling and bisection, in
// the steps of AIPerf's monotonic_sla (see aiperf-planners, section 4) with one
// vote a point. Only an end of the final bracket whose verdict is open is asked
// again, longer; AIPerf asks every point twice and so spends half its budget on
// verdicts that were never in doubt. The zero value is ready.
type Monotonic struct{}

// Next returns the next point of the doubling or the bisection, or a
// confirmation.
func (Monotonic) Next(p Problem, h []Observation) Step {
	a, ok := only(p)
	if !ok {
		return Step{Done: true, Reason: reasonNotOneDimension}
	}
	if s, ok := silence(h); ok {
		return s
	}
	t := read(p, h, tiers(p, h)[0], noiseEstimate)
	s := t.bisect(a)
	return within(p, h, s)
}

// Answers reads the boundary off the history.
func (Monotonic) Answers(p Problem, h []Observation) []Answer {
	return answers(p, h, noiseEstimate)
}

// bisect is the step of a doubling and bisection after the track's points.
func (t track) bisect(a axis) Step {
	n := t.prefix()
	switch {
	case len(t.points) == 0, t.points[0].x > a.Lo:
		return Step{At: []float64{a.Lo}, Size: 1, Reason: "the lowest point"}
	case n == 0:
		if s, ok := t.confirm(0); ok {
			return s
		}
		return Step{Done: true, Reason: monotonicNoPass}
	}
	if n == len(t.points) { // everything passes so far
		top := t.points[n-1].x
		if top < a.Hi {
			return Step{At: []float64{double(a, top)}, Size: 1, Reason: "doubling"}
		}
	}
	lo, hi := t.bracket()
	if lo < 0 { // the lowest point stays open
		return Step{Done: true, Reason: t.end(a)}
	}
	if hi < len(t.points) && !a.narrow(t.points[lo].x, t.points[hi].x, relativePrecision) {
		m, _ := a.half(t.points[lo].x, t.points[hi].x)
		return Step{At: []float64{m}, Size: 1, Reason: "bisection"}
	}
	if s, ok := t.confirm(lo); ok {
		return s
	}
	if hi < len(t.points) {
		if s, ok := t.confirm(hi); ok {
			return s
		}
	}
	return Step{Done: true, Reason: t.end(a)}
}

// double returns 2x, or the upper bound when 2x reaches it.
func double(a axis, x float64) float64 { return a.up(x, 2) }

// bracket returns the indexes of the two ends between which the boundary is
// still to be searched: the largest believed pass of the prefix and the point
// above it. A pass that stayed open at its last visit counts as the upper end,
// since what cannot be confirmed is not an answer; below it only certain passes
// count as the lower one, at one visit each: they share their evidence, and
// repeating every step of a plateau would cost thrice as much. lo is −1 when no
// pass is left, hi is len(points) when nothing lies above.
func (t track) bracket() (lo, hi int) {
	hi = t.prefix()
	lo = hi - 1
	if lo < 0 || !t.open(t.points[lo]) || len(t.points[lo].visits) < maxVisits {
		return lo, hi
	}
	for ; lo >= 0 && t.open(t.points[lo]); lo-- {
		hi = lo
	}
	return lo, hi
}

// confirm returns another, longer visit of a point whose verdict is open, or
// whose visits contradict each other; and of a lowest point that failed, since a
// first probe may have paid for a cold start, and of a failure that a single
// visit puts there (see lone).
func (t track) confirm(i int) (Step, bool) {
	b := t.points[i]
	hopeless := t.prefix() == 0 && len(b.visits) == 1 && b.inexact()
	switch {
	case len(b.visits) >= maxVisits:
		return Step{}, false
	case t.open(b) && len(b.visits) > 1:
		return Step{At: []float64{b.x}, Size: 4, Reason: "confirming an open verdict"}, true
	case t.open(b):
		return Step{At: []float64{b.x}, Size: 2, Reason: "confirming an open verdict"}, true
	case hopeless || t.lone(i) && i == t.prefix():
		return probe(b.x, "a failure that only one probe saw: once more"), true
	case b.contrary():
		return probe(b.x, "visits that disagree: once more"), true
	}
	return Step{}, false
}

// end names why a bisection ended.
func (t track) end(a axis) string {
	n := t.prefix()
	switch {
	case n == 0:
		return monotonicNoPass
	case n == len(t.points) && t.points[n-1].x >= a.Hi && t.certainPass(t.points[n-1]):
		return monotonicNoFailure
	}
	return monotonicPrecision
}
