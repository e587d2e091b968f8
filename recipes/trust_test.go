package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// tired answers every load with the same numbers, at a client's health.
type tired struct {
	ttft     float64
	health   loadgen.Health
	warnings []error
}

func (p *tired) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	one := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	return &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Health: p.health, Warnings: p.warnings,
		Metrics: map[string]loadgen.Metric{
			loadgen.TagTTFT:      {Unit: "ms", Stats: map[string]float64{"p95": p.ttft}, SE: map[string]float64{"p95": 0.001}},
			loadgen.TagTokenRate: one(1), loadgen.TagErrorRate: one(0), loadgen.TagCompleted: one(300), loadgen.TagErrors: one(0),
		}}, nil
}

// Wait lets no time pass: the numbers are the same at all times.
func (p *tired) Wait(context.Context, time.Duration) bool { return true }

// TestClientBound: lateness of sends or of wake-ups, beyond 5 % of the tightest
// limit and 5 ms, makes a verdict inconclusive that would be met or missed.
func TestClientBound(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		why        string
		limit      float64 // of TTFT p95, ms
		send, beat time.Duration
		bound      bool
	}{
		{"healthy", 50, ms, 2 * ms, false},
		{"5 ms are allowed", 50, 5 * ms, 5 * ms, false},
		{"sends are late", 50, 6 * ms, 0, true},
		{"sends are on time, and what comes is read late", 50, 0, 6 * ms, true},
		{"a loose limit allows 5 % of it", 400, 20 * ms, 20 * ms, false},
		{"and no more", 400, 0, 21 * ms, true},
	} {
		for ttft, healthy := range map[float64]recipes.Verdict{tt.limit / 2: recipes.Met, tt.limit * 2: recipes.Missed} {
			t.Run(fmt.Sprintf("%s, would be %v", tt.why, healthy), func(t *testing.T) {
				r, err := recipes.Lookup("max-concurrency-under-sla")
				require.NoError(t, err)
				o, err := recipes.Run(t.Context(), r, recipes.Spec{
					Prober: &tired{ttft: ttft, health: loadgen.Health{SendLagP99: tt.send, BeatLagP99: tt.beat}},
					Inputs: recipes.Inputs{TTFT: &tt.limit, Style: recipes.Monotonic},
				})
				require.NoError(t, err)
				told := false
				for _, w := range o.Warnings {
					var bound *recipes.ClientBoundError
					told = told || errors.As(w, &bound)
				}
				assert.Equal(t, tt.bound, told)
				assert.Equal(t, tt.bound, recipes.ClientBound(o.Probes[0].Trials[0], o.Plan.Limits))
				want := healthy
				if tt.bound {
					want = recipes.Inconclusive
				}
				assert.Equal(t, want, o.Verdict)
			})
		}
	}
}

// TestNotes: what a measurement warns of is told once a run, of each kind; a
// raised request count only to those who gave one.
func TestNotes(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	for _, tt := range []struct {
		asked, notes int
		style        recipes.Style
	}{{0, 2, recipes.Grid}, {24, 3, recipes.Grid}, {24, 2, recipes.Monotonic}} {
		o, err := recipes.Run(t.Context(), r, recipes.Spec{
			Prober: &tired{ttft: 20, warnings: []error{
				fmt.Errorf("%w: a", loadgen.ErrEstimated), fmt.Errorf("%w: b", loadgen.ErrLengths), fmt.Errorf("%w: c",
					loadgen.ErrRaised)}},
			Workload: loadgen.Load{Requests: tt.asked},
			Inputs:   recipes.Inputs{TTFT: new(50.0), Style: tt.style},
		})
		require.NoError(t, err)
		require.Greater(t, len(o.Probes), 1)
		assert.Len(t, o.Warnings, tt.notes, "%+v: %v", tt, o.Warnings)
	}
}
