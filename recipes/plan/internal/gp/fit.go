package gp

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// LogNormal is a log-normal prior: ln x ~ N(Mu, Sigma²). Its mode in ln x is Mu, which is
// the scale that the fit works in.
type LogNormal struct{ Mu, Sigma float64 }

// logDensity returns the log density of ln x, up to a constant, and its slope.
func (p LogNormal) logDensity(lnx float64) (value, slope float64) {
	z := (lnx - p.Mu) / p.Sigma
	return -z * z / 2, -z / p.Sigma
}

// Priors are what is believed of a process before data.
type Priors struct {
	// Length is the prior of every length scale, in units of the cube.
	Length LogNormal
	// Scale is that of the variance of the Matérn part.
	Scale LogNormal
	// Noise is that of the observations' error variance, beside the known part.
	Noise LogNormal
	// Offset and Slope are fixed; see [Kernel].
	Offset, Slope float64
}

// LengthPrior is the prior of a length scale in the unit cube of dimension d:
// LogNormal(√2 + ln(d)/2, √3), which grows with the dimension so that the model does not
// get more complex by it (Hvarfner, Hellsten & Nardi 2024, "Vanilla Bayesian optimization
// performs great in high dimensions").
func LengthPrior(d int) LogNormal {
	return LogNormal{math.Sqrt2 + math.Log(float64(d))/2, math.Sqrt(3)}
}

// An observation further than odd standard deviations off what the others predict is an
// outlier. Its share of the noise then counts outlierShare times, which takes it out of
// the fit. At most one in outliersPer observations is treated so.
const (
	odd          = 4
	outlierShare = 1000
	outliersPer  = 5
)

// Fit returns the process of mean zero given ys at xs, points of the unit cube. The error
// variance of ys[i] is known[i] plus share[i] times one fitted number, the process's
// Noise; a share is one over the number of visits. The worst outlier gets a large error,
// which shows in share afterwards, and the process is fitted again.
func Fit(pr Priors, xs [][]float64, ys, known, share []float64) *Process {
	p := fit(pr, xs, ys, known, share)
	for range len(ys) / outliersPer {
		worst, z := p.oddest()
		if z < odd {
			break
		}
		share[worst] *= outlierShare
		p = fit(pr, xs, ys, known, share)
	}
	return p
}

// fit returns the process of mean zero given ys at xs, with its hyperparameters at the
// maximum of likelihood × priors; when no covariance can be factored, the process without
// data. The search is gradient ascent (BFGS) from the most promising of a few fixed
// starts, so the same data give the same process.
func fit(pr Priors, xs [][]float64, ys, known, share []float64) *Process {
	d := len(xs[0])
	e := &evidence{priors: pr, xs: xs, ys: ys, known: known, share: share, d: d}
	// The likelihood has several maxima. The search starts at the best of six points: the
	// prior's mode, and lengths of a half and a seventh of the cube, each with the noise
	// that is expected and with a lot more.
	best, bestValue := []float64(nil), math.Inf(1)
	for _, length := range []float64{pr.Length.Mu, -0.7, -2} {
		for _, noise := range []float64{pr.Noise.Mu, pr.Noise.Mu + 1.5*pr.Noise.Sigma} {
			theta := make([]float64, d+2)
			for i := range d {
				theta[i] = length
			}
			theta[d], theta[d+1] = pr.Scale.Mu, noise
			if v := e.negative(theta, nil); v < bestValue {
				best, bestValue = theta, v
			}
		}
	}
	if best == nil {
		none, _ := (&evidence{priors: pr, d: d}).condition(make([]float64, d+2))
		return none
	}
	// A few iterations are enough: the process is fitted for every suggestion, and its
	// hyperparameters need no more digits than the data have.
	settings := &optimize.Settings{MajorIterations: 12, FuncEvaluations: 30, GradientThreshold: 1e-3, Concurrent: 1}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return e.negative(x, nil) },
		Grad: func(grad, x []float64) { e.negative(x, grad) },
	}
	// BFGS reports a failed line search at the optimum; what it found is what counts.
	if res, _ := optimize.Minimize(problem, best, settings, &optimize.BFGS{}); res != nil {
		if v := e.negative(res.X, nil); v < bestValue {
			best = res.X
		}
	}
	p, _ := e.condition(best)
	return p
}

// evidence is the negative log posterior of the hyperparameters θ = (ln lengths…, ln
// scale, ln noise).
type evidence struct {
	priors Priors
	xs     [][]float64
	ys     []float64
	known  []float64
	share  []float64
	d      int

	// The last process and its hyperparameters: the optimizer asks for value and gradient
	// of the same point one after the other.
	theta   []float64
	process *Process
}

// Hyperparameters beyond these logarithms are numerically the same as at the edge.
const lowestLog, highestLog = -14, 7

// clampLog moves a logarithm inside of those bounds.
func clampLog(x float64) float64 { return min(max(x, lowestLog), highestLog) }

// condition returns the process with the hyperparameters theta.
func (e *evidence) condition(theta []float64) (*Process, error) {
	k := Kernel{Lengths: make([]float64, e.d), Offset: e.priors.Offset, Slope: e.priors.Slope}
	for i := range e.d {
		k.Lengths[i] = math.Exp(clampLog(theta[i]))
	}
	k.Scale = math.Exp(clampLog(theta[e.d]))
	extra := math.Exp(clampLog(theta[e.d+1]))
	noise := make([]float64, len(e.ys))
	for i := range noise {
		noise[i] = e.known[i] + e.share[i]*extra
	}
	p, err := Condition(k, 0, e.xs, e.ys, noise)
	if err == nil {
		p.Noise = extra
	}
	return p, err
}

// negative returns −ln(likelihood × prior) at theta, +Inf where the covariance cannot be
// factored, and fills grad when it is not nil (Rasmussen & Williams 2006, eq. 5.9).
func (e *evidence) negative(theta, grad []float64) float64 {
	p := e.process
	if p == nil || !slices.Equal(theta, e.theta) {
		var err error
		if p, err = e.condition(theta); err != nil {
			for i := range grad {
				grad[i] = 0
			}
			return math.Inf(1)
		}
		e.theta, e.process = append(e.theta[:0], theta...), p
	}
	value := -p.LogLikelihood()
	for i, t := range theta {
		v, slope := e.prior(i).logDensity(t)
		value -= v
		if grad != nil {
			grad[i] = -slope
		}
	}
	if grad == nil {
		return value
	}
	var inverse mat.SymDense
	if err := p.factor.InverseTo(&inverse); err != nil && inverse.IsEmpty() {
		// Without the slope of the likelihood; a badly conditioned inverse is still one.
		return value
	}
	// Half the trace of (ααᵀ − K⁻¹)·∂K/∂θ for each parameter; the matrices are symmetric,
	// so that the lower triangle is enough.
	n, scaleAt, noiseAt := len(e.xs), e.d, e.d+1
	partial := make([]float64, e.d)
	for i := range n {
		for j := range i + 1 {
			weight := p.alpha.AtVec(i)*p.alpha.AtVec(j) - inverse.At(i, j)
			if i == j {
				weight /= 2
				grad[noiseAt] -= weight * e.share[i] * p.Noise
			}
			grad[scaleAt] -= weight * p.Kernel.slopes(e.xs[i], e.xs[j], partial)
			for k, s := range partial {
				grad[k] -= weight * s
			}
		}
	}
	for i, t := range theta {
		if t < lowestLog || t > highestLog { // the likelihood is flat beyond the edge
			_, slope := e.prior(i).logDensity(t)
			grad[i] = -slope
		}
	}
	return value
}

// prior returns the prior of hyperparameter i.
func (e *evidence) prior(i int) LogNormal {
	switch i {
	case e.d:
		return e.priors.Scale
	case e.d + 1:
		return e.priors.Noise
	}
	return e.priors.Length
}

// slopes returns the Matérn part of k(a, b), which is also its slope in ln Scale, and
// fills partial with the slopes in each ln length.
func (k Kernel) slopes(a, b, partial []float64) float64 {
	squared := 0.0
	for i, l := range k.Lengths {
		d := (a[i] - b[i]) / l
		partial[i] = d * d
		squared += d * d
	}
	r5 := math.Sqrt(5 * squared)
	decay := k.Scale * math.Exp(-r5)
	for i := range partial {
		partial[i] *= 5. / 3 * (1 + r5) * decay
	}
	return decay * (1 + r5 + r5*r5/3)
}
