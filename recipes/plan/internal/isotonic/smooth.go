package isotonic

import "github.com/aiperf-go/aiperf/recipes/plan/internal/pchip"

// Smooth returns a strictly increasing smooth curve near the points (xs[i], ys[i]): their
// isotonic regression, made strictly increasing, interpolated. Nil weights are ones;
// errors are those of [pchip.New]. (AIPerf's smooth_isotonic_fit.)
func Smooth(xs, ys, weights []float64) (*pchip.Curve, error) {
	return pchip.New(xs, Strictify(Fit(ys, weights)))
}
