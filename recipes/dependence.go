package recipes

// blocks watches how far requests share a fate: those of one batch are slow
// together, and so count for less than as many independent ones.
type blocks struct {
	size, concurrency int
	n, bad            int // of the block under way
	counts            []int
	total             int // bad requests in the whole blocks
}

const (
	leastBlock = 8 // requests; shorter blocks have too few bad ones to vary
	// assumedCorrelation is that of two requests of one batch before the data
	// say anything: a factor that moves a whole batch by 20 %, against latencies
	// that scatter by 50 %, makes it 0.04 for the slowest 5 %.
	assumedCorrelation = 0.04
	// How many blocks the assumption weighs, against a limit and for it. Many bad
	// requests show how they cluster; few do not, and a sample that has by
	// chance missed the bad blocks looks as if there were none.
	weightAgainst, weightFor = 2.0, 10.0
)

func newBlocks(concurrency int) blocks {
	return blocks{size: max(concurrency, leastBlock), concurrency: concurrency}
}

func (b *blocks) add(bad bool) {
	b.n++
	if bad {
		b.bad++
	}
	if b.n == b.size {
		b.counts = append(b.counts, b.bad)
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
	k := len(b.counts)
	if k < 2 {
		return assumed
	}
	size, mean := float64(b.size), float64(b.total)/float64(k)
	q := min(max(mean/size, share/2), 0.5)
	ss := 0.0
	for _, n := range b.counts {
		d := float64(n) - mean
		ss += d * d
	}
	ss /= size * q * (1 - q)
	return max((weight*assumed+ss)/(weight+float64(k-1)), 1)
}
