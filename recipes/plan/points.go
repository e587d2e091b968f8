package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/front"
)

// directions returns which way each goal is better.
func directions(goals []Goal) front.Maximize {
	m := make(front.Maximize, len(goals))
	for i, goal := range goals {
		m[i] = goal.Maximize
	}
	return m
}

// references returns the reference that each goal names, NaN where it names none.
func references(goals []Goal) []float64 {
	own := make([]float64, len(goals))
	for i, goal := range goals {
		own[i] = goal.Reference
	}
	return own
}

// Pareto marks the points that no other point dominates: is at least as good as in every
// goal and better in one. A point has one value a goal. Exact duplicates do not dominate
// each other, so both are marked; a point with a value that is not finite is never
// marked.
func Pareto(goals []Goal, points [][]float64) []bool { return directions(goals).Mark(points) }

// ScoredPoint is a probed point as the choice of the best sees it.
type ScoredPoint struct {
	// Goals has one value per goal: NaN when it was not measured, infinite when it was
	// measured and is no number.
	Goals []float64
	// Feasible says that every limit held.
	Feasible bool
}

// BestPoints returns the indexes of the best points, ascending, and how many of the
// usable points were feasible. A point is usable when each goal that was scored anywhere
// is finite in it. Feasible points go first: infeasible ones are considered only when
// there is no other, and feasible is 0 then. With one goal the best is the first optimum;
// with several it is the non-dominated set. Without a usable point it returns nil and 0.
// (AIPerf's best_trials.)
func (p Problem) BestPoints(points []ScoredPoint) (best []int, feasible int) {
	goals := p.Goals
	scored := make([]bool, len(goals))
	for _, p := range points {
		for i, v := range p.Goals {
			scored[i] = scored[i] || !math.IsNaN(v)
		}
	}
	pick := func(feasible bool) (picked []int) {
		for i, p := range points {
			if usable(scored, p.Goals) && (p.Feasible || !feasible) {
				picked = append(picked, i)
			}
		}
		return picked
	}
	candidates := pick(true)
	feasible = len(candidates)
	if feasible == 0 {
		candidates = pick(false)
	}
	order := directions(goals)
	for _, i := range candidates {
		beaten := false
		for _, j := range candidates {
			tie := len(goals) == 1 && j < i && points[j].Goals[0] == points[i].Goals[0]
			if tie || order.Dominates(points[j].Goals, points[i].Goals) {
				beaten = true
				break
			}
		}
		if !beaten {
			best = append(best, i)
		}
	}
	return best, feasible
}

// usable reports whether every scored goal is finite in values; with nothing scored there
// is nothing to use.
func usable(scored []bool, values []float64) bool {
	some := false
	for i, s := range scored {
		if !s {
			continue
		}
		if i >= len(values) || !finite(values[i]) {
			return false
		}
		some = true
	}
	return some
}
