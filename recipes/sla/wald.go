package sla

import "math"

// wald is a sequential probability ratio test of a share (Wald 1945, "Sequential
// tests of statistical hypotheses"): of the shares at and beyond two edges around
// the allowed one, which do the counts speak for?
//
// The edges are 0.8 and 1.25 times the allowed share: at p95 4 % and 6.25 %, at
// p99 0.8 % and 1.25 %. In between neither answer is an error, which is what
// makes a decision possible; outside, the probability of the wrong one is at
// most alpha.
//
// Two things differ from the textbook. The hypothesis that the counts are to
// speak for is a mixture of shares at and beyond its edge (Robbins 1970,
// "Statistical methods related to the law of the iterated logarithm"): a server
// far from its limit is told from one beyond it in half the requests, and the
// error stays what it is, since a likelihood ratio against the other edge exceeds 1/alpha
// with probability alpha at most, however its numerator is mixed (Ville's
// inequality). And the likelihood is beta-binomial over blocks of requests that
// share a fate, see [blocks].
type wald struct {
	alpha     float64 // error each way; 0: there is no test, the share is 0 or 1
	low, high float64 // the edges
	good      bool    // shares are of good requests
}

// The edges of the indifference zone, as multiples of the allowed share.
const indifferentFrom, indifferentTo = 0.8, 1.25

// mixtures are the shares that speak for a limit, and against it, as multiples
// of the edge, with their weights. Half stays at the edge, where it is hardest.
var (
	mixtureFor     = []component{{1, 0.5}, {0.3, 0.3}, {0.05, 0.2}}
	mixtureAgainst = []component{{1, 0.5}, {2, 0.3}, {6, 0.2}}
)

type component struct{ times, weight float64 }

// newWald returns the test of a share that may be at most allowed. Above one
// half the edges are laid around the share of good requests, so that they stay
// inside of [0, 1].
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

// evidence is how strongly the blocks speak for the limit and against it, as
// log likelihood ratios; a ruling against needs ln(1/alpha). One in favour needs
// twice that ratio: real blocks are less even than a beta distribution, and a
// wrong pass is the error that hurts.
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

// bad turns the share of an edge into one of bad requests.
func (w wald) bad(share float64) float64 {
	share = min(share, 0.95)
	if w.good {
		return 1 - share
	}
	return share
}

// mixed is the log likelihood of a mixture.
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

// ruling is what the evidence decides.
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
