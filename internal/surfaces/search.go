package surfaces

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Observe turns the metrics v of one probe into what a planner sees: margins
// without certainties, and without standard errors. If exact, the probe had no
// noise and says so with a standard error of zero.
func (s Surface) Observe(at []float64, v map[string]float64, exact bool) plan.Observation {
	se := math.NaN()
	if exact {
		se = 0
	}
	o := plan.Observation{At: slices.Clone(at)}
	for _, f := range s.Filters {
		value, ok := v[f.Key()]
		l := plan.Margin{Estimate: plan.Estimate{Value: math.NaN(), SE: se}, Pass: math.NaN()}
		if ok && !math.IsNaN(value) {
			l.Value = f.Margin(value)
		}
		o.Margins = append(o.Margins, l)
	}
	o.Goals = []plan.Estimate{{Value: v[s.Objective.Metric+"."+s.Objective.Stat], SE: se}}
	return o
}

// Problem is the search of a recipe over the surface's concurrencies.
func (s Surface) Problem(budget int, seed uint64) plan.Problem {
	return plan.Problem{
		Dims:   []plan.Dim{{Path: "phases.profiling.concurrency", Lo: float64(s.Lo), Hi: float64(s.Hi), Int: true, Log: true}},
		Goals:  []plan.Goal{{Maximize: !strings.EqualFold(s.Objective.Direction, "minimize"), Reference: math.NaN()}},
		Budget: budget, Seed: seed, Baseline: math.NaN(), Floor: math.NaN(),
	}
}

// maxSteps is beyond every planner's budget and confirmations. A search that
// reaches it does not end.
const maxSteps = 400

// Search lets the planner ask probe until it is done, and returns the history and the
// reason that the planner gives. It is an error to leave the bounds, or not to end.
func Search(planner plan.Planner, p plan.Problem, probe func(plan.Step) plan.Observation) ([]plan.Observation, string, error) {
	var h []plan.Observation
	for range maxSteps {
		step := planner.Next(p, h)
		if step.Done {
			return h, step.Reason, nil
		}
		if d := p.Dims[0]; len(step.At) != 1 || step.At[0] < d.Lo || step.At[0] > d.Hi || d.Int && step.At[0] != math.Trunc(step.At[0]) {
			return h, "", fmt.Errorf("step %d is out of bounds: %v", len(h), step.At)
		}
		o := probe(step)
		o.Asked = step
		h = append(h, o)
	}
	return h, "", errors.New("the search does not end")
}

// RNG returns a generator of its own for every surface, seed and use, so that a new
// surface or style changes no other figure.
func RNG(name string, seed int, use string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s", name, use)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(seed)))
}
