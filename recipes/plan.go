package recipes

import (
	"time"

	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Plan is what a recipe expands to. Exactly one of Search, Grid and Scenarios is set.
type Plan struct {
	// Search asks a planner for each point, given what was measured so far.
	Search *Search
	// Grid is the Cartesian product of axes, of which the first varies slowest.
	Grid []Axis
	// Scenarios are named points. All have the same paths in the same order.
	Scenarios []Scenario
	// Passes is how often the points of a grid are gone through, with that share of their requests at
	// each visit, so that what moves a server for seconds is seen in the scatter of visits at different
	// times. Less than 2 means once; so do trials, which are repetitions of their own, and probes of which
	// fewer than 100 requests would be left.
	Passes int

	// Limits are the SLA limits, with the recipe's own first.
	Limits []sla.Limit
	// Objectives rank the points of a sweep. If nil, the best point is the largest
	// one that meets the limits. A search has its own.
	Objectives []Objective
	// SLO has the limits that make a single request good, by the tag of the metric
	// and in its display unit. If nil, no request is judged.
	SLO map[string]float64
	// Derive says what is derived from the finished sweep; nil means nothing.
	Derive sweep.Derivation
	// Tiers are sets of limits that each have a boundary. If nil, all limits are one
	// set.
	Tiers []PlanTier
}

// Search is an adaptive plan.
type Search struct {
	// Style is any but Grid.
	Style Style
	// Space has one dimension; several are possible with BO and Optuna.
	Space []plan.Dim
	// With has what all points have besides, for example the concurrency of a search over a
	// share of prefixes. Its paths are none of Space's.
	With []Value
	// Objectives has one entry; up to three are possible with BO and Optuna.
	Objectives []Objective
	// Boundary says that the answer is the largest value at which the limits hold.
	// If false, it is the value with the best objective among those.
	Boundary bool
	// MaxProbes limits the number of distinct points, 2 to 200.
	MaxProbes int
	// Time is how long the search plans to take while the length of its probes is left to
	// it, too; 0 means as long as its style does.
	Time time.Duration
	// InitialPoints is the number of points that BO and Optuna spread over the space
	// before they fit a model.
	InitialPoints int
	// Patience is the number of probes without a better feasible objective after
	// which BO and Optuna end.
	Patience int
	// BO and Optuna also end when the objective of the last PlateauWindow probes
	// varies by less than PlateauThreshold, a share of it.
	PlateauWindow    int
	PlateauThreshold float64
	// Sampler is that of Optuna: tpe or gp. Empty means tpe.
	Sampler string
	// Terminator ends Optuna early: plan.TerminatorRegret, plan.TerminatorEMMR, or
	// empty for neither.
	Terminator string
	// Replicates is the least number of visits of the answer in SmoothIsotonic, at
	// most 20. 0 means as many as the data ask for.
	Replicates int
}

// Objective is a statistic of a metric that is to be large or small.
type Objective struct {
	// Metric goes by its tag.
	Metric, Stat string
	// Maximize says that more is better. If false, less is.
	Maximize bool
	// Pooled takes a percentile over the requests of all trials together. If false,
	// the trials' percentiles are averaged.
	Pooled bool
	// Reference is the reference value of the hypervolume when there are several
	// objectives. If nil it is chosen from the data.
	Reference *float64
}

// Path is a dotted path of a value that can be swept, as AIPerf writes it. Its last
// segment, the leaf, names the value in files.
type Path = string

// The paths that can be swept: requests in flight, requests per second, tokens of prompt and
// answer, and, with a name behind them, fields of the request body, numbers of the workload,
// and settings of the server. A number of the workload goes by its keys in JSON, those of
// lists by their places from 0, for example "workload.prefixes.0.share" or
// "workload.isl.stddev". Settings are for Spec.Setup, which makes the server have them;
// nothing else reads them.
const (
	PathConcurrency Path = "phases.profiling.concurrency"
	PathRate        Path = "phases.profiling.request_rate"
	PathISL         Path = "datasets.main.prompts.isl"
	PathOSL         Path = "datasets.main.prompts.osl"
	PathBody        Path = "endpoint.extra."
	PathWorkload    Path = "workload."
	PathServer      Path = "server."
)

// Axis is one swept path of a grid. Values are visited in their order.
type Axis struct {
	Path   Path
	Values []float64
	// With are axes that move with this one: their i-th values go with its i-th value. Only
	// Sweep reads them; the axes of a Plan have none.
	With []Axis
}

// Scenario is one named point. Directories are named after its values in their order.
type Scenario struct {
	Name   string
	Values []Value
}

// Value is what one path is set to.
type Value struct {
	Path  Path
	Value float64
}

// Paths lists what varies, in the order of the coordinates of a step.
func (p *Plan) Paths() []Path {
	var paths []Path
	switch {
	case p.Search != nil:
		for _, d := range p.Search.Space {
			paths = append(paths, d.Path)
		}
	case p.Grid != nil:
		for _, a := range p.Grid {
			paths = append(paths, a.Path)
		}
	case len(p.Scenarios) > 0:
		for _, v := range p.Scenarios[0].Values {
			paths = append(paths, v.Path)
		}
	}
	return paths
}

// Size returns how many distinct points the plan measures at most.
func (p *Plan) Size() int {
	if p.Search != nil {
		return p.Search.MaxProbes
	}
	return len(p.points())
}

// points lists the points of a grid or of scenarios, in order. The first axis of a
// grid varies slowest.
func (p *Plan) points() [][]float64 {
	if p.Grid == nil {
		var points [][]float64
		for _, s := range p.Scenarios {
			at := make([]float64, len(s.Values))
			for i, v := range s.Values {
				at[i] = v.Value
			}
			points = append(points, at)
		}
		return points
	}
	points := [][]float64{nil}
	for _, a := range p.Grid {
		var next [][]float64
		for _, at := range points {
			for _, v := range a.Values {
				next = append(next, append(append([]float64(nil), at...), v))
			}
		}
		points = next
	}
	return points
}

// objectives returns those of the search or of the sweep.
func (p *Plan) objectives() []Objective {
	if p.Search == nil {
		return p.Objectives
	}
	return p.Search.Objectives
}

// floor reports whether limit k of a search or a sweep over load holds from some load up:
// a lower limit on a rate, which rises with the load, or an upper one on what a token takes or
// costs, which falls. The other limits hold up to some load, so that both together hold on an
// interval.
func (p *Plan) floor(k int) bool {
	l := p.Limits[k]
	m, _ := loadgen.LookupMetric(l.Metric)
	rate := l.Unit() == "tok/s" || l.Unit() == "req/s"
	rises := rate && !m.PerRequest && !l.Op.Upper()
	if falls := m.Falls && l.Op.Upper(); !rises && !falls {
		return false
	}
	paths := p.Paths()
	return len(paths) == 1 && (paths[0] == PathConcurrency || paths[0] == PathRate)
}

// rising returns those limits of a tier, given by their indexes, that hold up to some load:
// all but floors.
func (p *Plan) rising(tier []int) []int {
	return slices.DeleteFunc(slices.Clone(tier), p.floor)
}
