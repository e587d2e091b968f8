package recipes

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// TestTokenless checks which recipes can be asked of an API without tokens, and what the
// others say.
func TestTokenless(t *testing.T) {
	ms := func(v float64) *float64 { return &v }
	limit := func(text string) []sla.Limit {
		l, err := sla.ParseLimit(text)
		require.NoError(t, err)
		return []sla.Limit{l}
	}
	pairs := "64/8,128/8"
	for _, tt := range []struct {
		recipe *Recipe
		in     Inputs
		says   string // empty if it can be asked
	}{
		{maxRequestRate, Inputs{E2E: ms(50)}, ""},
		{maxRequestRate, Inputs{E2E: ms(50), Style: Grid}, ""},
		{maxConcurrency, Inputs{E2E: ms(50)}, ""},
		{maxConcurrency, Inputs{Limits: limit("usage_prompt_tokens p99 < 100")}, ""},
		{maxGoodput, Inputs{E2E: ms(50)}, ""},
		{maxGoodputRate, Inputs{E2E: ms(50)}, ""},
		{concurrencyRamp, Inputs{}, ""},
		{Fixed(4), Inputs{}, ""},
		{FixedRate(4), Inputs{Limits: limit("e2e p95 < 50ms")}, ""},
		{maxThroughputTTFT, Inputs{TTFT: ms(50)}, "embeddings has no tokens to count a TTFT of; use max-request-rate-under-sla"},
		{maxThroughputITL, Inputs{ITL: ms(50)}, "embeddings has no tokens to count an ITL of"},
		{maxConcurrency, Inputs{TTFT: ms(50)}, "embeddings has no tokens to count a TTFT of"},
		{maxConcurrency, Inputs{E2E: ms(50), Limits: limit("throughput > 5 tok/s")}, "embeddings has no tokens to count an output throughput of"},
		{maxConcurrency, Inputs{E2E: ms(50), SLO: map[loadgen.Tag]float64{loadgen.TagOSL: 5}}, "embeddings has no tokens to count an osl of"},
		{maxGoodput, Inputs{TTFT: ms(50), E2E: ms(50)}, "embeddings has no tokens to count a TTFT of"},
		{prefillCurve, Inputs{}, "embeddings has no tokens to count a TTFT of"},
		{decodeCurve, Inputs{}, "embeddings has no tokens to count an ITL of"},
		{paretoSweep, Inputs{Pairs: &pairs}, "embeddings has no tokens to count a TTFT of"},
		{concurrencyRamp, Inputs{DegradationMetric: "ttft"}, "embeddings has no tokens to count a TTFT of"},
		{Sweep(Axis{Path: PathConcurrency, Values: []float64{1}}, Axis{Path: PathOSL, Values: []float64{8, 16}}), Inputs{},
			"cannot be asked of embeddings: its answers have no length to sweep"},
	} {
		for _, protocol := range []string{"embeddings", "chat"} {
			_, err := prepare(tt.recipe, Spec{Target: loadgen.Target{URL: "http://h", Protocol: protocol}, Inputs: tt.in})
			if tt.says == "" || protocol == "chat" {
				assert.NoError(t, err, tt.recipe.Name)
				continue
			}
			in := (*InputError)(nil)
			require.ErrorAs(t, err, &in, tt.recipe.Name)
			assert.ErrorContains(t, err, tt.says)
			assert.Equal(t, tt.recipe.Name, in.Recipe)
		}
	}
	r, err := prepare(maxRequestRate, Spec{Target: loadgen.Target{URL: "http://h/v1/rerank"}, Inputs: Inputs{E2E: ms(50)}})
	require.NoError(t, err)
	assert.Equal(t, loadgen.TagReqRate, r.out.Plan.Search.Objectives[0].Metric, "ranked by what there is")
	assert.True(t, r.out.Spec.Target.NoStream)
	assert.Equal(t, 1, r.out.Spec.Workload.OSL)
	_, err = prepare(maxThroughputTTFT, Spec{Target: loadgen.Target{Protocol: "embeddings"}, Prober: queueing{}, Inputs: Inputs{TTFT: ms(50)}})
	assert.NoError(t, err, "a prober of one's own may know better")
}

// queueing is a prober with a metric of its own: the time in a queue, which grows with the
// number of requests in flight. Each request carries it, and the measurement a depth.
type queueing struct{}

func (queueing) Probe(_ context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Window: time.Second, Metrics: map[loadgen.Tag]loadgen.Metric{
		"queue_depth":        {Unit: "requests", Stats: map[string]float64{"avg": float64(l.Concurrency) / 2}},
		loadgen.TagCompleted: {Stats: map[string]float64{"avg": float64(l.Requests)}},
		loadgen.TagInFlight:  {Stats: map[string]float64{"avg": float64(l.Concurrency)}},
	}}
	for i := range l.Requests {
		q := loadgen.Request{
			Index: i, ISL: 8, OSL: 8, End: time.Second,
			Values: map[loadgen.Tag]float64{"test_queue_time": float64(l.Concurrency) + float64(i%10)/10},
		}
		m.Requests = append(m.Requests, q)
		if d != nil && d.Seen(q) {
			m.Ended = loadgen.EndedDecided
			break
		}
	}
	return m, nil
}

// TestOwnMetric checks that a search finds the end of a limit on a metric of one's own: one
// that requests carry, and one that only the measurement has.
func TestOwnMetric(t *testing.T) {
	require.NoError(t, loadgen.MetricInfo{Tag: "test_queue_time", Unit: "ms", PerRequest: true}.Register())
	byText, err := sla.ParseLimit("test_queue_time p50 < 0.02095s")
	require.NoError(t, err)
	for _, tt := range []struct {
		limit sla.Limit
		safe  int
	}{
		{byText, 20}, // at 20, it is 20.0 to 20.9 ms
		{sla.Limit{Metric: "queue_depth", Stat: "avg", Op: sla.LE, Threshold: 16}, 32},
	} {
		lo, hi := 1, 100
		out, err := Run(t.Context(), maxConcurrency, Spec{Prober: queueing{}, Inputs: Inputs{
			Limits: []sla.Limit{tt.limit}, Style: Monotonic, Concurrency: Bounds{&lo, &hi},
		}})
		require.NoError(t, err, tt.limit)
		assert.Equal(t, Met, out.Verdict, tt.limit)
		assert.Equal(t, tt.safe, out.Best.Concurrency(), tt.limit)
	}
}
