package loadgen

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// TestMixedTruth checks that what is measured of a workload over HTTP is what the engine
// computes of the same workload, with and without a prefix cache.
func TestMixedTruth(t *testing.T) {
	w := Workload{ISL: laws.LogNormal(300, 200).Between(8, 2000), OSL: laws.LogNormal(12, 6).Between(2, 60), System: 64,
		Prefixes: []laws.Prefix{{Groups: 3, Tokens: 256, Share: 0.6}}}
	var medians []float64
	for _, cache := range []int{0, 1 << 20} {
		m := simserver.Model{Step: 4 * time.Millisecond, PerPromptToken: 20 * time.Microsecond, PrefixCache: cache}
		// The truth has requests of other seeds: it is the workload's, and not these requests'.
		traces := m.Pooled(simserver.Clients{Concurrency: 24, Workload: w, Requests: 2000, Seed: 100}, 5)
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(m)
			defer srv.Close()
			g, err := New(Target{URL: srv.URL, Dial: srv.Dial})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Ready(t.Context()))
			got, err := g.Probe(t.Context(), Load{Concurrency: 24, Requests: 2000, Window: time.Hour, Seed: 1, Workload: w}, nil)
			require.NoError(t, err)
			for _, tt := range []struct {
				tag    Tag
				metric simserver.Metric
				stat   string
				at     float64
			}{
				{TagTTFT, simserver.TTFT, "p50", 50}, {TagTTFT, simserver.TTFT, "p95", 95}, {TagITL, simserver.ITL, "p95", 95},
				{TagLatency, simserver.RequestLatency, "p95", 95},
			} {
				v, ok := got.Stat(tt.tag, tt.stat)
				require.True(t, ok)
				truth := millis(simserver.Limit{Metric: tt.metric, Percentile: tt.at}.Quantile(traces, 0))
				t.Logf("cache %d: %s %s is %.2f ms, truly %.2f ms", cache, tt.tag, tt.stat, v, truth)
				assert.InEpsilon(t, truth, v, 0.02)
			}
			p50, _ := got.Stat(TagTTFT, "p50")
			medians = append(medians, p50)
		})
	}
	assert.Less(t, medians[1], 0.8*medians[0], "hits skip prefill")
}
