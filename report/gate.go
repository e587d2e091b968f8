package report

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// gateHeadline is the answer of a run that was held against an earlier one, in
// one clause; empty where it was not, or where its own limits already say no.
func (f *finding) gateHeadline() string {
	o := f.o
	if g := o.Spec.Gate; g != nil {
		at := fmt.Sprintf("%s, %s of the baseline", digits(o.AtFloor().At), part(1-g.Tolerance))
		switch {
		case o.Verdict == recipes.Met:
			return "SLA met at " + at
		case o.Verdict == recipes.Missed:
			return "SLA missed at " + at
		case o.Reason == recipes.ReasonTooNear:
			return "inconclusive at " + at
		}
		return ""
	}
	if o.Spec.Precise > 0 && o.Verdict == recipes.Inconclusive && o.Best.Found && o.Reason != recipes.ReasonDeadline {
		return "inconclusive: too vague for a baseline"
	}
	c := comparisonOf(o)
	if c == nil || o.Verdict == recipes.Missed && c.Verdict() != recipes.Missed {
		return ""
	}
	switch failed := c.Failed(); {
	case len(failed) > 0:
		s := fmt.Sprintf("%s %s worse than %s", changed(c, failed[0]), share(failed[0].Worse), c.Was)
		if n := len(failed) - 1; n > 0 {
			s += fmt.Sprintf(" (and %d more)", n)
		}
		return s
	case len(c.Changes) == 0 && untrusted(o):
		return "" // which is why
	case len(c.Changes) == 0:
		return "inconclusive: nothing to compare with " + c.Was
	case c.Need > 0:
		return fmt.Sprintf("inconclusive: n=%s is too few, %d+%d would do", sides(c.Changes[0]), c.Need, c.Need)
	case o.Verdict == recipes.Met:
		return fmt.Sprintf("no worse than %s (n=%s)", c.Was, sides(c.Changes[0]))
	}
	return ""
}

// comparisonOf is the run held against another one; nil when it was not.
func comparisonOf(o *recipes.Outcome) *bench.Comparison {
	c, _ := o.Comparison.(*bench.Comparison)
	return c
}

// untrusted reports whether a probe's numbers are not the server's.
func untrusted(o *recipes.Outcome) bool {
	for i := range o.Probes {
		if o.Probes[i].State() == "untrusted" {
			return true
		}
	}
	return false
}

// sides are how many measurements there were then and now.
func sides(c bench.Change) string { return fmt.Sprintf("%d+%d", c.N1, c.N2) }

// share writes by how much a metric is worse.
func share(worse float64) string {
	if math.IsInf(worse, 0) {
		return "(from 0)"
	}
	if worse > 9.99 {
		return digits(1+worse) + " times"
	}
	return percent(worse)
}

// gate says what the run was held against, and what its verdict is worth.
func (f *finding) gate() {
	if g := f.o.Spec.Gate; g != nil {
		f.floor(g)
	}
	if c := comparisonOf(f.o); c != nil && len(c.Changes) > 0 {
		f.comparison(c)
	}
}

func (f *finding) floor(g *recipes.Gate) {
	at := f.o.AtFloor()
	was := digits(g.Was)
	if g.Level > 0 && finite(g.Lo) && finite(g.Hi) {
		was += fmt.Sprintf(" (%s CI [%s, %s])", part(g.Level), digits(g.Lo), digits(g.Hi))
	}
	text := fmt.Sprintf("gate: the boundary was %s in %s; with %s to lose, the limits must hold at %s: P %s after %s there",
		was, g.With, part(g.Tolerance), digits(at.At), probability(at.Pass), plural(at.Visits, "probe"))
	if f.o.Reason == recipes.ReasonTooNear {
		text += ", neither yes nor no"
		if at.Requests > 0 {
			text += fmt.Sprintf("; %s a probe would do", plural(at.Requests, "request"))
		}
	}
	f.wrapped(text)
	f.wrapped(fmt.Sprintf("a verdict takes %d to %d probes and is certain to %s each way; a machine that changed since the baseline was measured looks like a server that did",
		at.Least, at.Most, part(at.Certainty)))
}

// probability writes P without rounding it to certainty.
func probability(p float64) string {
	switch {
	case p > 0.999:
		return "> 99.9%"
	case p < 0.001:
		return "< 0.1%"
	}
	return "= " + digits(100*p) + "%"
}

// part writes a share that a user gave, with the digits it was given with.
func part(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }

// most rows of a comparison that are all shown.
const allRows = 16

// comparison is benchstat's table, with what fails marked.
func (f *finding) comparison(c *bench.Comparison) {
	points := false
	for _, ch := range c.Changes {
		points = points || ch.Point != c.Changes[0].Point
	}
	t := &table{}
	head := []string{"metric", c.Sides[0], c.Sides[1], "change", "p", "n", ""}
	if points {
		head = append([]string{"at"}, head...)
	}
	t.add(head...)
	hidden := 0
	for _, ch := range c.Changes {
		if len(c.Changes) > allRows && !ch.Real && !(ch.Worse > c.Tolerance) {
			hidden++
			continue
		}
		name, unit, divisor := bench.Describe(ch.Unit)
		mark := ""
		if ch.Fails {
			mark = "<-- worse"
		}
		row := []string{name, center(ch.Old, unit, divisor), center(ch.New, unit, divisor), delta(ch), pvalue(ch.P), sides(ch), mark}
		if points {
			row = append([]string{ch.Point}, row...)
		}
		t.add(row...)
	}
	f.out = append(f.out, t.lines(indent)...)
	if hidden > 0 {
		f.line("%s%s more without a change", indent, count(hidden))
	}
	f.wrapped(fmt.Sprintf("gate: compared with %s; what is worse by more than %s with p < %s fails, which two equal servers do 1%% of the time, all %s together",
		c.With, part(c.Tolerance), digits(c.Alpha), plural(len(c.Changes), "metric")))
	var chance []string
	for _, ch := range c.Changes {
		if ch.Worse > c.Tolerance && !ch.Real {
			chance = append(chance, fmt.Sprintf("%s %s (p=%s)", changed(c, ch), share(ch.Worse), pvalue(ch.P)))
		}
	}
	if len(chance) > 0 {
		f.wrapped("worse, and perhaps by chance: " + strings.Join(chance, ", ") + "; more trials or longer ones would tell")
	}
}

// changed names a change.
func changed(c *bench.Comparison, ch bench.Change) string {
	name, _, _ := bench.Describe(ch.Unit)
	for _, other := range c.Changes {
		if other.Point != ch.Point {
			return name + " at " + ch.Point
		}
	}
	return name
}

// center is a median with its 95 % interval, as benchstat prints them.
func center(s benchmath.Summary, unit string, divisor float64) string {
	return value(s.Center/divisor, unit) + " ± " + s.PctRangeString()
}

func delta(ch bench.Change) string {
	switch old, new := ch.Old.Center, ch.New.Center; {
	case !ch.Real:
		return "~"
	case old == new:
		return "0%"
	case old == 0:
		return "from 0"
	default:
		return fmt.Sprintf("%+.1f%%", 100*(new/old-1))
	}
}

func pvalue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}
