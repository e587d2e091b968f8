package plan

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/interp"
)

// pchip is a monotone piecewise cubic through points: gonum's Fritsch–Butland
// interpolant (SciPy's PchipInterpolator has the same slopes), with what gonum
// leaves out: roots and values beyond the ends.
type pchip struct {
	interp.FritschButland
	xs, ys, slopes []float64
}

var errTooFewPoints = errors.New("interpolate: two points at least are needed")

// newPCHIP fits the interpolant; xs must ascend strictly and all be finite.
func newPCHIP(xs, ys []float64) (*pchip, error) {
	if len(xs) < 2 || len(xs) != len(ys) {
		return nil, fmt.Errorf("%w: have %d and %d", errTooFewPoints, len(xs), len(ys))
	}
	for i := range xs {
		if !finite(xs[i]) || !finite(ys[i]) {
			return nil, fmt.Errorf("interpolate: point %d (%v, %v) is not finite", i, xs[i], ys[i])
		}
		if i > 0 && xs[i] <= xs[i-1] {
			return nil, fmt.Errorf("interpolate: x[%d] = %v does not ascend from %v", i, xs[i], xs[i-1])
		}
	}
	c := &pchip{xs: xs, ys: ys, slopes: make([]float64, len(xs))}
	if err := c.Fit(xs, ys); err != nil {
		return nil, err
	}
	for i, x := range xs {
		c.slopes[i] = c.PredictDerivative(x)
	}
	return c, nil
}

// at returns the curve's value; beyond the ends it continues the last cubic,
// where gonum holds the last value.
func (c *pchip) at(x float64) float64 {
	switch n := len(c.xs); {
	case x < c.xs[0]:
		return c.hermite(0, x)
	case x > c.xs[n-1]:
		return c.hermite(n-2, x)
	}
	return c.Predict(x)
}

// hermite evaluates piece i at x.
func (c *pchip) hermite(i int, x float64) float64 {
	h := c.xs[i+1] - c.xs[i]
	t := (x - c.xs[i]) / h
	return (1+2*t)*(1-t)*(1-t)*c.ys[i] + t*(1-t)*(1-t)*h*c.slopes[i] +
		t*t*(3-2*t)*c.ys[i+1] + t*t*(t-1)*h*c.slopes[i+1]
}

// roots returns the zeros of the curve, ascending. Every piece is monotone, so
// it has one where its ends differ in sign. A piece that is zero throughout
// gives its start followed by NaN, as in SciPy.
func (c *pchip) roots() []float64 {
	var rs []float64
	for i := range c.xs {
		if c.ys[i] == 0 {
			rs = append(rs, c.xs[i])
		}
		if i+1 == len(c.xs) {
			break
		}
		switch a, b := c.ys[i], c.ys[i+1]; {
		case a == 0 && b == 0:
			rs = append(rs, math.NaN())
		case a < 0 && b > 0 || a > 0 && b < 0:
			if r, ok := brent(c.at, c.xs[i], c.xs[i+1]); ok {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// rootIn returns the first zero of the curve within [lo, hi].
func (c *pchip) rootIn(lo, hi float64) (float64, bool) {
	for _, r := range c.roots() {
		if r >= lo && r <= hi {
			return r, true
		}
	}
	return math.NaN(), false
}

// smoothFit is AIPerf's smooth_isotonic_fit: isotonic regression, made strictly
// increasing, interpolated.
func smoothFit(xs, ys, weights []float64) (*pchip, error) {
	return newPCHIP(xs, strictify(isotonic(ys, weights, false)))
}
