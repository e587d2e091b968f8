package plan

import "math"

// expectedImprovement returns EI = σ·(φ(z) + zΦ(z)), z = (mean − best)/σ: how
// far a normal variable is expected to exceed best, counting shortfalls as zero
// (Jones, Schonlau & Welch 1998, eq. 15). With σ = 0 it is max(mean − best, 0).
func expectedImprovement(mean, sigma, best float64) float64 {
	if sigma <= 0 {
		return max(mean-best, 0)
	}
	return sigma * math.Exp(logImprovement((mean-best)/sigma))
}

// logExpectedImprovement returns ln EI, finite where EI itself underflows, so
// that an optimizer still sees which of two hopeless points is less hopeless
// (Ament et al. 2023, "Unexpected improvements to expected improvement", eq. 8).
func logExpectedImprovement(mean, sigma, best float64) float64 {
	if sigma <= 0 {
		return math.Log(max(mean-best, 0))
	}
	return math.Log(sigma) + logImprovement((mean-best)/sigma)
}

// logImprovement returns ln(φ(z) + zΦ(z)). Ament et al. 2023, eq. 9, go through
// the scaled complementary error function; here the Mills ratio's series gives
// 1 − |z|Φ(z)/φ(z) without cancellation, which holds to the last digit down to
// z = −1e150.
func logImprovement(z float64) float64 {
	switch {
	case z > -1:
		return math.Log(normalPDF(z) + z*normalCDF(z))
	case z >= millsFrom:
		return logNormalPDF(z) + math.Log1p(z*normalCDF(z)/normalPDF(z))
	}
	return logNormalPDF(z) + math.Log(millsDeficit(z))
}
