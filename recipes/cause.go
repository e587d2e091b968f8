package recipes

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/cause"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// cause finds why the limits break above the answer: it compares the lowest load at which a
// latency is over its limit with the highest below it at which all limits hold and, if the two
// are too near to each other to tell, with the lowest load of all. The zero value is that of a
// run whose server does not say, or that did not vary the load alone.
//
// Note: the lowest load alone was tried first. Of a server that fills its batch and then its
// queue it names the batch, which is where the time goes on the way to the boundary and not
// what breaks the limit there.
func (r *run) cause() (c cause.Cause) {
	o := r.out
	if paths := o.Plan.Paths(); len(paths) != 1 || paths[0] != PathConcurrency && paths[0] != PathRate {
		return c
	}
	loads := r.loads()
	// A miss below the answer is one that other visits, or the loads above it, have outvoted.
	safe := o.Boundary.Safe
	first := slices.IndexFunc(loads, func(l load) bool { return len(l.over) > 0 && !(l.at <= safe) })
	if first < 0 {
		return c
	}
	below := slices.DeleteFunc(slices.Clone(loads[:first]), func(l load) bool { return len(l.over) > 0 })
	if len(below) > 1 {
		below = []load{below[len(below)-1], below[0]}
	}
	for _, b := range below {
		for _, tag := range loads[first].over {
			if found, ok := cause.Explain(tag, b.Point, loads[first].Point); ok {
				return found
			}
		}
	}
	return c
}

// load is what was measured at one load of a run, with the latencies, by their tags, that are
// over a limit there, the worst first.
type load struct {
	cause.Point
	at   float64
	over []loadgen.Tag
}

// loads are those of the run at which the server said something of itself, in ascending order.
// All trials of all visits of a load that can be trusted are one point.
func (r *run) loads() (all []load) {
	o := r.out
	for _, visits := range o.Visits() {
		last := visits[len(visits)-1]
		l := load{at: o.Probes[last].Step.At[0], over: r.over(last)}
		l.Label = o.Probes[last].Load.String()
		if o.Plan.Paths()[0] == PathConcurrency {
			l.Label = strconv.FormatFloat(l.at, 'f', -1, 64)
		}
		for _, i := range visits {
			for _, m := range o.Probes[i].Trials {
				if m.Server.Window.Has() {
					l.Trials = append(l.Trials, m)
				}
			}
		}
		if len(l.Trials) > 0 {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b load) int { return cmp.Compare(a.at, b.at) })
	return all
}

// over are the latencies that are over a limit at a probe's point, the worst first. A limit on
// the share of good requests stands for those that say which request is good. Of a ramp without
// limits it is the latency that has its knee there.
func (r *run) over(i int) (tags []loadgen.Tag) {
	o := r.out
	if k, ok := o.Knee(); ok && len(o.Plan.Limits) == 0 && k.Concurrency > 0 &&
		o.Probes[i].Step.At[0] >= float64(k.Concurrency) {
		return []loadgen.Tag{k.Metric}
	}
	readings := slices.Clone(o.Pooled(i))
	slices.SortStableFunc(readings, func(a, b sla.Reading) int {
		if math.IsNaN(a.Margin) || math.IsNaN(b.Margin) {
			return 0
		}
		return cmp.Compare(b.Margin, a.Margin)
	})
	for _, reading := range readings {
		switch metric := reading.Limit.Metric; {
		case reading.Holds:
		case metric == loadgen.TagGoodShare:
			tags = append(tags, slices.Sorted(maps.Keys(o.Plan.SLO))...)
		default:
			tags = append(tags, metric)
		}
	}
	return tags
}
