package aiperftest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// short reports whether -short leaves the run out, and how many points it would
// have measured at most. A recipe of one point, for example recipes.Fixed, is measured
// all the same. Of the others a smoke probe is made, and then the test is skipped.
//
// Note: to go on behind the smoke probe was tried. It can assert nothing (a few requests
// settle no limit), and the code behind Run would take its concurrency for the answer.
func short(r *recipes.Recipe, s recipes.Spec) (points int, skip bool) {
	if !testing.Testing() || !testing.Short() {
		return 0, false
	}
	p, err := r.Expand(s.Given())
	if err != nil || p == nil {
		return 0, false // the run says what is wrong
	}
	w := s.Workload.Workload // a schedule takes as long as it says
	return p.Size(), p.Search != nil || p.Size() > 1 || len(w.Stages) > 0 || w.Replay != 0
}

// The size of a smoke probe: enough requests for the server to have warmed up, and at most
// so many at once.
const (
	smokeRequests = 8
	smokeLoad     = 8
)

// smoke makes the run a probe of a few requests at the lowest concurrency, which shows that
// the endpoint answers and nothing else. It returns the recipe that measures it.
func (c *config) smoke() *recipes.Recipe {
	at := 1
	if least := c.spec.Inputs.Concurrency.Min; least != nil {
		at = min(max(*least, 1), smokeLoad)
	}
	s := &c.spec
	s.Inputs = recipes.Inputs{Streaming: s.Inputs.Streaming}
	s.AtLeast, s.LeastRate, s.Trials, s.Converge, s.Precise = 0, 0, 0, nil, 0
	s.Resume, s.Baseline, s.Gate = nil, nil, nil
	s.Workload.Requests, s.Workload.Arrival, s.Workload.MostInFlight = max(smokeRequests, 2*at), "", 0
	s.Workload.Workload.Replay, s.Workload.Workload.Stages = 0, nil
	c.old, c.judge, c.keep, c.noCharts, c.smoking = nil, nil, nil, true, true
	return recipes.Fixed(at)
}

// smoked says what a smoke probe has shown and what was left out.
func smoked(o *recipes.Outcome, left string) string {
	p := report.Shown(o)
	if p == nil {
		return "-short: " + left
	}
	got := ""
	for _, m := range []struct{ name, stat string }{{"ttft", "p95"}, {"e2e", "p95"}} {
		if ms, ok := p.Stat(m.name, m.stat); ok {
			got = fmt.Sprintf(" (%s %s %.3gms)", m.name, m.stat, ms)
			break
		}
	}
	for _, w := range o.Warnings {
		left = "warning: " + w.Error() + "; " + left
	}
	return fmt.Sprintf("-short: a smoke probe of %d requests at %v was answered%s; %s", p.Requests(), p.Load, got, left)
}

// The inputs that say how to search or what to sweep. Given in shared Options, they are for
// those tests whose recipe reads them. Limits are not among them: a limit that is ignored in
// silence would let a test pass.
var sharable = []recipes.Input{"Style", "Concurrency", "Rate", "Steps", "OSLSteps", "ConcurrencyList", "Pairs", "ISL", "OSL",
	"Degradation", "MaxProbes", "InitialPoints", "Replicates", "Sampler"}

// overlook takes out what shared Options have for other recipes.
func (c *config) overlook(r *recipes.Recipe) {
	all, own := reflect.ValueOf(&c.spec.Inputs).Elem(), reflect.ValueOf(c.own)
	for _, in := range sharable {
		if f := all.FieldByName(string(in)); !slices.Contains(r.Uses, in) && !f.IsZero() && own.FieldByName(string(in)).IsZero() {
			f.SetZero()
		}
	}
}
