package normal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat/distuv"
)

func TestFromStudent(t *testing.T) {
	for _, dof := range []float64{2, 3, 8, 30} {
		for _, x := range []float64{-6, -2, -0.5, 0, 0.3, 1.5, 4} {
			exact := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: dof}.CDF(x)
			assert.InDelta(t, exact, CDF(FromStudent(x, dof)), 0.006, "t %v, %v degrees", x, dof)
		}
	}
}
