package recipes_test

import (
	"context"
	"errors"
	"flag"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

var everyRate = flag.Int("rates", 0,
	"search the rates of all models so many `times`, with both recipes in their own styles and wide ranges, for a minute each time")

// TestHighestRate: the recipes over the request rate find the highest rate that a server
// sustains within 5%, on five models of servers, with Poisson arrivals. Without -rates it
// searches a sample of them in a narrow range.
func TestHighestRate(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	for i, s := range boundaries.Rates() {
		if i != 2 && *everyRate == 0 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			truth := boundaries.HighestRate(s)
			for _, goodput := range []bool{false, true} {
				search := boundaries.Search{Scenario: s, Logf: t.Logf, Inputs: recipes.Inputs{Rate: [2]float64{truth / 10, truth * 4}}}
				if *everyRate == 0 {
					if !goodput {
						continue
					}
					search.Requests, search.Inputs = 800, recipes.Inputs{Rate: [2]float64{truth / 2, truth * 1.5}}
				}
				for seed := range uint64(max(*everyRate, 1)) {
					search.Seed = seed
					out := searchRate(t, search, goodput)
					t.Logf("%s, goodput %t, seed %d: truth %.1f, answer %.1f, %+.1f%%, estimate %+.1f%%, %.0f s, %v", s.Name, goodput, seed, truth,
						out.Best.Rate(), 100*(out.Best.Rate()/truth-1), 100*(out.Boundary.Estimate/truth-1), out.Wall.Seconds(), out.Reason)
					assert.NoError(t, boundaries.NearRate(s.Name, truth, out))
				}
			}
		})
	}
}

// searchRate searches in virtual time.
func searchRate(t *testing.T, search boundaries.Search, goodput bool) (out *recipes.Outcome) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		search.Server = simserver.NewInMemory(search.Scenario.Model)
		search.Dial = boundaries.Afar(search.Server)
		ctx, cancel := context.WithCancel(t.Context())
		out, err = search.Rate(ctx, goodput)
		cancel()
		search.Server.Close()
		require.NoError(t, err)
	})
	return out
}

// TestOverload: a rate 20% above a server's capacity is told in less than 15 seconds, and one
// 10% below it never, even where no limit breaks for a long time.
func TestOverload(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	for i, s := range boundaries.Rates() {
		if i > 1 && *everyRate == 0 {
			break
		}
		t.Run(s.Name, func(t *testing.T) {
			capacity := capacityOf(s)
			for _, share := range []float64{0.9, 1.2, 3} {
				synctest.Test(t, func(t *testing.T) {
					srv := simserver.NewInMemory(s.Model)
					ctx, cancel := context.WithCancel(t.Context())
					out, err := recipes.Run(ctx, recipes.FixedRate(share*capacity), recipes.Spec{
						Target:   loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
						Workload: loadgen.Load{ISL: s.ISL, OSL: s.OSL, Seed: 1}, Inputs: recipes.Inputs{E2E: new(60000.0)},
					})
					cancel()
					srv.Close()
					require.NoError(t, err)
					p := out.Probes[0]
					told := false
					for _, w := range out.Warnings {
						told = told || errors.Is(w, loadgen.ErrUnstable)
					}
					t.Logf("%.2f of %.1f/s: %v after %.1f s, ended by %s, %v", share, capacity, out.Verdict, p.Wall.Seconds(), p.Trials[0].Ended,
						out.Warnings)
					assert.Equal(t, share > 1, told)
					if share > 1 {
						assert.Equal(t, recipes.Missed, out.Verdict)
						assert.Less(t, p.Wall.Seconds(), 15.0)
					} else {
						assert.Equal(t, recipes.Met, out.Verdict)
					}
				})
			}
		})
	}
}

// capacityOf is how many requests a second the scenario's server answers when so many are in
// flight that more of them change nothing.
func capacityOf(s simserver.Scenario) float64 {
	c := simserver.Clients{ISL: s.ISL, OSL: s.OSL, Concurrency: 600}
	traces := s.Model.Simulate(c)
	first, last := traces[0].Last, traces[0].Last
	for _, t := range traces {
		first, last = min(first, t.Last), max(last, t.Last)
	}
	return float64(len(traces)-1) / (last - first).Seconds()
}
