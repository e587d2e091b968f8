package recipes

import (
	"encoding/json"
	"math"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Verdict is the answer of a run.
type Verdict uint8

const (
	Inconclusive Verdict = iota // measured, and not certain either way
	Met                         // the limits hold, with certainty
	Missed                      // they do not, with certainty
)

// String returns inconclusive, met or missed.
func (v Verdict) String() string { return [...]string{"inconclusive", "met", "missed"}[v] }

// What a probe measures, as loadgen defines it.
type (
	Measurement = loadgen.Measurement
	Metric      = loadgen.Metric
	Request     = loadgen.Request
)

// Outcome is everything a run found. It is complete at every call of
// Spec.Observe, as far as the run has come.
type Outcome struct {
	Recipe *Recipe // that was run
	Plan   *Plan   // what the recipe expanded to
	Spec   Spec    // as it was run, defaults filled in

	Verdict    Verdict                    // Inconclusive while it runs
	Err        error                      // why it could not be measured to its end; nil: it was, or it still runs
	Reason     string                     // why the run ended: the planner's convergence reason, deadline or cancelled; empty while it runs
	Best       Best                       // of what is known so far
	Boundary   plan.Answer                // of the first tier; units of the searched value
	Tiers      []plan.Answer              // one per tier
	Probes     []Probe                    // in the order in which they were measured
	Resumed    int                        // how many of the probes an earlier run made
	Comparison *Comparison                // with another run's measurements; nil: there is none
	Derived    map[string]json.RawMessage // file name → what the post-process handler made
	Warnings   []error                    // read these, too: *ClientBoundError, *DeadlineError, ErrNonMonotone, loadgen's …

	Server loadgen.Server // what the endpoint says of itself; zero for probers of one's own
	Began  time.Time      // before the endpoint was waited for
	Wall   time.Duration  // since Began, at the last call of Spec.Observe
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

// Probe is one visit of a point.
type Probe struct {
	Step     plan.Step
	Load     loadgen.Load // as asked for
	Trials   []*loadgen.Measurement
	Readings []Reading // one per limit
	Observed plan.Observation
	Wall     time.Duration // of all its trials, ramps included

	deciders []*sequential // one per trial; nil when the whole probe was wanted
}

// Reading is how one probe stands to one limit.
type Reading struct {
	Limit    Limit
	Value    float64 // the statistic as it is printed: of successful requests; NaN: not measured
	Adjusted float64 // the same with failed requests counted as infinitely slow; differs from Value only when some failed
	Lo, Hi   float64 // 95 % confidence interval of Value; NaN: unknown
	Exceeded int     // requests beyond the threshold, failed ones included
	Of       int     // requests counted; 0: the limit is not one of shares
	Holds    bool
	Pass     float64 // P(the limit holds); NaN: no certainty known
}

// Passes reports whether every limit of the probe is believed to hold, and
// whether that is certain at the given level.
func (p *Probe) Passes(confidence float64) (pass, certain bool) {
	return p.passes(p.Readings, confidence)
}

// passes is Passes for some of the limits.
func (p *Probe) passes(readings []Reading, confidence float64) (pass, certain bool) {
	switch p.Observed.State {
	case plan.Failed:
		return false, true
	case plan.Unmeasured, plan.Untrusted:
		return false, false
	}
	pass, joint, worst := true, 1.0, 1.0
	for _, r := range readings {
		pass = pass && r.Holds
		if math.IsNaN(r.Pass) {
			continue // the comparison is all there is
		}
		joint *= r.Pass
		worst = min(worst, r.Pass)
	}
	if pass {
		return true, joint >= confidence
	}
	for _, r := range readings {
		if !r.Holds && math.IsNaN(r.Pass) {
			return false, true
		}
	}
	return false, worst <= 1-confidence
}

// State says how far the probe can be trusted: full, cut (ended once its verdict
// was certain), failed (every request did), unmeasured or untrusted (the client
// was the bottleneck, or the load was not reached).
func (p *Probe) State() string {
	return [...]string{"full", "cut", "failed", "unmeasured", "untrusted"}[p.Observed.State]
}

// Stat returns a statistic of a metric at the probe, averaged over its trials.
// The metric goes by tag or short name; ok is false when no trial has it.
func (p *Probe) Stat(metric, stat string) (v float64, ok bool) {
	tag := metric
	if m, ok := metricOf(metric); ok {
		tag = m.tag
	}
	sum, n := 0.0, 0
	for _, m := range p.Trials {
		if x, ok := m.Stat(tag, stat); ok && !math.IsNaN(x) {
			sum, n = sum+x, n+1
		}
	}
	if n == 0 {
		return math.NaN(), false
	}
	return sum / float64(n), true
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
	var points []plan.ScoredPoint
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
		points = append(points, point)
	}
	best, feasible = plan.BestPoints(o.problem().Goals, points)
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
	var history []plan.Observation
	for i := range o.Probes {
		history = append(history, o.Probes[i].Observed)
	}
	return plan.SmoothIsotonic{}.Summary(o.problem(), history), true
}

// Requests returns how many requests the probe measured, failed ones included.
func (p *Probe) Requests() int { return p.Observed.Requests }
