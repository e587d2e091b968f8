package ginkgoaiperf

import (
	"context"

	"github.com/onsi/ginkgo/v2"

	"github.com/aiperf-go/aiperf/recipes"
)

// Spec is the running spec, as aiperftest.Run takes it.
type Spec struct {
	ginkgo.FullGinkgoTInterface
	ctx context.Context
}

// T returns the running spec; ctx is the SpecContext that its function takes. A
// run then ends when the spec is to end, with what is known by then: give the
// spec a GracePeriod of a few seconds to say it.
func T(ctx context.Context) *Spec {
	return &Spec{FullGinkgoTInterface: ginkgo.GinkgoT(), ctx: ctx}
}

// Context returns the spec's context. GinkgoT().Context() is a new one that no
// timeout ends.
func (s *Spec) Context() context.Context { return s.ctx }

// Attach adds a run's results to the spec's report; aiperftest.Run calls it
// before it asserts.
func (s *Spec) Attach(o *recipes.Outcome, artifacts string) { Attach(o, artifacts) }
