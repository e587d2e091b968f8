package plan

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
	"gonum.org/v1/gonum/stat/samplemv"
)

// quasiRandom returns n points of the unit cube of dimension d that fill it
// evenly: Halton's sequence with Owen's random scrambling (Owen 2017, "A
// randomized Halton algorithm in R"), the same points for the same seed. Plain
// random starts leave gaps and clumps; the unscrambled sequence is correlated
// between dimensions.
func quasiRandom(n, d int, seed uint64) [][]float64 {
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
