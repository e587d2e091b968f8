package sla

import "math"

// wald is a sequential probability ratio test of a share (Wald 1945, "Sequential
// tests of statistical hypotheses"). It asks whether the counts speak for shares at
// and below a lower edge, or for shares at and above an upper one, with the allowed
// share between the two.
//
// The edges are 0.8 and 1.25 times the allowed share: 4% and 6.25% at p95, 0.8% and
// 1.25% at p99. Between them neither answer is an error, which is what makes a
// decision possible. Outside, the probability of the wrong answer is at most alpha.
//
// Two things differ from the textbook. First, the hypothesis that the counts are to
// speak for is a mixture of shares at and beyond its edge (Robbins 1970,
// "Statistical methods related to the law of the iterated logarithm"). A server far
// from its limit is recognized in half the requests, and the error stays the same,
// since a likelihood ratio against the other edge exceeds 1/alpha with probability
// alpha at most, however its numerator is mixed (Ville's inequality). Second, the
// likelihood is beta-binomial over blocks of requests that share a fate; see
// [blocks].
type wald struct {
	// alpha is the error each way. If it is 0 there is no test, since the allowed
	// share is 0 or 1.
	alpha float64
	// low and high are the edges.
	low, high float64
	// good says that the edges are shares of good requests, not of bad ones.
	good bool
}

// The edges of the indifference zone, as multiples of the allowed share.
const indifferentFrom, indifferentTo = 0.8, 1.25

// The mixtures are the shares that speak for a limit, and against it, as multiples
// of the edge, with their weights. Half of the weight stays at the edge, where the
// decision is hardest.
var (
	mixtureFor     = []component{{1, 0.5}, {0.3, 0.3}, {0.05, 0.2}}
	mixtureAgainst = []component{{1, 0.5}, {2, 0.3}, {6, 0.2}}
)

// component is one share of a mixture.
type component struct{ times, weight float64 }

// newWald returns the test of a share of bad requests that may be at most allowed.
// Above one half the edges lie around the share of good requests instead, so that
// they stay within [0, 1]. It returns the zero test, which never rules, for an
// allowed share of 0 or 1.
func newWald(allowed, alpha float64) wald {
	if !(allowed > 0 && allowed < 1) || !(alpha > 0 && alpha < 0.5) {
		return wald{}
	}
	w := wald{alpha: alpha, low: allowed * indifferentFrom, high: allowed * indifferentTo}
	if allowed > 0.5 {
		w.good = true
		w.low, w.high = (1-allowed)*indifferentFrom, (1-allowed)*indifferentTo
	}
	return w
}

// evidence returns how strongly the blocks speak for the limit and against it, as
// log likelihood ratios.
func (w wald) evidence(b *blocks, allowed float64) (favour, against float64) {
	below, above := mixtureFor, mixtureAgainst
	low, high := w.low, w.high
	if w.good { // many good requests speak for the limit
		below, above = mixtureAgainst, mixtureFor
		low, high = w.high, w.low
	}
	rho := b.correlation(allowed, weightFor)
	favour = w.mixed(b, below, low, rho) - b.likelihood(w.bad(high), rho)
	rho = b.correlation(allowed, weightAgainst)
	against = w.mixed(b, above, high, rho) - b.likelihood(w.bad(low), rho)
	return favour, against
}

// bad turns a share of the test into a share of bad requests. Shares stop at 0.95,
// since a mixture may multiply an edge beyond 1.
func (w wald) bad(share float64) float64 {
	share = min(share, 0.95)
	if w.good {
		return 1 - share
	}
	return share
}

// mixed returns the log likelihood of a mixture of shares around an edge. The
// largest term is taken out before the exponentials, which would underflow.
func (w wald) mixed(b *blocks, mixture []component, edge, rho float64) float64 {
	var logs [3]float64
	top := math.Inf(-1)
	for i, c := range mixture {
		logs[i] = math.Log(c.weight) + b.likelihood(w.bad(edge*c.times), rho)
		top = max(top, logs[i])
	}
	sum := 0.0
	for _, l := range logs[:len(mixture)] {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum)
}

// ruling returns what the evidence decides. A ruling against the limit needs a
// likelihood ratio of 1/alpha. One in favour needs twice that, because real blocks
// are less even than a beta distribution and a wrong pass is the worse error.
func (w wald) ruling(favour, against float64) ruling {
	switch {
	case w.alpha == 0:
		return open
	case against >= -math.Log(w.alpha) && against > favour:
		return breaks
	case favour >= -math.Log(w.alpha/2):
		return holds
	}
	return open
}
