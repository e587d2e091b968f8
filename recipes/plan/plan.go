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
// Planners are pure: no clock, no I/O, no state between calls, all randomness
// from Problem.Seed. Same problem and history, same step; that is what makes a
// search resumable from its JSON, replayable and testable. They know points and
// margins, nothing of servers: every limit arrives as g = ln(value/threshold),
// positive when violated, so milliseconds, percentages and fractions compare in
// one unit.
package plan

// Dim is one searched dimension.
type Dim struct {
	Path   string  // AIPerf's dotted path, as "phases.profiling.concurrency"
	Lo, Hi float64 // inclusive bounds
	Int    bool    // only whole numbers are legal
	Log    bool    // prior uniform in ln x instead of x; needs Lo > 0
}

// Goal is one objective.
type Goal struct {
	Maximize  bool
	Reference float64 // reference value for hypervolume, in the metric's unit; NaN: chosen from the data
}

// Problem is what stays fixed during a search. Planner, Problem and history
// together replay a run.
type Problem struct {
	Dims       []Dim
	Goals      []Goal
	Tiers      [][]int     // indexes into Observation.Limits, a set of limits per tier; nil: one tier of all limits
	List       [][]float64 // the points of a grid, scenarios or a fixed load, in order; nil for a search
	Budget     int         // distinct points at most
	Seed       uint64
	Confidence float64 // a verdict is certain when P(limit holds) is at least this, or at most 1 − this; 0 means DefaultConfidence
	Baseline   float64 // boundary of an earlier run, for a warm start; NaN or 0: none
	Floor      float64 // the value a gate asks for; NaN or 0: none
}

// DefaultConfidence is the certainty of a verdict: 2 % error each way.
const DefaultConfidence = 0.98

// Estimate is a measured value with its standard error.
type Estimate struct {
	Value float64 // NaN: missing
	SE    float64 // NaN: unknown, the planner estimates it from the history
}

// Limit is how one observation stands to one SLA limit. Value is the margin
// g = ln(value/threshold) with the sign turned so that g > 0 violates.
type Limit struct {
	Estimate
	Pass float64 // P(limit holds): verdict and certainty in one; NaN: no certainty known, the sign of Value decides
}

// State says how far an observation can be trusted.
type State uint8

const (
	Full       State = iota // a whole probe: values and verdicts
	Cut                     // ended early, once the verdict was certain: values are rough
	Failed                  // the server was reachable and every request failed: a failing point
	Unmeasured              // no measurement was had: says nothing
	Untrusted               // client-bound or unsaturated: says nothing about the server
)

// Observation is one visit of a point, its trials pooled.
type Observation struct {
	At       []float64
	Limits   []Limit
	Goals    []Estimate
	State    State
	Requests int // how many requests the values rest on; 0: unknown
}

// Step is what a planner wants next.
type Step struct {
	At     []float64
	Size   float64 // length as a multiple of the normal probe; > 1 confirms; 0 means 1
	Full   bool    // values are wanted: do not stop once the verdict is certain
	Done   bool    // the search is over; At is nil
	Reason string  // why this point; when Done, the convergence reason
}

// Answer is what a history supports for one tier, in units of the searched
// value. For searches of several dimensions only Passed is set.
type Answer struct {
	Safe        float64 // largest probed value believed, with certainty, to pass together with all below it; NaN: none
	Estimate    float64 // where the boundary most likely is; NaN: not estimated
	Lo, Hi      float64 // interval for the boundary: largest passing and smallest failing value, or a credible interval; NaN: open end
	Passed      bool    // some point passed with certainty
	NonMonotone bool    // a pass was seen above a failure
	Reason      string  // of one tier of several: why its search ended, max_iterations while it has not; else empty
}

// Planner proposes points and draws conclusions, as pure functions of what was
// seen.
type Planner interface {
	// Next returns the step after the history h, or Done with the reason.
	Next(p Problem, h []Observation) Step
	// Answers returns one answer per tier of p.
	Answers(p Problem, h []Observation) []Answer
}
