package plan

import (
	"math"
	"slices"
)

// pool averages margins by inverse variance when every standard error is known.
// Otherwise it takes the mean of two and the median of more, so that one
// outlier cannot move three visits.
func pool(es []Estimate) float64 {
	if len(es) == 0 {
		return math.NaN()
	}
	var exact, sum, weight float64
	n, known := 0, true
	vs := make([]float64, 0, len(es))
	for _, e := range es {
		vs = append(vs, e.Value)
		switch {
		case math.IsNaN(e.SE) || math.IsInf(e.SE, 0) || e.SE < 0:
			known = false
		case e.SE == 0:
			exact, n = exact+e.Value, n+1
		default:
			w := 1 / (e.SE * e.SE)
			sum, weight = sum+w*e.Value, weight+w
		}
	}
	switch {
	case n > 0:
		return exact / float64(n)
	case known && !math.IsInf(sum, 0) && weight > 0:
		return sum / weight
	case len(vs) == 2:
		return midpoint(vs[0], vs[1])
	}
	return median(vs)
}

func midpoint(a, b float64) float64 {
	m := a/2 + b/2
	if math.IsNaN(m) { // −Inf and +Inf
		return 0
	}
	return m
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return midpoint(s[n/2-1], s[n/2])
}
