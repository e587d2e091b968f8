package plan

import "math"

// Trial is one iteration of a search as the choice of the best sees it.
type Trial struct {
	Goals    []float64 // one value per goal; NaN: not measured; infinite: measured, and no number
	Feasible bool      // every limit held
}

// BestTrials returns the indexes of the best trials, ascending, and how many of
// the usable trials were feasible. A trial is usable when each goal that was
// scored anywhere is finite in it. Feasible trials go first: infeasible ones
// are considered only when there is no other (then feasible is 0). With one
// goal the best is the first optimum; with several it is the non-dominated set.
// No usable trial: nil, 0.
func BestTrials(goals []Goal, trials []Trial) (best []int, feasible int) {
	scored := make([]bool, len(goals))
	for _, t := range trials {
		for i, v := range t.Goals {
			scored[i] = scored[i] || !math.IsNaN(v)
		}
	}
	pool := func(feasible bool) (pool []int) {
		for i, t := range trials {
			if usable(scored, t.Goals) && (t.Feasible || !feasible) {
				pool = append(pool, i)
			}
		}
		return pool
	}
	candidates := pool(true)
	feasible = len(candidates)
	if feasible == 0 {
		candidates = pool(false)
	}
	for _, i := range candidates {
		beaten := false
		for _, j := range candidates {
			tie := len(goals) == 1 && j < i && trials[j].Goals[0] == trials[i].Goals[0]
			if tie || dominates(goals, trials[j].Goals, trials[i].Goals) {
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

// usable reports whether every scored goal is finite in values; with nothing
// scored there is nothing to use.
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
