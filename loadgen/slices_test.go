package loadgen_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestSlices: the parts of a measurement have all of its requests, and their rates are the
// whole's where the load is steady.
func TestSlices(t *testing.T) {
	model := simserver.Model{Step: 10 * time.Millisecond, MaxBatch: 4}
	simulated(t, model, func(t *testing.T, _ *simserver.Server, g *loadgen.Generator) {
		m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 1, ISL: 20, OSL: 50, Requests: 40}, nil)
		require.NoError(t, err)
		parts := m.Slices(5 * time.Second)
		require.Len(t, parts, 4, "40 requests of half a second each, one after the other")
		n := 0
		for i, p := range parts {
			n += len(p.Requests)
			assert.InDelta(t, stat(t, m, loadgen.TagTTFT, "avg"), stat(t, p, loadgen.TagTTFT, "avg"), 1, "part %d", i)
			assert.InEpsilon(t, stat(t, m, loadgen.TagTokenRate, "avg"), stat(t, p, loadgen.TagTokenRate, "avg"), 0.05, "part %d", i)
			assert.Zero(t, stat(t, p, loadgen.TagWaiting, "avg"))
			assert.NotContains(t, p.Metrics, loadgen.TagInFlight)
		}
		assert.Equal(t, len(m.Requests), n, "each request is in one part")
		assert.Nil(t, m.Slices(0))
		m.Requests = nil
		assert.Nil(t, m.Slices(time.Second))
	})
}
