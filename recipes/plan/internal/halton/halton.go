// Package halton draws points that fill a space evenly, where random ones would leave
// gaps and clumps.
package halton

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
	"gonum.org/v1/gonum/stat/distuv"
	"gonum.org/v1/gonum/stat/samplemv"
)

// Points returns n points of the unit cube of dimension d that fill it evenly: Halton's
// sequence with Owen's random scrambling (Owen 2017, "A randomized Halton algorithm in
// R"), the same points for the same seed. Plain random starts leave gaps and clumps; the
// unscrambled sequence is correlated between dimensions.
func Points(n, d int, seed uint64) [][]float64 {
	if n <= 0 || d <= 0 {
		return nil
	}
	src := rand.NewPCG(seed, 0x48616c746f6e) // a stream of its own
	batch := mat.NewDense(n, d, nil)
	samplemv.Halton{Kind: samplemv.Owen, Q: distmv.NewUnitUniform(d, src), Src: src}.Sample(batch)
	points := make([][]float64, n)
	for i := range points {
		points[i] = batch.RawRowView(i)
	}
	return points
}

// Above this dimension the points of Halton's sequence are no longer even: the bases are
// too large for the few points that are asked for.
const mostEven = 6

// Normals returns n standard normal vectors of dimension d, the same for the same seed:
// [Points] through the normal quantile function while the dimension is low enough for
// them to be even, otherwise random ones.
func Normals(n, d int, seed uint64) [][]float64 {
	out := make([][]float64, n)
	if d <= mostEven {
		for i, q := range Points(n, d, seed) {
			out[i] = make([]float64, d)
			for k, p := range q {
				out[i][k] = distuv.UnitNormal.Quantile(min(max(p, 1e-6), 1-1e-6)) // finite
			}
		}
		return out
	}
	rng := rand.New(rand.NewPCG(seed, 0x6e6f726d616c))
	for i := range out {
		out[i] = make([]float64, d)
		for k := range out[i] {
			out[i][k] = rng.NormFloat64()
		}
	}
	return out
}
