package sla

import "math"

// blocks counts bad requests by blocks of about one turnover of the slots. The
// requests of one batch are slow together, and so count for less than as many
// independent requests would.
type blocks struct {
	// size is the length of a block in requests.
	size, concurrency int
	// n and bad count the requests of the current block.
	n, bad int
	// histogram maps a number of bad requests to the number of whole blocks that
	// have it.
	histogram map[int]int
	// whole is the number of whole blocks, and total the bad requests in them.
	whole, total int
}

const (
	// leastBlock is the shortest block, in requests. Shorter blocks have too few
	// bad requests to show how their number varies.
	leastBlock = 8

	// assumedCorrelation is the correlation of two requests of one batch before
	// the data say anything. A factor that moves a whole batch by 20%, against
	// latencies that scatter by 50%, makes it 0.04 for the slowest 5%, unevenly.
	assumedCorrelation = 0.05

	// leastCorrelation is the correlation below which the counts are binomial.
	leastCorrelation = 1e-4

	// weightAgainst and weightFor are the numbers of blocks that the assumption
	// weighs, in evidence against a limit and for it. Many bad requests show how
	// they cluster. Few do not: a sample that has missed the bad blocks by chance
	// looks as if there were none, so the assumption weighs more for a limit.
	weightAgainst, weightFor = 2.0, 10.0
)

// newBlocks returns empty blocks of the given concurrency, or of leastBlock.
func newBlocks(concurrency int) blocks {
	return blocks{size: max(concurrency, leastBlock), concurrency: concurrency, histogram: map[int]int{}}
}

// add counts the next request.
func (b *blocks) add(bad bool) {
	b.n++
	if bad {
		b.bad++
	}
	if b.n == b.size {
		b.histogram[b.bad]++
		b.whole++
		b.total += b.bad
		b.n, b.bad = 0, 0
	}
}

// inflation estimates the variance of the count of bad requests as a multiple of
// that of independent requests, at least 1: the variance between blocks over the
// binomial variance. The estimate is shrunk towards the assumption by the weight of
// so many blocks, since two or three blocks tell little. share is the allowed
// share; half of it bounds the binomial variance from below, because otherwise a
// handful of bad requests would look like a certainty.
func (b *blocks) inflation(share, weight float64) float64 {
	assumed := 1 + assumedCorrelation*float64(b.concurrency-1)
	if b.whole < 2 {
		return assumed
	}
	share = min(share, 1-share)
	k, size := float64(b.whole), float64(b.size)
	mean := float64(b.total) / k
	q := min(max(mean/size, share/2), 1-share/2)
	ss := 0.0
	for n, times := range b.histogram {
		d := float64(n) - mean
		ss += float64(times) * d * d
	}
	ss /= size * q * (1 - q)
	return max((weight*assumed+ss)/(weight+k-1), 1)
}

// correlation estimates the correlation ρ of two requests of one block from the
// inflation, which is 1 + (size − 1)·ρ for a beta-binomial count. It is bounded to
// [leastCorrelation, 0.9], where likelihood can be computed.
func (b *blocks) correlation(share, weight float64) float64 {
	return min(max((b.inflation(share, weight)-1)/float64(b.size-1), leastCorrelation), 0.9)
}

// likelihood returns the log likelihood of the counts, up to a constant, when the
// share of bad requests varies from block to block like a beta distribution with
// the given mean and the correlation rho (Skellam 1948, "A probability distribution
// derived from the binomial distribution"). The unfinished block counts as it is.
func (b *blocks) likelihood(share, rho float64) float64 {
	scale := 1/rho - 1
	x, y := share*scale, (1-share)*scale
	base := logBeta(x, y)
	sum := 0.0
	for n, times := range b.histogram {
		sum += float64(times) * (logBeta(x+float64(n), y+float64(b.size-n)) - base)
	}
	if b.n > 0 {
		sum += logBeta(x+float64(b.bad), y+float64(b.n-b.bad)) - base
	}
	return sum
}

// logBeta is the logarithm of the beta function B(x, y).
func logBeta(x, y float64) float64 {
	a, _ := math.Lgamma(x)
	b, _ := math.Lgamma(y)
	c, _ := math.Lgamma(x + y)
	return a + b - c
}
