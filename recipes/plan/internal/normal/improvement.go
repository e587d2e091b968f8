package normal

import "math"

// LogExpectedImprovement returns ln EI, where EI is how far a normal variable of the
// given mean and standard deviation is expected to exceed best, shortfalls counting as
// zero: EI = σ·(φ(z) + zΦ(z)) with z = (mean − best)/σ (Jones, Schonlau & Welch 1998, eq.
// 15). It is finite where EI itself underflows, so that an optimizer still sees which of
// two hopeless points is less hopeless (Ament et al. 2023, "Unexpected improvements to
// expected improvement", eq. 8). With σ = 0 it is the logarithm of max(mean − best, 0).
func LogExpectedImprovement(mean, sigma, best float64) float64 {
	if sigma <= 0 {
		return math.Log(max(mean-best, 0))
	}
	return math.Log(sigma) + LogImprovement((mean-best)/sigma)
}

// LogImprovement returns ln(φ(z) + zΦ(z)). Ament et al. 2023, eq. 9, go through the
// scaled complementary error function; here the Mills ratio's series gives 1 −
// |z|Φ(z)/φ(z) without cancellation, which holds to the last digit down to z = −1e150.
func LogImprovement(z float64) float64 {
	switch {
	case z > -1:
		return math.Log(PDF(z) + z*CDF(z))
	case z >= millsFrom:
		return LogPDF(z) + math.Log1p(z*CDF(z)/PDF(z))
	}
	return LogPDF(z) + math.Log(millsDeficit(z))
}
