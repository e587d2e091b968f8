// Package gp has Gaussian processes: the posterior of a smooth function over the unit
// cube given noisy values of it, with hyperparameters fitted by maximum a posteriori. The
// covariance is Matérn-5/2. (Rasmussen & Williams 2006, "Gaussian Processes for Machine
// Learning", chapters 2, 4 and 5.)
package gp

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// Kernel is a covariance function: Matérn-5/2 with one length scale per
// dimension (ARD), plus an optional straight trend with an unknown offset and
// slope (Rasmussen & Williams 2006, eq. 4.17 and 2.40).
//
//	k(x, x') = Scale·(1 + √5r + 5r²/3)·exp(−√5r) + Offset + Slope·Σ x·x'
//	r        = |(x − x')/Lengths|
type Kernel struct {
	// Lengths has one length scale per dimension, in units of the cube.
	Lengths []float64
	// Scale is the prior variance of the Matérn part.
	Scale float64
	// Offset and Slope are the prior variances of a constant and of a slope in each
	// dimension; zero leaves the trend out.
	Offset, Slope float64
}

// at returns the covariance of the function at a and at b.
func (k Kernel) at(a, b []float64) float64 {
	squared, dot := 0.0, 0.0
	for i, l := range k.Lengths {
		d := (a[i] - b[i]) / l
		squared += d * d
		dot += a[i] * b[i]
	}
	r5 := math.Sqrt(5 * squared)
	return k.Scale*(1+r5+r5*r5/3)*math.Exp(-r5) + k.Offset + k.Slope*dot
}

// Process is a Gaussian process conditioned on observations, with a constant prior mean
// (Rasmussen & Williams 2006, algorithm 2.1).
type Process struct {
	Kernel Kernel
	// Mean is the mean before data.
	Mean float64
	// Noise is the fitted part of the error variance; zero when all of it was given.
	Noise float64
	// Xs are the points where it was observed.
	Xs [][]float64

	// factor is the Cholesky factor of K + noise, K being the covariances of the
	// observations, and lower its lower triangle.
	factor mat.Cholesky
	lower  *mat.TriDense
	// resid is y − Mean, and alpha (K + noise)⁻¹(y − Mean).
	resid []float64
	alpha *mat.VecDense
}

// errSingular says that two observations are so near to each other, and so certain, that
// the covariance matrix cannot be factored.
var errSingular = errors.New("condition a Gaussian process: the covariance matrix is singular; " +
	"give the observations more noise or longer distances")

// Condition returns the process given ys at xs, noise[i] being the variance of the error
// of ys[i]. It is an error when the covariance matrix is singular.
func Condition(k Kernel, mean float64, xs [][]float64, ys, noise []float64) (*Process, error) {
	n := len(xs)
	p := &Process{Kernel: k, Mean: mean, Xs: xs, resid: make([]float64, n)}
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
		// A bad condition is a remark, and no failure: the solution is still good enough.
		if !errors.As(err, &condition) {
			return nil, errSingular
		}
	}
	return p, nil
}

// LogLikelihood returns ln p(y | x), the marginal likelihood.
func (p *Process) LogLikelihood() float64 {
	n := len(p.Xs)
	if n == 0 {
		return 0
	}
	fit := mat.Dot(mat.NewVecDense(n, p.resid), p.alpha)
	return -fit/2 - p.factor.LogDet()/2 - float64(n)*normal.HalfLog2Pi
}

// At returns the posterior mean and variance of the latent function at x; the variance is
// without noise and never negative.
func (p *Process) At(x []float64) (mean, variance float64) {
	mean, v := p.project(x)
	return mean, max(0, p.Kernel.at(x, x)-blas64.Dot(v, v))
}

// project returns the posterior mean at x and L⁻¹k(x), whose inner products are what the
// observations take off the prior covariance.
func (p *Process) project(x []float64) (mean float64, v blas64.Vector) {
	n := len(p.Xs)
	v = blas64.Vector{N: n, Inc: 1, Data: make([]float64, n)}
	if n == 0 {
		return p.Mean, v
	}
	for i, xi := range p.Xs {
		v.Data[i] = p.Kernel.at(x, xi)
	}
	mean = p.Mean + blas64.Dot(v, p.alpha.RawVector())
	blas64.Trsv(blas.NoTrans, p.lower.RawTriangular(), v)
	return mean, v
}

// covariances returns the prior covariances between x and the observations.
func (p *Process) covariances(x []float64) *mat.VecDense {
	k := mat.NewVecDense(len(p.Xs), nil)
	for i, xi := range p.Xs {
		k.SetVec(i, p.Kernel.at(x, xi))
	}
	return k
}

// Joint returns the posterior mean and covariance of the latent function at xs.
func (p *Process) Joint(xs [][]float64) (mean []float64, cov *mat.SymDense) {
	mean = make([]float64, len(xs))
	projected := make([]blas64.Vector, len(xs))
	cov = mat.NewSymDense(len(xs), nil)
	for i, x := range xs {
		mean[i], projected[i] = p.project(x)
		for j := range i + 1 {
			cov.SetSym(i, j, p.Kernel.at(x, xs[j])-blas64.Dot(projected[i], projected[j]))
		}
	}
	return mean, cov
}

// oddest returns the observation that is furthest, in standard deviations, from what all
// others predict for it (leave-one-out, Rasmussen & Williams 2006, eq. 5.12). Of fewer
// than four observations none is odd: index is −1, z is 0.
func (p *Process) oddest() (index int, z float64) {
	index = -1
	var inverse mat.SymDense
	if len(p.Xs) < 4 || p.factor.InverseTo(&inverse) != nil && inverse.IsEmpty() {
		return index, 0
	}
	for i := range p.Xs {
		if d := math.Abs(p.alpha.AtVec(i)) / math.Sqrt(inverse.At(i, i)); d > z {
			index, z = i, d
		}
	}
	return index, z
}
