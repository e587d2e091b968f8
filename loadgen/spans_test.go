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

// TestLeast: a window stays open until it has both its requests and its least length, in each of
// its parts, and no longer than its greatest.
func TestLeast(t *testing.T) {
	const each = 100 * time.Millisecond
	for _, tt := range []struct {
		why         string
		requests    int
		least, most time.Duration
		parts       int
		cohort      int
		spans       []time.Duration
	}{
		{"requests alone", 12, 0, time.Minute, 1, 12, []time.Duration{12 * each}},
		{"time for more", 12, 3 * time.Second, time.Minute, 1, 30, []time.Duration{30 * each}},
		{"requests take longer", 40, 3 * time.Second, time.Minute, 1, 40, []time.Duration{40 * each}},
		{"the greatest length is less", 12, 3 * time.Second, 2 * time.Second, 1, 20, []time.Duration{20 * each}},
		{"parts", 12, 3 * time.Second, time.Minute, 3, 30, []time.Duration{10 * each, 10 * each, 10 * each}},
		{"parts by requests", 60, 3 * time.Second, time.Minute, 3, 60, []time.Duration{20 * each, 20 * each, 20 * each}},
	} {
		w := window{requests: tt.requests, least: tt.least, most: tt.most, parts: tt.parts, size: 2}
		now := time.Duration(0)
		for serial := uint64(0); w.phase != finished; serial++ {
			w.start(now, serial, true)
			w.end(serial)
			now += each
			if now > time.Hour {
				t.Fatal(tt.why, ": never over")
			}
		}
		var lasted []time.Duration
		for _, s := range w.spans {
			lasted = append(lasted, s.close-s.open)
		}
		assert.Equal(t, tt.cohort, w.cohort, tt.why)
		assert.Equal(t, tt.spans, lasted, tt.why)
	}
}
