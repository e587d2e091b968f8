package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// visitsOf are visits of a gate's floor at 100, with these margins.
func visitsOf(margins ...float64) (Problem, []Observation) {
	p := sequentialProblem(1, 1000)
	p.Floor = 99.2
	var h []Observation
	for _, g := range margins {
		o := Observation{At: []float64{100}, Margins: []Margin{{Estimate: Estimate{Value: g, SE: 0.02}, Pass: 0.5}}, Requests: 1000}
		if math.IsInf(g, 1) {
			o.State, o.Margins[0].Value = Failed, math.NaN()
		}
		h = append(h, o)
	}
	return p, h
}

func TestGateVerdict(t *testing.T) {
	for _, tt := range []struct {
		why     string
		margins []float64
		reason  string // empty: it goes on
	}{
		{"nothing is known", nil, ""},
		{"two visits that agree are too few", []float64{-0.3, -0.31}, ""},
		{"three that hold by far", []float64{-0.3, -0.31, -0.29}, FloorHolds},
		{"three that fail by far", []float64{0.3, 0.31, 0.29}, FloorBroken},
		{"one of them stalled", []float64{-0.12, 0.9, -0.11}, ""},
		{"and more visits outweigh it", []float64{-0.12, 0.9, -0.11, -0.13, -0.12, -0.11}, FloorHolds},
		{"their scatter is larger than they know", []float64{-0.2, 0.15, -0.1}, ""},
		{"a machine so busy that they say nothing", []float64{0.85, 0.54, -0.7}, ""},
		{"every request fails", []float64{math.Inf(1), math.Inf(1), math.Inf(1)}, FloorBroken},
		{"the boundary is the floor", []float64{-0.02, 0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02}, FloorOpen},
	} {
		t.Run(tt.why, func(t *testing.T) {
			p, h := visitsOf(tt.margins...)
			step := Gate{}.Next(p, h)
			assert.Equal(t, tt.reason != "", step.Done)
			if !step.Done {
				assert.Equal(t, []float64{100}, step.At, "the floor, rounded up to a whole number")
				assert.True(t, step.Full, "a gate compares values")
				return
			}
			assert.Equal(t, tt.reason, step.Reason)
			a := Gate{}.Answers(p, h)[0]
			assert.Equal(t, tt.reason == FloorHolds, a.Passed)
			assert.Equal(t, tt.reason == FloorHolds, a.Safe == 100)
			assert.Equal(t, tt.reason == FloorBroken, a.Bracket.Hi == 100)
			assert.Zero(t, a.Level, "a gate knows a side, and no interval")
		})
	}
}

// What would have been enough is: as many times the requests a probe make the
// same margins certain.
func TestGateEnough(t *testing.T) {
	p, h := visitsOf(-0.012, -0.001, -0.02, 0.011, -0.01)
	s := Gate{}.Stand(p, h)
	assert.Equal(t, 5, s.Visits)
	assert.Equal(t, 100.0, s.At)
	require.Greater(t, s.Pass, 0.5)
	require.Less(t, s.Pass, 1-gateError)
	factor := s.Enough()
	require.Greater(t, factor, 1.0)
	z := zOf(s.Pass) * math.Sqrt(factor)
	assert.InDelta(t, 1-gateError, normal.CDF(z), 1e-9)
	assert.True(t, math.IsInf(Stand{Pass: 0.5}.Enough(), 1), "of what favours neither side there is never enough")
	assert.Equal(t, Stand{}, Gate{}.Stand(sequentialProblem(1, 1000), h), "no floor, no gate")
	assert.Equal(t, Step{Done: true, Reason: reasonNoFloor}, Gate{}.Next(sequentialProblem(1, 1000), h))
}

// Probes that say nothing do not keep a gate going.
func TestGateEnds(t *testing.T) {
	p, _ := visitsOf()
	n := 0
	h, reason := play(t, Gate{}, p, func(s Step) Observation {
		n++
		m := Margin{Estimate: Estimate{Value: 0.001 * float64(n%3-1), SE: 0.02}, Pass: 0.5}
		o := Observation{At: s.At, Margins: []Margin{m}, Requests: 1000}
		if n%2 == 0 {
			o.State = Untrusted
		}
		return o
	})
	assert.Equal(t, FloorOpen, reason)
	assert.LessOrEqual(t, len(h), 2*gateMost)
}

// All limits must hold, and one that fails is enough.
func TestGateLimits(t *testing.T) {
	p, h := visitsOf(-0.3, -0.3, -0.3)
	for i := range h {
		h[i].Margins = append(h[i].Margins, Margin{Estimate: Estimate{Value: 0.3, SE: 0.02}, Pass: 0.5})
	}
	assert.Equal(t, FloorBroken, Gate{}.Next(p, h).Reason)
}

// A baseline is known to within what was asked for, most of the time, and never
// ends less well known than the search alone.
func TestSettled(t *testing.T) {
	const boundary, within = 140.0, 0.03
	good := 0
	for seed := range uint64(20) {
		p := sequentialProblem(1, 1000)
		h, _ := play(t, Settled{Within: within}, p, straightLine(boundary, 2, 0.04, true, rand.New(rand.NewPCG(seed, 5))))
		a := Settled{Within: within}.Answers(p, h)[0]
		if math.Log(a.Hi/a.Lo)/2 <= within {
			good++
		}
		assert.InEpsilon(t, boundary, a.Estimate, 0.06)
		plain, _ := play(t, Sequential{}, p, straightLine(boundary, 2, 0.04, true, rand.New(rand.NewPCG(seed, 5))))
		assert.GreaterOrEqual(t, len(h), len(plain))
		near := 0
		for _, o := range h {
			if o.State == Full && math.Abs(math.Log(o.At[0]/a.Estimate)) < 0.1 {
				near++
			}
		}
		assert.GreaterOrEqual(t, near, settleLeast, "it was visited often enough")
	}
	assert.GreaterOrEqual(t, good, 18)
}

// At a cliff the boundary is between the two points around it, whatever the line
// through them says.
func TestSettledCliff(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 6))
		p := sequentialProblem(1, 1000)
		h, _ := play(t, Settled{Within: 0.03}, p, func(s Step) Observation {
			g := -0.5
			if s.At[0] > 180 {
				g = 1.4
			}
			g += 0.02 * rng.NormFloat64()
			m := Margin{Estimate: Estimate{Value: g, SE: 0.02}, Pass: normal.CDF(-g / 0.02)}
			return Observation{At: s.At, Margins: []Margin{m}, Goals: []Estimate{{}}, Requests: 300}
		})
		a := Settled{Within: 0.03}.Answers(p, h)[0]
		assert.InEpsilon(t, 180.5, a.Estimate, 0.035, "seed %d", seed)
	}
}
