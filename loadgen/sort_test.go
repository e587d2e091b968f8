package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestSort: sorting by digits gives what comparisons give, bit for bit, whatever the values are.
func TestSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"latencies":   func() float64 { return 200 * math.Exp(rng.NormFloat64()) },
		"any sign":    func() float64 { return rng.NormFloat64() },
		"any bits":    func() float64 { return math.Float64frombits(rng.Uint64()) }, // some are no numbers
		"few values":  func() float64 { return float64(rng.IntN(3)) },
		"one value":   func() float64 { return 7 },
		"no limits":   func() float64 { return []float64{math.Inf(1), math.Inf(-1), 1, math.MaxFloat64}[rng.IntN(4)] },
		"whole range": func() float64 { return math.Float64frombits(rng.Uint64() &^ (1 << 62)) },
	} {
		for _, n := range []int{0, 1, 2, fewKeys, fewKeys + 1, 5000} {
			values := make([]float64, n)
			for i := range values {
				values[i] = draw()
			}
			want := slices.Sorted(slices.Values(values))
			sortValues(values)
			for i := range values {
				if !math.IsNaN(want[i]) || !math.IsNaN(values[i]) { // which are all alike
					assert.Equal(t, math.Float64bits(want[i]), math.Float64bits(values[i]), "%s: %d of %d", name, i, n)
				}
			}
		}
	}
	for _, most := range []uint64{1, 2, 1 << 11, 1 << 22, 1<<32 + 1, math.MaxUint64} {
		keys := make([]uint64, 3000)
		for i := range keys {
			keys[i] = 1<<40 + rng.Uint64N(most)
		}
		want := slices.Sorted(slices.Values(keys))
		sortKeys(keys)
		assert.Equal(t, want, keys, "keys less than %d", most)
	}
}

// TestGaps: what passes between events is the same whether it fits into four bytes or not.
func TestGaps(t *testing.T) {
	var g gaps
	g.add([]time.Duration{5 * time.Second, 5*time.Second + 2e6, 15 * time.Second, 14 * time.Second, 15 * time.Second})
	g.add([]time.Duration{1})
	values := g.millis()
	slices.Sort(values)
	assert.Equal(t, []float64{-1000, 2, 1000, 9998}, values)
}
