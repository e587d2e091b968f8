package plot

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTicks: the round numbers a reader expects.
func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		why    string
		a      Axis
		lo, hi float64
		want   []string
	}{
		{"hundreds", Axis{}, 0, 945, []string{"0", "200", "400", "600", "800"}},
		{"small numbers", Axis{}, 0.0, 0.012, []string{"0", "0.002", "0.004", "0.006", "0.008", "0.01", "0.012"}},
		{"negative ones", Axis{}, -10, 10, []string{"-10", "-5", "0", "5", "10"}},
		{"probes are whole, and count from 1", Axis{Whole: true}, 0, 5.2, []string{"1", "2", "3", "4", "5"}},
		{"three decades of concurrency", Axis{Log: true, Whole: true}, 0.7, 1400,
			[]string{"1", "2", "5", "10", "20", "50", "100", "200", "500", "1000"}},
		{"six decades: the powers alone", Axis{Log: true}, 0.5, 2e6, []string{"1", "10", "100", "1000", "10000", "100000", "1000000"}},
		{"half a decade", Axis{Log: true}, 40, 120, []string{"40", "50", "60", "70", "80", "90", "100"}},
		{"a stretch of a logarithmic axis without round powers", Axis{Log: true}, 41, 49, []string{"42", "44", "46", "48"}},
		{"given", Axis{Ticks: []Tick{{0, "p50"}, {1, "p95"}, {9, "beyond"}}}, -1, 2, []string{"p50", "p95"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var got []string
			for _, tick := range tt.a.ticks(tt.lo, tt.hi) {
				if tick.Label != "" {
					got = append(got, tick.Label)
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestTicksAnywhere: on any axis there are enough labels to read a value off it
// and not so many that they run into each other, all inside.
func TestTicksAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		lo := math.Pow(10, 8*r.Float64()-4)
		hi := lo * math.Pow(10, 0.01+6*r.Float64())
		a := Axis{Log: r.IntN(2) == 0}
		ticks := a.ticks(lo, hi)
		n := labelled(ticks)
		assert.GreaterOrEqual(t, n, 3, "%v from %v to %v", a, lo, hi)
		assert.LessOrEqual(t, n, 14, "%v from %v to %v", a, lo, hi)
		for _, tick := range ticks {
			assert.True(t, tick.Value >= lo*(1-1e-6) && tick.Value <= hi*(1+1e-6), "%v outside [%v, %v]", tick.Value, lo, hi)
		}
	}
}
