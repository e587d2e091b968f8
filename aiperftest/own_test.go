package aiperftest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/recipes"
)

// TestOwnOptions: what an input, a metric of the knee and a criterion of convergence become
// for the engine, and how an input of a recipe's own is spoken of.
func TestOwnOptions(t *testing.T) {
	c := resolve([]Option{Input("Slots", 8), Input("Colour", "red"), Degradation(0.3, "ttft p95"), Converge("e2e", "avg", 0.1, "cv")})
	assert.Equal(t, map[recipes.Input]any{"Slots": 8, "Colour": "red"}, c.spec.Inputs.Own)
	assert.Equal(t, 0.3, *c.spec.Inputs.Degradation)
	assert.Equal(t, [2]string{"ttft", "p95"}, [2]string{c.spec.Inputs.DegradationMetric, c.spec.Inputs.DegradationStat})
	assert.Equal(t, recipes.Convergence{Metric: "e2e", Stat: "avg", Within: 0.1, Criterion: "cv"}, *c.spec.Converge)

	c = resolve([]Option{Degradation(0.3), Converge("e2e", "avg", 0.1)})
	assert.Equal(t, [2]string{}, [2]string{c.spec.Inputs.DegradationMetric, c.spec.Inputs.DegradationStat})
	assert.Empty(t, c.spec.Converge.Criterion)

	assert.Equal(t, `aiperftest.Input("Slots", …)`, optionOf("Slots"))
	r := &recipes.Recipe{Name: "own", Doc: "a question",
		Expand: func(recipes.Inputs) (*recipes.Plan, error) { return nil, errors.New("unasked") }}
	_, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: unasked{}, Inputs: recipes.Inputs{Own: map[recipes.Input]any{"TTFT": 1}}})
	assert.EqualError(t, spoken(err), `recipe "own" cannot use aiperftest.TTFT(…) (AIPerf: --ttft-sla-ms): a recipe cannot declare an input `+
		`of this name, which is taken; choose another`)
}
