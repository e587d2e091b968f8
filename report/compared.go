package report

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// A run is held against another one in two ways. A search is a gate: it asks at one
// floor, a little below the boundary of a baseline, whether the limits hold there. A
// fixed load is compared: each metric with its values of then, by a test. Both end
// in the same three answers, and in a headline that has to stand alone.

// comparedHeadline is the answer of a run that was held against an earlier one or
// another endpoint, in one clause; empty where it was not, or where its own limits
// already say no.
func (v *view) comparedHeadline() string {
	if g := v.Spec.Gate; g != nil {
		return v.floorHeadline(g)
	}
	// Whoever measures a baseline wants to know it well enough to compare with.
	if v.Spec.Precise > 0 && v.Verdict == recipes.Inconclusive && v.Best.Found && v.Reason != recipes.ReasonDeadline {
		return "inconclusive: the boundary is too uncertain for a baseline"
	}
	c := v.comparison
	if c == nil || v.Verdict == recipes.Missed && c.Verdict() != recipes.Missed {
		return ""
	}
	// The worst comes first; the table below has the others.
	switch failed := c.Failed(); {
	case len(failed) > 0:
		s := fmt.Sprintf("%s %s worse than %s", changed(c, failed[0]), worse(failed[0].Worse), c.Was)
		if n := len(failed) - 1; n > 0 {
			s += fmt.Sprintf(" (and %d more)", n)
		}
		return s
	case len(c.Changes) == 0 && v.untrusted():
		return "" // which is why
	case len(c.Changes) == 0:
		return "inconclusive: nothing to compare with " + c.Was
	case c.Need > 0:
		return fmt.Sprintf("inconclusive: n=%s is too few; %d+%d would be enough", sides(c.Changes[0]), c.Need, c.Need)
	case v.Verdict == recipes.Met:
		return fmt.Sprintf("no worse than %s (n=%s)", c.Was, sides(c.Changes[0]))
	}
	return ""
}

// floorHeadline says whether the limits hold at a gate's floor; empty where the
// gate ended without asking.
func (v *view) floorHeadline(g *recipes.Gate) string {
	stand, _ := v.AtFloor()
	at := fmt.Sprintf("%s, %s of the baseline", digits(stand.At), part(1-g.Tolerance))
	switch {
	case v.Verdict == recipes.Met:
		return "SLA met at " + at
	case v.Verdict == recipes.Missed:
		return "SLA missed at " + at
	case v.Reason == recipes.ReasonTooNear:
		return "inconclusive at " + at
	}
	return ""
}

// compared says what the run was held against, and what its verdict is worth.
func (v *view) compared(t *text) {
	if g := v.Spec.Gate; g != nil {
		v.floor(t, g)
	}
	if c := v.comparison; c != nil && len(c.Changes) > 0 {
		comparison(t, c)
	}
}

// floor says what a gate on a search asked, with the answer as a probability, and how
// often such a gate is wrong:
//
//	gate: the boundary was 64.9 (95% CI [63.1, 67]) in testdata/capacity.json; with a
//	    tolerance of 5%, the limits must hold at 62: P = 37.3% after 12 probes there,
//	    neither confirmed nor ruled out; 7,750 requests a probe would be enough
func (v *view) floor(t *text, g *recipes.Gate) {
	at, enough := v.AtFloor()
	was := digits(g.Was)
	if g.Level > 0 && finite(g.Lo) && finite(g.Hi) {
		was += fmt.Sprintf(" (%s CI [%s, %s])", part(g.Level), digits(g.Lo), digits(g.Hi))
	}
	text := fmt.Sprintf(
		"gate: the boundary was %s in %s; with a tolerance of %s, the limits must hold at %s: P %s after %s there",
		was, g.With, part(g.Tolerance), digits(at.At), probability(at.Pass), plural(at.Visits, "probe"))
	if v.Reason == recipes.ReasonTooNear {
		text += ", neither confirmed nor ruled out"
		if enough > 0 {
			text += fmt.Sprintf("; %s a probe would be enough", plural(enough, "request"))
		}
	}
	t.paragraph("%s", text)
	t.paragraph("a verdict takes %d to %d probes and has a confidence of %s either way; "+
		"a change of the machine since the baseline looks like a change of the server",
		at.Least, at.Most, part(at.Certainty))
}

// allRows is how many rows of a comparison are all shown; of a longer one only
// those that changed.
const allRows = 16

// comparison is benchstat's table, with what fails marked, and what it means:
//
//	metric       old               new               change   p        n
//	ttft p95     201ms ± 3%        222ms ± 2%        +10.6%   <0.001   8+8   <-- worse
//	throughput   5689 tok/s ± 0%   5619 tok/s ± 0%   -1.2%    <0.001   8+8
//
// A change that is large and may be chance is named below the table: a reader sees
// the number, and would wonder why it did not fail.
func comparison(t *text, c *bench.Comparison) {
	rows, hidden := changes(c)
	t.table(rows, indent)
	if hidden > 0 {
		t.line("%s%s more without a change", indent, count(hidden))
	}
	t.paragraph("gate: compared with %s; a metric fails if it is worse by more than %s with p < %s; "+
		"for two equal servers that happens 1%% of the time, over all %s",
		c.With, part(c.Tolerance), digits(c.Alpha), plural(len(c.Changes), "metric"))
	var chance []string
	for _, ch := range c.Changes {
		if ch.Worse > c.Tolerance && !ch.Real {
			chance = append(chance, fmt.Sprintf("%s %s (p=%s)", changed(c, ch), worse(ch.Worse), pvalue(ch.P)))
		}
	}
	if len(chance) > 0 {
		t.paragraph("worse, but possibly by chance: %s; more or longer trials would tell", strings.Join(chance, ", "))
	}
}

// changes is the table of a comparison, a row a metric and point, and how many
// rows were left out. Points have a column only when there are several.
func changes(c *bench.Comparison) (t *table, hidden int) {
	points := false
	for _, ch := range c.Changes {
		points = points || ch.Point != c.Changes[0].Point
	}
	t = &table{}
	head := []string{"metric", c.Sides[0], c.Sides[1], "change", "p", "n", ""}
	if points {
		head = append([]string{"at"}, head...)
	}
	t.add(head...)
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
	return t, hidden
}

// changed names a change: its metric, and its point where the comparison has
// several.
func changed(c *bench.Comparison, ch bench.Change) string {
	name, _, _ := bench.Describe(ch.Unit)
	for _, other := range c.Changes {
		if other.Point != ch.Point {
			return name + " at " + ch.Point
		}
	}
	return name
}

// sides are how many measurements there were then and now.
func sides(c bench.Change) string { return fmt.Sprintf("%d+%d", c.N1, c.N2) }

// worse writes by how much a metric is worse, given as a share of its old value. A
// tenfold loss is easier to grasp as a factor than in percent.
func worse(share float64) string {
	if math.IsInf(share, 0) {
		return "(from 0)"
	}
	if share > 9.99 {
		return digits(1+share) + " times"
	}
	return percent(share)
}

// A row of the table is the medians of both sides, what changed, and how sure that is.

// center is a median with its 95% interval, as benchstat prints them. The divisor
// turns the unit of bench.txt into the one that is printed.
func center(s benchmath.Summary, unit string, divisor float64) string {
	return value(s.Center/divisor, unit) + " ± " + s.PctRangeString()
}

// delta is the change of the median, in percent with its sign; a tilde where it may be
// chance, as benchstat writes it.
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
