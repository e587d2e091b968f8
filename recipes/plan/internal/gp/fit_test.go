package gp

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEvidenceGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range []int{1, 3} {
		xs, ys, known, share := make([][]float64, 12), make([]float64, 12), make([]float64, 12), make([]float64, 12)
		for i := range xs {
			xs[i] = make([]float64, d)
			for j := range xs[i] {
				xs[i][j] = rng.Float64()
			}
			ys[i], known[i] = math.Sin(5*xs[i][0])+0.1*rng.NormFloat64(), 0.001*rng.Float64()
			share[i] = 1 / float64(1+i%3)
		}
		pr := Priors{Length: LengthPrior(d), Scale: LogNormal{0, 1}, Noise: LogNormal{-4, 1}, Offset: 1, Slope: 2}
		e := &evidence{priors: pr, xs: xs, ys: ys, known: known, share: share, d: d}
		theta, grad := make([]float64, d+2), make([]float64, d+2)
		for i := range theta {
			theta[i] = -0.5 - 0.3*float64(i)
		}
		e.negative(theta, grad)
		for i := range theta {
			const h = 1e-5
			up, down := append([]float64(nil), theta...), append([]float64(nil), theta...)
			up[i] += h
			down[i] -= h
			numeric := (e.negative(up, nil) - e.negative(down, nil)) / (2 * h)
			assert.InDelta(t, numeric, grad[i], 1e-5*(1+math.Abs(numeric)), "d %d, parameter %d", d, i)
		}
	}
}
