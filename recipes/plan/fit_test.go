package plan

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEvidenceGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range []int{1, 3} {
		xs, ys, known := make([][]float64, 12), make([]float64, 12), make([]float64, 12)
		for i := range xs {
			xs[i] = make([]float64, d)
			for j := range xs[i] {
				xs[i][j] = rng.Float64()
			}
			ys[i], known[i] = math.Sin(5*xs[i][0])+0.1*rng.NormFloat64(), 0.001*rng.Float64()
		}
		e := &evidence{priors: priors{Length: lengthPrior(d), Scale: lognormal{0, 1}, Noise: lognormal{-4, 1}, Offset: 1, Slope: 2}, xs: xs, ys: ys, known: known, d: d}
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

func BenchmarkFit60(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	xs, ys, known := make([][]float64, 60), make([]float64, 60), make([]float64, 60)
	for i := range xs {
		xs[i] = []float64{rng.Float64()}
		ys[i] = math.Sin(5*xs[i][0]) + 0.1*rng.NormFloat64()
	}
	pr := priors{Length: lengthPrior(1), Scale: lognormal{0, 1}, Noise: lognormal{-4, 1}}
	start := time.Now()
	for b.Loop() {
		require.NotNil(b, fit(pr, 0, xs, ys, known))
	}
	_ = start
}
