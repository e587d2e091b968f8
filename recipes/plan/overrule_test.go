package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOverrule: an open failure below points that pass by more evidence is believed to pass. A
// certain one stands, and so does a point where every request failed.
func TestOverrule(t *testing.T) {
	one := looked{1, 0, 60, -0.7, 0.05, 0.92, -5, 300, Full}
	open := looked{8, 0, 10, 0.9, 0.8, 0.38, 1, 300, Full}
	pass := looked{32, 0, 5, -0.7, 0.05, 0.996, -9, 300, Full}
	fail := looked{128, 0, 5, 1.2, 0.05, 0.0001, 80, 300, Full}
	assert.Equal(t, 32.0, List{}.Answers(upTo400, historyOf([]looked{one, open, pass, fail}))[0].Safe)
	assert.Equal(t, 32.0, Monotonic{}.Answers(upTo400, historyOf([]looked{one, open, pass, fail}))[0].Bracket.Lo)

	open.pass = 0.004
	a := List{}.Answers(upTo400, historyOf([]looked{one, open, pass, fail}))[0]
	assert.Equal(t, 1.0, a.Bracket.Lo, "a certain failure stands")
	assert.True(t, a.NonMonotone)

	crashed := historyOf([]looked{one, open, pass, fail})
	crashed[1].State = Failed
	assert.Equal(t, 1.0, List{}.Answers(upTo400, crashed)[0].Bracket.Lo, "a crash is no chance")

	open.pass, pass.pass = 0.1, 0.8
	a = List{}.Answers(upTo400, historyOf([]looked{one, open, pass, fail}))[0]
	assert.Equal(t, 1.0, a.Bracket.Lo, "less evidence does not turn more")
}

// TestOpenFailuresAreNotTheEnd: what failed by chance at a low load, where a visit of a minute says
// little, sends no style to look for a boundary there. Each goes on upwards, where a certain
// verdict costs seconds.
func TestOpenFailuresAreNotTheEnd(t *testing.T) {
	low := historyOf([]looked{{1, 0, 18, -0.8, 0.06, 0.89, -2, 59, Full}, {2, 0, 18, 0.76, 0.88, 0.37, 1, 108, Full}})
	s := Monotonic{}.Next(upTo400, low)
	assert.Equal(t, []float64{4}, s.At)
	s = Monotonic{}.Next(upTo400, append(low, historyOf([]looked{{4, 0, 18, 0.76, 0.88, 0.37, 1, 220, Full}})...))
	assert.LessOrEqual(t, s.At[0], 4.0, "no more than four times what passed")

	for _, style := range []Planner{Bayes{}, Optuna{}} {
		s := style.Next(upTo400, low)
		assert.Greater(t, s.At[0], 2.0, "%T: %s", style, s.Reason)
	}
}

// TestSweepEndsWithAnAnswer: a sweep of which no point passes with certainty asks the largest that is
// believed to pass for more, and one that has an answer asks for none.
func TestSweepEndsWithAnAnswer(t *testing.T) {
	p := concurrency(1, 400)
	p.List = [][]float64{{1}, {8}, {64}}
	h := historyOf([]looked{{1, 0, 60, -0.7, 0.05, 0.92, -5, 300, Full}, {8, 0, 9, -0.7, 0.8, 0.6, -1, 300, Full},
		{64, 0, 4, 1.2, 0.05, 0.0001, 80, 300, Full}})
	s := List{}.Next(p, h)
	assert.Equal(t, []float64{8}, s.At)
	assert.Equal(t, 2.0, s.Size)
	assert.True(t, s.Full)
	h = append(h, historyOf([]looked{{8, 0, 18, -0.7, 0.05, 0.999, -18, 600, Full}})...)
	assert.True(t, List{}.Next(p, h).Done)
	assert.Equal(t, 8.0, List{}.Answers(p, h)[0].Safe)
}

// TestWarier: where visits disagree, of two accounts of the boundary that counts which reaches less far.
func TestWarier(t *testing.T) {
	v := viewsOf(upTo400, historyOf([]looked{{50, 0, 4, -0.4, 0.05, 0.999, -9, 300, Full}}))[0]
	far, near := noAnswer(), noAnswer()
	far.Safe, near.Safe, far.Estimate, near.Estimate = 50, 50, 123, 100
	far.within(111, 147, intervalLevel)
	near.within(72, 140, intervalLevel)
	none := noAnswer()
	assert.Equal(t, near.Estimate, v.warier(far, near).Estimate)
	assert.Equal(t, near.Estimate, v.warier(near, far).Estimate)
	assert.Equal(t, far.Estimate, v.warier(far, none).Estimate)
	assert.Equal(t, far.Estimate, v.warier(none, far).Estimate)
}
