// Package plan decides where a search probes next, and what it may conclude.
//
// A search is a [Problem] (what is fixed) and a history of [Observation]s (what
// was seen so far). A [Planner] maps the two to the next [Step] or to the end,
// and to the [Answer]s that the history supports:
//
//	for {
//		step := planner.Next(problem, history)
//		if step.Done {
//			break // step.Reason says why
//		}
//		history = append(history, probe(step))
//	}
//	answers := planner.Answers(problem, history) // one per tier
//
// Planners are pure: no clock, no I/O, no state between calls, all randomness from
// Problem.Seed. The same problem and history give the same step, which is what makes a
// search resumable from its JSON, replayable and testable. Planners know points and
// margins, nothing of servers: every limit arrives as g = ln(value/threshold), positive
// when violated, so that milliseconds, percentages and fractions compare in one unit.
//
// A planner reads its history in the same order, whatever its style:
//
//  1. a view is the problem and the history, and the one tier that is asked about;
//  2. a belief is what all visits of one point say together, a track the beliefs of all
//     points in ascending order, certain where enough requests or neighbours agree;
//  3. a style has its own way to the boundary on the track: bisection ([Monotonic],
//     [MultiTier]), a fitted curve ([SmoothIsotonic]), secants ([Sequential],
//     [Settled]), or a model of everything ([Bayes], [Optuna]). [List] asks what it is
//     told to, and [Gate] one point only;
//  4. an answer is what the track supports.
//
// The mathematics that the styles rest on is in the packages below internal.
package plan

import "time"

// Dim is one searched dimension.
type Dim struct {
	// Path is AIPerf's dotted path, for example "phases.profiling.concurrency".
	Path string
	// Lo and Hi are the inclusive bounds, in units of the searched value.
	Lo, Hi float64
	// Int says that only whole numbers are legal.
	Int bool
	// Log says that the prior is uniform in ln x instead of x; it needs Lo > 0.
	Log bool
}

// Goal is one objective.
type Goal struct {
	// Maximize says that more is better; less is otherwise.
	Maximize bool
	// Reference is where a hypervolume counts this goal from, in the metric's unit. NaN
	// takes it from the data.
	Reference float64
}

// Problem is what stays fixed during a search. Planner, Problem and history together
// replay a run.
type Problem struct {
	Dims  []Dim
	Goals []Goal
	// Tiers are sets of limits, each a list of indexes into Observation.Margins, of which
	// every one has an answer of its own. Nil means one tier of all limits.
	Tiers [][]int
	// List has the points of a grid, of scenarios or of a fixed load, in order; nil for a
	// search.
	List [][]float64
	// Budget is the number of distinct points that may be probed. Zero leaves it to the
	// style: some have a default, others no limit.
	Budget int
	// Time is how long the search of one boundary is to take with the visits that confirm
	// its answer, by [Observation].Lasted and [Step].Apart. Zero means as long as its style
	// does. Only [Confirmed] and [Monotonic] read it.
	Time time.Duration
	// Request is about how long one request takes on an idle server. Zero means that it is not
	// known. Only [Sequential] reads it: a slow server is asked for fewer requests at first.
	Request time.Duration
	// Seed is where all randomness comes from.
	Seed uint64
	// Confidence is how sure a verdict must be to count as certain: P(limit holds) is at
	// least this, or at most 1 − this. Zero means DefaultConfidence.
	Confidence float64
	// Baseline is the boundary of an earlier run, for a warm start; zero and NaN mean
	// that there is none.
	Baseline float64
	// Floor is the least boundary that a gate asks for; zero and NaN mean that nothing is
	// asked. Only [Gate] reads it.
	Floor float64
}

// DefaultConfidence is the certainty of a verdict unless the problem asks for another: 2%
// error each way.
const DefaultConfidence = 0.98

// confidence returns the certainty that the problem asks for. One that half of all
// verdicts would reach, or none could, counts as unset.
func (p Problem) confidence() float64 {
	if p.Confidence > 0.5 && p.Confidence < 1 {
		return p.Confidence
	}
	return DefaultConfidence
}

// Estimate is a measured value with its standard error.
type Estimate struct {
	// Value is NaN when it is missing.
	Value float64
	// SE is the standard error; NaN when it is unknown, and the planner estimates it from
	// the history.
	SE float64
}

// Margin is how one observation stands to one limit. Value is g = ln(value/threshold)
// with the sign turned so that g > 0 violates.
type Margin struct {
	Estimate
	// Pass is P(limit holds), verdict and certainty in one. NaN means that no certainty
	// is known, and the sign of Value decides.
	Pass float64
	// Excess is how many requests more than the limit allows lie beyond it, below zero
	// where it allows more; NaN where the limit does not count requests. The sum over
	// visits is that of their requests pooled, which the mean of their values is not: a
	// percentile of a mixture lies above the mean of the percentiles of its parts.
	Excess float64
	// Allowed is the share of requests that the limit allows beyond it; 0 where it does not
	// count requests.
	Allowed float64
}

// State says how far an observation can be trusted.
type State uint8

// The states of an observation.
const (
	// Full is a whole probe: values and verdicts count.
	Full State = iota
	// Cut is a probe that ended early, once its verdict was certain: values are rough.
	Cut
	// Failed is a failing point: the server was reachable, and every request failed or
	// the server did not take the load.
	Failed
	// Unmeasured is a probe that could not be had. It says nothing.
	Unmeasured
	// Untrusted is a probe whose client was the bottleneck, or whose load was not
	// reached. It says nothing about the server.
	Untrusted
)

// Observation is one visit of a point, its trials pooled.
type Observation struct {
	// At is the point, one coordinate a dimension.
	At []float64
	// Asked is the step that the visit answers. The zero Step means that nobody asked, as
	// for a history that another program wrote.
	Asked Step
	// Margins has one margin a limit, and Goals one value a goal.
	Margins []Margin
	Goals   []Estimate
	State   State
	// Requests is how many requests the values rest on; zero means unknown.
	Requests int
	// Lasted is how long the visit took; zero means unknown. With the pauses between
	// visits it says which of them saw the server at about the same time.
	Lasted time.Duration
}

// says reports whether an observation says anything about the server.
func (o Observation) says() bool { return o.State != Unmeasured && o.State != Untrusted }

// margin returns the margin of limit k; ok is false where the observation has none.
func (o Observation) margin(k int) (m Margin, ok bool) {
	if k < 0 || k >= len(o.Margins) {
		return Margin{}, false
	}
	return o.Margins[k], true
}

// Step is what a planner wants next.
type Step struct {
	// At is the point to probe; nil when the search is over.
	At []float64
	// Size is the length as a multiple of the normal probe; zero means 1. More than 1
	// confirms an earlier visit.
	Size float64
	// Full says that values are wanted: the probe must not stop once its verdict is
	// certain.
	Full bool
	// Apart is how long to wait after the last probe; zero means not at all. A visit that
	// is to see the server at another time asks for it.
	Apart time.Duration
	// Done says that the search is over.
	Done bool
	// Reason says why this point is asked, in words; when Done, it is the convergence
	// reason, one of AIPerf's or of this package's.
	Reason string
}

// probe is a normal visit of x that may stop once its verdict is certain.
func probe(x float64, why string) Step { return Step{At: []float64{x}, Size: 1, Reason: why} }

// whole is a normal visit of x that is measured to its end.
func whole(x float64, why string) Step {
	return Step{At: []float64{x}, Size: 1, Full: true, Reason: why}
}

// longer is a visit of x that may stop once its verdict is certain and takes size times
// as long as a normal one.
func longer(x, size float64, why string) Step {
	return Step{At: []float64{x}, Size: size, Reason: why}
}

// done is the end of a search.
func done(reason string) Step { return Step{Done: true, Reason: reason} }

// Planner proposes points and draws conclusions, as pure functions of what was seen.
type Planner interface {
	// Next returns the step after the history h, or Done with the reason.
	Next(p Problem, h []Observation) Step
	// Answers returns one answer per tier of p.
	Answers(p Problem, h []Observation) []Answer
}

// Convergence reasons, in AIPerf's words where AIPerf has them. They are written to
// files, so they never change.
const (
	// ReasonMaxIterations ends a search whose budget of distinct points is spent.
	ReasonMaxIterations = "max_iterations"
	// ReasonMaxTime ends a search whose time is spent. ReasonOutOfTime ends one that has no
	// answer yet, since nothing failed or nothing passed, after twice its time.
	ReasonMaxTime, ReasonOutOfTime = "max_time", "out_of_time"
	// ReasonPatience ends a model-based search that went too long without a feasible
	// improvement.
	ReasonPatience = "improvement_patience"
	// ReasonPlateau ends a model-based search whose last feasible objectives hardly
	// differ.
	ReasonPlateau = "plateau_cv"
	// ReasonRegretBound ends a model-based search in which no point can be better than
	// the best by more than noise.
	ReasonRegretBound = "posterior_regret_bound"
	// ReasonEMMR ends a model-based search whose expected minimum simple regret has all
	// but stopped falling.
	ReasonEMMR = "emmr"
	// ReasonGridComplete ends a list of points that were all measured, as AIPerf ends a
	// grid of tiers.
	ReasonGridComplete = "grid_complete"

	// FloorHolds ends a gate whose boundary is certainly at or above the floor.
	FloorHolds = "sequential_floor_holds"
	// FloorBroken ends a gate whose boundary is certainly below the floor.
	FloorBroken = "sequential_floor_broken"
	// FloorOpen ends a gate whose boundary is too near the floor to tell.
	FloorOpen = "sequential_floor_open"

	// Ends of any planner without an answer.
	reasonUnmeasured      = "unmeasured"
	reasonUntrusted       = "untrusted"
	reasonNotOneDimension = "not_one_dimension"
	reasonNoFloor         = "no_floor"

	// Ends of AIPerf's monotonic_sla planner.
	monotonicPrecision = "monotonic_precision_reached"
	monotonicNoPass    = "monotonic_no_pass_in_range"
	monotonicNoFailure = "monotonic_no_failure_in_range"

	// Ends of AIPerf's multi-tier planner: of the run, and of each of its tiers.
	tiersConverged = "multi_tier_all_converged"
	tierPrecision  = "multi_tier_precision_reached"
	tierNoFailure  = "no_failure_in_range"
	tierNoPass     = "no_pass_in_range"

	// Ends of AIPerf's smooth_isotonic planner.
	smoothPrecision = "smooth_isotonic_precision_reached"
	smoothCliff     = "smooth_isotonic_cliff_precision_reached"
	smoothNoPass    = "smooth_isotonic_no_pass_in_range"
	smoothNoFailure = "smooth_isotonic_no_failure_in_range"
	smoothFallback  = "smooth_isotonic_pchip_fallback_bisection"

	// Ends of style sequential.
	sequentialPrecision = "sequential_precision_reached"
	sequentialNoPass    = "sequential_no_pass_in_range"
	sequentialNoFailure = "sequential_no_failure_in_range"
	// notIdentifiable: noise over slope leaves the boundary wider than ±10%.
	notIdentifiable = "not_identifiable"

	// Ends of the model-based styles, after the style's prefix.
	noPass    = "_no_pass_in_range"    // nothing passes, and neither does the lowest point
	noFailure = "_no_failure_in_range" // everything passes, up to the highest point
	precise   = "_precision_reached"   // goals and boundary are settled
	exhausted = "_no_points_left"      // every legal point was probed
)
