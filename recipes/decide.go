package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// decide reads a probe's trials against the limits and turns them into what a
// planner sees. It fills in Readings and Observed.
func (p *Probe) decide(limits []Limit, objectives []Objective) []error {
	o := plan.Observation{At: p.Step.At, Asked: p.Step, State: plan.Full}
	failed := 0
	for _, m := range p.Trials {
		n, _ := m.Stat(loadgen.TagCompleted, "avg")
		bad, _ := m.Stat(loadgen.TagErrors, "avg")
		o.Requests += int(n)
		failed += int(bad)
		if m.Ended == loadgen.EndedDecided {
			o.State = plan.Cut
		}
	}
	for i, l := range limits {
		r, margin := read(l, p.Trials)
		if o.State == plan.Cut && len(p.deciders) > 0 {
			conclude(p.deciders, i).settle(&r, &margin)
		}
		p.Readings = append(p.Readings, r)
		o.Margins = append(o.Margins, margin)
	}
	for _, g := range objectives {
		v, ok := p.Stat(g.Metric, g.Stat)
		if !ok {
			v = math.NaN()
		}
		if pooled, ok := pooledPercentile(p.Trials, g); ok {
			v = pooled
		}
		o.Goals = append(o.Goals, plan.Estimate{Value: v, SE: pooledSE(p.Trials, g.Metric, g.Stat)})
	}
	doubts := p.doubts(limits)
	switch {
	case len(doubts) > 0:
		o.State = plan.Untrusted
	case o.Requests > 0 && failed == o.Requests:
		o.State = plan.Failed
	}
	p.Observed = o
	return doubts
}
