package matchers

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/format"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// outcomeOf returns the outcome that a matcher is to judge.
func outcomeOf(matcher string, actual any) (*recipes.Outcome, error) {
	o, ok := actual.(*recipes.Outcome)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s takes the *recipes.Outcome that aiperftest.Run or RunRecipe returns, but got:\n%s",
			matcher, format.Object(actual, 1))
	case o == nil:
		return nil, fmt.Errorf("%s got a nil *recipes.Outcome; pass what aiperftest.Run or RunRecipe returns", matcher)
	case o.Recipe == nil || o.Plan == nil || len(o.Probes) == 0:
		return nil, fmt.Errorf("%s has nothing to judge: the run measured nothing; its own message says why", matcher)
	}
	return o, nil
}

// finding is what the run printed of itself. Writing to a strings.Builder cannot
// fail.
func finding(o *recipes.Outcome) string {
	var b strings.Builder
	_ = report.Finding(&b, o)
	return strings.TrimRight(b.String(), "\n")
}

// message opens with a line that is complete alone, then says what another
// matcher wanted, then gives the finding.
func message(o *recipes.Outcome, line, wanted string) string {
	parts := []string{fmt.Sprintf("recipe %s: %s", o.Recipe.Name, line), format.IndentString(wanted, 1), finding(o)}
	return strings.Join(parts, "\n")
}
