package plan

import (
	"math"
	"slices"
)

// view is what a planner looks at: the problem, what was seen so far, and of both the one
// tier that is asked about. The axis is that of a problem of one dimension.
type view struct {
	Problem
	axis
	history []Observation
	tier    []int // indexes of the tier's limits
}

// viewsOf returns the views of a problem and its history, one per tier. There is at least
// one.
func viewsOf(p Problem, h []Observation) []view {
	sets := p.Tiers
	if len(sets) == 0 {
		sets = [][]int{allLimits(h)}
	}
	views := make([]view, len(sets))
	for i, tier := range sets {
		views[i] = view{Problem: p, axis: axisOf(p), history: h, tier: tier}
	}
	return views
}

// allLimits returns the indexes of all limits that some observation has a margin of.
func allLimits(h []Observation) []int {
	n := 0
	for _, o := range h {
		n = max(n, len(o.Margins))
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// with returns the view of another history of the same visits.
func (v view) with(h []Observation) view {
	v.history = h
	return v
}

// until returns the view as it was after the first n observations.
func (v view) until(n int) view {
	v.history = v.history[:n]
	return v
}

// blocked returns the step of a history that no search can go on from, whatever its
// style: the end where the problem is not one of one dimension, or the answer to silence.
func (v view) blocked() (Step, bool) {
	if !v.single() {
		return done(reasonNotOneDimension), true
	}
	return v.silence()
}

// silence answers an observation that says nothing: the same point once more, then the
// end. What was learnt before stays learnt. A client that was late, and has not always been,
// is given another chance after a pause: what kept it busy for some seconds, on a machine with
// other work, may have passed.
func (v view) silence() (Step, bool) {
	h := v.history
	if len(h) == 0 || h[len(h)-1].says() {
		return Step{}, false
	}
	last := h[len(h)-1]
	n := 0
	for i := len(h) - 1; i >= 0 && !h[i].says() && slices.Equal(h[i].At, last.At); i-- {
		n++
	}
	reason, tries := reasonUnmeasured, 2
	if last.State == Untrusted {
		reason = reasonUntrusted
		if slices.ContainsFunc(h, Observation.says) {
			tries = 3
		}
	}
	if n >= tries {
		return done(reason), true
	}
	again := Step{At: slices.Clone(last.At), Size: 1, Reason: "once more: " + reason}
	if n > 1 {
		again.Apart = apartFor
	}
	return again, true
}

// within keeps a step to what the search may spend and its server may be asked for. It
// ends a search that asks for a new point when its budget of distinct points is spent.
// Further visits of a known point are not counted: they make the answer certain,
// and every planner bounds them by itself.
func (v view) within(s Step) Step {
	if s.Done {
		return s
	}
	s = v.careful(s)
	if v.Budget <= 0 {
		return s
	}
	if n, seen := v.distinct(s.At); n >= v.Budget && !seen {
		return done(ReasonMaxIterations)
	}
	return s
}

const (
	// mostStep is how many times the largest point that passed a new point may ask for: a
	// search learns the size of a server without overloading it by far.
	mostStep = 4.0
	// firstStep is how many times the lowest point the first one may ask for: eight
	// requests at a time are borne by nearly every server.
	firstStep = sequentialStart
)

// careful moves a step to a new point in one dimension down to what the server has shown
// that it bears: mostStep times the largest point that passed for any tier or, while
// nothing did, not far above the lowest. The boundary of an earlier run counts as such a
// point.
func (v view) careful(s Step) Step {
	if !v.single() || v.Lo <= 0 || len(v.List) > 0 {
		return s
	}
	if _, seen := v.distinct(s.At); seen {
		return s
	}
	most := mostStep * v.Lo
	if len(v.history) == 0 {
		most = firstStep * v.Lo
	}
	if b := v.Baseline; b > 0 && b <= v.Hi {
		most = max(most, straddle*b)
	}
	top, fails := 0.0, math.Inf(1) // the largest that passes for a tier, the lowest that fails for all
	for i, tier := range viewsOf(v.Problem, v.history) {
		least := math.Inf(1)
		for _, b := range tier.read(noiseEstimate).points {
			if b.passes() {
				top, most = max(top, b.x), max(most, mostStep*b.x)
			} else {
				least = min(least, b.x)
			}
		}
		if i == 0 || least > fails {
			fails = least
		}
	}
	if s.At[0] <= most {
		return s
	}
	x := v.clampDown(most)
	if x >= fails { // what is asked for lies beyond a failure
		x = v.clampDown(math.Sqrt(max(top, v.Lo) * fails))
	}
	if _, seen := v.distinct([]float64{x}); seen {
		return s // nothing is left below; the style knows why it asks
	}
	s.At, s.Reason = []float64{x}, "as far up as the points that passed allow"
	return s
}

// distinct returns the number of distinct points of the history, and whether at is one of
// them.
func (v view) distinct(at []float64) (n int, seen bool) {
	for i, o := range v.history {
		if slices.Equal(o.At, at) {
			seen = true
		}
		if !slices.ContainsFunc(v.history[:i], func(q Observation) bool { return slices.Equal(q.At, o.At) }) {
			n++
		}
	}
	return n, seen
}

// exact reports that every margin of the tier is known without error, as those of a
// simulation are.
func (v view) exact() bool {
	for _, o := range v.history {
		for _, k := range v.tier {
			if m, ok := o.margin(k); ok && o.says() && m.SE != 0 && !math.IsNaN(m.Value) {
				return false
			}
		}
	}
	return true
}

// certain reports that some verdict comes with a certainty of its own.
func (v view) certain() bool {
	for _, o := range v.history {
		for _, k := range v.tier {
			if m, ok := o.margin(k); ok && o.says() && !math.IsNaN(m.Pass) {
				return true
			}
		}
	}
	return false
}
