package report

import (
	"io"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// The table of probes has a column for each parameter that varies, five that
// every run has, one for each further limit, up to six of what the server says of
// itself and of its GPUs, and the probe's standing in words:
//
//	conc   req/s   out-tok/s   ttft p95   itl p95   errors   SLA
//	  62      43        5502      203ms      10ms       0%   open (likely missed: ttft p95)
//	  62    43.1        5521      198ms      10ms       0%   met
//
// An API without tokens has no column for them. The messages, the summary and the page print
// the same cells.

// Probes writes the table of all probes, for a fixed font, a line a probe in the order
// in which they were made. It writes nothing when there was none. The error is the
// writer's.
func Probes(w io.Writer, o *recipes.Outcome) error {
	v := viewOf(o)
	if len(v.probes) == 0 {
		return nil
	}
	t := &text{}
	t.table(v.probeTable(), "")
	return t.writeTo(w)
}

// probeTable is the table; its words stand left, its numbers right.
func (v *view) probeTable() *table {
	head := v.probeHead()
	t := numbers(len(head) - 1)
	t.spare = []int{len(v.paths) + 3, len(v.paths)} // itl p95 and req/s
	told := v.serverColumns()
	for i, c := range told {
		if c.metric == loadgen.TagPerGPU || c.metric == loadgen.TagJoules { // the cost has both in it
			t.spare = append(t.spare, len(head)-1-len(told)+i)
		}
	}
	t.add(head...)
	for _, p := range v.probes {
		t.add(v.probeCells(p)...)
	}
	return t
}

// probeHead names the columns.
func (v *view) probeHead() []string {
	var head []string
	for _, path := range v.paths {
		switch path {
		case recipes.PathConcurrency:
			head = append(head, "conc")
		case recipes.PathRate:
			head = append(head, "rate (req/s)")
		default:
			head = append(head, sweep.Leaf(path))
		}
	}
	head = append(head, "req/s")
	if !v.Spec.Tokenless() {
		head = append(head, "out-tok/s", "ttft p95", "itl p95")
	}
	head = append(head, "errors")
	for _, l := range v.extraLimits() {
		head = append(head, l.Name())
	}
	for _, c := range v.serverColumns() {
		head = append(head, c.head)
	}
	return append(head, "SLA")
}

// probeCells is the row of one probe, as wide as the head.
func (v *view) probeCells(p probe) []string {
	var cells []string
	for _, at := range p.Step.At {
		cells = append(cells, digits(at))
	}
	// The head has the units of rates, so that the cells need none.
	stat := func(metric, stat, unit string) {
		cells = append(cells, strings.TrimSuffix(strings.TrimSuffix(value(p.stat(metric, stat), unit), " "+unit), "/s"))
	}
	stat("req-rate", "avg", "req/s")
	if !v.Spec.Tokenless() {
		stat("throughput", "avg", "tok/s")
		stat("ttft", "p95", "ms")
		stat("itl", "p95", "ms")
	}
	stat("errors", "avg", "%")
	for _, l := range v.extraLimits() {
		stat(l.Metric, l.Stat, l.Unit())
	}
	for _, c := range v.serverColumns() {
		stat(c.metric, c.stat, metricUnit(c.metric, c.stat))
	}
	return append(cells, p.word())
}

// extraLimits are the limits that have no column of their own, in the plan's order, and the
// share of good requests where it is known and no limit is on it.
func (v *view) extraLimits() []sla.Limit {
	var out []sla.Limit
	for _, l := range v.Plan.Limits {
		switch l.Name() {
		case "ttft p95", "itl p95", "errors":
		default:
			out = append(out, l)
		}
	}
	good := sla.Limit{Metric: loadgen.TagGoodShare, Stat: "avg"}
	if len(v.Plan.SLO) > 0 && !slices.ContainsFunc(out, func(l sla.Limit) bool { return l.Metric == good.Metric }) {
		out = append(out, good)
	}
	return out
}
