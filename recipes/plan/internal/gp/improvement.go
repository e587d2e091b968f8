package gp

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// NoisyImprovement returns the noisy log expected improvement of a point of the cube:
// what is best so far is uncertain too, so the improvement is averaged over draws of the
// noise-free values at the observed points (Letham et al. 2019, "Constrained Bayesian
// optimization with noisy experiments", section 4), in logarithms (Ament et al. 2023).
// Only observations that count can be the best; when none does, any improvement on the
// worst is one. normals are the draws, standard normal vectors with one number an
// observation. ok is false when there is no observation, or the posterior covariance
// cannot be factored.
func (p *Process) NoisyImprovement(counts []bool, normals [][]float64) (gain func(u []float64) float64, ok bool) {
	n := len(p.Xs)
	if n == 0 {
		return nil, false
	}
	mean, cov := p.Joint(p.Xs)
	jitter := make([]float64, n)
	for i := range jitter {
		// A millionth of the variance keeps a posterior that is certain factorable.
		jitter[i] = 1e-6 * (1 + p.Kernel.Scale)
		cov.SetSym(i, i, cov.At(i, i)+jitter[i])
	}
	var root mat.Cholesky
	exact, err := Condition(p.Kernel, p.Mean, p.Xs, mean, jitter)
	if err != nil || !root.Factorize(cov) {
		return nil, false
	}
	var lower mat.TriDense
	root.LTo(&lower)
	// A draw of the values at the observed points makes an exact process of its own. They
	// differ in their weights only: the posterior variance does not depend on values.
	weights := make([]*mat.VecDense, len(normals))
	bests := make([]float64, len(normals))
	for f, z := range normals {
		var draw mat.VecDense
		draw.MulVec(&lower, mat.NewVecDense(n, z))
		best, worst := math.Inf(-1), math.Inf(1)
		for i := range n {
			v := mean[i] + draw.AtVec(i)
			worst = min(worst, v)
			if counts[i] {
				best = max(best, v)
			}
			draw.SetVec(i, v-p.Mean)
		}
		if math.IsInf(best, -1) {
			best = worst
		}
		bests[f] = best
		weights[f] = mat.NewVecDense(n, nil)
		// A bad condition is a remark, and the jitter bounds it.
		_ = exact.factor.SolveVecTo(weights[f], &draw)
	}
	logs := make([]float64, len(normals))
	return func(u []float64) float64 {
		_, variance := exact.At(u)
		sd := math.Sqrt(max(variance, 1e-12)) // zero at an observed point
		k := exact.covariances(u)
		for f := range logs {
			logs[f] = normal.LogExpectedImprovement(p.Mean+mat.Dot(k, weights[f]), sd, bests[f])
		}
		return floats.LogSumExp(logs) - math.Log(float64(len(logs)))
	}, true
}
