package recipes_test

import (
	"context"
	"flag"
	"math"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/internal/repeats"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

var everyCell = flag.Bool("cells", false, "search every server of TestBoundaryVirtual in both styles, and not in one each")

func maxConcurrency(t *testing.T) *recipes.Recipe {
	t.Helper()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	return r
}

// TestBoundaryVirtual: in virtual time the answer is the true boundary within
// the search's own precision, a bracket of 5%; -args -cells searches each server in both
// styles. The truth is that of the server started anew again and again, since its slots'
// phases bunch up when it runs on: the boundary of slow-decode is 49 then, and 45 in the
// long run, and its answers lie between the two (45 to 48 of twelve searches). Those of the others
// are the same.
func TestBoundaryVirtual(t *testing.T) {
	slow.Test(t, slow.Covered) // TestRecipesVirtual
	t.Parallel()
	truth := map[string]int{}
	for _, s := range boundaries.Scenarios() {
		truth[s.Name] = s.Boundary
		if s.Limit.Metric == simserver.TTFT {
			truth[s.Name] = repeats.Engine{Name: s.Name, Model: s.Model, ISL: s.ISL, OSL: s.OSL, Limit: s.Limit.Threshold}.Truth(repeats.Restarts)
		}
	}
	for i, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Sequential} {
		for j, s := range boundaries.Scenarios() {
			if (i+j)%2 == 1 && !*everyCell {
				continue
			}
			t.Run(string(style)+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := simserver.NewInMemory(s.Model)
					ctx, cancel := context.WithCancel(t.Context())
					out, err := boundaries.Search{Scenario: s, Server: srv, Dial: boundaries.Afar(srv), Requests: 300,
						Inputs: recipes.Inputs{Style: style}, Logf: t.Logf}.Run(ctx)
					cancel()
					srv.Close()
					require.NoError(t, err)
					assert.Equal(t, recipes.Met, out.Verdict)
					answer := out.Best.Concurrency()
					if s.Name == "slow-decode" {
						assert.True(t, s.Boundary <= answer && answer <= truth[s.Name], "answered %d", answer)
						return
					}
					assert.InDelta(t, truth[s.Name], answer, math.Ceil(0.05*float64(truth[s.Name])))
				})
			})
		}
	}
}
