package plan

import "math"

// dominates reports whether a is at least as good as b in every goal and better
// in one. A goal missing (NaN) on both sides does not count; one missing on a
// single side, or infinite, makes the two incomparable.
func dominates(goals []Goal, a, b []float64) bool {
	better := false
	for i, goal := range goals {
		x, y := a[i], b[i]
		if math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		if !finite(x) || !finite(y) {
			return false
		}
		if !goal.Maximize {
			x, y = -x, -y
		}
		if x < y {
			return false
		}
		better = better || x > y
	}
	return better
}

// Pareto marks the points that no other point dominates. Exact duplicates do
// not dominate each other, so both are marked; a point with a value that is not
// finite is never marked.
func Pareto(goals []Goal, points [][]float64) []bool {
	marked := make([]bool, len(points))
	for i, p := range points {
		marked[i] = allFinite(p)
		for j := 0; marked[i] && j < len(points); j++ {
			marked[i] = j == i || !dominates(goals, points[j], p)
		}
	}
	return marked
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func allFinite(xs []float64) bool {
	for _, x := range xs {
		if !finite(x) {
			return false
		}
	}
	return true
}
