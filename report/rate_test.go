package report

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report/bench"
)

// rated is a server of 50 requests a second.
type rated struct{}

func (rated) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	one := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagLatency:   {Unit: "ms", Stats: map[string]float64{"p95": 100}, SE: map[string]float64{"p95": 1}},
		loadgen.TagReqRate:   one(min(l.Rate, 50)),
		loadgen.TagCompleted: one(300), loadgen.TagErrors: one(0),
	}}
	if l.Rate > 50 {
		m.Warnings = []error{fmt.Errorf("%w: %.4g requests/s were offered and 50 served", loadgen.ErrUnstable, l.Rate)}
	}
	return m, nil
}

// TestRateText: a search over rates speaks of requests a second, and says why a rate above
// the server's is missed, with both rates.
func TestRateText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{
			Style: recipes.Monotonic, Boundary: true,
			Space:      []plan.Dim{{Path: recipes.PathRate, Lo: 1.5, Hi: 400, Log: true}},
			Objectives: []recipes.Objective{{Metric: loadgen.TagReqRate, Stat: "avg", Maximize: true}},
		}, sla.Limit{Metric: loadgen.TagLatency, Stat: "p95", Op: sla.LT, Threshold: 2000}), recipes.Spec{Prober: rated{}, AtLeast: 40})
		require.NoError(t, err)
		require.Equal(t, recipes.Met, out.Verdict)
		var b strings.Builder
		require.NoError(t, Finding(&b, out))
		text := strings.Join(strings.Fields(b.String()), " ")
		assert.NotContains(t, text, "concurrency")
		assert.Contains(t, text, "SLA met up to "+out.Best.Load.String())
		assert.Contains(t, out.Best.Load.String(), "requests/s")
		assert.Contains(t, text, "requests/s were offered and 50 served")
		p := &out.Probes[out.Best.Probe]
		assert.Equal(t, []bench.Value{{Unit: "max-req/s", Value: out.Best.Load.Rate}}, bench.Line(out, p))
	})
}
