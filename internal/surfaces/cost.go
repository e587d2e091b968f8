package surfaces

import (
	"context"
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Cost is how searches at request level did, and what they cost.
type Cost struct {
	Figures
	Requests     float64 // a search
	Inconclusive float64 // share of the searches
}

// ProbeRequests is how many requests a probe asks for; it takes two a slot at least.
const ProbeRequests = 1000

// RunRequests searches the surfaces at request level in style sequential, through
// recipes.Run: decider, decision and planner together. It returns the costs by group,
// and by the surface's name. If full, no probe is ended early.
func RunRequests(all []Surface, seeds int, blocks, full bool, group func(Surface) string) (map[string]Cost, error) {
	scores, cost := map[string][]Score{}, map[string]Cost{}
	for _, s := range all {
		for seed := range seeds {
			server := &Server{Surface: s, Blocks: blocks, RNG: RNG(s.Name, seed, "requests "+Kind(blocks))}
			out, err := recipes.Run(context.Background(), s.Recipe(), recipes.Spec{
				Prober: server, Workload: loadgen.Load{Requests: ProbeRequests, Seed: uint64(seed)}, FullProbes: full,
			})
			if err != nil {
				return nil, fmt.Errorf("%s, seed %d: %w", s.Name, seed, err)
			}
			var h []plan.Observation
			for _, p := range out.Probes {
				h = append(h, p.Observed)
			}
			for _, g := range []string{group(s), s.Name} {
				scores[g] = append(scores[g], s.ScoreOf(out.Boundary, h))
				c := cost[g]
				c.Requests += float64(server.Requests)
				if out.Verdict == recipes.Inconclusive {
					c.Inconclusive++
				}
				cost[g] = c
			}
		}
	}
	for g, c := range cost {
		n := float64(len(scores[g]))
		cost[g] = Cost{Summarise(scores[g]), c.Requests / n, c.Inconclusive / n}
	}
	return cost, nil
}

// Sizes are the groups of BySize.
var Sizes = []string{"at most 300", "above 300"}

// BySize groups surfaces by their boundary: below 300 the 1,000 requests of a probe
// count, above it the two requests a slot.
func BySize(s Surface) string {
	if s.Truth.Boundary == nil || *s.Truth.Boundary <= 300 {
		return Sizes[0]
	}
	return Sizes[1]
}

// CostHead is the head of a Markdown table of Cost.Row.
const CostHead = "| requests | boundary | probes | requests a search | mean error | violates | unsafe | inconclusive |\n" +
	"|---|---|---|---|---|---|---|---|\n"

// Row is the costs as a line of a Markdown table.
func (c Cost) Row(kind, group string) string {
	return fmt.Sprintf("| %s | %s | %.2f | %.0f | %.2f%% | %.1f%% | %.1f%% | %.1f%% |\n", kind, group,
		c.Probes, c.Requests, 100*c.Error, 100*c.Violates, 100*c.Unsafe, 100*c.Inconclusive)
}

// CheckCost returns an error if searches on the 14 public surfaces with a boundary of
// at most 300 took more than 7,500 requests on average. It was 4,200 before a search saw its
// answer again at three other times, each with the 1,000 requests of a whole probe.
func CheckCost(by map[string]Cost) error {
	if n := by[Sizes[0]].Requests; n > 7500 {
		return fmt.Errorf("%v requests a search with a boundary %s, more than 7,500", n, Sizes[0])
	}
	return nil
}
