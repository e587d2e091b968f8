package loadgen

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// TestMixedTruth checks that what is measured of a workload over HTTP is what the engine
// computes of the same workload, with and without a prefix cache. A percentile of one probe is
// one of the engine's steps or the next, so four are pooled.
func TestMixedTruth(t *testing.T) {
	slow.Test(t, slow.Covered)
	t.Parallel()
	w := Workload{ISL: laws.LogNormal(300, 200).Between(8, 2000), OSL: laws.LogNormal(12, 6).Between(2, 60), System: 64,
		Prefixes: []laws.Prefix{{Groups: 3, Tokens: 256, Share: 0.6}}}
	var loads []Load
	for seed := range uint64(2) {
		loads = append(loads, Load{Concurrency: 24, Requests: 2000, Window: time.Hour, Seed: seed + 1, Workload: w})
	}
	var medians []float64
	for _, cache := range []int{0, 1 << 20} {
		m := simserver.Model{Step: 4 * time.Millisecond, PerPromptToken: 20 * time.Microsecond, PrefixCache: cache}
		// The truth has requests of other seeds: it is the workload's, and not these requests'.
		traces := m.Pooled(simserver.Clients{Concurrency: 24, Workload: w, Requests: 2000, Seed: 100}, 20)
		var ttft, itl, latency []float64
		talkTo(t, m, Target{}, loads, func(_ int, _ *Generator, m *Measurement) {
			for _, q := range m.Requests {
				ttft = append(ttft, millis(q.Chunks[0]-q.Start))
				latency = append(latency, millis(q.End-q.Start))
				if q.OSL > 1 {
					itl = append(itl, millis(q.End-q.Chunks[0])/float64(q.OSL-1))
				}
			}
		})
		for _, tt := range []struct {
			metric   simserver.Metric
			measured []float64
			at       float64
		}{{simserver.TTFT, ttft, 50}, {simserver.TTFT, ttft, 95}, {simserver.ITL, itl, 95}, {simserver.RequestLatency, latency, 95}} {
			slices.Sort(tt.measured)
			v := stat.Quantile(tt.at/100, stat.LinInterp, tt.measured, nil)
			truth := millis(simserver.Limit{Metric: tt.metric, Percentile: tt.at}.Quantile(traces, 0))
			t.Logf("cache %d: %v p%v is %.2f ms, truly %.2f ms", cache, tt.metric, tt.at, v, truth)
			assert.InEpsilon(t, truth, v, 0.02)
			if tt.metric == simserver.TTFT && tt.at == 50 {
				medians = append(medians, v)
			}
		}
	}
	assert.Less(t, medians[1], 0.8*medians[0], "hits skip prefill")
}
