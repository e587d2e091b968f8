package normal

import "math"

// FromStudent returns the normal z-score with about the same tail as Student's t with dof
// degrees of freedom (Wallace 1959, within 0.02 of it). The exact function, an incomplete
// beta, took half of the time of a suggestion.
func FromStudent(t, dof float64) float64 {
	return math.Copysign((8*dof+1)/(8*dof+3)*math.Sqrt(dof*math.Log1p(t*t/dof)), t)
}
