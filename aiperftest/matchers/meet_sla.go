package matchers

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/aiperf-go/aiperf/recipes"
)

// MeetSLA succeeds when the run's verdict is met. Both missed and inconclusive
// fail, because a gate must not pass when it cannot tell. A run without SLA limits is
// an error, since it would be met by being measured.
//
// Note: Expect(out).NotTo(MeetSLA()) succeeds on an inconclusive run, too. To
// assert that a limit is missed, compare out.Verdict with recipes.Missed.
func MeetSLA() types.GomegaMatcher { return meetSLA{} }

type meetSLA struct{}

func (meetSLA) Match(actual any) (bool, error) {
	o, err := outcomeOf("MeetSLA", actual)
	if err != nil {
		return false, err
	}
	if len(o.Plan.Limits) == 0 {
		return false, fmt.Errorf("MeetSLA has no limit to judge: recipe %s ran without an SLA; "+
			"give one, for example aiperftest.TTFT(…) or aiperftest.SLA(…)", o.Recipe.Name)
	}
	return o.Verdict == recipes.Met, nil
}

func (meetSLA) FailureMessage(actual any) string { return finding(actual.(*recipes.Outcome)) }

func (meetSLA) NegatedFailureMessage(actual any) string {
	return finding(actual.(*recipes.Outcome)) + "\nexpected the SLA not to be met"
}
