package loadgen

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// TestAround: a part of a window has the samples around it, and counters of the nearest ones that
// have them.
func TestAround(t *testing.T) {
	var samples []servermetrics.Sample
	for i := range 10 {
		samples = append(samples, servermetrics.Sample{At: time.Duration(i) * time.Second, Thin: i%4 != 0})
	}
	seconds := func(all []servermetrics.Sample) (out []int) {
		for _, s := range all {
			out = append(out, int(s.At.Seconds()))
		}
		return out
	}
	near, whole := around(samples, 5500*time.Millisecond, 6500*time.Millisecond)
	assert.Equal(t, []int{5, 6, 7}, seconds(near))
	assert.Equal(t, []int{4, 5, 6, 7, 8}, seconds(whole))
	for i := range samples {
		samples[i].Thin = false
	}
	near, whole = around(samples, 5500*time.Millisecond, 6500*time.Millisecond)
	assert.Equal(t, []int{5, 6, 7}, seconds(near))
	assert.Equal(t, seconds(near), seconds(whole), "of a short series they are the same")
	near, _ = around(samples, 8*time.Second, 20*time.Second)
	assert.Equal(t, []int{8, 9}, seconds(near), "up to the last")
}
