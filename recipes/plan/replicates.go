package plan

import "math"

// replicateCount is how often AIPerf repeats a boundary candidate: with gain 4
// on the squared relative scatter, 3 to 20 times; an override above 0 wins.
func replicateCount(sigma, threshold float64, override int) int {
	if override > 0 {
		return override
	}
	r := sigma / max(math.Abs(threshold), 1e-9)
	return int(min(20, max(3, math.Ceil(4*r*r))))
}

// binding returns the index of the limit nearest to breaking, and by how much:
// the largest margin in units of its scatter, floored at 1 % of its threshold.
// Without scatters (nil) or floor the raw margin counts. Ties go to the first;
// without margins the index is −1. (AIPerf's normalize_margins.)
func binding(margins, sigmas, thresholds []float64) (index int, value float64) {
	index, value = -1, math.Inf(-1)
	for i, m := range margins {
		if len(sigmas) > 0 {
			if scale := max(at(sigmas, i), 0.01*math.Abs(at(thresholds, i))); scale > 0 {
				m /= scale
			}
		}
		if index < 0 || m > value {
			index, value = i, m
		}
	}
	return index, value
}

// at returns v[i], 0 beyond the end.
func at(v []float64, i int) float64 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

// steep is AIPerf's cliff test: the last margin lies more than three standard
// deviations of the last three off the fitted curve, in a bracket wider than
// 5 % of the upper bound. On monotone data it cannot fire (the fit goes through
// the last point), so the planner has a test of its own.
func steep(margins []float64, fittedAtLast, feasibleMax, infeasibleMin, hi float64) bool {
	n := len(margins)
	if n < 3 {
		return false
	}
	last := margins[n-3:]
	mean := (last[0] + last[1] + last[2]) / 3
	variance := 0.0
	for _, m := range last {
		variance += (m - mean) * (m - mean) / 3
	}
	s := math.Sqrt(variance)
	return s > 0 && math.Abs(last[2]-fittedAtLast) > 3*s && infeasibleMin-feasibleMax > 0.05*hi
}
