package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// wayward is a prober of an endpoint that is lost now and then.
type wayward struct {
	lost    []bool        // for each probe, whether the endpoint is lost; the rest are measured
	back    time.Duration // how long it takes to come back; negative: it does not
	context int           // of the model
	fails   string        // with what every request is refused
	probes  int
}

func (w *wayward) Ready(ctx context.Context) error {
	if w.back < 0 {
		return &loadgen.UnreachableError{URL: "http://x", Err: errors.New("not ready")}
	}
	time.Sleep(w.back)
	return ctx.Err()
}

func (w *wayward) Server() loadgen.Server { return loadgen.Server{Model: "m", Context: w.context} }

func (w *wayward) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	w.probes++
	if w.probes <= len(w.lost) && w.lost[w.probes-1] {
		return nil, &loadgen.UnreachableError{URL: "http://x", Err: errors.New("connection refused")}
	}
	one := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagCompleted: one(10), loadgen.TagErrors: one(0)}}
	if w.fails != "" {
		m.Metrics[loadgen.TagErrors] = one(10)
		m.Failures = []loadgen.FailureCount{{Count: 10, Failure: loadgen.Failure{Kind: loadgen.FailedStatus, Status: 400, Message: w.fails}}}
	}
	return m, nil
}

// TestLostEndpoint checks that a probe is repeated once its endpoint is back, within the time
// of getting ready, and that one which does not come back ends the run.
func TestLostEndpoint(t *testing.T) {
	for _, tt := range []struct {
		why    string
		lost   []bool
		back   time.Duration
		probes int
		ends   bool
	}{
		{"lost once", []bool{true}, 10 * time.Second, 2, false},
		{"lost three times in a row", []bool{true, true, true}, 10 * time.Second, 4, false},
		{"lost and never back", []bool{true}, -1, 1, true},
		{"lost for longer than Ready allows", []bool{true, true, true, true, true}, 50 * time.Second, 4, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wayward{lost: tt.lost}
				began := time.Now()
				spec := recipes.Spec{Prober: w, Workload: loadgen.Load{Concurrency: 2}}
				spec.Observe = func(*recipes.Outcome) error { w.back = tt.back; return nil } // it is ready at first
				out, err := recipes.Run(t.Context(), recipes.Fixed(2), spec)
				assert.Equal(t, tt.probes, w.probes)
				if tt.ends {
					assert.ErrorAs(t, err, new(*loadgen.UnreachableError))
					assert.Less(t, time.Since(began), 4*time.Minute)
					return
				}
				require.NoError(t, err)
				assert.Len(t, out.Probes, 1)
				assert.ErrorContains(t, out.Warnings[0], "repeated a probe that could not be measured")
			})
		})
	}
}

// TestFits checks that lengths which the model's context cannot hold are refused before any
// load, with the inputs that set them, and that a server's refusal of a length is explained.
func TestFits(t *testing.T) {
	pareto, err := recipes.Lookup("pareto-sweep")
	require.NoError(t, err)
	prefill, err := recipes.Lookup("prefill-ttft-curve")
	require.NoError(t, err)
	for _, tt := range []struct {
		why     string
		recipe  *recipes.Recipe
		load    loadgen.Load
		inputs  recipes.Inputs
		context int
		fails   string
		says    string // empty if nothing is refused
	}{
		{"it fits", recipes.Fixed(2), loadgen.Load{ISL: 100, OSL: 28}, recipes.Inputs{}, 128, "", ""},
		{"nothing is known", recipes.Fixed(2), loadgen.Load{ISL: 1e6, OSL: 28}, recipes.Inputs{}, 0, "", ""},
		{"a token too many", recipes.Fixed(2), loadgen.Load{ISL: 100, OSL: 29}, recipes.Inputs{}, 128, "", "lengths with Tokens"},
		{"a swept length", prefill, loadgen.Load{}, recipes.Inputs{}, 2048, "", "shorter lengths with ISL, Tokens"},
		{"pairs", pareto, loadgen.Load{}, recipes.Inputs{Pairs: new("128/128,4096/128"), ConcurrencyList: []int{1, 2}}, 2048, "",
			"answers of 128: the context of model m holds 2048 tokens"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			w := &wayward{context: tt.context, fails: tt.fails}
			_, err := recipes.Run(t.Context(), tt.recipe, recipes.Spec{Prober: w, Workload: tt.load, Inputs: tt.inputs})
			if tt.says == "" {
				require.NoError(t, err)
				assert.Positive(t, w.probes)
				return
			}
			assert.ErrorAs(t, err, new(*recipes.InputError))
			assert.ErrorContains(t, err, tt.says)
			assert.Zero(t, w.probes)
		})
	}
	w := &wayward{fails: "This model's maximum context length is 128 tokens"}
	out, _ := recipes.Run(t.Context(), recipes.Fixed(2), recipes.Spec{Prober: w, Workload: loadgen.Load{ISL: 100, OSL: 40}})
	require.NotNil(t, out)
	var in *recipes.InputError
	for _, warning := range out.Warnings {
		if errors.As(warning, &in) {
			assert.ErrorContains(t, warning, `a prompt of 100 tokens and an answer of 40 was accepted: the server says "This model's maximum`)
		}
	}
	assert.NotNil(t, in)
}
