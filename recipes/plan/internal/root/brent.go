// Package root finds zeros of functions: by Brent's method to the last digits, and by the
// ITP method with as few evaluations as can be, one at a time.
package root

import "math"

// Brent returns a zero of f in [lo, hi] by Brent's method (Brent 1973, chapter 4), with
// SciPy's tolerances: 2e-12 + 8.9e-16·|x|, 100 steps. ok is false when f has the same
// sign at both ends, or is not a number there.
func Brent(f func(float64) float64, lo, hi float64) (x float64, ok bool) {
	// SciPy's xtol, rtol and maxiter of brentq.
	const (
		absolute = 2e-12
		relative = 8.881784197001252e-16
		steps    = 100
	)
	a, b := lo, hi
	fa, fb := f(a), f(b)
	switch {
	case fa == 0:
		return a, true
	case fb == 0:
		return b, true
	case !(fa < 0 && fb > 0 || fa > 0 && fb < 0):
		return math.NaN(), false
	}
	// b is the best estimate, a the one before it, and c the end opposite in sign to b; d
	// is the last step and e the one before it.
	c, fc := a, fa
	d := b - a
	e := d
	for range steps {
		if (fb > 0) == (fc > 0) {
			c, fc = a, fa
			d = b - a
			e = d
		}
		if math.Abs(fc) < math.Abs(fb) { // b is the better end
			a, b, c = b, c, b
			fa, fb, fc = fb, fc, fb
		}
		tolerance := (absolute + relative*math.Abs(b)) / 2
		half := (c - b) / 2
		if fb == 0 || math.Abs(half) < tolerance {
			return b, true
		}
		// Interpolate where the steps shrink and the result is no worse than bisection
		// would be; otherwise bisect.
		if math.Abs(e) >= tolerance && math.Abs(fa) > math.Abs(fb) {
			var p, q float64
			s := fb / fa
			if a == c { // secant
				p, q = 2*half*s, 1-s
			} else { // inverse quadratic
				u, v := fa/fc, fb/fc
				p = s * (2*half*u*(u-v) - (b-a)*(v-1))
				q = (u - 1) * (v - 1) * (s - 1)
			}
			if p > 0 {
				q = -q
			}
			p = math.Abs(p)
			if 2*p < min(3*half*q-math.Abs(tolerance*q), math.Abs(e*q)) {
				e, d = d, p/q
			} else {
				d, e = half, half
			}
		} else {
			d, e = half, half
		}
		a, fa = b, fb
		if math.Abs(d) > tolerance {
			b += d
		} else {
			b += math.Copysign(tolerance, half)
		}
		fb = f(b)
	}
	return b, true
}
