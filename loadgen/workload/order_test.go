package workload

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOrder checks that a shuffle has each request once a pass, differs from pass to pass and
// seed to seed, and leaves no place to a request more often than chance does; and that a
// sample has each request as often as chance does.
func TestOrder(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 16, 17, 1000} {
		for pass := range uint64(3) {
			seen := map[uint64]bool{}
			for k := range n {
				seen[Shuffled.At(5, pass*n+k, n)] = true
				assert.Equal(t, k, Order("").At(5, pass*n+k, n))
			}
			assert.Len(t, seen, int(n), "pass %d of %d", pass, n)
		}
	}
	same, samePass := 0, 0
	for k := range uint64(1000) {
		if Shuffled.At(5, k, 1000) == Shuffled.At(6, k, 1000) {
			same++
		}
		if Shuffled.At(5, k, 1000) == Shuffled.At(5, 1000+k, 1000) {
			samePass++
		}
	}
	assert.Less(t, same, 10)
	assert.Less(t, samePass, 10)

	// The first place of 4,000 shuffles of 10: chi-square with 9 degrees of freedom is above
	// 27.9 once in a thousand.
	for _, o := range []Order{Shuffled, Sampled} {
		counts := make([]float64, 10)
		for i := range uint64(4000) {
			counts[o.At(1, 10*i, 10)]++
		}
		chi := 0.0
		for _, c := range counts {
			chi += math.Pow(c-400, 2) / 400
		}
		assert.Less(t, chi, 27.9, o)
	}
}
