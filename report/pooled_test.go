package report_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
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
	t.Parallel()
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
	t.Parallel()
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

// grid is what a grid from 20 to 100 says, one probe of which is six times slower; 0 for none.
func grid(t *testing.T, slow int) (*recipes.Outcome, string) {
	t.Helper()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	s := spec(&hazy{rng: rand.New(rand.NewPCG(1, 19)), slow: slow}, recipes.Grid)
	s.Inputs.Concurrency, s.Inputs.Steps = recipes.Bounds{Min: new(20), Max: new(100)}, new(3)
	out, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, report.Finding(&b, out))
	return out, b.String()
}

// TestGridAndItsRows: a grid says that every concurrency meets the SLA where each of its rows
// does, and not beside one that later visits contradict, which is no miss either.
func TestGridAndItsRows(t *testing.T) {
	const every = "breach: none; every concurrency of the grid meets the SLA"
	const none = "breach: none by all visits of each concurrency together"
	_, text := grid(t, 0)
	assert.Contains(t, text, every)
	for _, slow := range []int{1, 2} {
		out, text := grid(t, slow)
		require.False(t, out.Probes[slow-1].Readings[0].Holds, "the slow probe missed alone")
		assert.Equal(t, recipes.Met, out.Verdict)
		assert.NotContains(t, text, every)
		assert.Contains(t, text, none)
		assert.NotContains(t, text, "<-- missed")
		assert.NotContains(t, text, "not monotone")
		b, ok := out.Breach()
		require.True(t, ok)
		assert.True(t, math.IsNaN(b.FirstFailing) && b.Monotone, "its breach is by all visits, too")
	}
}

// doubted is hazy with a client that is late from a concurrency on, up to another.
type doubted struct {
	hazy
	from, to int
}

func (d *doubted) Probe(ctx context.Context, l loadgen.Load, decider loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := d.hazy.Probe(ctx, l, decider)
	if l.Concurrency >= d.from && l.Concurrency <= d.to {
		m.Health.BeatLagP99 = 10 * time.Second
	}
	return m, err
}

// TestDoubtIsNamed: a search that its probes cut short says how far it came and what cut it, and
// a sweep names the point that cannot be trusted and shows the others.
func TestDoubtIsNamed(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	said := func(to int, style recipes.Style) string {
		s := spec(&doubted{hazy{rng: rand.New(rand.NewPCG(1, 23))}, 30, to}, style)
		s.Inputs.Concurrency, s.Inputs.Steps = recipes.Bounds{Min: new(10), Max: new(100)}, new(3)
		out, err := recipes.Run(t.Context(), r, s)
		require.NoError(t, err)
		assert.Equal(t, recipes.Inconclusive, out.Verdict)
		var b bytes.Buffer
		require.NoError(t, report.Finding(&b, out))
		return strings.Join(strings.Fields(b.String()), " ")
	}
	assert.Contains(t, said(1000, recipes.Monotonic),
		"inconclusive: at least 20; the search was cut short by probes at concurrency 40 that cannot be trusted")
	text := said(40, recipes.Grid)
	assert.Contains(t, text, "the probes at concurrency 32 cannot be trusted; the other points stand")
	assert.Regexp(t, ` 32 [^%]* 0% not trusted`, text)
	assert.Regexp(t, ` 10 [^%]* 0% met .* 100 [^%]* 0% met`, text)
}
