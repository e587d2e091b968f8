package aiperftest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Compare measures a recipe's fixed loads on two endpoints in turns and asserts
// that the new one is not worse than the old one. The verdict is missed if a metric is
// worse by more than the Tolerance, and not by chance. It reports benchstat's table of
// all metrics; with ReportOnly it does only that.
//
// The blocks alternate: old new, new old, or the other way round, depending on the
// seed. There are Trials of each, 8 by default, and one endpoint is idle while the
// other is loaded. A drift of the machine affects both alike, so that two builds can be
// told apart on a machine for which an earlier baseline is no longer valid.
//
// The outcome is the new endpoint's. Artifacts are in the folders old and new.
func Compare(t T, r *recipes.Recipe, old, new string, opts ...Option) *recipes.Outcome {
	t.Helper()
	c := resolve(append(slices.Clone(opts), Endpoint(new)))
	c.spec.Target.URL, c.spec.Target.Others = new, nil // whatever other endpoints the options name
	tolerance := c.tolerated()
	c.pairs(r)
	spec := c.spec
	spec.Target.URL = old
	c.old = &spec
	c.judge = func(old, new *recipes.Outcome) {
		c.against(new, bench.Compare(bench.Measured(old), bench.Measured(new), tolerance), bench.Comparison{
			With: c.old.Target.Redacted() + " (old) and " + c.spec.Target.Redacted() + " (new) in turns",
			Was:  "the old endpoint", Sides: [2]string{"old", "new"},
		})
	}
	return run(t, r, c)
}

// pairs sets how many blocks of each endpoint are measured, and refuses so few that they
// cannot show a change: that is known before an hour is spent on them.
func (c *config) pairs(r *recipes.Recipe) {
	points := 1
	if err := recipes.Validate(r); err == nil {
		if p, err := r.Expand(c.spec.Inputs); err == nil && p != nil && p.Search == nil {
			points = max(p.Size(), 1)
		}
	}
	stream := c.spec.Inputs.Streaming == nil || *c.spec.Inputs.Streaming
	enough, can := bench.Enough(points, c.spec.Trials, stream)
	switch {
	case !c.trials:
		c.spec.Trials = max(compareTrials, enough)
	case !can && c.spec.Trials > 0 && !c.reportOnly:
		c.errs = append(c.errs, fmt.Errorf("compare recipe %q: %d measurements of each endpoint are too few to show any change; "+
			"use aiperftest.Trials(%d), or leave it out", r.Name, c.spec.Trials, enough))
	}
}

// compareTrials is how many blocks of each endpoint a comparison takes: enough
// for a change that shows in nearly every pair.
const compareTrials = 8

// endpoints are what the run loads, in an order that all runs take them in: two
// that wait for each other would wait forever.
func (c *config) endpoints() []string {
	all := c.spec.Target.Endpoints()
	if c.old != nil {
		all = append(all, c.old.Target.Endpoints()...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(lockName(a), lockName(b)) })
	return slices.CompactFunc(all, func(a, b string) bool { return lockName(a) == lockName(b) })
}
