package loadgen

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestLagP99: a hundredth of what was late, but for one hiccup or two.
func TestLagP99(t *testing.T) {
	const ms = time.Millisecond
	lags := func(n, late int) (out []time.Duration) {
		for i := range n {
			out = append(out, 0)
			if i < late {
				out[i] = 50 * ms
			}
		}
		return out
	}
	for _, tt := range []struct {
		why     string
		n, late int
		want    time.Duration
	}{
		{"nothing is known", 0, 0, 0},
		{"two beats, both late: too few to tell", 2, 2, 0},
		{"a short probe of one hiccup", 80, 1, 0},
		{"a short probe of two", 80, 2, 0},
		{"a short probe of three", 80, 3, 50 * ms},
		{"a long probe of nine in a thousand", 1000, 9, 0},
		{"a long probe of eleven in a thousand", 1000, 11, 50 * ms},
	} {
		assert.Equal(t, tt.want, lagP99(lags(tt.n, tt.late)), tt.why)
	}
	assert.Zero(t, lagP99([]time.Duration{-ms, -ms, -ms, -ms}), "early is not late")
}
