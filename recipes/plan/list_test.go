package plan

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// TestListInTwoPasses: the points of a list are visited in two passes of half their size. What could not
// be measured is tried once more in each of them, and what lies far beyond its limit is visited
// once.
func TestListInTwoPasses(t *testing.T) {
	p := concurrency(1, 400)
	p.List = [][]float64{{1}, {20}, {90}, {400}}
	l := List{Passes: 2}
	var h []Observation
	var at []float64
	for s := l.Next(p, h); !s.Done; s = l.Next(p, h) {
		assert.Equal(t, 0.5, s.Size)
		assert.True(t, s.Full)
		at = append(at, s.At[0])
		one := looked{s.At[0], 0, 5, (s.At[0] - 100) / 100, 0.05, normal.CDF((100 - s.At[0]) / 5), s.At[0] - 100, 150, Full}
		if len(at) == 2 {
			one.state = Untrusted
		}
		o := historyOf([]looked{one})
		o[0].Asked = s
		h = append(h, o...)
	}
	assert.Equal(t, []float64{1, 20, 20, 90, 400, 1, 20, 90}, at)
	assert.Equal(t, 90.0, l.Answers(p, h)[0].Safe)

	gone := historyOf([]looked{{1, 0, 5, -1, 0.05, 0.99, -7, 150, Full}, {20, 0, 5, 0, 0, 0.5, 0, 0, Untrusted},
		{20, 0, 5, 0, 0, 0.5, 0, 0, Untrusted}, {90, 0, 5, -0.1, 0.05, 0.99, -5, 150, Full},
		{400, 0, 5, 2, 0.05, 0, 99, 150, Full}, {1, 0, 5, -1, 0.05, 0.99, -7, 150, Full}})
	s := l.Next(p, gone)
	assert.Equal(t, []float64{20}, s.At, "what could not be measured then may be now")
	assert.Equal(t, 0.5, s.Size)
}

// TestListSeesScatter: where visits of the same points differ beyond their own errors from one pass to
// the next, no verdict is as certain as one visit has it; where they agree, and where a first probe
// alone was slow, each is.
func TestListSeesScatter(t *testing.T) {
	p := concurrency(1, 400)
	for _, x := range []float64{1, 3, 8, 20, 50, 90} {
		p.List = append(p.List, []float64{x})
	}
	grid := func(moved func(i int) float64) (h []Observation) {
		for i := range 12 {
			at := p.List[i%6][0]
			g := -0.15 + moved(i)
			h = append(h, historyOf([]looked{{at, 0, 10, g, 0.05, normal.CDF(-g / 0.05), -5, 150, Full}})...)
		}
		return h
	}
	rng := rand.New(rand.NewPCG(1, 1))
	h := grid(func(int) float64 { return 0.25 * rng.NormFloat64() })
	_, moved, _ := temper(p, h)
	assert.InDelta(t, 0.25, moved[0].scatter, 0.08)
	assert.Greater(t, moved[0].bias, 0.0)
	for i, one := range p.Scatter(h) {
		assert.Greater(t, one[0].SE, 0.25, "known by so few")
		assert.InDelta(t, 0.5, one[0].Pass, 0.48, "visit %d, certain by itself: %.4f", i, h[i].Margins[0].Pass)
	}
	for name, h := range map[string][]Observation{
		"steady": grid(func(int) float64 { return 0.02 * rng.NormFloat64() }),
		"a cold start": append(grid(func(i int) float64 {
			if i == 0 {
				return 1.5
			}
			return 0.02 * rng.NormFloat64()
		}), historyOf([]looked{{1, 0, 10, -0.16, 0.05, 0.999, -5, 150, Full}})...), // looked at once more
	} {
		_, moved, _ := temper(p, h)
		assert.Zero(t, moved[0].scatter, name)
	}
	rest := p.Scatter(h[:6])
	assert.Equal(t, Estimate{}, rest[0][0].Estimate, "one pass tells nothing")
	assert.Equal(t, 10*time.Second, h[0].Lasted)
}
