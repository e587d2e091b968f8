// Package pchip interpolates points by a monotone piecewise cubic.
package pchip

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/interp"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/root"
)

// Curve is a monotone piecewise cubic through points: gonum's Fritsch–Butland
// interpolant (SciPy's PchipInterpolator has the same slopes), with what gonum
// leaves out: roots and values beyond the ends.
type Curve struct {
	interp.FritschButland
	xs, ys, slopes []float64
}

var errTooFewPoints = errors.New("interpolate: two points at least are needed")

// New fits the curve through the points (xs[i], ys[i]). It is an error when there
// are fewer than two, when xs do not ascend strictly, or when a value is not finite.
func New(xs, ys []float64) (*Curve, error) {
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
	c := &Curve{xs: xs, ys: ys, slopes: make([]float64, len(xs))}
	if err := c.Fit(xs, ys); err != nil {
		return nil, err
	}
	for i, x := range xs {
		c.slopes[i] = c.PredictDerivative(x)
	}
	return c, nil
}

// At returns the curve's value; beyond the ends it continues the last cubic,
// where gonum holds the last value.
func (c *Curve) At(x float64) float64 {
	switch n := len(c.xs); {
	case x < c.xs[0]:
		return c.hermite(0, x)
	case x > c.xs[n-1]:
		return c.hermite(n-2, x)
	}
	return c.Predict(x)
}

// hermite evaluates piece i at x.
func (c *Curve) hermite(i int, x float64) float64 {
	h := c.xs[i+1] - c.xs[i]
	t := (x - c.xs[i]) / h
	return (1+2*t)*(1-t)*(1-t)*c.ys[i] + t*(1-t)*(1-t)*h*c.slopes[i] +
		t*t*(3-2*t)*c.ys[i+1] + t*t*(t-1)*h*c.slopes[i+1]
}

// Roots returns the zeros of the curve, ascending. Every piece is monotone, so
// it has one where its ends differ in sign. A piece that is zero throughout
// gives its start followed by NaN, as in SciPy.
func (c *Curve) Roots() []float64 {
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
			if r, ok := root.Brent(c.At, c.xs[i], c.xs[i+1]); ok {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// RootIn returns the first zero of the curve within [lo, hi].
func (c *Curve) RootIn(lo, hi float64) (float64, bool) {
	for _, r := range c.Roots() {
		if r >= lo && r <= hi {
			return r, true
		}
	}
	return math.NaN(), false
}

// Slopes returns the curve's slope at each of its points.
func (c *Curve) Slopes() []float64 { return c.slopes }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
