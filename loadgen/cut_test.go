package loadgen

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// TestCutOnce: a request that ends between the cut of its probe and the probe's way out of the
// books counts once, as one that was in flight at the cut.
func TestCutOnce(t *testing.T) {
	g, err := New(Target{URL: "http://127.0.0.1:1", Model: "m"})
	require.NoError(t, err)
	defer g.Close()
	p, err := g.newProbe(Load{Concurrency: 2, ISL: 1, OSL: 1, Requests: 10}, share.Whole)
	require.NoError(t, err)
	p.timer = time.NewTimer(time.Hour)
	p.window.phase = measuring
	before, after := g.books.slot(t.Context(), 0), g.books.slot(t.Context(), 1)
	g.books.probe = p
	g.books.flying[before], g.books.flying[after] = 1, 2

	_, wanted := g.books.end(before, &record{})
	assert.True(t, wanted)
	g.books.cut(p, EndedDecided)
	_, wanted = g.books.end(after, &record{})
	assert.False(t, wanted)
	assert.Equal(t, []time.Duration{2}, p.running)
	assert.Len(t, p.queue.recs, 1)
}
