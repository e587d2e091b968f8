package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
)

// A search for several objectives has no best point but a front: the points that meet the
// limits and that no other such point beats in every objective. More of one of them costs
// some of another, and which trade is worth it only the reader knows.
//
// The front is that of Outcome.BestProbes, by the values that were measured. The chart of
// the trade draws the same by its axes, and bench.txt has a line for each of its points.

// front are the probes on the front of a search for several objectives, in the order of their
// points, of each the last visit; nil for all other runs.
func (v *view) front() []probe {
	if v.Plan == nil || v.Plan.Search == nil || len(v.Plan.Search.Objectives) < 2 {
		return nil
	}
	var out []probe
	on, _ := v.BestProbes()
	for _, i := range on {
		p := v.probes[i]
		same := func(q probe) bool { return slices.Equal(q.Step.At, p.Step.At) }
		if k := slices.IndexFunc(out, same); k >= 0 {
			out[k] = p
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b probe) int { return slices.Compare(a.Step.At, b.Step.At) })
	return out
}

// goals names the objectives of a search, for example "throughput against ttft p95".
func goals(s *recipes.Search) string {
	var names []string
	for _, g := range s.Objectives {
		names = append(names, objectiveName(g))
	}
	return strings.Join(names, " against ")
}

// frontHeadline is the front in one clause; empty where there is none.
func (v *view) frontHeadline() string {
	front := v.front()
	if len(front) == 0 {
		return ""
	}
	s := fmt.Sprintf("%s of %s on the front of %s", count(len(front)), plural(len(v.Visits()), "point"), goals(v.Plan.Search))
	if met, points := v.passing(); len(v.Plan.Limits) > 0 {
		s += fmt.Sprintf("; SLA met at %s of %s", count(met), count(points))
	}
	return s
}

// frontTable adds the points of the front with their objectives, and which way each is
// better:
//
//	front: no other point is better in each of throughput (more), ttft p95 (less)
//	  conc   throughput   ttft p95
//	     4          980       22ms
//	    18         2385       61ms
func (v *view) frontTable(t *text) {
	front := v.front()
	if len(front) == 0 {
		return
	}
	// The columns of what is varied are those of the table of probes.
	objectives := v.Plan.Search.Objectives
	head := v.probeHead()[:len(v.paths)]
	var ways []string
	for _, g := range objectives {
		way := "less"
		if g.Maximize {
			way = "more"
		}
		ways = append(ways, fmt.Sprintf("%s (%s)", objectiveName(g), way))
		head = append(head, objectiveName(g))
	}
	t.paragraph("front: no other point is better in each of %s", strings.Join(ways, ", "))
	rows := numbers(len(head))
	rows.add(append(head, "")...)
	for _, p := range front {
		cells := v.probeCells(p)[:len(v.paths)]
		for k, g := range objectives {
			cells = append(cells, value(p.Observed.Goals[k].Value, metricUnit(g.Metric, g.Stat)))
		}
		rows.add(append(cells, "")...)
	}
	t.table(rows, indent+"  ")
}
