package loadgen_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
)

// soak is a ramp from 5 to 20 requests a second, a stretch, and a step down.
var soak = workload.Stages{{From: 5, To: 20, Over: 20 * time.Second}, {Over: 10 * time.Second}, {From: 5, Over: 10 * time.Second}}

// TestStages checks that every request of a schedule is sent at the nanosecond at which the
// integral of its rate says so, that the window is the schedule's, and that each stage has
// metrics of its own.
func TestStages(t *testing.T) {
	h := &scripted{ttft: 500 * time.Millisecond, itl: 100 * time.Millisecond, tokens: 6}
	serve(t, h, func(ctx context.Context, g *loadgen.Generator) {
		m, err := g.Probe(ctx, loadgen.Load{ISL: 20, OSL: 6, Workload: loadgen.Workload{Stages: soak}}, nil)
		require.NoError(t, err)
		require.Len(t, m.Requests, 250+200+50)
		assert.Equal(t, 12.5, m.Load.Rate, "its mean")
		assert.Equal(t, 40*time.Second, m.Window)
		first := m.Requests[0].Scheduled
		for i, q := range m.Requests {
			assert.Equal(t, q.Scheduled, q.Start, "request %d is sent when it is due", i)
			n, want := float64(i), 0.0
			switch {
			case n < 250: // 5t + 0.375t² = n
				want = (math.Sqrt(25+1.5*n) - 5) / 0.75
			case n < 450:
				want = 20 + (n-250)/20
			default:
				want = 30 + (n-450)/5
			}
			assert.InDelta(t, want, (q.Start - first).Seconds(), 2e-9, "request %d", i)
		}
		require.Len(t, m.Stages, 3)
		for i, want := range []struct{ sent, served float64 }{{250, 0}, {200, 20}, {50, 0}} {
			assert.Equal(t, want.sent, m.Stages[i][loadgen.TagCompleted].Stats["avg"], "stage %d", i)
			assert.Equal(t, 0.0, m.Stages[i][loadgen.TagLag].Stats["max"], "stage %d", i)
			assert.InDelta(t, 500, m.Stages[i][loadgen.TagTTFT].Stats["avg"], 1e-6, "stage %d", i)
			if want.served > 0 { // a second behind, so that the first second of a stage is of the one before
				assert.InDelta(t, want.served, m.Stages[i][loadgen.TagReqRate].Stats["avg"], 0.11, "stage %d", i)
			}
		}
		assert.Empty(t, m.Warnings)
		// At another mean rate all rates of the schedule are in proportion.
		m, err = g.Probe(ctx, loadgen.Load{Rate: 25, ISL: 20, OSL: 6, Workload: loadgen.Workload{Stages: soak}}, nil)
		require.NoError(t, err)
		assert.Len(t, m.Requests, 1000)
		assert.Equal(t, 40*time.Second, m.Window)
		assert.Equal(t, workload.Stage{From: 40, To: 40, Over: 10 * time.Second}, m.Load.Schedule()[1])
	})
}

// TestStagesByChance checks that arrivals by chance follow the rates of the schedule, and
// that those of one seed are the same.
func TestStagesByChance(t *testing.T) {
	load := loadgen.Load{Arrival: "poisson", ISL: 20, OSL: 1, Seed: 5, Workload: loadgen.Workload{Stages: workload.Stages{
		{From: 10, To: 90, Over: 20 * time.Second}, {From: 20, Over: 50 * time.Second}}}}
	var sent [2][]time.Duration
	for k := range sent {
		serve(t, &scripted{ttft: time.Millisecond, tokens: 1}, func(ctx context.Context, g *loadgen.Generator) {
			m, err := g.Probe(ctx, load, nil)
			require.NoError(t, err)
			assert.InDelta(t, 70, m.Window.Seconds(), 0.5, "it closes with the first request behind the end")
			for i, want := range []float64{1000, 1000} {
				assert.InDelta(t, want, m.Stages[i][loadgen.TagCompleted].Stats["avg"], 4*math.Sqrt(want), "stage %d", i)
			}
			early := 0
			for _, q := range m.Requests {
				sent[k] = append(sent[k], q.Scheduled-m.Requests[0].Scheduled)
				if q.Scheduled-m.Requests[0].Scheduled < 10*time.Second {
					early++
				}
			}
			assert.InDelta(t, 300, early, 4*math.Sqrt(300), "the first half of the ramp has three tenths of its requests")
		})
	}
	assert.Equal(t, sent[0], sent[1])
}

// TestStageFallsBehind checks that a stage above what the server serves is named, that the
// schedule goes on to its end, and that only the last stage makes a load unstable.
func TestStageFallsBehind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stages workload.Stages
		kind   loadgen.Warning
		says   string
	}{
		{"a server that has time to catch up", workload.Stages{{From: 4, Over: 30 * time.Second}, {From: 15, Over: 20 * time.Second},
			{From: 2, Over: 60 * time.Second}}, loadgen.ErrBehind, "in stage 2, 15 requests/s for 20s, 15 requests/s were offered and 10 served"},
		{"a server that has none", workload.Stages{{From: 4, Over: 30 * time.Second}, {To: 16, Over: 60 * time.Second}},
			loadgen.ErrUnstable, "in stage 2, 4 to 16 requests/s over 1m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve(t, &single{scripted: scripted{tokens: 1}, each: 100 * time.Millisecond}, func(ctx context.Context, g *loadgen.Generator) {
				m, err := g.Probe(ctx, loadgen.Load{ISL: 20, OSL: 1, Workload: loadgen.Workload{Stages: tt.stages}}, nil)
				require.NoError(t, err)
				assert.InDelta(t, tt.stages.Requests(), len(m.Requests), 1)
				assert.Equal(t, loadgen.EndedTime == m.Ended || loadgen.EndedRequests == m.Ended, true)
				var told []error
				for _, w := range m.Warnings {
					if errors.Is(w, loadgen.ErrBehind) || errors.Is(w, loadgen.ErrUnstable) {
						told = append(told, w)
					}
				}
				require.Len(t, told, 1)
				assert.ErrorIs(t, told[0], tt.kind)
				assert.ErrorContains(t, told[0], tt.says)
			})
		})
	}
}

// TestBadStages checks that a schedule that makes no sense is refused before anything is
// sent, and says what to give.
func TestBadStages(t *testing.T) {
	g, err := loadgen.New(loadgen.Target{URL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	defer g.Close()
	for _, tt := range []struct {
		stages workload.Stages
		says   string
	}{
		{workload.Stages{{From: 5}}, "stage 1 that lasts 0s"},
		{workload.Stages{{To: 5, Over: 1}}, "does not say from which rate"},
		{workload.Stages{{From: 5, Over: 1}, {From: -1, Over: 1}}, "stage 2 from -1 to 0 requests/s"},
		{workload.Stages{{From: math.Inf(1), Over: 1}}, "give rates from 0 to 1e+06"},
	} {
		_, err := g.Probe(t.Context(), loadgen.Load{Workload: loadgen.Workload{Stages: tt.stages}}, nil)
		assert.ErrorContains(t, err, tt.says)
	}
	_, err = g.Probe(t.Context(), loadgen.Load{Concurrency: 1, Workload: loadgen.Workload{Stages: soak}}, nil)
	assert.ErrorContains(t, err, "Stages, which are rates")
}
