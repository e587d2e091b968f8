package recipes

import (
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Pooled returns the readings of the i-th probe's point, with one entry for each limit, by
// all visits of the point together: what the verdict of the run rests on, where the
// readings of a single probe are one opinion of several. It panics if there is no such
// probe.
func (o *Outcome) Pooled(i int) []sla.Reading {
	p := &o.Probes[i]
	var visits []*Probe
	best := plan.Failed
	for k := range o.Probes {
		if v := &o.Probes[k]; v.trusted() && slices.Equal(v.Step.At, p.Step.At) {
			visits, best = append(visits, v), min(best, v.Observed.State)
		}
	}
	if len(visits) == 0 {
		return p.Readings
	}
	points, _ := problemOf(o.Plan, &o.Spec).Pooled(observations(o.Probes))
	at := slices.IndexFunc(points, func(b plan.Observation) bool { return slices.Equal(b.At, p.Step.At) })
	out := make([]sla.Reading, len(p.Readings))
	for k := range out {
		var readings []sla.Reading
		var weights []float64
		for _, v := range visits {
			// A value of a probe that ended early is rough, and counts where there is no other.
			if v.Observed.State == best && k < len(v.Readings) {
				// Readings are those of the widest scatter that is known by now.
				readings, weights = append(readings, v.Readings[k]), append(weights, max(float64(v.Observed.Requests), 1))
			}
		}
		out[k] = pooledReading(readings, weights)
		if at >= 0 && k < len(points[at].Margins) {
			m := points[at].Margins[k]
			out[k].Pass, out[k].Holds = m.Pass, m.Pass >= 0.5
			out[k].Margin, out[k].MarginSE = m.Value, m.SE
		}
	}
	return out
}

// pooledReading is the mean of readings of one limit by their weights: that of logarithms
// for latencies, whose errors are ratios. Its interval is as wide as independent visits
// make it. Certainty and margin are left to the caller.
func pooledReading(rs []sla.Reading, weights []float64) sla.Reading {
	r := rs[len(rs)-1]
	if len(rs) == 1 {
		return r
	}
	latency := r.Limit.Unit() == "ms"
	to, from := func(v float64) float64 { return v }, func(v float64) float64 { return v }
	if k := slices.IndexFunc(rs, func(one sla.Reading) bool { return one.Value > 0 }); latency && k >= 0 {
		unit := rs[k].Value // the mean of equal values is that value, to the last bit
		to, from = func(v float64) float64 { return math.Log(v / unit) }, func(v float64) float64 { return unit * math.Exp(v) }
	}
	r.Exceeded, r.Of = 0, 0
	var value, adjusted, variance, sum float64
	finite := 0.0
	for i, one := range rs {
		r.Exceeded, r.Of = r.Exceeded+one.Exceeded, r.Of+one.Of
		w := weights[i]
		if math.IsNaN(one.Value) || latency && !(one.Value > 0) {
			continue
		}
		sum, value = sum+w, value+w*to(one.Value)
		half := (to(one.Hi) - to(one.Lo)) / 2
		variance += w * w * half * half
		if !math.IsInf(one.Adjusted, 0) && !math.IsNaN(one.Adjusted) {
			adjusted, finite = adjusted+w*to(one.Adjusted), finite+w
		}
	}
	if sum == 0 {
		return r
	}
	r.Value = from(value / sum)
	half := math.Sqrt(variance) / sum
	r.Lo, r.Hi = from(value/sum-half), from(value/sum+half)
	if r.Adjusted = r.Value; finite > 0 && finite >= sum/2 {
		r.Adjusted = from(adjusted / finite)
	} else {
		r.Adjusted = math.Inf(1) // too many failed in most of the visits
	}
	return r
}
