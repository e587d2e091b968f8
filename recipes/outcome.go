package recipes

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/cause"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Verdict is the answer of a run. The zero value is Inconclusive.
type Verdict uint8

const (
	// Inconclusive means that neither answer is certain. It is also the verdict of a
	// run that is still going on, or that could not be measured.
	Inconclusive Verdict = iota
	// Met means that the limits hold, with certainty. A sweep without limits is met
	// when every point was measured.
	Met
	// Missed means that the limits do not hold, with certainty.
	Missed
)

// String returns inconclusive, met or missed.
func (v Verdict) String() string { return [...]string{"inconclusive", "met", "missed"}[v] }

// Outcome is everything that a run found. It is plain data. At every call of
// Spec.Observe it is complete as far as the run has come.
type Outcome struct {
	// Recipe is what was run, and Plan what it expanded to.
	Recipe *Recipe
	Plan   *Plan
	// Spec is as it was run, with defaults filled in.
	Spec Spec

	// Where is where the load comes from if it is not this process, for example "8 pods on 5
	// nodes". Spec.Note says so, too.
	Where string
	// Verdict is the answer. It is Inconclusive while the run goes on.
	Verdict Verdict
	// Err is why the run stopped early; nil if it completed or is still running.
	Err error
	// Reason is why the run ended: the planner's convergence reason, or one of the
	// Reason constants. It is empty while the run goes on.
	Reason Reason
	// Best is the point to deploy at, as far as is known.
	Best Best
	// Boundary is the answer for the first tier, in units of the searched value. Its
	// values are NaN while nothing is known. Tiers has one answer for each tier.
	Boundary plan.Answer
	Tiers    []plan.Answer
	// Probes are in the order in which they were measured. The first Resumed of them
	// were made by an earlier run.
	Probes  []Probe
	Resumed int
	// Result is what the plan's derivation made of the finished sweep; nil when the
	// plan has none, or when it failed. Derived is the same as files: it maps a name
	// below sweep_aggregate to a JSON object.
	Result  sweep.Result
	Derived map[string]json.RawMessage
	// Cause is why a limit breaks above the answer, or why there is a knee, where the server's
	// own metrics show it. Its Kind is empty where they do not.
	Cause cause.Cause
	// Comparison compares the run with another run's measurements. Run leaves it nil;
	// whoever compares sets it once the run is over.
	Comparison Comparison
	// Trend compares the run with those of a history before it. Run leaves it nil, as it does
	// Comparison, and a run may have both.
	Trend Comparison
	// Warnings are to be read with the numbers, for example a *ClientBoundError, a
	// *DeadlineError, an error that wraps ErrNonMonotone, or a warning of loadgen.
	Warnings []error

	// Server is what the endpoint says about itself. It is zero for a Prober without a
	// method Server.
	Server loadgen.Server
	// Began is when Run was called, before it waited for the endpoint, and Wall the
	// time since then, at the last call of Spec.Observe.
	Began time.Time
	Wall  time.Duration
}

// Comparison is a run compared with another one. Packages report/bench and
// report/history implement it.
type Comparison interface {
	// Verdict is Missed when the run is worse than the other, Met when it is not, and
	// Inconclusive when neither is certain.
	Verdict() Verdict
}

// Best is the point to deploy at. The zero value means that there is none.
type Best struct {
	// Load is the load of that point.
	Load loadgen.Load
	// Probe is the index into Outcome.Probes of the point's last visit.
	Probe int
	// Objective is the value of the first objective there, in the unit of its metric.
	// It is NaN when it was not measured.
	Objective float64
	// Found says that there is such a point.
	Found bool
}

// Concurrency returns the requests in flight to deploy with. It is 0 if no
// concurrency was found, or if the search was not over concurrency.
func (b Best) Concurrency() int { return b.Load.Concurrency }

// Rate returns the requests a second to deploy with. It is 0 if no rate was found, or if
// the search was not over the request rate.
func (b Best) Rate() float64 { return b.Load.Rate }

// noAnswer returns the answer of a history that says nothing.
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

// Spent returns how long the probes of this run have measured, without those of an
// earlier run that it resumed, and how long they took to bring the load to its level.
// The rest of Wall is dead time: waiting for the server, planning, writing files.
func (o *Outcome) Spent() (measuring, ramps time.Duration) {
	for i := o.Resumed; i < len(o.Probes); i++ {
		for _, m := range o.Probes[i].Trials {
			measuring, ramps = measuring+m.Wall-m.Ramp, ramps+m.Ramp
		}
	}
	return measuring, ramps
}

// Visits groups the probes that say something of the server by their points. Each group has the indexes of
// one point's probes; groups are in the order of first visits, like the points of
// Sweep.
func (o *Outcome) Visits() [][]int {
	var groups [][]int
	for i := range o.Probes {
		if len(o.Probes[i].Trials) == 0 || !o.Probes[i].trusted() {
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

// BestProbes returns the indexes of the probes that answer the search, and how many
// probes were feasible. With one objective the answer is Best, or the best probe of
// all if none is feasible. With several it is the non-dominated set. It is empty for a
// plan that is not a search.
func (o *Outcome) BestProbes() (best []int, feasible int) {
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
	best, feasible = problemOf(o.Plan, &o.Spec).BestPoints(scored)
	if len(o.Plan.Search.Objectives) == 1 && o.Best.Found {
		best = []int{o.Best.Probe}
	}
	return best, feasible
}

// SmoothSummary returns what style smooth_isotonic adds to AIPerf's boundary_summary;
// ok is false for other styles, and before the first probe.
func (o *Outcome) SmoothSummary() (s plan.Summary, ok bool) {
	if o.Plan == nil || o.Plan.Search == nil || o.Plan.Search.Style != SmoothIsotonic || len(o.Probes) == 0 {
		return s, false
	}
	return plan.SmoothIsotonic{}.Summary(problemOf(o.Plan, &o.Spec), observations(o.Probes)), true
}

// observations returns what the probes tell a planner.
func observations(probes []Probe) []plan.Observation {
	var h []plan.Observation
	for i := range probes {
		h = append(h, probes[i].Observed)
	}
	return h
}
