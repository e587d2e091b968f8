package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var unknown = math.NaN()

// searchers are the planners that look for a boundary in one dimension.
var searchers = map[string]Planner{"monotonic": Monotonic{}, "smooth_isotonic": SmoothIsotonic{}, "multi_tier": MultiTier{}}

func concurrency(lo, hi float64) Problem {
	return Problem{Dims: []Dim{{Path: "phases.profiling.concurrency", Lo: lo, Hi: hi, Int: true}}, Budget: 30}
}

// margins is an observation of the given margins, all with standard error se.
func margins(x, se float64, gs ...float64) Observation {
	o := Observation{At: []float64{x}}
	for _, g := range gs {
		o.Margins = append(o.Margins, Margin{Estimate: Estimate{Value: g, SE: se}, Pass: unknown})
	}
	return o
}

func with(o Observation, s State) Observation { o.State = s; return o }

// drive runs a planner and checks what no planner may do: leave its bounds, ask
// for what is not legal, ask for a point that it knows for certain and that was
// measured, or go on for ever.
func drive(t testing.TB, planner Planner, p Problem, probe func(Step) Observation) ([]Observation, string) {
	t.Helper()
	var h []Observation
	for range 200 {
		s := planner.Next(p, h)
		if s.Done {
			require.NotEmpty(t, s.Reason)
			require.Nil(t, s.At)
			require.Equal(t, s, planner.Next(p, h), "same history, same step")
			return h, s.Reason
		}
		require.Len(t, s.At, 1)
		x, d := s.At[0], p.Dims[0]
		require.True(t, x >= d.Lo && x <= d.Hi, "%v is out of [%v, %v]", x, d.Lo, d.Hi)
		require.True(t, !d.Int || x == math.Trunc(x), "%v is no whole number", x)
		require.True(t, s.Size >= 0 && s.Size <= 4, "size %v", s.Size)
		visits := 0
		for _, o := range h {
			if slices.Equal(o.At, s.At) && o.says() {
				visits++
			}
		}
		require.LessOrEqual(t, visits, maxVisits, "%v again after %d visits", x, visits)
		o := probe(s)
		o.Asked = s
		h = append(h, o)
	}
	require.Fail(t, "the search does not end")
	return nil, ""
}

// line is a noise-free margin that crosses zero just above b.
func line(b, slope float64) func(Step) Observation {
	return func(s Step) Observation { return margins(s.At[0], 0, slope*math.Log(s.At[0]/(b+0.5))) }
}

func TestEveryBoundaryIsFound(t *testing.T) {
	for name, planner := range searchers {
		for b := 1.0; b <= 1000; b += 1 {
			p := concurrency(1, 1000)
			h, reason := drive(t, planner, p, line(b, 1.5))
			a := planner.Answers(p, h)[0]
			require.LessOrEqual(t, a.Safe, b, "%s, boundary %v", name, b)
			require.GreaterOrEqual(t, a.Safe, b-max(0, 0.05*(b+1)), "%s, boundary %v: %v, %s", name, b, a, reason)
			require.LessOrEqual(t, len(h), 20, "%s, boundary %v", name, b)
			seen := map[float64]bool{}
			for _, o := range h {
				require.False(t, seen[o.At[0]], "%s, boundary %v: %v twice, though it was certain", name, b, o.At[0])
				seen[o.At[0]] = true
			}
		}
	}
}

func TestEnds(t *testing.T) {
	step := func(b, low, high float64) func(Step) Observation {
		return func(s Step) Observation {
			if s.At[0] <= b {
				return margins(s.At[0], unknown, low)
			}
			return margins(s.At[0], unknown, high)
		}
	}
	always := func(o Observation) func(Step) Observation {
		return func(s Step) Observation { o := o; o.At = slices.Clone(s.At); return o }
	}
	tests := []struct {
		why    string
		lo, hi float64
		probe  func(Step) Observation
		reason map[string]string
		safe   float64
		most   int // probes
	}{
		{"nothing passes: a second probe of the lowest point says so", 1, 1000, step(0, -1, 1),
			map[string]string{"monotonic": monotonicNoPass, "smooth_isotonic": smoothNoPass, "multi_tier": tiersConverged}, unknown, 2},
		{"nothing passes, but just not: asked again before giving up", 1, 1000, step(0, -1, 0.001),
			map[string]string{"monotonic": monotonicNoPass, "smooth_isotonic": smoothNoPass, "multi_tier": tiersConverged},
			unknown, maxVisits},
		{"everything passes", 1, 1000, step(1000, -3, 1),
			map[string]string{"monotonic": monotonicNoFailure, "smooth_isotonic": smoothNoFailure, "multi_tier": tiersConverged}, 1000, 11},
		{"one point, which passes", 7, 7, step(7, -1, 1),
			map[string]string{"monotonic": monotonicNoFailure, "smooth_isotonic": smoothNoFailure, "multi_tier": tiersConverged}, 7, 1},
		{"one point, which fails", 7, 7, step(0, -1, 1),
			map[string]string{"monotonic": monotonicNoPass, "smooth_isotonic": smoothNoPass, "multi_tier": tiersConverged}, unknown, 2},
		{"every request fails: a failing server, confirmed", 1, 1000, always(Observation{State: Failed}),
			map[string]string{"monotonic": monotonicNoPass, "smooth_isotonic": smoothNoPass, "multi_tier": tiersConverged}, unknown, 3},
		{"the metric is never there: never passes", 1, 1000, always(margins(1, unknown, unknown)),
			map[string]string{"monotonic": monotonicNoPass, "smooth_isotonic": smoothNoPass, "multi_tier": tiersConverged}, unknown, 1},
		{"the server cannot be reached: once more, then the end", 1, 1000, always(Observation{State: Unmeasured}),
			map[string]string{"monotonic": reasonUnmeasured, "smooth_isotonic": reasonUnmeasured, "multi_tier": reasonUnmeasured},
			unknown, 2},
		{"the client is the limit: nothing is said of the server", 1, 1000, always(with(margins(1, unknown, -1), Untrusted)),
			map[string]string{"monotonic": reasonUntrusted, "smooth_isotonic": reasonUntrusted, "multi_tier": reasonUntrusted}, unknown, 2},
	}
	for _, tt := range tests {
		for name, planner := range searchers {
			t.Run(tt.why+"/"+name, func(t *testing.T) {
				p := concurrency(tt.lo, tt.hi)
				h, reason := drive(t, planner, p, tt.probe)
				assert.Equal(t, tt.reason[name], reason)
				assert.LessOrEqual(t, len(h), tt.most)
				if as := planner.Answers(p, h); assert.Len(t, as, 1) {
					assert.Equal(t, fmt.Sprint(tt.safe), fmt.Sprint(as[0].Safe))
					assert.Equal(t, !math.IsNaN(tt.safe), as[0].Passed)
				}
			})
		}
	}
}

// A fault that hits one probe, whatever it looks like, does not move the
// answer; a server that crashes for good does.
func TestTransientFaults(t *testing.T) {
	for name, planner := range searchers {
		for fault := 1; fault < 9; fault++ {
			n := 0
			h, _ := drive(t, planner, concurrency(1, 1000), func(s Step) Observation {
				n++
				o := margins(s.At[0], unknown, 1.5*math.Log(s.At[0]/300.5))
				if n == fault {
					o = with(o, Failed)
				}
				return o
			})
			a := planner.Answers(concurrency(1, 1000), h)[0]
			assert.InDelta(t, 300, a.Safe, 0.1*300, "%s, fault at probe %d: %v", name, fault, points(h))
		}
		h, _ := drive(t, planner, concurrency(1, 1000), func(s Step) Observation {
			o := margins(s.At[0], unknown, -2)
			if s.At[0] > 100 {
				o = with(o, Failed)
			}
			return o
		})
		a := planner.Answers(concurrency(1, 1000), h)[0]
		assert.LessOrEqual(t, a.Safe, 100.0, name)
		assert.GreaterOrEqual(t, a.Safe, 94.0, name)
	}
}

func points(h []Observation) (xs []float64) {
	for _, o := range h {
		xs = append(xs, o.At[0])
	}
	return xs
}

// A budget counts distinct points.
func TestBudget(t *testing.T) {
	for name, planner := range searchers {
		p := concurrency(1, 1000)
		p.Budget = 4
		h, reason := drive(t, planner, p, line(900, 1.5))
		assert.Len(t, h, 4, name)
		assert.Equal(t, ReasonMaxIterations, reason, name)
		assert.Equal(t, h[3].At[0], planner.Answers(p, h)[0].Safe, name)
	}
}

// Real-valued dimensions, and ranges that start elsewhere.
func TestRanges(t *testing.T) {
	for name, planner := range searchers {
		for _, d := range []Dim{
			{Lo: 0.5, Hi: 200}, {Lo: 0, Hi: 50}, {Lo: 10, Hi: 40, Int: true}, {Lo: 3, Hi: 4, Int: true}, {Lo: 1, Hi: 1 << 20, Int: true},
		} {
			p := Problem{Dims: []Dim{d}, Budget: 40}
			b := d.Lo + 0.37*(d.Hi-d.Lo)
			h, reason := drive(t, planner, p, func(s Step) Observation { return margins(s.At[0], 0, s.At[0]-b) })
			a := planner.Answers(p, h)[0]
			assert.True(t, a.Safe <= b && a.Safe >= b*0.95-1, "%s in %+v: %v, %s, %v", name, d, a, reason, points(h))
		}
		two := Problem{Dims: []Dim{{Lo: 1, Hi: 2}, {Lo: 1, Hi: 2}}}
		assert.Equal(t, Step{Done: true, Reason: reasonNotOneDimension}, planner.Next(two, nil), name)
		assert.NotPanics(t, func() { planner.Answers(two, nil) })
		assert.NotPanics(t, func() { planner.Next(Problem{}, nil); planner.Answers(Problem{}, nil) })
	}
}

// script plays a random history: margins of any size and certainty, failures,
// gaps, silences.
func script(rng *rand.Rand, limits int) func(Step) Observation {
	b := math.Exp(rng.Float64() * 8)
	sigma := []float64{0, 0.02, 0.3, 3}[rng.IntN(4)]
	odd := rng.Float64() * 0.4
	return func(s Step) Observation {
		o := Observation{At: slices.Clone(s.At), Requests: rng.IntN(3) * 100}
		for range limits {
			l := Margin{Pass: unknown}
			l.Value = 1.5*math.Log(max(s.At[0], 1e-3)/b) + sigma*rng.NormFloat64()
			l.SE = []float64{unknown, 0, sigma}[rng.IntN(3)]
			if rng.Float64() < 0.2 {
				l.Pass = rng.Float64()
			}
			if rng.Float64() < odd {
				l.Value = []float64{unknown, math.Inf(1), math.Inf(-1), 0, -l.Value}[rng.IntN(5)]
			}
			o.Margins = append(o.Margins, l)
		}
		if rng.Float64() < odd {
			o.State = State(rng.IntN(5))
		}
		if rng.Float64() < odd/4 {
			o.Margins = o.Margins[:rng.IntN(len(o.Margins)+1)]
		}
		return o
	}
}

func playScript(t testing.TB, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	limits := 1 + rng.IntN(3)
	p := concurrency(float64(1+rng.IntN(3)), float64(4+rng.IntN(2000)))
	p.Dims[0].Int = rng.IntN(4) > 0
	p.Budget = []int{0, 5, 20, 30}[rng.IntN(4)]
	p.Confidence = []float64{0, 0.9, 0.999}[rng.IntN(3)]
	if rng.IntN(3) == 0 {
		p.Tiers = [][]int{{0}, {limits - 1}, {7}}
	}
	for _, planner := range searchers {
		h, _ := drive(t, planner, p, script(rng, limits))
		as := planner.Answers(p, h)
		if p.Tiers != nil {
			require.Len(t, as, len(p.Tiers))
		}
		for _, a := range as {
			require.True(t, math.IsNaN(a.Safe) || slices.Contains(points(h), a.Safe), "the answer %v was not probed", a.Safe)
			lo, hi := a.Ends()
			require.False(t, lo > hi, "%+v", a)
		}
	}
	_ = SmoothIsotonic{}.Summary(p, nil)
}

func TestRandomScripts(t *testing.T) {
	for seed := range uint64(150) {
		playScript(t, seed)
	}
}

func FuzzSearches(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed + 1000)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { playScript(t, seed) })
}

func TestList(t *testing.T) {
	p := concurrency(1, 1000)
	p.List = [][]float64{{1}, {8}, {64}}
	tests := []struct {
		why   string
		say   []Observation
		order []float64
		safe  float64
	}{
		{"every point once, in order",
			[]Observation{margins(0, unknown, -1), margins(0, unknown, -0.1), margins(0, unknown, 1)}, []float64{1, 8, 64}, 8},
		{"a crashed point is a failing point",
			[]Observation{margins(0, unknown, -1), {State: Failed}, margins(0, unknown, -1)}, []float64{1, 8, 64}, 1},
		{"what could not be measured is tried once more",
			[]Observation{{State: Unmeasured}, margins(0, unknown, -1), margins(0, unknown, -1), margins(0, unknown, -1)},
			[]float64{1, 1, 8, 64}, 64},
		{"once only, then the list goes on",
			[]Observation{{State: Unmeasured}, {State: Unmeasured}, margins(0, unknown, -1), margins(0, unknown, 1)},
			[]float64{1, 1, 8, 64}, 8},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			say := tt.say
			h, reason := drive(t, List{}, p, func(s Step) Observation {
				o := say[0]
				say = say[1:]
				o.At = slices.Clone(s.At)
				return o
			})
			assert.Equal(t, ReasonGridComplete, reason)
			assert.Equal(t, tt.order, points(h))
			assert.Equal(t, tt.safe, List{}.Answers(p, h)[0].Safe)
		})
	}
	// A failure below a pass that says nothing when it is seen again is not asked for without end.
	h, _ := drive(t, List{}, p, func(s Step) Observation {
		if s.Reason != "next point of the list" {
			return Observation{At: slices.Clone(s.At), State: Untrusted}
		}
		return margins(s.At[0], 0.01, map[float64]float64{1: -1, 8: 1, 64: -1}[s.At[0]])
	})
	assert.Equal(t, []float64{1, 8, 64, 8, 8}, points(h))
	several := Problem{Dims: make([]Dim, 2), List: [][]float64{{1, 2}, {3, 4}}}
	h = []Observation{with(margins(1, 0, -1), Full)}
	h[0].At = []float64{1, 2}
	assert.Equal(t, []float64{3, 4}, List{}.Next(several, h).At)
	a := List{}.Answers(several, h)[0]
	assert.True(t, a.Passed && math.IsNaN(a.Safe))
}

// How the visits of one point combine.
func TestPooledVerdict(t *testing.T) {
	pass := func(p float64, requests int) Observation {
		return Observation{At: []float64{4}, Requests: requests, Margins: []Margin{{Estimate: Estimate{unknown, unknown}, Pass: p}}}
	}
	tests := []struct {
		why    string
		h      []Observation
		lo, hi float64 // P(pass) lies between
	}{
		{"a certainty is taken over", []Observation{pass(0.9, 100)}, 0.899, 0.901},
		{"two agreeing visits are surer than one (Stouffer: z·√2)", []Observation{pass(0.9, 100), pass(0.9, 100)}, 0.96, 0.97},
		{"the visit with more requests outweighs the other", []Observation{pass(0.9, 900), pass(0.1, 100)}, 0.75, 0.85},
		{"equal and opposite balance", []Observation{pass(0.9, 100), pass(0.1, 100)}, 0.4999, 0.5001},
		{"a margin with a standard error is a z-score", []Observation{margins(4, 0.1, -0.1)}, 0.84, 0.842},
		{"known margins pool by inverse variance", []Observation{margins(4, 0.1, -0.1), margins(4, 0.1, -0.1)}, 0.92, 0.93},
		{"without error the sign decides", []Observation{margins(4, 0, -1e-9)}, 0.999, 1},
		{"on the threshold of a limit that allows it", []Observation{margins(4, 0, 0)}, 0.999, 1},
		{"a missing metric never passes", []Observation{margins(4, 0, unknown)}, 0, 0.02},
		{"one failed visit is a failure in doubt", []Observation{with(margins(4, 0), Failed)}, 0.02, 0.1},
		{"two are a failure",
			[]Observation{with(margins(4, 0, -1), Failed), with(margins(4, 0, -1), Failed)}, 0, 0.02},
		{"a failed visit beside two clean ones is a fault",
			[]Observation{margins(4, 0, -1), with(margins(4, 0, -1), Failed), margins(4, 0, -1)}, 0.98, 1},
		{"two limits have to hold both", []Observation{margins(4, 0.1, -0.1, -0.1)}, 0.70, 0.71},
		{"silent visits say nothing",
			[]Observation{margins(4, 0, -1), with(margins(4, 0, 9), Unmeasured), with(margins(4, 0, 9), Untrusted)}, 0.999, 1},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			p := concurrency(1, 10)
			tr := viewsOf(p, tt.h)[0].read(noiseEstimate)
			require.Len(t, tr.points, 1)
			assert.GreaterOrEqual(t, tr.points[0].pass, tt.lo)
			assert.LessOrEqual(t, tr.points[0].pass, tt.hi)
		})
	}
}

func TestPrefix(t *testing.T) {
	p := concurrency(1, 100)
	h := []Observation{margins(1, 0, -1), margins(2, 0, -1), margins(4, 0, 0.2), margins(8, 0, -1), margins(16, 0, 1)}
	all := map[string]Planner{"list": List{}, "monotonic": Monotonic{}, "smooth_isotonic": SmoothIsotonic{}, "multi_tier": MultiTier{}}
	for name, planner := range all {
		a := planner.Answers(p, h)[0]
		assert.Equal(t, 2.0, a.Safe, "%s: what passes above a failure is not the boundary", name)
		assert.True(t, a.NonMonotone, name)
	}
}

// Three tiers, each stricter than the next, share their probes; each ends where
// a search of its own would.
func TestMultiTier(t *testing.T) {
	truth := []float64{40, 150, 700}
	p := concurrency(1, 1000)
	p.Tiers = [][]int{{0}, {1}, {2}, {3}, {4}}
	h, reason := drive(t, MultiTier{}, p, func(s Step) Observation {
		x := s.At[0]
		return margins(x, 0, math.Log(x/40.5), math.Log(x/150.5), math.Log(x/700.5), 1, -1)
	})
	assert.Equal(t, tiersConverged, reason)
	as := MultiTier{}.Answers(p, h)
	for i, b := range truth {
		assert.LessOrEqual(t, as[i].Safe, b)
		assert.GreaterOrEqual(t, as[i].Safe, 0.95*b-1)
	}
	assert.True(t, math.IsNaN(as[3].Safe))
	assert.Equal(t, 1000.0, as[4].Safe)
	for i, reason := range []string{tierPrecision, tierPrecision, tierPrecision, tierNoPass, tierNoFailure} {
		assert.Equal(t, reason, as[i].Reason, "tier %d", i)
	}
	alone := 0
	for i := range p.Tiers {
		q := p
		q.Tiers = p.Tiers[i : i+1]
		h, _ := drive(t, Monotonic{}, q, func(s Step) Observation {
			x := s.At[0]
			return margins(x, 0, math.Log(x/40.5), math.Log(x/150.5), math.Log(x/700.5), 1, -1)
		})
		alone += len(h)
	}
	assert.Less(t, len(h), alone/2, "probes are shared")
}

func TestSummary(t *testing.T) {
	p := concurrency(1, 1000)
	// Limit 1 breaks at 200, limit 0 at 400: the second binds.
	h, reason := drive(t, SmoothIsotonic{}, p, func(s Step) Observation {
		return margins(s.At[0], unknown, 1.5*math.Log(s.At[0]/400), 1.5*math.Log(s.At[0]/200))
	})
	s := SmoothIsotonic{}.Summary(p, h)
	assert.Equal(t, smoothPrecision, reason)
	assert.Equal(t, smoothType, s.Type)
	assert.Equal(t, 1, s.Binding)
	assert.True(t, s.Identifiable)

	// A cliff at 180: the margin jumps from −0.5 to 1.
	h, reason = drive(t, SmoothIsotonic{}, p, func(s Step) Observation {
		g := -0.5
		if s.At[0] > 180 {
			g = 1
		}
		return margins(s.At[0], unknown, g)
	})
	s = SmoothIsotonic{}.Summary(p, h)
	assert.Equal(t, smoothCliff, reason)
	assert.Equal(t, cliffType, s.Type)

	// Noise of 10 % on a slope of 0.2 moves it by 50 % a probe: it cannot be
	// known, and the interval says so by holding the truth.
	const runs = 60
	holds, unknown := 0, 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 2))
		h, _ = drive(t, SmoothIsotonic{}, p, func(s Step) Observation {
			return margins(s.At[0], 0.1, 0.2*math.Log(s.At[0]/200)+0.1*rng.NormFloat64())
		})
		if a := (SmoothIsotonic{}).Answers(p, h)[0]; a.Lo <= 200 && a.Hi >= 200 {
			holds++
		}
		if s := (SmoothIsotonic{}).Summary(p, h); !s.Identifiable && s.Factor > 1.2 {
			unknown++
		}
	}
	assert.GreaterOrEqual(t, holds, runs*85/100, "a 95 %% interval")
	assert.GreaterOrEqual(t, unknown, runs*85/100)
}

// Replicates visits the answer as often as asked, whatever is known already; a
// visit that turns the verdict moves the answer, and that one is visited as
// often.
func TestReplicates(t *testing.T) {
	p := concurrency(1, 1000)
	for _, n := range []int{0, 1, 5, 20} {
		for _, se := range []float64{0, 0.05} {
			rng := rand.New(rand.NewPCG(uint64(n), 3))
			planner := SmoothIsotonic{Replicates: n}
			var h []Observation
			step := planner.Next(p, h)
			for ; !step.Done; step = planner.Next(p, h) {
				require.Less(t, len(h), 61, "twice the budget")
				x := step.At[0]
				h = append(h, margins(x, se, 1.5*math.Log(x/150.5)+se*rng.NormFloat64()))
			}
			a := planner.Answers(p, h)[0]
			visits := 0
			for _, o := range h {
				if o.At[0] == a.Safe {
					visits++
				}
			}
			assert.GreaterOrEqual(t, visits, n, "se %v: %v", se, a)
			assert.InEpsilon(t, 150, a.Safe, 0.08, "se %v", se)
		}
	}
}

// The lowest point is an answer only by its own verdict: that nothing lies below
// it is no evidence.
func TestLowestPointIsNoAnswerByDefault(t *testing.T) {
	p := concurrency(1, 1000)
	for name, planner := range map[string]Planner{"smooth_isotonic": SmoothIsotonic{}, "sequential": Sequential{}} {
		h, _ := drive(t, planner, p, func(s Step) Observation {
			if s.At[0] > 1 {
				return margins(s.At[0], 0.1, 2)
			}
			return margins(1, 0.1, -0.001) // open, however often it is asked
		})
		a := planner.Answers(p, h)[0]
		assert.True(t, math.IsNaN(a.Safe), "%s: %+v", name, a)
		visits := 0
		for _, o := range h {
			if o.At[0] == 1 {
				visits++
			}
		}
		assert.Greater(t, visits, 1, "%s: it is asked again before that is said", name)
	}
}
