// Package parzen has Parzen estimators: densities over the unit cube that are sums of
// bumps around points.
package parzen

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// Density is a density over the unit cube: a mixture of truncated normals, one a point,
// and one over the whole cube, the prior, all of equal weight (Bergstra et al. 2011,
// section 4.2). The dimensions of one component are independent, the mixture's are not
// (Watanabe 2023, "multivariate").
type Density struct {
	// centres are the points, and last the middle of the cube, for the prior.
	centres [][]float64
	// widths are standard deviations before truncation, per centre and dimension.
	widths [][]float64
}

// New returns the density of points of dimension d. A component is as wide as the
// distance to the farther of its neighbours, never narrower than a share of the cube that
// shrinks with the number of points ("magic clipping", Watanabe 2023, section 3.3.3).
func New(points [][]float64, d int) Density {
	middle, whole := make([]float64, d), make([]float64, d)
	for i := range d {
		middle[i], whole[i] = 0.5, 1
	}
	p := Density{centres: append(slices.Clone(points), middle)}
	// With 99 points or more no component is narrower than a hundredth of the cube.
	narrowest := 1 / min(100, 1+float64(len(p.centres)))
	for range points {
		p.widths = append(p.widths, make([]float64, d))
	}
	p.widths = append(p.widths, whole)
	for i := range d {
		order := make([]int, len(p.centres))
		for k := range order {
			order[k] = k
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.centres[a][i], p.centres[b][i]) })
		for rank, k := range order {
			if k == len(points) { // the prior keeps its width
				continue
			}
			left, right := 0.0, 1.0
			if rank > 0 {
				left = p.centres[order[rank-1]][i]
			}
			if rank+1 < len(order) {
				right = p.centres[order[rank+1]][i]
			}
			x := p.centres[k][i]
			p.widths[k][i] = min(max(x-left, right-x, narrowest), 1)
		}
	}
	return p
}

// Sample draws a point of the cube.
func (p Density) Sample(rng *rand.Rand) []float64 {
	k := rng.IntN(len(p.centres))
	u := make([]float64, len(p.centres[k]))
	for i := range u {
		u[i] = -1
		// A component reaches at most half out of the cube, so that a hundred draws
		// without one inside are as good as impossible.
		for try := 0; (u[i] < 0 || u[i] > 1) && try < 100; try++ {
			u[i] = p.centres[k][i] + p.widths[k][i]*rng.NormFloat64()
		}
		u[i] = min(max(u[i], 0), 1)
	}
	return u
}

// LogDensity returns the logarithm of the density at u.
func (p Density) LogDensity(u []float64) float64 {
	logs := make([]float64, len(p.centres))
	for k := range logs {
		for i, x := range u {
			c, w := p.centres[k][i], p.widths[k][i]
			// What of the component lies inside the cube.
			inside := normal.CDF((1-c)/w) - normal.CDF(-c/w)
			logs[k] += normal.LogPDF((x-c)/w) - math.Log(w*inside)
		}
	}
	// All components have the same weight.
	return floats.LogSumExp(logs) - math.Log(float64(len(logs)))
}
