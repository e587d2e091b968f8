package report_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// hazy is a server whose TTFT is 20 + 1.3 a slot, with noise of 3% from visit to visit that
// its measurements know of.
type hazy struct {
	rng *rand.Rand
	// slow is the number of the probe, from 1, that is six times slower; 0 for none.
	slow, probes int
}

// Wait lets no time pass: the noise of a visit does not depend on it.
func (h *hazy) Wait(context.Context, time.Duration) bool { return true }

func (h *hazy) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	c := float64(l.Concurrency)
	ttft := (20 + 1.3*c) * math.Exp(0.03*h.rng.NormFloat64())
	if h.probes++; h.probes == h.slow {
		ttft *= 6
	}
	single := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	return &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagTTFT:      {Unit: "ms", Stats: map[string]float64{"p95": ttft}, SE: map[string]float64{"p95": 0.03 * ttft}},
		loadgen.TagTokenRate: single(100 * c), loadgen.TagErrorRate: single(0), loadgen.TagCompleted: single(300), loadgen.TagErrors: single(0),
	}}, nil
}

// TestMetHasNoMissedRow: no finding that says that the SLA is met shows a missed limit
// beside it, whatever the last visit of the answer saw; and a monotone server is hardly
// ever told to be none.
func TestMetHasNoMissedRow(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	met, several, odd := 0, 0, 0
	for seed := range 40 {
		for _, style := range []recipes.Style{recipes.Sequential, recipes.SmoothIsotonic, recipes.Monotonic} {
			out, err := recipes.Run(t.Context(), r, spec(&hazy{rng: rand.New(rand.NewPCG(uint64(seed), 13))}, style))
			require.NoError(t, err)
			for _, w := range out.Warnings {
				if errors.Is(w, recipes.ErrNonMonotone) {
					odd++
				}
			}
			if out.Verdict != recipes.Met {
				continue
			}
			met++
			var b bytes.Buffer
			require.NoError(t, report.Finding(&b, out))
			assert.NotContains(t, b.String(), "<-- missed")
			readings := out.Pooled(out.Best.Probe)
			assert.True(t, readings[0].Holds, "%s, seed %d", style, seed)
			if p := out.Probes[out.Best.Probe]; !p.Readings[0].Holds {
				several++
			}
		}
	}
	assert.Greater(t, met, 80)
	assert.Positive(t, several, "a last visit that missed alone is what the test is about")
	assert.LessOrEqual(t, odd, 2, "of 120 searches of a monotone server")
}

// TestSlowProbeAndAtLeast: a slow probe that later visits of its point contradict makes no
// verdict of missed. The boundary is 138.
func TestSlowProbeAndAtLeast(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	for _, style := range []recipes.Style{recipes.Sequential, recipes.SmoothIsotonic, recipes.Monotonic} {
		missed := 0
		for seed := range 20 {
			s := spec(&hazy{rng: rand.New(rand.NewPCG(uint64(seed), 17)), slow: 2}, style)
			s.AtLeast = 120
			out, err := recipes.Run(t.Context(), r, s)
			require.NoError(t, err)
			if out.Verdict == recipes.Missed {
				missed++
			}
		}
		assert.LessOrEqual(t, missed, 1, "%s", style)
	}
}
