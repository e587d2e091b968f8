// Package normal has the standard normal distribution's density and tails in logarithms,
// where the values themselves underflow, the expected improvement that is built on them,
// and the step from Student's t to it.
package normal

import "math"

// HalfLog2Pi is ln(2π)/2, the negative logarithm of φ(0).
const HalfLog2Pi = 0.918938533204672741780329736405617639861

// LogPDF returns ln φ(z) of the standard normal.
func LogPDF(z float64) float64 { return -z*z/2 - HalfLog2Pi }

// PDF returns φ(z).
func PDF(z float64) float64 { return math.Exp(LogPDF(z)) }

// CDF returns Φ(z). The error function's complement keeps the lower tail's digits; 1 −
// Φ(−z) would lose them.
func CDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// LogCDF returns ln Φ(z) for any z. Below −10, where Φ heads for the smallest float64 (it
// is 0 from −38.5), it uses the asymptotic series of the Mills ratio (Abramowitz & Stegun
// 26.2.12).
func LogCDF(z float64) float64 {
	switch {
	case z > 0:
		return math.Log1p(-CDF(-z))
	case z >= millsFrom:
		return math.Log(CDF(z))
	}
	return LogPDF(z) - math.Log(-z) + math.Log1p(-millsDeficit(z))
}

// millsFrom is where the asymptotic series takes over: its terms shrink for about z²/2
// steps, so at −10 it is exact to the last digit.
const millsFrom = -10

// millsDeficit returns 1 − |z|·Φ(z)/φ(z) = 1/z² − 3/z⁴ + 15/z⁶ − … for z < −10. The
// series gives the small difference itself; subtracting the ratio from 1 would leave no
// digits at z = −1e5.
func millsDeficit(z float64) float64 {
	inv := 1 / (z * z)
	term, sum := inv, inv
	for k := 3; k < 60; k += 2 {
		next := -term * float64(k) * inv
		if math.Abs(next) <= 1e-18*sum || math.Abs(next) >= math.Abs(term) {
			break
		}
		term = next
		sum += term
	}
	return sum
}
