package recipes

import "math"

// wald is the sequential probability ratio test of a share (Wald 1945,
// "Sequential tests of statistical hypotheses", sections 3.4 and 5.2): of two
// shares around the allowed one, which do the counts speak for?
//
// The two are 0.8 and 1.25 times the allowed share: at p95 4 % and 6.25 %, at
// p99 0.8 % and 1.25 %. In between neither answer is an error, which is what
// makes a decision possible; outside, the probability of the wrong one is at
// most alpha.
type wald struct {
	alpha    float64 // error each way; 0: there is no test, the share is 0 or 1
	bad, ok  float64 // log likelihood ratio of one bad request and of one good one
	boundary float64 // |ratio| at which the test ends
}

// The edges of the indifference zone, as multiples of the allowed share.
const indifferentFrom, indifferentTo = 0.8, 1.25

// newWald returns the test of a share that may be at most allowed. Above one
// half the zone is laid around the share of good requests, so that it stays
// inside of [0, 1].
func newWald(allowed, alpha float64) wald {
	if !(allowed > 0 && allowed < 1) || !(alpha > 0 && alpha < 0.5) {
		return wald{}
	}
	low, high := allowed*indifferentFrom, allowed*indifferentTo
	if allowed > 0.5 {
		low, high = 1-(1-allowed)*indifferentTo, 1-(1-allowed)*indifferentFrom
	}
	return wald{
		alpha: alpha, bad: math.Log(high / low), ok: math.Log((1 - high) / (1 - low)),
		boundary: math.Log((1 - alpha) / alpha),
	}
}

// ratio is the log likelihood ratio of independent requests; positive speaks for
// the higher share.
func (w wald) ratio(bad, n int) float64 {
	return float64(bad)*w.bad + float64(n-bad)*w.ok
}

// ruling is what a ratio decides.
func (w wald) ruling(ratio float64) ruling {
	switch {
	case w.alpha == 0:
		return open
	case ratio >= w.boundary:
		return breaks
	case ratio <= -w.boundary:
		return holds
	}
	return open
}
