package report

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/report/bench"
)

// traded is a server whose throughput peaks at 20 requests in flight, and whose TTFT always
// rises: more than 20 are on no front.
type traded struct{}

func (traded) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	one := func(stat string, v float64) loadgen.Metric {
		return loadgen.Metric{Stats: map[string]float64{stat: v}, SE: map[string]float64{stat: v / 100}}
	}
	c := float64(l.Concurrency)
	return &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagTTFT: one("p95", 20+2*c), loadgen.TagTokenRate: one("avg", 1000-(c-20)*(c-20)),
		loadgen.TagCompleted: one("avg", 300), loadgen.TagErrors: one("avg", 0),
	}}, nil
}

// TestFront: a search for two objectives shows its front in the finding, the summary, the
// chart and bench.txt, and nothing that another point beats.
func TestFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{
			Space: []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 40, Int: true}}, MaxProbes: 9,
			Objectives: []recipes.Objective{
				{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}, {Metric: loadgen.TagTTFT, Stat: "p95"},
			},
		}), recipes.Spec{Prober: traded{}, Workload: loadgen.Load{Seed: 3}})
		require.NoError(t, err)
		v := viewOf(out)
		front := v.front()
		require.NotEmpty(t, front)
		require.Less(t, len(front), len(v.probes), "some point is beaten")
		for _, p := range front {
			assert.LessOrEqual(t, p.Load.Concurrency, 20+3, "above the peak there is less of both")
		}
		var finding, summary, lines bytes.Buffer
		require.NoError(t, Finding(&finding, out))
		require.NoError(t, v.summary(&summary, ""))
		require.NoError(t, bench.Write(&lines, out))
		for _, text := range []string{finding.String(), summary.String()} {
			assert.Contains(t, text, "on the front of throughput against ttft p95")
			assert.Contains(t, text, "no other point is better in each of throughput (more), ttft p95 (less)")
		}
		assert.Equal(t, len(front), strings.Count(lines.String(), "BenchmarkRecipe/explicit-search/front/concurrency="))
		c, ok := v.tradeChart()
		require.True(t, ok)
		assert.Contains(t, c.X.Label, "TTFT p95")
		assert.Contains(t, c.Y.Label, "output throughput")
	})
}
