package aiperftest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Gate runs the recipe of that name and compares it with a committed baseline, the
// file at the path. It fails on a loss that is both certain and larger than the
// Tolerance. An inconclusive result also fails the test, because a gate must not pass
// when it cannot tell.
//
// A recipe that searches has a search_history.json for a baseline. The gate asks
// the server at one load, the floor, which is the baseline's boundary less the
// tolerance, and ends once it is certain whether the limits hold there. The bench.txt
// of a search works, too, but does not say how well its answer is known.
//
// Any other recipe has benchmark lines for a baseline, a bench.txt or what go test
// -bench printed, with several measurements of each point. The gate measures each
// point several times (Trials; by default as often as it takes) and compares
// every metric that both have by the Mann-Whitney U test, as benchstat does: two
// equal servers fail 1% of the time at most, all metrics together, if what disturbs
// them lasts shorter than a measurement; docs/gate.md has the rates where it does not.
//
// With AIPERF_UPDATE_BASELINE=1 in the environment the gate measures and writes
// the file, whole or not at all, instead of comparing. docs/gate.md has the error
// rates and the requests that a gate takes.
func Gate(t T, recipe, baseline string, opts ...Option) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup(recipe)
	if err != nil {
		fatal(t, "%v", err)
		return &recipes.Outcome{}
	}
	return GateRun(t, r, baseline, opts...)
}

// GateRun is Gate for the value of a recipe, for example recipes.Fixed(16).
func GateRun(t T, r *recipes.Recipe, baseline string, opts ...Option) *recipes.Outcome {
	t.Helper()
	c := resolve(opts)
	var p *recipes.Plan
	err := recipes.Validate(r)
	if err == nil {
		p, err = r.Expand(c.spec.Inputs)
	}
	switch {
	case len(c.errs) > 0, err != nil, p == nil, c.live() && c.spec.Target.URL == "":
		// The run says what is wrong: a baseline is of no use.
	case updating():
		c.update(r, baseline, p.Search != nil)
	default:
		c.compare(r, baseline, p.Search != nil)
	}
	return run(t, r, c)
}

// defaultTolerance of a gate.
const defaultTolerance = 0.05

// tolerated is the gate's tolerance.
func (c *config) tolerated() float64 {
	switch t := c.tolerance; {
	case t == 0:
		return defaultTolerance
	case t > 0 && t < 1:
		return t
	}
	c.errs = append(c.errs, fmt.Errorf("use aiperftest.Tolerance(%v): give a fraction between 0 and 1", c.tolerance))
	return defaultTolerance
}

// compare makes the run one against the baseline; searching says that the recipe
// looks for a boundary.
func (c *config) compare(r *recipes.Recipe, path string, searching bool) {
	tolerance := c.tolerated()
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.errs = append(c.errs, fmt.Errorf("recipe %q: there is no baseline %s: "+
			"run this test once with %s=1 to measure and write it, then commit it", r.Name, path, envUpdate))
		return
	case err != nil:
		c.errs = append(c.errs, fmt.Errorf("recipe %q: read baseline: %w", r.Name, err))
		return
	}
	history := bytes.HasPrefix(bytes.TrimSpace(b), []byte("{"))
	switch {
	case searching && history:
		err = c.againstHistory(path, tolerance)
	case searching:
		err = c.againstAnswers(r, path, tolerance)
	case history:
		err = fmt.Errorf("recipe %q measures fixed loads, but baseline %s comes from a search: "+
			"use a bench.txt, or write one with %s=1", r.Name, path, envUpdate)
	default:
		err = c.againstLines(r, path, tolerance)
	}
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// againstHistory asks the floor of an earlier search.
func (c *config) againstHistory(path string, tolerance float64) error {
	o, err := report.ReadHistoryFile(path)
	if err != nil {
		return err
	}
	g := recipes.Gate{With: path, Was: o.Boundary.Estimate, Interval: o.Boundary.Interval, Tolerance: tolerance}.Over(o)
	if math.IsNaN(g.Was) { // a style that has no estimate, or nothing failed in the range
		g.Was = o.Boundary.Safe
	}
	again := fmt.Sprintf("measure it again with %s=1", envUpdate)
	switch {
	case !(g.Was > 0):
		return fmt.Errorf("compare with baseline %s: it found no boundary (%s); %s", path, o.Reason, again)
	case g.Vague():
		return fmt.Errorf("compare with baseline %s: its boundary is known to only ±%.1f%%, which cannot show a loss of %.3g%%: "+
			"%s, or give a larger aiperftest.Tolerance", path, 100*g.Known(), 100*tolerance, again)
	}
	c.spec.Baseline, c.spec.Gate = o, g
	c.sequential()
	return nil
}

// sequential is the style that a gate asks in.
func (c *config) sequential() {
	if c.spec.Inputs.Style == "" {
		c.spec.Inputs.Style = recipes.Sequential
	}
}

// againstAnswers asks the floor of the answers of earlier searches, of which
// nothing else is known.
func (c *config) againstAnswers(r *recipes.Recipe, path string, tolerance float64) error {
	b, err := bench.ReadFile(path)
	if err != nil {
		return err
	}
	all, err := b.For(r.Name)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Unit != "concurrency" && s.Unit != "max-req/s" {
			continue
		}
		c.spec.Gate = &recipes.Gate{With: path, Was: middle(s.Values), Tolerance: tolerance}
		c.sequential()
		return nil
	}
	return fmt.Errorf("compare with baseline %s: it has no answer of a search "+
		"(unit concurrency, max-concurrency or max-req/s); write it again with %s=1", path, envUpdate)
}

// againstLines measures often enough to be compared with benchmark lines.
func (c *config) againstLines(r *recipes.Recipe, path string, tolerance float64) error {
	b, err := bench.ReadFile(path)
	if err != nil {
		return err
	}
	old, err := b.For(r.Name)
	if err != nil {
		return err
	}
	least := math.MaxInt
	for _, s := range old {
		least = min(least, len(s.Values))
	}
	if !c.trials {
		c.spec.Trials = bench.TrialsFor(least, len(old))
	}
	c.judge = func(_, o *recipes.Outcome) {
		cmp := bench.Compare(old, bench.Measured(o), tolerance)
		if n := cmp.Need; n > 0 {
			o.Warnings = append(o.Warnings, fmt.Errorf("both sides need %d measurements: "+
				"leave out aiperftest.Trials, and measure the baseline again with %s=1", n, envUpdate))
		}
		if what := b.Differs(o); what != "" {
			cmp.Changes = nil
			o.Warnings = append(o.Warnings, fmt.Errorf("baseline %s answers a different question: %s; "+
				"run the test as it was, or write the baseline again with %s=1", path, what, envUpdate))
		}
		c.against(o, cmp, bench.Comparison{With: path, Was: "the baseline", Sides: [2]string{"baseline", "now"}})
	}
	return nil
}

// against holds a finished run against a comparison, and names its sides.
func (c *config) against(o *recipes.Outcome, cmp *bench.Comparison, names bench.Comparison) {
	cmp.With, cmp.Was, cmp.Sides = names.With, names.Was, names.Sides
	o.Comparison, o.Verdict = cmp, cmp.Join(o.Verdict)
}

// baselineTrials is how often a baseline measures a fixed load.
const baselineTrials = 10

// update makes the run one that writes the baseline.
func (c *config) update(r *recipes.Recipe, path string, searching bool) {
	tolerance := c.tolerated()
	write := bench.Write
	if searching {
		write = report.History
		c.sequential()
		c.spec.Precise = (&recipes.Gate{Tolerance: tolerance}).Precise()
		c.judge = func(_, o *recipes.Outcome) {
			if g := (recipes.Gate{Interval: o.Boundary.Interval, Tolerance: tolerance}).Over(o); g.Vague() {
				o.Verdict = recipes.Inconclusive
				o.Warnings = append(o.Warnings, fmt.Errorf("the boundary is known to only ±%.1f%%, which cannot show a loss of %.3g%%: "+
					"use longer probes (aiperftest.Requests, now %d) or give a larger aiperftest.Tolerance",
					100*g.Known(), 100*tolerance, o.Spec.Workload.Requests))
			}
		}
	} else if !c.trials {
		c.spec.Trials = baselineTrials
	} else if n := c.spec.Trials; bench.TrialsFor(n, 1) == 0 {
		c.errs = append(c.errs, fmt.Errorf("recipe %q: a baseline of %d measurements is too small to compare with: "+
			"leave out aiperftest.Trials to take %d", r.Name, n, baselineTrials))
	}
	c.keep = func(o *recipes.Outcome, err error) {
		if err != nil || o.Verdict != recipes.Met {
			c.kept = "not written: " + path + " is unchanged"
			return
		}
		if err := report.WriteFile(path, func(w io.Writer) error { return write(w, o) }); err != nil {
			o.Verdict = recipes.Inconclusive
			c.kept = fmt.Sprintf("not written: %v", err)
			return
		}
		c.kept = "written to " + path + "; nothing was compared"
	}
}

// middle is the median of a few values.
func middle(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
