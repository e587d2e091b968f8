package plan

import (
	"math"
	"slices"
)

// ReasonGridComplete ends a list of points that were all measured, as AIPerf ends
// a grid of tiers.
const ReasonGridComplete = "grid_complete"

// List visits the points of Problem.List in order, once each: grids, scenarios
// and fixed loads. A point that could not be measured is tried once more. The
// zero value is ready.
type List struct{}

// Next returns the first point of the list that was not visited.
func (List) Next(p Problem, h []Observation) Step {
	i, again := 0, false
	for _, o := range h {
		switch {
		case i == len(p.List):
		case !slices.Equal(o.At, p.List[i]): // a point of another search: no business of ours
		case o.State == Unmeasured && !again:
			again = true
		default:
			i, again = i+1, false
		}
	}
	switch {
	case i == len(p.List):
		return Step{Done: true, Reason: ReasonGridComplete}
	case again:
		return Step{At: slices.Clone(p.List[i]), Size: 1, Full: true, Reason: "once more: it could not be measured"}
	}
	return Step{At: slices.Clone(p.List[i]), Size: 1, Full: true, Reason: "next point of the list"}
}

// Answers reads one boundary per tier off a list of one dimension; of several,
// only whether some point passed. A verdict without a certainty of its own
// counts as certain: a grid asks once and has nothing to compare with.
func (List) Answers(p Problem, h []Observation) []Answer {
	return answers(p, h, signDecides)
}

// answers reads one answer per tier off a history.
func answers(p Problem, h []Observation, use noiseUse) []Answer {
	var as []Answer
	for _, tier := range tiers(p, h) {
		t := read(p, h, tier, use)
		a := t.answer()
		if len(p.Dims) != 1 {
			a = Answer{Safe: math.NaN(), Estimate: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), Passed: a.Passed}
		}
		as = append(as, a)
	}
	return as
}
