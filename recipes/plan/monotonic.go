package plan

import (
	"cmp"
	"slices"
)

// relativePrecision is AIPerf's: a bracket narrower than 5% of its upper end is an
// answer.
const relativePrecision = 0.05

// Monotonic finds the boundary of one dimension by doubling and bisection, in the steps
// of AIPerf's monotonic_sla with one vote a point. A failure that is open does not end the
// doubling. Only an end of the final bracket whose verdict is open is asked again, longer;
// AIPerf asks every point twice and so spends half its budget on verdicts that were never in
// doubt. Its answers have a Bracket. The zero value is ready.
type Monotonic struct{}

// Next returns the next point of the doubling or the bisection, or a confirmation.
func (Monotonic) Next(p Problem, h []Observation) Step {
	v := viewsOf(p, h)[0]
	if s, ok := v.blocked(); ok {
		return s
	}
	return v.within(v.read(noiseEstimate).bisect())
}

// Answers reads the boundary off the history.
func (Monotonic) Answers(p Problem, h []Observation) []Answer {
	return answers(p, h, noiseEstimate)
}

// bisect is the step of a doubling and bisection after the track's points.
func (t track) bisect() Step {
	n := t.prefix()
	switch {
	case len(t.points) == 0, t.points[0].x > t.Lo:
		return probe(t.Lo, lowestPoint)
	case n == 0:
		if s, ok := t.confirm(0); ok {
			return s
		}
		return done(monotonicNoPass)
	}
	// At low loads evidence is dear, and a few steps further up it is not.
	fails := func(b belief) bool { return t.certainFail(b) || t.failed(b.visits) > 0 }
	if top := t.points[len(t.points)-1].x; top < t.Hi && !slices.ContainsFunc(t.points[n:], fails) {
		s := probe(t.up(top, 2), "doubling")
		if t.slow() {
			s.Size = 0.5
		}
		if n == len(t.points) || s.At[0] <= mostStep*t.points[n-1].x {
			return s
		}
	}
	lo, hi := t.openEnds()
	if lo < 0 { // the lowest point stays open
		return done(t.bisected())
	}
	if hi < len(t.points) && !t.narrow(t.points[lo].x, t.points[hi].x, relativePrecision) {
		m, _ := t.half(t.points[lo].x, t.points[hi].x)
		return probe(m, "bisection")
	}
	for _, i := range []int{lo, hi} {
		if i == len(t.points) {
			break
		}
		if s, ok := t.confirm(i); ok {
			return s
		}
	}
	return done(t.bisected())
}

// slow reports that doubling by visits as long as the last takes more time than the search has: ten
// of them lead from 1 to 1,000. Half as long they end with open verdicts, which lend each other
// evidence.
func (t track) slow() bool {
	last := t.history[len(t.history)-1]
	return t.Time > 0 && last.Lasted > lasts(t.Time/10, cmp.Or(last.Asked.Size, 1))
}

// lowestPoint is why a search begins where it does.
const lowestPoint = "the lowest point"

// bisected names why a bisection ended.
func (t track) bisected() string {
	n := t.prefix()
	switch {
	case n == 0:
		return monotonicNoPass
	case n == len(t.points) && t.points[n-1].x >= t.Hi && t.certainPass(t.points[n-1]):
		return monotonicNoFailure
	}
	return monotonicPrecision
}
