// Package bootstrap estimates how well a mean is known by drawing its values anew.
package bootstrap

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// resamples is how often the values are drawn anew. An end of the interval then
	// scatters by about 1% of its width from seed to seed.
	resamples = 10000
	// Level is the confidence of the interval.
	Level = 0.95
)

// MeanInterval returns a 95% interval for the mean of values: the bias-corrected and
// accelerated bootstrap (Efron 1987, J. Am. Stat. Assoc. 82) of 10,000 resamples, the
// same for the same seed. One value gives itself twice; none, or values without variance,
// give NaN.
func MeanInterval(values []float64, seed uint64) (lo, hi float64) {
	n := len(values)
	if n == 1 {
		return values[0], values[0]
	}
	if n == 0 || slices.Min(values) == slices.Max(values) || slices.ContainsFunc(values, math.IsNaN) {
		return math.NaN(), math.NaN()
	}
	// A stream of its own: no other draw of the same seed repeats it.
	rng := rand.New(rand.NewPCG(seed, 0xb0075742))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range n {
			sum += values[rng.IntN(n)]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)

	// The bias is how far the median of the resampled means is off the mean, as a
	// z-score; ties count half.
	total := 0.0
	for _, v := range values {
		total += v
	}
	mean := total / float64(n)
	below, equal := 0, 0
	for _, m := range means {
		// The same values summed in another order are equal but for the last digits.
		switch {
		case m < mean-1e-12*math.Abs(mean):
			below++
		case m <= mean+1e-12*math.Abs(mean):
			equal++
		}
	}
	bias := distuv.UnitNormal.Quantile((float64(below) + float64(equal)/2) / resamples)

	// Acceleration from the jackknife: the mean without value i, about their mean.
	var squares, cubes float64
	for _, v := range values {
		u := mean - (total-v)/float64(n-1)
		squares += u * u
		cubes += u * u * u
	}
	acceleration := cubes / (6 * math.Pow(squares, 1.5))

	// The ends are quantiles of the resampled means, moved by bias and acceleration
	// (Efron 1987); without both they would be those of the percentile bootstrap.
	end := func(alpha float64) float64 {
		z := bias + distuv.UnitNormal.Quantile(alpha)
		return quantile(means, distuv.UnitNormal.CDF(bias+z/(1-acceleration*z)))
	}
	return end((1 - Level) / 2), end((1 + Level) / 2)
}

// quantile returns the value below which the share p of the sorted values lies, by linear
// interpolation between them (Hyndman & Fan 1996, type 7); NaN for a p that is NaN.
func quantile(sorted []float64, p float64) float64 {
	if math.IsNaN(p) {
		return p
	}
	at := p * float64(len(sorted)-1)
	i := int(math.Floor(at))
	i = max(0, min(i, len(sorted)-1))
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
