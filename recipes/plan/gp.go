package plan

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// kernel is a covariance function: Matérn-5/2 with one length scale per
// dimension (ARD), plus an optional straight trend with an unknown offset and
// slope (Rasmussen & Williams 2006, eq. 4.17 and 2.40).
//
//	k(x, x') = Scale·(1 + √5r + 5r²/3)·exp(−√5r) + Offset + Slope·Σ x·x'
//	r        = |(x − x')/Lengths|
type kernel struct {
	Lengths []float64
	Scale   float64
	Offset  float64 // prior variance of a constant; 0: none
	Slope   float64 // prior variance of a slope, in each dimension; 0: none
}

func (k kernel) at(a, b []float64) float64 {
	squared, dot := 0.0, 0.0
	for i, l := range k.Lengths {
		d := (a[i] - b[i]) / l
		squared += d * d
		dot += a[i] * b[i]
	}
	r5 := math.Sqrt(5 * squared)
	return k.Scale*(1+r5+r5*r5/3)*math.Exp(-r5) + k.Offset + k.Slope*dot
}

// process is a Gaussian process conditioned on observations, with a constant
// prior mean (Rasmussen & Williams 2006, algorithm 2.1).
type process struct {
	kernel kernel
	mean   float64
	extra  float64 // fitted part of the error variance; 0 when it was given
	xs     [][]float64
	factor mat.Cholesky  // of K + noise
	lower  *mat.TriDense // its lower triangle
	resid  []float64     // y − mean
	alpha  *mat.VecDense // (K + noise)⁻¹(y − mean)
}

var errSingular = errors.New("condition a Gaussian process: the covariance matrix is singular; give the observations more noise or longer distances")

// condition returns the process given ys at xs, noise[i] being the variance of
// the error of ys[i].
func condition(k kernel, mean float64, xs [][]float64, ys, noise []float64) (*process, error) {
	n := len(xs)
	p := &process{kernel: k, mean: mean, xs: xs, resid: make([]float64, n)}
	if n == 0 {
		return p, nil
	}
	cov := mat.NewSymDense(n, nil)
	for i := range n {
		p.resid[i] = ys[i] - mean
		for j := i; j < n; j++ {
			cov.SetSym(i, j, k.at(xs[i], xs[j]))
		}
		cov.SetSym(i, i, cov.At(i, i)+noise[i])
	}
	if !p.factor.Factorize(cov) {
		return nil, errSingular
	}
	p.lower = new(mat.TriDense)
	p.factor.LTo(p.lower)
	p.alpha = mat.NewVecDense(n, nil)
	if err := p.factor.SolveVecTo(p.alpha, mat.NewVecDense(n, p.resid)); err != nil {
		var condition mat.Condition
		if !errors.As(err, &condition) { // badly conditioned is a remark, not a failure
			return nil, errSingular
		}
	}
	return p, nil
}

// logLikelihood returns ln p(y | x), the marginal likelihood.
func (p *process) logLikelihood() float64 {
	n := len(p.xs)
	if n == 0 {
		return 0
	}
	fit := mat.Dot(mat.NewVecDense(n, p.resid), p.alpha)
	return -fit/2 - p.factor.LogDet()/2 - float64(n)*halfLog2Pi
}

// at returns the posterior mean and variance of the latent function at x; the
// variance is without noise and never negative.
func (p *process) at(x []float64) (mean, variance float64) {
	mean, v := p.project(x)
	return mean, max(0, p.kernel.at(x, x)-blas64.Dot(v, v))
}

// project returns the posterior mean at x and L⁻¹k(x), whose inner products
// are what the observations take off the prior covariance.
func (p *process) project(x []float64) (mean float64, v blas64.Vector) {
	n := len(p.xs)
	v = blas64.Vector{N: n, Inc: 1, Data: make([]float64, n)}
	if n == 0 {
		return p.mean, v
	}
	for i, xi := range p.xs {
		v.Data[i] = p.kernel.at(x, xi)
	}
	mean = p.mean + blas64.Dot(v, p.alpha.RawVector())
	blas64.Trsv(blas.NoTrans, p.lower.RawTriangular(), v)
	return mean, v
}

// covariances returns the prior covariances between x and the observations.
func (p *process) covariances(x []float64) *mat.VecDense {
	k := mat.NewVecDense(len(p.xs), nil)
	for i, xi := range p.xs {
		k.SetVec(i, p.kernel.at(x, xi))
	}
	return k
}

// joint returns the posterior mean and covariance of the latent function at xs.
func (p *process) joint(xs [][]float64) (mean []float64, cov *mat.SymDense) {
	mean = make([]float64, len(xs))
	projected := make([]blas64.Vector, len(xs))
	cov = mat.NewSymDense(len(xs), nil)
	for i, x := range xs {
		mean[i], projected[i] = p.project(x)
		for j := range i + 1 {
			cov.SetSym(i, j, p.kernel.at(x, xs[j])-blas64.Dot(projected[i], projected[j]))
		}
	}
	return mean, cov
}

// oddest returns the observation that is furthest, in standard deviations, from
// what all others predict for it (leave-one-out, Rasmussen & Williams 2006,
// eq. 5.12); −1, 0 for fewer than four.
func (p *process) oddest() (index int, z float64) {
	index = -1
	var inverse mat.SymDense
	if len(p.xs) < 4 || p.factor.InverseTo(&inverse) != nil && inverse.IsEmpty() {
		return index, 0
	}
	for i := range p.xs {
		if d := math.Abs(p.alpha.AtVec(i)) / math.Sqrt(inverse.At(i, i)); d > z {
			index, z = i, d
		}
	}
	return index, z
}
