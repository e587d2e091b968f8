package recipes

import (
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Recipe is a question with a name: what to vary, what to watch, when to stop.
// It is a stateless value; Expand is a pure function of the inputs.
type Recipe struct {
	Name   string                      // as RunRecipe takes it; lower case words joined by dashes
	Doc    string                      // one sentence: what it answers
	Uses   []Input                     // the inputs that Expand reads; giving another is a warning
	Expand func(Inputs) (*Plan, error) // a pure function; its errors are *InputError
	Axes   Axes                        // what its chart plots
	Plots  bool                        // AIPerf draws a plot without being asked
}

// Plan is what a recipe expands to. Exactly one of Search, Grid and Scenarios is
// set.
type Plan struct {
	Search    *Search    // a planner proposes each point from what was seen so far
	Grid      []Axis     // the Cartesian product of the axes, the first varying slowest
	Scenarios []Scenario // named points, already paired

	Limits     []sla.Limit        // SLA limits, the recipe's own first
	Objectives []Objective        // of a sweep: what its best point has most of; nil: the largest value within the limits
	SLO        map[string]float64 // per-request limits that make a request good: tag → limit in its display unit
	Derive     sweep.Derivation   // what is read off the finished sweep; nil when nothing is
	Tiers      []PlanTier         // sets of limits with a boundary each; nil: one set of all
}

// Search is an adaptive plan.
type Search struct {
	Style            Style       // any but grid
	Space            []plan.Dim  // one dimension, or for bo and optuna several
	Objectives       []Objective // one, or for bo and optuna up to three
	Boundary         bool        // the answer is the boundary itself, not the objective's best
	MaxProbes        int         // distinct points, 2 to 200
	InitialPoints    int         // of bo and optuna, spread before anything is modelled
	Patience         int         // probes without a feasible improvement that end bo and optuna
	PlateauWindow    int         // probes whose objective must vary by less than …
	PlateauThreshold float64     // … this share for them to end likewise
	Sampler          string      // of style optuna
	Terminator       string      // of style optuna: plan.TerminatorRegret or plan.TerminatorEMMR end it early; empty: none
	Replicates       int         // of style smooth_isotonic: least visits of the answer; 0: as the data ask for
}

// Objective is what a search makes large or small.
type Objective struct {
	Metric, Stat string
	Maximize     bool
	Pooled       bool     // a percentile of all trials' requests together, instead of the trials' mean
	Reference    *float64 // reference value for the hypervolume of several objectives; nil: from the data
}

// Axis is one swept path of a grid.
type Axis struct {
	Path   string    // PathConcurrency and its like
	Values []float64 // in the order in which they are visited; tokens, requests in flight or requests a second
}

// Scenario is one named point.
type Scenario struct {
	Name   string
	Values []Value // in the order that directory names use
}

// Value is the value of one swept path.
type Value struct {
	Path  string
	Value float64
}

// Axes is what a recipe's chart of one metric against another shows: tags and
// statistics, and which way is better where it is not the usual one (less of x,
// more of y).
type Axes struct {
	XMetric, XStat string
	XMaximize      bool
	YMetric, YStat string
	YMinimize      bool
	Series         []string // one curve per value of these leaves
}

// The paths that can be swept; the leaf is the last segment.
const (
	PathConcurrency = "phases.profiling.concurrency"
	PathRate        = "phases.profiling.request_rate"
	PathISL         = "datasets.main.prompts.isl"
	PathOSL         = "datasets.main.prompts.osl"
)

var styles = []Style{SmoothIsotonic, Monotonic, BO, Optuna, Grid, Sequential}

func styleNames() []string {
	names := make([]string, len(styles))
	for i, s := range styles {
		names[i] = string(s)
	}
	return names
}

// uses reports whether the recipe reads the input.
func (r *Recipe) uses(in Input) bool { return slices.Contains(r.Uses, in) }
