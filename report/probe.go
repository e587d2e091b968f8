package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Expansion writes what the recipe expanded to: where it searches, for what,
// within which limits. It is what a reader wants to know before the first probe.
func Expansion(w io.Writer, o *recipes.Outcome) error {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, wrap(fmt.Sprintf(format, args...), indent, indent+indent)...)
	}
	out = append(out, wrap(fmt.Sprintf("recipe %s: %s", o.Recipe.Name, o.Recipe.Doc), "", indent)...)
	switch p := o.Plan; {
	case p.Search != nil:
		s := p.Search
		for _, d := range s.Space {
			add("search %s in [%s, %s], style %s, at most %d points", sweep.Leaf(d.Path), digits(d.Lo), digits(d.Hi), s.Style, s.MaxProbes)
		}
		for _, g := range s.Objectives {
			way := "maximize"
			if !g.Maximize {
				way = "minimize"
			}
			if !s.Boundary {
				add("%s %s", way, metricName(g))
			}
		}
	case p.Grid != nil:
		for _, a := range p.Grid {
			add("sweep %s over %s", sweep.Leaf(a.Path), values(a.Values))
		}
	default:
		add("measure %s", plural(len(p.Scenarios), "point"))
	}
	if len(o.Plan.Limits) > 0 {
		var ls []string
		for _, l := range o.Plan.Limits {
			ls = append(ls, l.String())
		}
		add("SLA %s", strings.Join(ls, ", "))
	}
	if d := o.Plan.Derive; d != nil {
		add("then %s → %s", d.Name(), d.File())
	}
	load := o.Spec.Workload
	shape := fmt.Sprintf("%d/%d tokens in/out", load.ISL, load.OSL)
	if prompts := o.Spec.Target.Prompts; prompts != "" {
		shape = fmt.Sprintf("prompts of %s, %d tokens out", prompts, load.OSL)
	}
	add("%s, %s a probe in at most %v, seed %d", shape, plural(load.Requests, "request"), load.Window, load.Seed)
	if o.Server.Model != "" {
		server := "model " + o.Server.Model + " at " + o.Spec.Target.Redacted()
		if o.Server.Version != "" {
			server += ", version " + o.Server.Version
		}
		add("%s", o.Spec.Target.Redact(server))
	}
	if o.Spec.Note != "" {
		add("%s", o.Spec.Target.Redact(o.Spec.Note))
	}
	_, err := io.WriteString(w, strings.Join(out, "\n")+"\n")
	return err
}

// ProbeLine writes one line on the i-th probe.
func ProbeLine(w io.Writer, o *recipes.Outcome, i int) error {
	p := &o.Probes[i]
	var got []string
	throughput := true
	for _, r := range p.Readings {
		got = append(got, r.Limit.Name()+" "+observed(r))
		throughput = throughput && r.Limit.Name() != "throughput"
	}
	if v, ok := p.Stat("ttft", "p95"); ok && len(p.Readings) == 0 {
		got = append(got, "ttft p95 "+duration(v))
	}
	if v, ok := p.Stat("throughput", "avg"); ok && throughput {
		got = append(got, value(v, "tok/s"))
	}
	line := fmt.Sprintf("probe %d, %s: %s; %s (%s, %s)", i+1, Point(o, i), word(o, p), strings.Join(got, ", "), p.Step.Reason, elapsed(p.Wall))
	_, err := io.WriteString(w, strings.Join(wrap(line, "", indent), "\n")+"\n")
	return err
}

// Point names where the i-th probe was: "concurrency 64", "isl 512, osl 128".
func Point(o *recipes.Outcome, i int) string {
	var at []string
	for k, path := range o.Plan.Paths() {
		at = append(at, sweep.Leaf(path)+" "+digits(o.Probes[i].Step.At[k]))
	}
	return strings.Join(at, ", ")
}

func values(vs []float64) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = digits(v)
	}
	return strings.Join(out, ", ")
}

// Probes writes the table of all probes; nothing when there was none.
func Probes(w io.Writer, o *recipes.Outcome) error {
	if len(o.Probes) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(probeTable(o, ""), "\n")+"\n")
	return err
}

// probeTable is the table's lines; its words stand left, its numbers right.
func probeTable(o *recipes.Outcome, indent string) []string {
	t := &table{}
	t.add(probeHeader(o.Plan)...)
	for i := range o.Probes {
		t.add(probeCells(o, &o.Probes[i])...)
	}
	for range t.rows[0] {
		t.right = append(t.right, true)
	}
	t.right[len(t.right)-1] = false
	return t.lines(indent)
}

// probeHeader names the columns of the probe table.
func probeHeader(p *recipes.Plan) []string {
	var head []string
	for _, path := range p.Paths() {
		if path == recipes.PathConcurrency {
			head = append(head, "conc")
		} else {
			head = append(head, sweep.Leaf(path))
		}
	}
	head = append(head, "req/s", "out-tok/s", "ttft p95", "itl p95", "errors")
	for _, l := range extraLimits(p) {
		head = append(head, l.Name())
	}
	return append(head, "SLA")
}

// extraLimits are the limits that have no column of their own.
func extraLimits(p *recipes.Plan) []sla.Limit {
	var out []sla.Limit
	for _, l := range p.Limits {
		switch l.Name() {
		case "ttft p95", "itl p95", "errors":
		default:
			out = append(out, l)
		}
	}
	return out
}

func probeCells(o *recipes.Outcome, p *recipes.Probe) []string {
	var cells []string
	for _, at := range p.Step.At {
		cells = append(cells, digits(at))
	}
	stat := func(tag, stat, unit string) {
		v, ok := p.Stat(tag, stat)
		if !ok {
			v = math.NaN()
		}
		s := value(v, unit)
		cells = append(cells, strings.TrimSuffix(s, " "+unit))
	}
	stat("req-rate", "avg", "req/s")
	stat("throughput", "avg", "tok/s")
	stat("ttft", "p95", "ms")
	stat("itl", "p95", "ms")
	stat("errors", "avg", "%")
	for _, l := range extraLimits(o.Plan) {
		stat(l.Metric, l.Stat, l.Unit())
	}
	return append(cells, word(o, p))
}

// word is a probe's verdict in a word or two.
func word(o *recipes.Outcome, p *recipes.Probe) string {
	switch p.State() {
	case "untrusted":
		return "not trusted"
	case "unmeasured":
		return "not measured"
	}
	if len(p.Readings) == 0 {
		return "measured"
	}
	pass, certain := p.Passes(o.Spec.Confidence)
	switch {
	case pass && certain:
		return "met"
	case pass:
		return "open (likely met)"
	case certain:
		return "missed (" + missedLimits(p, false) + ")"
	}
	return "open (likely missed: " + missedLimits(p, false) + ")"
}
