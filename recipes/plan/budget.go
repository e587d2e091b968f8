package plan

import "slices"

// silence answers an observation that says nothing: the same point once more,
// then the end. What was learnt before stays learnt.
func silence(h []Observation) (Step, bool) {
	if len(h) == 0 || says(h[len(h)-1]) {
		return Step{}, false
	}
	last := h[len(h)-1]
	n := 0
	for i := len(h) - 1; i >= 0 && !says(h[i]) && slices.Equal(h[i].At, last.At); i-- {
		n++
	}
	reason := reasonUnmeasured
	if last.State == Untrusted {
		reason = reasonUntrusted
	}
	if n > 1 {
		return Step{Done: true, Reason: reason}, true
	}
	return Step{At: slices.Clone(last.At), Size: 1, Reason: "once more: " + reason}, true
}

// within ends a search that asks for a new point when its budget of distinct
// points is spent. Further visits of a known point are not counted: they make
// the answer certain, and every planner bounds them by itself.
func within(p Problem, h []Observation, s Step) Step {
	if s.Done || p.Budget <= 0 {
		return s
	}
	if n, seen := distinct(h, s.At); n >= p.Budget && !seen {
		return Step{Done: true, Reason: maxIterations}
	}
	return s
}

// distinct counts the distinct points of a history, and tells whether at is
// one of them.
func distinct(h []Observation, at []float64) (n int, seen bool) {
	for i, o := range h {
		if slices.Equal(o.At, at) {
			seen = true
		}
		if !slices.ContainsFunc(h[:i], func(q Observation) bool { return slices.Equal(q.At, o.At) }) {
			n++
		}
	}
	return n, seen
}
