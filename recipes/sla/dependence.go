package sla

import "math"

// blocks counts bad requests by blocks of about one turnover of the slots:
// requests of one batch are slow together, and so count for less than as many
// independent ones.
type blocks struct {
	size, concurrency int
	n, bad            int         // of the block under way
	histogram         map[int]int // number of bad requests → whole blocks that have it
	whole, total      int         // whole blocks, and the bad requests in them
}

const (
	leastBlock = 8 // requests; shorter blocks have too few bad ones to vary
	// assumedCorrelation is that of two requests of one batch before the data
	// say anything: a factor that moves a whole batch by 20 %, against latencies
	// that scatter by 50 %, makes it 0.04 for the slowest 5 %, unevenly.
	assumedCorrelation = 0.05
	leastCorrelation   = 1e-4 // below it the counts are binomial

	// How many blocks the assumption weighs, against a limit and for it. Many
	// bad requests show how they cluster; few do not, and a sample that has by
	// chance missed the bad blocks looks as if there were none.
	weightAgainst, weightFor = 2.0, 10.0
)

func newBlocks(concurrency int) blocks {
	return blocks{size: max(concurrency, leastBlock), concurrency: concurrency, histogram: map[int]int{}}
}

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

// inflation estimates the variance of the count over that of independent
// requests, at least 1: the variance between blocks over the binomial one,
// shrunk towards what is assumed by so many blocks' weight, since two or three
// blocks tell little. share is the allowed one; half of it bounds the binomial
// variance from below, else a handful of bad requests would look like a certainty.
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

// correlation is that of two requests of one block, from the inflation.
func (b *blocks) correlation(share, weight float64) float64 {
	return min(max((b.inflation(share, weight)-1)/float64(b.size-1), leastCorrelation), 0.9)
}

// likelihood is the log likelihood of the counts, up to a constant, when a share
// of requests is bad that varies from block to block as a beta distribution with
// the correlation rho (Skellam 1948, "A probability distribution derived from the
// binomial distribution").
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

func logBeta(x, y float64) float64 {
	a, _ := math.Lgamma(x)
	b, _ := math.Lgamma(y)
	c, _ := math.Lgamma(x + y)
	return a + b - c
}
