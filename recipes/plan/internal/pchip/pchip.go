// Package pchip interpolates points by a monotone piecewise cubic.
package pchip

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/interp"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/root"
)

// Curve is a monotone piecewise cubic through points: gonum's Fritsch–Butland interpolant
// (Fritsch & Butland 1984; SciPy's PchipInterpolator has the same slopes) with what gonum
// leaves out, roots. Predict gives its values; beyond the ends it holds the last one.
type Curve struct {
	interp.FritschButland
	// xs and ys are the points, ascending.
	xs, ys []float64
}

// errTooFewPoints says that nothing can be drawn through less than two points.
var errTooFewPoints = errors.New("interpolate: two points at least are needed")

// New fits the curve through the points (xs[i], ys[i]). It is an error when there are
// fewer than two, when xs do not ascend strictly, or when a value is not finite.
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
	c := &Curve{xs: xs, ys: ys}
	if err := c.Fit(xs, ys); err != nil {
		return nil, err
	}
	return c, nil
}

// Roots returns the zeros of the curve, ascending. Every piece is monotone, so it has one
// where its ends differ in sign. A piece that is zero throughout gives its start followed
// by NaN, as in SciPy.
func (c *Curve) Roots() []float64 {
	var rs []float64
	// Brent's method finds the root of a piece to the last digits, as SciPy's solution of
	// the cubic does.
	for i := range c.xs {
		if c.ys[i] == 0 {
			rs = append(rs, c.xs[i])
		}
		if i+1 == len(c.xs) {
			break
		}
		// The end of a piece is the start of the next one, so that it is looked at there.
		switch a, b := c.ys[i], c.ys[i+1]; {
		case a == 0 && b == 0:
			rs = append(rs, math.NaN())
		case a < 0 && b > 0 || a > 0 && b < 0:
			if r, ok := root.Brent(c.Predict, c.xs[i], c.xs[i+1]); ok {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// RootIn returns the first zero of the curve within [lo, hi]; NaN and false when there is
// none.
func (c *Curve) RootIn(lo, hi float64) (float64, bool) {
	for _, r := range c.Roots() {
		if r >= lo && r <= hi {
			return r, true
		}
	}
	return math.NaN(), false
}

// finite reports whether x is a number, and not infinite.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
