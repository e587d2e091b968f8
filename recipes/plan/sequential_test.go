package plan

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

func sequentialProblem(lo, hi float64) Problem {
	return Problem{Dims: []Dim{{Lo: lo, Hi: hi, Int: true, Log: true}}, Baseline: math.NaN(), Floor: math.NaN()}
}

// straightLine observes g = slope·ln(x/b) with the given noise and certainty.
func straightLine(b, slope, sd float64, known bool, rng *rand.Rand) func(Step) Observation {
	return func(s Step) Observation {
		g := slope*math.Log(s.At[0]/(b+0.5)) + sd*rng.NormFloat64()
		l := Margin{Estimate: Estimate{Value: g, SE: math.NaN()}, Pass: math.NaN()}
		if known {
			l.SE, l.Pass = sd, normal.CDF(-g/sd)
		}
		return Observation{At: s.At, Margins: []Margin{l}, Goals: []Estimate{{Value: s.At[0]}}}
	}
}

// TestSlowServer: a server whose requests take seconds is asked for few of them at first, and a doubling
// by visits that take too long goes on by visits half as long.
func TestSlowServer(t *testing.T) {
	p := sequentialProblem(1, 1000)
	for request, start := range map[time.Duration]float64{
		0: 8, 500 * time.Millisecond: 8, 3 * time.Second: 4, 7 * time.Second: 1, time.Minute: 1,
	} {
		p.Request = request
		assert.Equal(t, []float64{start}, Sequential{}.Next(p, nil).At, "%v a request", request)
	}
	p.Time = 4 * time.Minute
	for lasted, size := range map[time.Duration]float64{20 * time.Second: 1, 30 * time.Second: 0.5} {
		h := []Observation{{At: []float64{1}, Lasted: lasted, Margins: []Margin{{Estimate: Estimate{Value: -1, SE: 0.1}, Pass: 1}}}}
		s := Monotonic{}.Next(p, h)
		assert.Equal(t, []float64{2}, s.At)
		assert.Equal(t, size, s.Size, "after a visit of %v", lasted)
	}
}

// play runs a planner to its end and holds each step against the bounds.
func play(t *testing.T, q Planner, p Problem, observe func(Step) Observation) ([]Observation, string) {
	t.Helper()
	var h []Observation
	for range 200 {
		s := q.Next(p, h)
		if s.Done {
			require.NotEmpty(t, s.Reason)
			return h, s.Reason
		}
		require.Len(t, s.At, len(p.Dims))
		d := p.Dims[0]
		require.True(t, s.At[0] >= d.Lo && s.At[0] <= d.Hi && (!d.Int || s.At[0] == math.Trunc(s.At[0])), "%v of %v", s.At, d)
		o := observe(s)
		o.Asked = s
		h = append(h, o)
	}
	require.Fail(t, "the search does not end", "%v", h)
	return nil, ""
}

func TestSequentialBoundary(t *testing.T) {
	for _, tt := range []struct {
		why      string
		lo, hi   float64
		boundary float64
		slope    float64
		reason   string
		probes   int
	}{
		{"an ordinary boundary", 1, 1000, 137, 2, sequentialPrecision, 8},
		{"below the start", 1, 1000, 2, 2, sequentialPrecision, 5},
		{"nothing passes: the start, the bottom, no more", 1, 1000, 0.2, 2, sequentialNoPass, 3},
		{"everything passes", 1, 1000, 5000, 2, sequentialNoFailure, 6},
		{"a range above the start", 100, 200, 150, 2, sequentialPrecision, 8},
		{"a cliff", 1, 1000, 180, 200, sequentialPrecision, 13},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for seed := range uint64(5) {
				p := sequentialProblem(tt.lo, tt.hi)
				rng := rand.New(rand.NewPCG(seed, 1))
				h, reason := play(t, Sequential{}, p, straightLine(tt.boundary, tt.slope, 0.01, false, rng))
				a := Sequential{}.Answers(p, h)[0]
				assert.Equal(t, tt.reason, reason)
				assert.LessOrEqual(t, len(h), tt.probes)
				switch reason {
				case sequentialNoPass:
					assert.True(t, math.IsNaN(a.Safe))
				case sequentialNoFailure:
					assert.Equal(t, tt.hi, a.Safe)
				default:
					assert.InEpsilon(t, tt.boundary, a.Safe, 0.05)
					lo, hi := a.Ends()
					assert.True(t, lo <= tt.boundary+1 && hi >= tt.boundary-1, "%v in [%v, %v]", tt.boundary, lo, hi)
				}
			}
		})
	}
}

// TestSequentialClosed: a certain pass and a certain failure that lie 3% apart end the search. The curve
// has a step between them, and a straight line through its points believes in neither.
func TestSequentialClosed(t *testing.T) {
	p := sequentialProblem(1, 1000)
	at := func(x, g float64) Observation {
		const sd = 0.03
		return Observation{At: []float64{x}, Margins: []Margin{{Estimate: Estimate{Value: g, SE: sd}, Pass: normal.CDF(-g / sd)}}}
	}
	h := []Observation{at(8, -1.2), at(40, -0.5), at(80, -0.12), at(130, 0.9), at(97, -0.08), at(100, 0.5)}
	assert.Equal(t, done(sequentialPrecision), Sequential{}.Next(p, h))
	assert.EqualValues(t, 97, Sequential{}.Answers(p, h)[0].Safe)
	assert.False(t, Sequential{}.Next(p, h[:5]).Done, "the failure at 130 is too far away")
}

// Without noise every boundary of a range is found exactly.
func TestSequentialExact(t *testing.T) {
	for b := 1.0; b <= 60; b++ {
		p := sequentialProblem(1, 64)
		h, reason := play(t, Sequential{}, p, func(s Step) Observation {
			g := math.Log(s.At[0] / (b + 0.5))
			return Observation{At: s.At, Margins: []Margin{{Estimate: Estimate{Value: g, SE: 0}, Pass: math.NaN()}}}
		})
		assert.Equal(t, sequentialPrecision, reason)
		assert.Equal(t, b, Sequential{}.Answers(p, h)[0].Safe)
		assert.LessOrEqual(t, len(h), 10)
	}
}

func TestSequentialWarmStart(t *testing.T) {
	const old = 140.0
	for _, tt := range []struct {
		why       string
		now, most float64 // mean probes at most
		within    float64
	}{
		{"unchanged: the baseline and the point above it", 142, 3, 0.05},
		{"a little worse", 128, 7, 0.06},
		{"half as much", 70, 9, 0.06},
		{"thrice as much", 420, 9, 0.06},
	} {
		t.Run(tt.why, func(t *testing.T) {
			total := 0
			for seed := range uint64(10) {
				p := sequentialProblem(1, 1000)
				p.Baseline = old
				rng := rand.New(rand.NewPCG(seed, 2))
				h, _ := play(t, Sequential{}, p, straightLine(tt.now, 2.5, 0.015, false, rng))
				assert.Equal(t, old, h[0].At[0])
				assert.InEpsilon(t, tt.now, Sequential{}.Answers(p, h)[0].Safe, tt.within)
				total += len(h)
			}
			assert.LessOrEqual(t, float64(total)/10, tt.most)
		})
	}
}

func TestSequentialGate(t *testing.T) {
	for _, tt := range []struct {
		why    string
		now    float64
		reason string
		most   int
	}{
		{"far above the floor: no more visits than must be", 300, FloorHolds, gateLeast},
		{"far below it: as few", 60, FloorBroken, gateLeast},
		{"just above", 150, FloorHolds, 8},
		{"just below", 120, FloorBroken, 8},
	} {
		t.Run(tt.why, func(t *testing.T) {
			for seed := range uint64(5) {
				p := sequentialProblem(1, 1000)
				p.Floor = 133
				rng := rand.New(rand.NewPCG(seed, 3))
				h, reason := play(t, Gate{}, p, straightLine(tt.now, 2, 0.03, true, rng))
				assert.Equal(t, tt.reason, reason)
				assert.LessOrEqual(t, len(h), tt.most)
			}
		})
	}
}

// The objective's best point is found when it lies below the boundary, and costs
// nothing when it is the boundary.
func TestSequentialClimbs(t *testing.T) {
	for _, peak := range []float64{20, 60, 110, 1000} {
		p := sequentialProblem(1, 1000)
		p.Goals = []Goal{{Maximize: true, Reference: math.NaN()}}
		rng := rand.New(rand.NewPCG(1, 4))
		line := straightLine(300, 2, 0.01, false, rng)
		goal := func(x float64) float64 { return math.Exp(-math.Pow(math.Log(x/peak), 2) / 2) }
		observe := func(s Step) Observation {
			o := line(s)
			o.Goals[0].Value = goal(s.At[0])
			return o
		}
		h, _ := play(t, Sequential{Objective: true}, p, observe)
		a := Sequential{}.Answers(p, h)[0]
		best := 0.0
		for _, o := range h {
			if o.At[0] <= a.Safe {
				best = max(best, o.Goals[0].Value)
			}
		}
		assert.Greater(t, best, 0.97*goal(min(peak, a.Safe)), "peak %v", peak)
		plain, _ := play(t, Sequential{}, p, straightLine(300, 2, 0.01, false, rand.New(rand.NewPCG(1, 4))))
		if peak > a.Safe {
			assert.Equal(t, len(plain), len(h), "a rising goal needs no climb")
		} else {
			assert.LessOrEqual(t, len(h), len(plain)+climbProbes)
		}
	}
}

// The climb counts the probes that it asked for, and none that only look like its own:
// below the answer, after it.
func TestSequentialClimbCounts(t *testing.T) {
	p := sequentialProblem(1, 1000)
	p.Goals = []Goal{{Maximize: true, Reference: math.NaN()}}
	observe := straightLine(100, 2, 0.01, true, rand.New(rand.NewPCG(1, 8)))
	h, _ := play(t, Sequential{}, p, observe)
	safe := Sequential{}.Answers(p, h)[0].Safe
	for _, s := range []Step{
		probe(safe/2, "of another tier"), whole(safe/3, climbing), whole(safe/4, climbing), whole(safe, climbing),
	} {
		s.At[0] = math.Floor(s.At[0])
		o := observe(s)
		o.Asked = s
		h = append(h, o)
	}
	assert.Equal(t, 2, newSequence(viewsOf(p, h)[0]).climbed())
}

// Several tiers share their probes: together they cost less than one by one.
func TestSequentialTiers(t *testing.T) {
	p := sequentialProblem(1, 1000)
	p.Tiers = [][]int{{0}, {1}}
	rng := rand.New(rand.NewPCG(1, 5))
	a, b := straightLine(100, 2, 0.01, false, rng), straightLine(200, 2, 0.01, false, rng)
	h, _ := play(t, Sequential{}, p, func(s Step) Observation {
		o := a(s)
		o.Margins = append(o.Margins, b(s).Margins...)
		return o
	})
	answers := Sequential{}.Answers(p, h)
	require.Len(t, answers, 2)
	assert.InEpsilon(t, 100, answers[0].Safe, 0.05)
	assert.InEpsilon(t, 200, answers[1].Safe, 0.05)
	assert.LessOrEqual(t, len(h), 12)
}

// A pass above a failure that stays one: the answer is the prefix, and says so.
func TestSequentialNonMonotone(t *testing.T) {
	p := sequentialProblem(1, 1000)
	h, _ := play(t, Sequential{}, p, func(s Step) Observation {
		x, g := s.At[0], -1.0
		if x >= 40 && x < 60 || x > 400 {
			g = 1
		}
		return Observation{At: s.At, Margins: []Margin{{Estimate: Estimate{Value: g, SE: 0.05}, Pass: normal.CDF(-g / 0.05)}}}
	})
	a := Sequential{}.Answers(p, h)[0]
	lowestFailure := math.Inf(1)
	for _, o := range h {
		if o.Margins[0].Value > 0 {
			lowestFailure = min(lowestFailure, o.At[0])
		}
	}
	assert.Less(t, a.Safe, lowestFailure)
	anyAbove := false
	for _, o := range h {
		anyAbove = anyAbove || o.Margins[0].Value < 0 && o.At[0] > lowestFailure
	}
	assert.Equal(t, anyAbove, a.NonMonotone)
}

// Where noise hides the slope the search says so; in a few of many searches the noise
// happens to draw a clear boundary.
func TestSequentialNotIdentifiable(t *testing.T) {
	p := sequentialProblem(1, 1000)
	said := 0
	for seed := range uint64(20) {
		h, reason := play(t, Sequential{}, p, straightLine(150, 0.2, 0.1, true, rand.New(rand.NewPCG(1, seed))))
		if ok, factor := newSequence(viewsOf(p, h)[0]).identifiable(); reason == notIdentifiable {
			said++
			assert.False(t, ok)
			assert.Greater(t, factor, 1.0)
		}
	}
	assert.GreaterOrEqual(t, said, 16)
	rng := rand.New(rand.NewPCG(1, 6))
	h, _ := play(t, Sequential{}, p, straightLine(150, 3, 0.01, true, rng))
	ok, factor := newSequence(viewsOf(p, h)[0]).identifiable()
	assert.True(t, ok)
	assert.Equal(t, 1.0, factor)
}

// Whatever is observed, a search ends within bounds and without a panic, and a
// history cut off anywhere goes on as it did.
func TestSequentialProperties(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 7))
		lo := float64(1 + rng.IntN(20))
		hi := lo + float64([]int{0, 1, 5, 1000}[rng.IntN(4)])
		p := sequentialProblem(lo, hi)
		p.Goals = []Goal{{Maximize: rng.IntN(2) == 0, Reference: math.NaN()}}
		if rng.IntN(3) == 0 {
			p.Baseline = lo + (hi-lo)*rng.Float64()
		}
		if rng.IntN(3) == 0 {
			p.Floor = lo + (hi-lo)*rng.Float64()
		}
		if rng.IntN(4) == 0 {
			p.Tiers = [][]int{{0}, {0, 1}, {7}}
		}
		if rng.IntN(4) == 0 {
			p.Dims[0].Int = false
		}
		if rng.IntN(8) == 0 {
			p.Dims[0].Lo = 0
		}
		p.Budget = []int{0, 3, 30}[rng.IntN(3)]
		var q Planner = Sequential{Objective: rng.IntN(2) == 0}
		if p.Floor > 0 {
			q = Gate{}
		}
		odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0}
		wild := rng.IntN(2) == 0
		var steps []Step
		h, _ := play(t, q, p, func(s Step) Observation {
			steps = append(steps, s)
			o := straightLine(lo+(hi-lo)/3, 1.5, 0.1, rng.IntN(2) == 0, rng)(s)
			o.Margins = append(o.Margins, o.Margins[0])
			if wild && rng.IntN(3) == 0 {
				o.State = State(rng.IntN(5))
				o.Margins[rng.IntN(2)].Value = odd[rng.IntN(4)]
				o.Margins[rng.IntN(2)].SE = odd[rng.IntN(4)]
				o.Margins[rng.IntN(2)].Pass = []float64{math.NaN(), 0, 1, 0.5}[rng.IntN(4)]
				o.Goals[0].Value = odd[rng.IntN(4)]
				o.Requests = rng.IntN(2) * 1000
				if rng.IntN(4) == 0 {
					o.Margins, o.Goals = nil, nil
				}
			}
			return o
		})
		for i, s := range steps {
			require.Equal(t, s, q.Next(p, h[:i]), "seed %d: the step after %d observations", seed, i)
		}
		for _, a := range q.Answers(p, h) {
			require.False(t, a.Safe < p.Dims[0].Lo || a.Safe > p.Dims[0].Hi, "seed %d: %v", seed, a)
		}
	}
}
