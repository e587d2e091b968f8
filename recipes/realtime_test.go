// These tests hold real times against the truth. The race run has the same code in
// virtual time: TestBoundaryVirtual and TestRecipesVirtual.

package recipes_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestRecipesHTTP runs each recipe over HTTP against a simulated server that is
// simple enough for its numbers to be written down, and holds what the recipe
// derives to them within 5 %: here over sockets, client and server sharing the
// machine with whatever else it does.
func TestRecipesHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	for _, c := range modelled {
		t.Run(c.recipe, func(t *testing.T) {
			c.check(t, func(m simserver.Model) (*simserver.Server, dialFunc) { return simserver.New(m), nil })
		})
	}
}

// TestSequentialHTTP: over real sockets, style sequential answers within 10 % of
// the truth, in at most half the wall-clock time that smooth_isotonic with full
// probes takes in the same run. One model and probes of 100 requests by default; five
// with every default with AIPERF_COMPARE=all, which takes eight minutes.
func TestSequentialHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	requests := 100
	if os.Getenv("AIPERF_COMPARE") == "all" {
		requests = 0
	}
	for _, s := range ttftScenarios() {
		if s.Name == "slow-decode" || s.Name != "large" && os.Getenv("AIPERF_COMPARE") != "all" {
			continue // see TestBoundaryHTTP
		}
		t.Run(s.Name, func(t *testing.T) {
			srv := simserver.New(s.Model)
			defer srv.Close()
			fast := searchScenario(t.Context(), t, s, srv, nil, requests, false, recipes.Inputs{Style: recipes.Sequential})
			whole := searchScenario(t.Context(), t, s, srv, nil, requests, true, recipes.Inputs{Style: recipes.SmoothIsotonic})
			assert.Equal(t, recipes.Met, fast.Verdict)
			assert.InEpsilon(t, s.Boundary, fast.Best.Concurrency(), 0.10)
			ratio := fast.Wall.Seconds() / whole.Wall.Seconds()
			t.Logf("%s, truth %d: sequential %d in %.1fs, smooth_isotonic %d in %.1fs, ratio %.2f", s.Name, s.Boundary,
				fast.Best.Concurrency(), fast.Wall.Seconds(), whole.Best.Concurrency(), whole.Wall.Seconds(), ratio)
			assert.LessOrEqual(t, ratio, 0.5)
			for _, o := range []*recipes.Outcome{fast, whole} {
				measuring, ramps := o.Spent()
				t.Logf("%.1fs: %.1fs measuring, %.1fs ramps, %.1f%% dead", o.Wall.Seconds(), measuring.Seconds(), ramps.Seconds(),
					100*(1-(measuring+ramps).Seconds()/o.Wall.Seconds()))
				assert.LessOrEqual(t, o.Wall, time.Duration(1.15*float64(measuring))+ramps, "dead time")
			}
		})
	}
}

// TestBoundaryHTTP: over real sockets, client and server sharing the machine,
// each answer is within 10 % of the truth, in one run each. Two of
// five models by default, so that go test ./... stays quick; all with
// AIPERF_TRUTH=all.
func TestBoundaryHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	all := os.Getenv("AIPERF_TRUTH") == "all"
	for _, s := range ttftScenarios() {
		if !all && s.Name != "chat" && s.Name != "large" {
			continue
		}
		if s.Name == "slow-decode" {
			// Its TTFT is two steps less the client's turnaround, which over
			// HTTP is not the truth's 0.3 ms: held in virtual time only.
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			srv := simserver.New(s.Model)
			defer srv.Close()
			// A user who knows the server's size says so: the lowest levels are
			// the slowest to measure.
			lo, hi := max(4, s.Boundary/4), 4*s.Boundary
			requests := 120
			if s.Boundary < 10 {
				requests = 300 // a tenth of it is less than one: only the exact answer will do
			}
			out := searchScenario(t.Context(), t, s, srv, nil, requests, false, recipes.Inputs{Concurrency: recipes.Bounds{Min: &lo, Max: &hi}})
			assert.Equal(t, recipes.Met, out.Verdict)
			assert.InEpsilon(t, s.Boundary, out.Best.Concurrency(), 0.10)
		})
	}
}
