package plan

import (
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

// List visits the points of Problem.List in order: grids, scenarios and fixed loads. A
// point that could not be measured, or whose probe says nothing of the server, is tried
// once more. One that certainly fails below another that certainly passes is visited again
// at the end: a first probe may have paid for a cold start. Where no point of several passes with
// certainty, the largest that is believed to is then visited longer. Its answers have a Bracket.
// The zero value is ready.
type List struct {
	// Decide asks a point whose verdict is open once more, twice as long.
	Decide bool
	// Passes is how often the list is gone through, with that share of a point's size at each
	// visit; zero means once. What moves a server for seconds shows where visits of the same points
	// at other times differ. A point far beyond a limit is left out of later passes.
	Passes int
}

// Next returns the first point of the list that was not visited in a pass, or has to be visited
// again.
func (l List) Next(p Problem, h []Observation) Step {
	size := 1 / float64(max(l.Passes, 1))
	visited := make([]int, len(p.List))
	why, again, last, longer := "", false, 0, 1.0
	for _, o := range h {
		k := place(p.List, visited, o.At)
		switch {
		case k < 0 || l.left(p, h, visited) < 0: // a point of another search, or behind the list
		case !o.says() && !again:
			why, again, last, longer = "once more: it could not be measured", true, k, 1
			if o.State == Untrusted {
				why = "once more: " + reasonUntrusted
			}
		case l.Decide && longer == 1 && o.undecided(p.confidence()):
			why, again, last, longer = confirming, true, k, 2
		default:
			visited[k]++
			again, longer = false, 1
		}
	}
	if again {
		return Step{At: slices.Clone(p.List[last]), Size: longer * size, Full: true, Reason: why}
	}
	k := l.left(p, h, visited)
	if k < 0 {
		if v := viewsOf(p, h)[0]; v.single() {
			if step, ok := v.read(signDecides).further(); ok {
				return step
			}
		}
		return done(ReasonGridComplete)
	}
	reason := "next point of the list"
	if visited[k] > 0 {
		reason = "the list at another time"
	}
	return Step{At: slices.Clone(p.List[k]), Size: size, Full: true, Reason: reason}
}

// place returns where in the list a point is, the place that was visited the least if there are
// several, or -1.
func place(list [][]float64, visited []int, at []float64) int {
	best := -1
	for k, x := range list {
		if slices.Equal(x, at) && (best < 0 || visited[k] < visited[best]) {
			best = k
		}
	}
	return best
}

// left returns the place of the first point that a pass has yet to visit, or -1.
func (l List) left(p Problem, h []Observation, visited []int) int {
	for pass := range max(l.Passes, 1) {
		for k, n := range visited {
			if n <= pass && (pass == 0 || !hopeless(p.List[k], h)) {
				return k
			}
		}
	}
	return -1
}

// hopeless reports that what was seen of a point lies far beyond a limit, with certainty.
func hopeless(at []float64, h []Observation) (yes bool) {
	far := func(m Margin) bool { return m.Value > boundary.Straight && m.Pass < 1-farSure }
	for _, o := range h {
		if slices.Equal(o.At, at) && o.says() {
			if yes = slices.ContainsFunc(o.Margins, far); !yes {
				return false
			}
		}
	}
	return yes
}

// further is the step behind the whole list: another visit of a point that contradicts others,
// or whose own visits contradict each other.
func (t track) further() (Step, bool) {
	const failing = "a failure below a pass: once more"
	if k := t.contradicted(); k >= 0 && len(t.points[k].visits) < maxVisits {
		if s := whole(t.points[k].x, failing); t.asked(s) < maxVisits-1 {
			return s, true
		}
	}
	if s, ok := t.arbiter(); ok && t.asked(s) == 0 {
		return s, true
	}
	// Whether a list of equal visits has an answer would otherwise be left to chance.
	if n := t.prefix(); n > 0 && len(t.tier) > 0 && len(t.List) > 1 && t.safe() < 0 {
		if s, ok := t.confirm(n - 1); ok && t.asked(s) < maxVisits {
			s.Full = true
			return s, true
		}
	}
	return Step{}, false
}

// asked is how often a point was asked for the reason of a step, whatever came of it: a visit
// that says nothing is no part of what is known of the point, and would be asked for without end.
func (t track) asked(s Step) (n int) {
	for _, o := range t.history {
		if o.Asked.Reason == s.Reason && slices.Equal(o.At, s.At) {
			n++
		}
	}
	return n
}

// undecided reports that the visit's own verdict carries a certainty, and not enough of it.
func (o Observation) undecided(confidence float64) bool {
	pass, worst := 1.0, 1.0
	for _, m := range o.Margins {
		if math.IsNaN(m.Pass) {
			return false
		}
		pass, worst = pass*m.Pass, min(worst, m.Pass)
	}
	return o.State == Full && pass < confidence && worst > 1-confidence
}

// Answers reads one boundary per tier off a list of one dimension; of several dimensions,
// only whether some point passed. A verdict without a certainty of its own counts as
// certain: a list in one pass asks once and has nothing to compare with.
func (l List) Answers(p Problem, h []Observation) []Answer {
	if l.Passes > 1 {
		h, _, _ = temper(p, h)
	}
	return answers(p, h, signDecides)
}

// answers reads one answer per tier off a history, with a bracket.
func answers(p Problem, h []Observation, use noiseUse) []Answer {
	return eachTier(p, h, func(v view) Answer { return v.read(use).answer() })
}

// eachTier returns one answer per tier.
func eachTier(p Problem, h []Observation, one func(v view) Answer) (as []Answer) {
	for _, v := range viewsOf(p, h) {
		as = append(as, one(v))
	}
	return as
}

// eachBoundary returns one answer per tier of a problem of one dimension; of any other,
// what can be said without a boundary.
func eachBoundary(p Problem, h []Observation, one func(v view) Answer) []Answer {
	return eachTier(p, h, func(v view) Answer {
		if !v.single() {
			return v.read(noiseEstimate).answer()
		}
		return one(v)
	})
}
