package recipes

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Verdict is the answer of a run.
type Verdict uint8

// The verdicts. The zero value is Inconclusive: what is not certain either way.
const (
	Inconclusive Verdict = iota // measured, and not certain either way
	Met                         // the limits hold, with certainty
	Missed                      // they do not, with certainty
)

// String returns inconclusive, met or missed.
func (v Verdict) String() string { return [...]string{"inconclusive", "met", "missed"}[v] }

// Outcome is everything a run found. It is plain data, and complete at every call
// of Spec.Observe, as far as the run has come.
type Outcome struct {
	Recipe *Recipe // that was run
	Plan   *Plan   // what the recipe expanded to
	Spec   Spec    // as it was run, defaults filled in

	// Verdict is Inconclusive while the run goes on.
	Verdict Verdict
	// Err is why the run stopped early; nil if it completed or is still running.
	Err error
	// Reason is why the run ended: the planner's convergence reason, ReasonDeadline
	// and its like. It is empty while the run goes on.
	Reason string
	// Best is the point to deploy at, of what is known so far.
	Best Best
	// Boundary is that of the first tier, in units of the searched value, and Tiers
	// has one answer a tier.
	Boundary plan.Answer
	Tiers    []plan.Answer
	// Probes are in the order in which they were measured. The first Resumed of them
	// were made by an earlier run.
	Probes  []Probe
	Resumed int
	// Result is what the plan's derivation read off the finished sweep; nil when the
	// plan has none, or it failed. Derived is the same as files: a name below
	// sweep_aggregate, and its JSON object.
	Result  sweep.Result
	Derived map[string]json.RawMessage
	// Comparison is the run held against another run's measurements; nil when it was
	// not. Whoever compares sets it once the run is over.
	Comparison Comparison
	// Warnings are to be read with the numbers: *ClientBoundError, *DeadlineError,
	// ErrNonMonotone, loadgen's and others.
	Warnings []error

	Server loadgen.Server // what the endpoint says of itself; zero for probers of one's own
	Began  time.Time      // before the endpoint was waited for
	Wall   time.Duration  // since Began, at the last call of Spec.Observe
}

// Comparison is a run held against another one. Package report/bench has the one
// that this module makes.
type Comparison interface {
	// Verdict is Missed when the run is worse than the other, Met when it is not, and
	// Inconclusive when that could not be told.
	Verdict() Verdict
}

// Best is the point to deploy at. The zero value means that there is none.
type Best struct {
	Load      loadgen.Load
	Probe     int     // index into Outcome.Probes of its last visit
	Objective float64 // the first objective there; NaN when it was not measured
	Found     bool
}

// Concurrency returns the requests in flight to deploy with; 0 means that no
// concurrency was found, or that the search was not over concurrency.
func (b Best) Concurrency() int { return b.Load.Concurrency }

// noAnswer is an answer that nothing is known of.
func noAnswer() plan.Answer {
	nan := math.NaN()
	return plan.Answer{Safe: nan, Estimate: nan, Interval: plan.Interval{Lo: nan, Hi: nan}, Bracket: plan.Bracket{Lo: nan, Hi: nan}}
}

// Knee returns the result of concurrency-ramp; ok is false when there is none.
func (o *Outcome) Knee() (k sweep.Knee, ok bool) {
	k, ok = o.Result.(sweep.Knee)
	return k, ok
}

// TTFTFit returns the result of prefill-ttft-curve; ok is false when there is
// none.
func (o *Outcome) TTFTFit() (fit sweep.TTFTFit, ok bool) {
	fit, ok = o.Result.(sweep.TTFTFit)
	return fit, ok
}

// ITLSurface returns the result of decode-itl-curve; ok is false when there is
// none.
func (o *Outcome) ITLSurface() (s sweep.ITLSurface, ok bool) {
	s, ok = o.Result.(sweep.ITLSurface)
	return s, ok && s.Problem == ""
}

// Frontier returns the result of pareto-sweep; ok is false when there is none.
func (o *Outcome) Frontier() (f sweep.Frontier, ok bool) {
	f, ok = o.Result.(sweep.Frontier)
	return f, ok
}

// Breach returns the result of style grid; ok is false when there is none.
func (o *Outcome) Breach() (b sweep.Breach, ok bool) {
	b, ok = o.Result.(sweep.Breach)
	return b, ok
}

// Spent returns how long the probes that this run made itself have measured, and
// how long they brought the load to its level before. What is left of Wall is
// dead time: waiting for the server, planning, writing files.
func (o *Outcome) Spent() (measuring, ramps time.Duration) {
	for i := o.Resumed; i < len(o.Probes); i++ {
		for _, m := range o.Probes[i].Trials {
			measuring, ramps = measuring+m.Wall-m.Ramp, ramps+m.Ramp
		}
	}
	return measuring, ramps
}

// Visits groups the measured probes, by index, by their points, in the order of
// first visits: the points of Sweep.
func (o *Outcome) Visits() [][]int {
	var groups [][]int
	for i := range o.Probes {
		if len(o.Probes[i].Trials) == 0 {
			continue
		}
		k := slices.IndexFunc(groups, func(g []int) bool { return slices.Equal(o.Probes[g[0]].Step.At, o.Probes[i].Step.At) })
		if k < 0 {
			groups = append(groups, nil)
			k = len(groups) - 1
		}
		groups[k] = append(groups[k], i)
	}
	return groups
}

// BestTrials returns the probes that answer the search, by index, and how many
// probes were feasible: those whose objective is the best of the feasible ones,
// or of all when none is (feasible is 0 then). One objective has one answer, that
// of Best; several have the non-dominated set. It is empty where nothing was
// searched for.
func (o *Outcome) BestTrials() (best []int, feasible int) {
	if o.Plan == nil || o.Plan.Search == nil {
		return nil, 0
	}
	var scored []plan.ScoredPoint
	for i := range o.Probes {
		p := &o.Probes[i]
		var point plan.ScoredPoint
		point.Feasible, _ = p.Passes(o.Spec.Confidence)
		for k := range o.Plan.Search.Objectives {
			v := math.NaN()
			if k < len(p.Observed.Goals) {
				v = p.Observed.Goals[k].Value
			}
			point.Goals = append(point.Goals, v)
		}
		scored = append(scored, point)
	}
	best, feasible = plan.BestPoints(problemOf(o.Plan, &o.Spec).Goals, scored)
	if len(o.Plan.Search.Objectives) == 1 && o.Best.Found {
		best = []int{o.Best.Probe}
	}
	return best, feasible
}

// SmoothSummary returns what style smooth_isotonic adds to AIPerf's
// boundary_summary; ok is false for other styles, and while nothing was probed.
func (o *Outcome) SmoothSummary() (s plan.Summary, ok bool) {
	if o.Plan == nil || o.Plan.Search == nil || o.Plan.Search.Style != SmoothIsotonic || len(o.Probes) == 0 {
		return s, false
	}
	return plan.SmoothIsotonic{}.Summary(problemOf(o.Plan, &o.Spec), observations(o.Probes)), true
}

// observations are what probes tell a planner.
func observations(probes []Probe) []plan.Observation {
	var h []plan.Observation
	for i := range probes {
		h = append(h, probes[i].Observed)
	}
	return h
}
