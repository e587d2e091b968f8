package recipes

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Probe is one visit of a point: what was asked for, what was measured, and how that
// was decided.
type Probe struct {
	// Step is what the planner asked for, and Load the load that it came to.
	Step plan.Step
	Load loadgen.Load
	// Trials are the measurements. A probe that was read back from a file has none.
	Trials []*loadgen.Measurement
	// Readings has one entry for each limit of the plan, in its order.
	Readings []sla.Reading
	// Observed is what the planner sees of the probe: margins instead of values.
	Observed plan.Observation
	// Wall is the time that all trials took, ramps included.
	Wall time.Duration

	// read are the readings by the probe's own requests. Readings are these, as wide as
	// visits at other times have shown them to be.
	read []sla.Reading

	// failed is how many of the requests failed, and lacks is what a limit has no value of;
	// see lacking.
	failed int
	lacks  string

	// deciders has one entry for each trial. It is nil when whole trials were wanted.
	deciders []*sla.Decider
}

// decide holds the trials against the limits and turns them into what a planner sees.
// It fills in Readings and Observed, and returns the doubts about the numbers as
// warnings.
func (p *Probe) decide(pl *Plan) []error {
	limits, objectives := pl.Limits, pl.objectives()
	o := plan.Observation{At: p.Step.At, Asked: p.Step, State: plan.Full}
	shed := false
	for _, m := range p.Trials {
		n, _ := m.Stat(loadgen.TagCompleted, "avg")
		bad, _ := m.Stat(loadgen.TagErrors, "avg")
		o.Requests += int(n)
		o.Lasted += m.Wall
		p.failed += int(bad)
		if m.Ended == loadgen.EndedDecided || m.Ended == loadgen.EndedOverload {
			o.State = plan.Cut
		}
		shed = shed || slices.ContainsFunc(m.Warnings, func(w error) bool { return errors.Is(w, loadgen.ErrShed) })
	}
	var deciders []*sla.Decider
	if o.State == plan.Cut {
		deciders = p.deciders
	}
	for _, l := range limits {
		r := sla.Read(l, p.Trials, deciders).Failing(p.failed, o.Requests, failuresAllowed(limits))
		p.Readings, p.read = append(p.Readings, r), append(p.read, r)
		o.Margins = append(o.Margins, plan.Margin{
			Estimate: plan.Estimate{Value: r.Margin, SE: r.MarginSE}, Pass: r.Pass, Excess: r.Excess, Allowed: r.Allowed,
		})
	}
	for _, g := range objectives {
		o.Goals = append(o.Goals, plan.Estimate{Value: p.goal(g), SE: sla.Trials(p.Trials).SE(g.Metric, g.Stat)})
	}
	if offered, served, behind := p.Behind(); behind {
		// The mean of a schedule of rates may be served, and a part of it not.
		p.overload(&o, max(math.Log(offered/max(served, offered/100)), 0.01))
	}
	doubts := p.doubts(limits)
	switch {
	case o.Requests > 0 && p.failed == o.Requests:
		o.State = plan.Failed // no client is so slow that nothing succeeds
	case len(doubts) > 0:
		o.State = plan.Untrusted
	case shed:
		o.State = plan.Failed
	}
	p.Observed = o
	p.lacks = p.lacking(pl)
	return doubts
}

// failuresAllowed is the share, from 0 to 1, of failed requests that limits on averages and
// rates allow: what the limit on errors, or on good requests, allows; without either, the
// share that is told of.
func failuresAllowed(limits []sla.Limit) float64 {
	for _, l := range limits {
		switch {
		case l.Metric == loadgen.TagErrorRate && l.Op.Upper():
			return l.Threshold / 100
		case l.Metric == loadgen.TagGoodShare && !l.Op.Upper():
			return 1 - l.Threshold
		}
	}
	return failuresTold
}

// Behind reports whether the server did not keep up with an open loop, and how many
// requests a second were offered and served at the trial where it lagged the most.
func (p *Probe) Behind() (offered, served float64, behind bool) {
	for _, m := range p.Trials {
		for _, w := range m.Warnings {
			if errors.Is(w, loadgen.ErrUnstable) {
				if v, _ := m.Stat(loadgen.TagReqRate, "avg"); !behind || v < served {
					offered, served, behind = m.Load.Rate, v, true
				}
			}
		}
	}
	return offered, served, behind
}

// overload makes every limit of a probe a certain miss by a margin of at least g. What was
// measured of a server that does not keep up depends on how long was looked: in time every
// latency exceeds every limit.
func (p *Probe) overload(o *plan.Observation, g float64) {
	const pass = 1e-4 // that the trend of the latencies is chance
	for k := range p.Readings {
		for _, r := range []*sla.Reading{&p.Readings[k], &p.read[k]} {
			r.Holds, r.Pass = false, pass
			if !(r.Margin > g) {
				r.Margin = g
			}
		}
		o.Margins[k].Pass, o.Margins[k].Value = pass, p.Readings[k].Margin
	}
}

// goal returns the value of an objective at the probe, in the unit of its metric. It is
// NaN when it was not measured.
func (p *Probe) goal(g Objective) float64 {
	if g.Pooled && len(p.Trials) > 1 {
		if v, ok := sla.Trials(p.Trials).Percentile(g.Metric, g.Stat); ok {
			return v
		}
	}
	v, _ := p.Stat(g.Metric, g.Stat)
	return v
}

// Passes reports whether every limit is believed to hold at the probe, and whether
// that is certain at the given level, a probability between 0.5 and 1. A probe of
// which every request failed certainly does not pass, and neither does one whose load
// the server did not take.
func (p *Probe) Passes(confidence float64) (pass, certain bool) {
	return p.passes(p.Readings, confidence)
}

// passes is Passes for some of the readings.
//
// A pass is certain when the product of the probabilities reaches the level, as if the
// limits were independent; a failure is certain when a single limit certainly breaks.
func (p *Probe) passes(readings []sla.Reading, confidence float64) (pass, certain bool) {
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
			continue // no certainty is known, and the comparison is all there is
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

// ofTier returns the readings for the limits of the i-th tier, or all readings when
// the plan has no tiers.
func (p *Probe) ofTier(tiers []PlanTier, i int) []sla.Reading {
	if len(tiers) == 0 {
		return p.Readings
	}
	var rs []sla.Reading
	for _, k := range tiers[i].Limits {
		rs = append(rs, p.Readings[k])
	}
	return rs
}

// State says how far the probe can be trusted: full, cut (it ended once its verdict was
// certain), failed (every request failed, or the server shed the load), unmeasured, or untrusted (the client was the
// bottleneck, or the load was not reached).
func (p *Probe) State() string {
	return [...]string{"full", "cut", "failed", "unmeasured", "untrusted"}[p.Observed.State]
}

// trusted reports whether the probe says anything about the server.
func (p *Probe) trusted() bool {
	return p.Observed.State != plan.Untrusted && p.Observed.State != plan.Unmeasured
}

// Stat returns a statistic of a metric at the probe, in the unit of the metric, as the
// plain mean over its trials. The metric is named by its tag or short name. When no
// trial has the statistic, ok is false and v is NaN.
func (p *Probe) Stat(metric, stat string) (v float64, ok bool) {
	tag := metric
	if m, ok := loadgen.LookupMetric(metric); ok {
		tag = m.Tag
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

// Requests returns how many requests the probe measured, failed ones included.
func (p *Probe) Requests() int { return p.Observed.Requests }

// release drops what a long search must not keep in memory: the requests of a probe
// that has been decided and reported, and the function that makes their prompts.
func (p *Probe) release() {
	for _, m := range p.Trials {
		m.Requests, m.Others, m.Cancelled, m.Body = nil, nil, nil, nil
	}
}
