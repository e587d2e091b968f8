// Package front compares points of several goals: which of them no other beats, and how
// large a volume they dominate together.
package front

import "math"

// Maximize says of each goal whether more of it is better; less is otherwise. It is the
// order in which points are compared.
type Maximize []bool

// Dominates reports whether a is at least as good as b in every goal and better in one. A
// goal that is missing (NaN) on both sides does not count; one that is missing on a
// single side, or infinite, makes the two incomparable.
func (m Maximize) Dominates(a, b []float64) bool {
	better := false
	for i, more := range m {
		x, y := a[i], b[i]
		if math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		// Nothing can be said of what was measured on one side only.
		if !finite(x) || !finite(y) {
			return false
		}
		// From here on more is better.
		if !more {
			x, y = -x, -y
		}
		if x < y {
			return false
		}
		better = better || x > y
	}
	return better
}

// Mark marks the points that no other point dominates. Exact duplicates do not dominate
// each other, so both are marked; a point with a value that is not finite is never
// marked.
func (m Maximize) Mark(points [][]float64) []bool {
	// Every pair is compared: a sweep has tens of points.
	marked := make([]bool, len(points))
	for i, p := range points {
		marked[i] = Finite(p)
		for j := 0; marked[i] && j < len(points); j++ {
			marked[i] = j == i || !m.Dominates(points[j], p)
		}
	}
	return marked
}

// Finite reports whether every value is finite; no values are.
func Finite(values []float64) bool {
	for _, x := range values {
		if !finite(x) {
			return false
		}
	}
	return true
}

// finite reports whether x is a number, and not infinite.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
