package report

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes"
)

// Progress says in one line how far a run has come, for a terminal: what is known
// of the answer, and what it took.
func Progress(o *recipes.Outcome) string {
	if o.Recipe == nil || o.Plan == nil {
		return ""
	}
	text := "recipe " + o.Recipe.Name
	// What was probed, not what is estimated between: the answer is the finding's.
	met, missed := math.Inf(-1), math.Inf(1)
	for i := range o.Probes {
		p := &o.Probes[i]
		pass, certain := p.Passes(o.Spec.Confidence)
		switch {
		case len(p.Readings) == 0 || len(p.Step.At) != 1 || !certain:
		case pass:
			met = max(met, p.Step.At[0])
		default:
			missed = min(missed, p.Step.At[0])
		}
	}
	if !math.IsInf(met, 0) {
		text += ", SLA met at " + value(met, "")
	}
	if !math.IsInf(missed, 0) {
		text += ", missed at " + value(missed, "")
	}
	return fmt.Sprintf("%s (%d of at most %s, %s)", text, len(o.Probes), plural(o.Plan.Size(), "point"), elapsed(o.Wall))
}
