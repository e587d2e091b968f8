package loadgen_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestOrder: an engine that takes six prompts a step puts its clients in order, after which hardly one
// request in a hundred exceeds a limit. Probes measure that, and not the disorder that they begin with,
// in which one in twenty does.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{
			Step: 6 * time.Millisecond, PerSeq: 120 * time.Microsecond, PerPromptToken: 8 * time.Microsecond, Chunk: 512,
		})
		defer srv.Close()
		g, err := loadgen.New(loadgen.Target{URL: srv.URL, Dial: srv.Dial})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		late, n := 0, 0
		for seed := range uint64(4) {
			m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 74, ISL: 80, OSL: 12, Requests: 300, Seed: seed}, nil)
			require.NoError(t, err)
			for _, q := range m.Requests {
				if q.Chunks[0]-q.Start > 40*time.Millisecond {
					late++
				}
			}
			n += len(m.Requests)
		}
		t.Logf("%d of %d", late, n)
		assert.Less(t, late, n/50)
	})
}
