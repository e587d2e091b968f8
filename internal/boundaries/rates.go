package boundaries

import (
	"context"
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// Rates are the five simulated servers whose highest sustainable request rate is known: the
// highest at which their TTFT limit holds for Poisson arrivals.
func Rates() []simserver.Scenario { return HTTP() }

// HighestRate computes the truth of a scenario's server, in requests a second. So many
// requests are simulated at each rate that it moves by less than 1% with the seed.
func HighestRate(s simserver.Scenario) float64 {
	a := simserver.Arrivals{ISL: s.ISL, OSL: s.OSL, Requests: 60000, Seed: 1}
	return s.Model.HighestRate(a, 1, 4000, func(t []simserver.Trace) bool { return s.Limit.Holds(t, s.OSL) })
}

// Rate is Run for max-request-rate-under-sla, or for the recipe on goodput.
func (s Search) Rate(ctx context.Context, goodput bool) (*recipes.Outcome, error) {
	if goodput {
		return s.ask(ctx, "max-goodput-rate-under-slo")
	}
	return s.ask(ctx, "max-request-rate-under-sla")
}

// nearRate is how far a found rate may be from the truth, as a share.
const nearRate = 0.05

// NearRate returns an error if the answer is not met, or more than 5% off the truth.
func NearRate(name string, truth float64, out *recipes.Outcome) error {
	if out.Verdict != recipes.Met {
		return fmt.Errorf("%s is %v", name, out.Verdict)
	}
	if got := out.Best.Rate(); math.Abs(got/truth-1) > nearRate {
		return fmt.Errorf("%s: the answer is %.1f requests/s and the truth %.1f", name, got, truth)
	}
	return nil
}
