package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
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
			loadgen.TagTTFT:      {Unit: "ms", Stats: map[string]float64{"p50": p.ttft, "p95": p.ttft}, SE: map[string]float64{"p95": 0.001}},
			loadgen.TagTokenRate: one(1), loadgen.TagErrorRate: one(0), loadgen.TagCompleted: one(300), loadgen.TagErrors: one(0),
		}}, nil
}

// Wait lets no time pass: the numbers are the same at all times.
func (p *tired) Wait(context.Context, time.Duration) bool { return true }

// TestClientBound: lateness makes a latency larger. A limit is judged when the latency
// stays on its side of it with the lag added or taken away, whatever the client did.
func TestClientBound(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		why         string
		limit, ttft float64 // of p95, ms
		send, beat  time.Duration
		want        recipes.Verdict
	}{
		{"healthy", 50, 25, ms, 2 * ms, recipes.Met},
		{"5 ms are allowed, however near the limit", 50, 48, 5 * ms, 5 * ms, recipes.Met},
		{"sends are late, and the headroom is 2 ms", 50, 48, 6 * ms, 0, recipes.Inconclusive},
		{"sends are on time, and what comes is read late", 50, 48, 0, 6 * ms, recipes.Inconclusive},
		{"it may be the lag that breaks the limit", 50, 55, 0, 6 * ms, recipes.Inconclusive},
		{"the headroom is beyond the lag", 50, 25, 0, 6 * ms, recipes.Met},
		{"and so is the excess", 50, 100, 6 * ms, 6 * ms, recipes.Missed},
		{"a loose limit allows 5% of it", 400, 390, 20 * ms, 20 * ms, recipes.Met},
		{"and no more", 400, 390, 0, 21 * ms, recipes.Inconclusive},
		{"667 ms with 22 ms of lag: met", 700, 667, 0, 22 * ms, recipes.Met},
		{"667 ms with 22 ms of lag: missed", 400, 667, 0, 22 * ms, recipes.Missed},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, err := recipes.Run(t.Context(), maxConcurrency(t), recipes.Spec{
					Prober: &tired{ttft: tt.ttft, health: loadgen.Health{SendLagP99: tt.send, BeatLagP99: tt.beat, CPU: 0.02}},
					Inputs: recipes.Inputs{TTFT: &tt.limit, Style: recipes.Monotonic},
				})
				require.NoError(t, err)
				told := ""
				for _, w := range o.Warnings {
					if bound := (*recipes.ClientBoundError)(nil); errors.As(w, &bound) {
						told = w.Error()
					}
				}
				assert.Equal(t, tt.want, o.Verdict)
				if tt.want == recipes.Inconclusive {
					assert.Contains(t, told, "the machine was busy: this process used 2% of the CPU")
					assert.NotContains(t, told, "lower the load", "which would not help")
				} else {
					assert.Empty(t, told)
				}
			})
		})
	}
}

// TestClientBoundWorker: of several workers, the message names the one that was late and says how
// many would do.
func TestClientBoundWorker(t *testing.T) {
	limit := 50.0
	o, err := recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{
		Prober: &tired{ttft: 48, health: loadgen.Health{BeatLagP99: 6 * time.Millisecond, CPU: 0.9, Worker: "worker p3 (node7)", Workers: 4}},
		Inputs: recipes.Inputs{TTFT: &limit},
	})
	require.NoError(t, err)
	assert.ErrorContains(t, errors.Join(o.Warnings...), "the client was late at concurrency 4: goroutines woke 6ms late (p99, allowed 5ms) "+
		"and the limit is nearer than that; worker p3 (node7) was the latest of 4, which used up to 90% of their CPU; "+
		"use 8 workers, or ones with more cores")
}

// TestLagAndOtherLimits: error rates and throughput do not care for a late wake-up, and a
// load without limits is judged by its own latency.
func TestLagAndOtherLimits(t *testing.T) {
	for _, tt := range []struct {
		why  string
		slas []string
		ttft float64
		want recipes.Verdict
	}{
		{"an error rate", []string{"errors <= 1%"}, 10, recipes.Met},
		{"a throughput", []string{"output_token_throughput > 0.5 tok/s"}, 10, recipes.Met},
		{"no limit, and 6 ms beside 667 are nothing", nil, 667, recipes.Met},
		{"no limit, and 6 ms beside 20 are much", nil, 20, recipes.Inconclusive},
	} {
		var limits []sla.Limit
		for _, text := range tt.slas {
			l, err := sla.ParseLimit(text)
			require.NoError(t, err)
			limits = append(limits, l)
		}
		o, err := recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{
			Prober: &tired{ttft: tt.ttft, health: loadgen.Health{BeatLagP99: 6 * time.Millisecond}},
			Inputs: recipes.Inputs{Limits: limits},
		})
		require.NoError(t, err)
		assert.Equal(t, tt.want, o.Verdict, tt.why)
	}
}

// recovering is tired at its first so many probes of a concurrency, and rested after them.
type recovering struct {
	tired
	at, times int
}

func (p *recovering) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	q := p.tired
	if l.Concurrency != p.at || p.times == 0 {
		q.health = loadgen.Health{}
	} else {
		p.times--
	}
	return q.Probe(ctx, l, d)
}

// TestSweepTakesUntrustedAgain: a fixed load and a sweep take an untrusted point once more,
// and a sweep that has one for good keeps the others.
func TestSweepTakesUntrustedAgain(t *testing.T) {
	limit := 50.0
	for _, tt := range []struct {
		why    string
		recipe *recipes.Recipe
		times  int
		want   recipes.Verdict
		probes int
	}{
		{"a fixed load that recovers", recipes.Fixed(8), 1, recipes.Met, 2},
		{"a fixed load that does not", recipes.Fixed(8), 9, recipes.Inconclusive, 2},
		{"a sweep that recovers", nil, 1, recipes.Met, 1 + 2*3},
		{"a sweep that does not keeps the others", nil, 9, recipes.Inconclusive, 2*1 + 2*3}, // once more in each pass
	} {
		in := recipes.Inputs{TTFT: &limit}
		r := tt.recipe
		if r == nil {
			r = maxConcurrency(t)
			in.Style, in.Concurrency, in.Steps = recipes.Grid, between(1, 64), new(3)
		}
		o, err := recipes.Run(t.Context(), r, recipes.Spec{Inputs: in, Prober: &recovering{
			tired: tired{ttft: 48, health: loadgen.Health{BeatLagP99: 9 * time.Millisecond}}, at: 8, times: tt.times}})
		require.NoError(t, err)
		assert.Equal(t, tt.want, o.Verdict, tt.why)
		assert.Len(t, o.Probes, tt.probes, tt.why)
		if tt.recipe == nil && tt.times > 1 {
			assert.Len(t, make([]int, o.Sweep().Metadata.Size), 2, tt.why)
		}
	}
}

// TestCurveTakesUntrustedAgain: the recipes that measure a list of points take the one that
// cannot be trusted once more, and derive their result from the others where that does not help.
func TestCurveTakesUntrustedAgain(t *testing.T) {
	for name, points := range map[string]int{"concurrency-ramp": 8, "prefill-ttft-curve": 8, "decode-itl-curve": 24, "pareto-sweep": 10} {
		for _, times := range []int{1, 9} {
			in := recipes.Inputs{}
			if name == "pareto-sweep" {
				in.Pairs = new("64/8,32/8")
			}
			o, err := recipes.Run(t.Context(), named(t, name), recipes.Spec{Inputs: in, Prober: &interrupted{nth: 2, times: times}})
			require.NoError(t, err)
			assert.Len(t, o.Probes, points+1, name)
			assert.Equal(t, o.Probes[1].Step.At, o.Probes[2].Step.At, name)
			assert.NotNil(t, o.Result, name)
			if times == 1 {
				assert.Equal(t, recipes.Met, o.Verdict, name)
				assert.Equal(t, points, o.Sweep().Metadata.Size, name)
			} else {
				assert.Equal(t, recipes.Inconclusive, o.Verdict, name)
				assert.Equal(t, points-1, o.Sweep().Metadata.Size, "%s keeps the others", name)
			}
		}
	}
}

// interrupted is a host whose client is late from the nth probe on, so many times, as long as the
// load stays that one.
type interrupted struct {
	host
	nth, times int
	probes     int
	load       loadgen.Load
}

func (p *interrupted) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := p.host.Probe(ctx, l, d)
	if p.probes++; p.probes == p.nth {
		p.load = l
	}
	same := l.Concurrency == p.load.Concurrency && l.ISL == p.load.ISL && l.OSL == p.load.OSL
	if p.probes >= p.nth && same && p.times > 0 {
		p.times--
		m.Health.BeatLagP99 = time.Second
	}
	return m, err
}

// TestUndecidedAgain: a fixed load whose verdict is open is measured once more, twice as long, as
// a point of a search is; one whose verdict is certain is not.
func TestUndecidedAgain(t *testing.T) {
	for mid, requests := range map[float64][]int{99.7: {300, 600}, 50: {300}} { // of the TTFT; p95 is 1.18 of it
		o, err := ask(t, recipes.Fixed(8), &host{ttft: func(int, int) float64 { return mid }},
			recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, "ttft p95 < 118ms")}})
		require.NoError(t, err)
		var got []int
		for i := range o.Probes {
			got = append(got, o.Probes[i].Requests())
		}
		assert.Equal(t, requests, got)
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

// TestVerdictTakesTime: where a verdict rests on one visit of a load, it lasts ten seconds at least,
// unless its size was said. What is seen at other times, and what has no verdict, lasts as long as
// its requests.
func TestVerdictTakesTime(t *testing.T) {
	limit := 50.0
	in := recipes.Inputs{TTFT: &limit}
	slow, err := sla.ParseLimit("ttft p95 < 10s")
	require.NoError(t, err)
	grid := in
	grid.Style, grid.Concurrency, grid.Steps = recipes.Grid, between(1, 64), new(3)
	for _, tt := range []struct {
		why    string
		recipe *recipes.Recipe
		spec   recipes.Spec
		want   time.Duration
	}{
		{"a fixed load", recipes.Fixed(8), recipes.Spec{Inputs: in}, 10 * time.Second},
		{"a ramp with a limit", named(t, "concurrency-ramp"), recipes.Spec{Inputs: recipes.Inputs{Limits: []sla.Limit{slow}}}, 10 * time.Second},
		{"its size was said", recipes.Fixed(8), recipes.Spec{Inputs: in, Workload: loadgen.Load{Requests: 300}}, 0},
		{"it is to be shorter", recipes.Fixed(8), recipes.Spec{Inputs: in, Workload: loadgen.Load{Window: 3 * time.Second}}, 0},
		{"it may be longer", recipes.Fixed(8), recipes.Spec{Inputs: in, Workload: loadgen.Load{Window: time.Hour}}, 10 * time.Second},
		{"it is repeated", recipes.Fixed(8), recipes.Spec{Inputs: in, Trials: 3}, 0},
		{"no limit", recipes.Fixed(8), recipes.Spec{}, 0},
		{"a grid in two passes", maxConcurrency(t), recipes.Spec{Inputs: grid}, 0},
		{"a search", maxConcurrency(t), recipes.Spec{Inputs: in}, 0},
	} {
		p := &formula{}
		tt.spec.Prober = p
		_, err := recipes.Run(t.Context(), tt.recipe, tt.spec)
		require.NoError(t, err, tt.why)
		require.NotEmpty(t, p.loads)
		for _, l := range p.loads {
			assert.Equal(t, tt.want, l.Least, tt.why)
		}
	}
}
