package aiperftest

import (
	"testing"

	"github.com/aiperf-go/aiperf/recipes"
)

// short reports whether -short leaves the run out, and how many points it would
// have measured at most. A recipe of one point, for example recipes.Fixed, is measured
// all the same.
//
// Note: a smoke probe at the lowest concurrency was tried. It can assert nothing
// (a few requests settle no limit), and the code behind Run would take its
// concurrency for the answer.
func short(r *recipes.Recipe, s recipes.Spec) (points int, skip bool) {
	if !testing.Testing() || !testing.Short() {
		return 0, false
	}
	p, err := r.Expand(s.Given())
	if err != nil || p == nil {
		return 0, false // the run says what is wrong
	}
	return p.Size(), p.Search != nil || p.Size() > 1
}
