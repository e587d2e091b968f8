package surfaces

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/recipes"
)

// What the experiments and tests hold figures to is said when it is not kept.
func TestCheck(t *testing.T) {
	st := Style{Name: "x", AIPerf: row(10, 0.1), MaxProbes: 10.5, MaxViolates: 0.05}
	for _, tt := range []struct {
		why  string
		f    Figures
		tie  bool
		errs int
	}{
		{"better in both", Figures{Probes: 9, Error: 0.09, Violates: 0.05}, false, 0},
		{"as many probes", Figures{Probes: 10, Error: 0.09}, false, 1},
		{"as many probes, where they may be", Figures{Probes: 10, Error: 0.09}, true, 0},
		{"worse in everything", Figures{Probes: 11, Error: 0.1, Violates: 0.06}, true, 4},
	} {
		st.MayTie = tt.tie
		assert.Len(t, st.Check(tt.f), tt.errs, tt.why)
	}
	assert.NoError(t, CheckCost(map[string]Cost{Sizes[0]: {Requests: 7500}}))
	assert.Error(t, CheckCost(map[string]Cost{Sizes[0]: {Requests: 7501}}))

	gates := func(alarms, found, runs, most int) *Gates {
		g := &Gates{most: 12_000}
		for i := range runs {
			same, worse := recipes.Met, recipes.Inconclusive
			if i < alarms {
				same = recipes.Missed
			}
			if i < found {
				worse = recipes.Missed
			}
			g.Same.add(same, most)
			g.Worse.add(worse, most)
		}
		return g
	}
	assert.Empty(t, gates(2, 190, 200, 3000).Check())
	assert.Len(t, gates(9, 190, 200, 3000).Check(), 1, "more false alarms than chance brings")
	assert.Len(t, gates(2, 170, 200, 3000).Check(), 1, "fewer losses found than chance takes")
	assert.Len(t, gates(11, 949, 1000, 3000).Check(), 2, "from 1,000 runs on the rates themselves count")
	assert.Len(t, gates(2, 190, 200, 12_001).Check(), 1, "too many requests")
}
