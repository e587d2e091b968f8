package loadgen

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPart: a request that a late client sends after its part of the window has closed is
// counted in that part, and not in the one that opens half a second later.
func TestPart(t *testing.T) {
	const ms = time.Millisecond
	window := spans{{open: 100 * ms, close: 200 * ms}, {open: 700 * ms, close: 800 * ms}, {open: 1300 * ms, close: 1400 * ms}}
	for at, want := range map[time.Duration]int{
		90 * ms: 0, 100 * ms: 0, 199 * ms: 0, 200 * ms: 0, 230 * ms: 0, // late by 30 ms
		699 * ms: 1, 700 * ms: 1, 805 * ms: 1, 1299 * ms: 2, 1400 * ms: 2, 2000 * ms: 2,
	} {
		assert.Equal(t, want, window.part(at), at)
	}
	assert.Zero(t, spans{}.part(ms))
}
