package boundaries

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
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

// Rate runs max-request-rate-under-sla, or the recipe on goodput, against the scenario's
// server under its limit, and logs each probe and the answer.
func (s Search) Rate(ctx context.Context, goodput bool) (*recipes.Outcome, error) {
	name, in := "max-request-rate-under-sla", s.Inputs
	if in.TTFT = new(float64(s.Scenario.Limit.Threshold) / float64(time.Millisecond)); goodput {
		name = "max-goodput-rate-under-slo"
	}
	recipe, err := recipes.Lookup(name)
	if err != nil {
		return nil, err
	}
	out, err := recipes.Run(ctx, recipe, recipes.Spec{
		Target:   loadgen.Target{URL: s.Server.URL, Dial: s.Dial},
		Workload: loadgen.Load{ISL: s.Scenario.ISL, OSL: s.Scenario.OSL, Requests: s.Requests, Seed: 1},
		Inputs:   in, FullProbes: s.Full,
	})
	if err != nil {
		return nil, fmt.Errorf("searching %s: %w", s.Scenario.Name, err)
	}
	for _, p := range out.Probes {
		r := p.Readings[0]
		s.Logf("%-10s %7.1f/s size %.0f: %v %7.2f, %d of %d, P(pass) %.3f, %v %.1fs (%s)", s.Scenario.Name,
			p.Step.At[0], p.Step.Size, r.Limit.Name(), r.Value, r.Exceeded, r.Of, r.Pass, p.Observed.State, p.Wall.Seconds(), p.Step.Reason)
	}
	s.Logf("%s: %v, safe %.1f, estimate %.1f, %d probes, %.1fs, %s", s.Scenario.Name, out.Verdict,
		out.Boundary.Safe, out.Boundary.Estimate, len(out.Probes), out.Wall.Seconds(), out.Reason)
	for _, w := range out.Warnings {
		s.Logf("warning: %v", w)
	}
	return out, nil
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
