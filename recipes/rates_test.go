package recipes_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestRateRefused: rates, ranges and arrivals that make no sense are refused before anything
// is sent.
func TestRateRefused(t *testing.T) {
	search := named(t, "max-request-rate-under-sla")
	ttft := new(200.0)
	for _, tt := range []struct {
		why    string
		recipe *recipes.Recipe
		spec   recipes.Spec
		want   string
	}{
		{"no limit", search, recipes.Spec{}, "requires at least one SLA"},
		{"upside down", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: ttft, Rate: [2]float64{9, 3}}}, "9 is not below 3"},
		{"above the default", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: ttft, Rate: [2]float64{2000, 0}}}, "2000 is not below 1000"},
		{"negative", search, recipes.Spec{Inputs: recipes.Inputs{TTFT: ttft, Rate: [2]float64{-1, 3}}}, "-1 to 3 requests/s cannot be"},
		{"out of reach", search, recipes.Spec{LeastRate: 12.5, Inputs: recipes.Inputs{TTFT: ttft, Rate: [2]float64{1, 8}}},
			"cannot reach AtLeast(12.5): the search's range ends at 8"},
		{"a fixed rate of nothing", recipes.FixedRate(0), recipes.Spec{}, "cannot measure 0 requests a second"},
		{"a negative rate", recipes.FixedRate(-2), recipes.Spec{}, "cannot measure -2 requests a second"},
		{"another process", recipes.FixedRate(2), recipes.Spec{Workload: loadgen.Load{Arrival: "bursty"}}, `"bursty" is unknown`},
		{"a cap without a rate", recipes.Fixed(2), recipes.Spec{Workload: loadgen.Load{MostInFlight: 4}}, "the load has no rate"},
		{"a negative cap", recipes.FixedRate(2), recipes.Spec{Workload: loadgen.Load{MostInFlight: -4}}, "-4 is negative"},
		{"no schedule", named(t, "soak"), recipes.Spec{}, "requires Workload: the times of the requests"},
		{"a schedule without a rate", recipes.Fixed(2), recipes.Spec{Workload: loadgen.Load{Workload: soaking}}, `use recipe "soak"`},
		{"no shape", recipes.FixedRate(2), recipes.Spec{Workload: loadgen.Load{Arrival: "gamma:0"}}, `"gamma:0" is unknown`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.spec.Prober = untouched{t}
			out, err := recipes.Run(t.Context(), tt.recipe, tt.spec)
			require.ErrorAs(t, err, new(*recipes.InputError))
			assert.ErrorContains(t, err, tt.want)
			assert.Nil(t, out)
		})
	}
}

// soaking ramps up for ten seconds and stays for another ten.
var soaking = loadgen.Workload{Stages: workload.Stages{{From: 10, To: 30, Over: 10 * time.Second}, {Over: 10 * time.Second}}}

// TestSoak: a schedule of rates is sent whole at the mean that it has, or at the one that is
// asked for, and says how each of its stages went.
func TestSoak(t *testing.T) {
	for _, tt := range []struct {
		name     string
		recipe   *recipes.Recipe
		load     loadgen.Load
		rate     float64
		requests float64
	}{
		{"as it stands", named(t, "soak"), loadgen.Load{Workload: soaking, Arrival: "constant"}, 25, 500},
		{"in proportion", recipes.FixedRate(5), loadgen.Load{Workload: soaking, Arrival: "constant"}, 5, 100},
		{"by chance", named(t, "soak"), loadgen.Load{Workload: soaking}, 25, 500},
		{"cut", named(t, "soak"), loadgen.Load{Workload: soaking, Requests: 50}, 25, 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := simserver.NewInMemory(simserver.Model{})
				defer srv.Close()
				tt.load.ISL, tt.load.OSL = 20, 2
				out, err := recipes.Run(t.Context(), tt.recipe, recipes.Spec{
					Target: loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)}, Workload: tt.load})
				require.NoError(t, err)
				assert.Equal(t, recipes.Met, out.Verdict, "%v", out.Warnings)
				p := out.Probes[0]
				assert.Equal(t, tt.rate, p.Load.Rate)
				slack := 0.0
				if p.Load.Arrival == "poisson" && tt.load.Requests == 0 {
					slack = 5 * math.Sqrt(tt.requests)
				}
				assert.InDelta(t, tt.requests, p.Requests(), slack)
				require.Len(t, p.Trials[0].Stages, 2)
				if tt.load.Requests == 0 {
					assert.InDelta(t, 20, p.Trials[0].Window.Seconds(), slack/100)
				}
			})
		})
	}
}

// TestFixedRate: a fixed rate is sent as a Poisson process unless another is asked for, and
// AtLeast is in requests a second.
func TestFixedRate(t *testing.T) {
	for _, tt := range []struct {
		arrival string
		least   float64
		want    string
	}{
		{"", 12.5, "poisson"}, {"constant", 0, "constant"}, {"gamma:4", 12.5, "gamma:4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(simserver.Model{Step: time.Millisecond})
			ctx, cancel := context.WithCancel(t.Context())
			out, err := recipes.Run(ctx, recipes.FixedRate(12.5), recipes.Spec{
				Target:    loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
				Workload:  loadgen.Load{ISL: 20, OSL: 2, Arrival: tt.arrival, Seed: 4, Window: 10 * time.Minute},
				LeastRate: tt.least, Inputs: recipes.Inputs{TTFT: new(500.0)},
			})
			cancel()
			srv.Close()
			require.NoError(t, err)
			assert.Equal(t, recipes.Met, out.Verdict)
			assert.Equal(t, 12.5, out.Best.Rate())
			assert.Zero(t, out.Best.Concurrency())
			assert.Equal(t, tt.want, out.Spec.Workload.Arrival)
			assert.Equal(t, 1000, out.Probes[0].Load.Requests, "arrivals in bursts ask for more requests than 300")
			assert.Equal(t, tt.least, out.Least())
		})
	}
	assert.Equal(t, "fixed-rate-12-5", recipes.FixedRate(12.5).Name)
	assert.NoError(t, recipes.Validate(recipes.FixedRate(0.25)))
}

// TestRateGrid: style grid measures log-spaced rates and says where the limits break.
func TestRateGrid(t *testing.T) {
	out := single(t, named(t, "max-request-rate-under-sla"), recipes.Inputs{E2E: new(1000.0), Style: recipes.Grid,
		Rate: [2]float64{20, 80}, Steps: new(3)})
	var rates []float64
	for _, p := range out.Probes {
		rates = append(rates, p.Load.Rate)
	}
	assert.Equal(t, []float64{20, 40, 80}, rates)
	b, ok := out.Breach()
	require.True(t, ok)
	assert.Equal(t, []float64{40, 80}, []float64{b.MaxPassing, b.FirstFailing}, "50 requests a second are served")
}
