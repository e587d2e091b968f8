package matchers

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/aiperf-go/aiperf/recipes"
)

// SustainConcurrency succeeds when the concurrency to deploy at,
// Outcome.Best.Concurrency(), an int, satisfies the matcher:
//
//	Expect(out).To(SustainConcurrency(BeNumerically(">=", 64)))
//
// It is 0 when no concurrency was found at which the limits certainly hold.
func SustainConcurrency(matcher types.GomegaMatcher) types.GomegaMatcher {
	return &sustain{matcher}
}

type sustain struct{ matcher types.GomegaMatcher }

func (m *sustain) Match(actual any) (bool, error) {
	o, err := outcomeOf("SustainConcurrency", actual)
	if err != nil {
		return false, err
	}
	if m.matcher == nil {
		return false, fmt.Errorf("SustainConcurrency needs a matcher for the concurrency, for example BeNumerically(\">=\", 64)")
	}
	return m.matcher.Match(o.Best.Concurrency())
}

func (m *sustain) FailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	return message(o, sustained(o), m.matcher.FailureMessage(o.Best.Concurrency()))
}

func (m *sustain) NegatedFailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	return message(o, sustained(o), m.matcher.NegatedFailureMessage(o.Best.Concurrency()))
}

func sustained(o *recipes.Outcome) string {
	if !o.Best.Found {
		return "sustains no concurrency that was probed"
	}
	return fmt.Sprintf("sustains concurrency %d", o.Best.Concurrency())
}
