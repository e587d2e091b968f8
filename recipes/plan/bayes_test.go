package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/halton"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// modelStyles are the planners that these tests drive.
var modelStyles = map[string]Planner{
	"bayes": Bayes{},
	"tpe":   Optuna{Sampler: "tpe"},
	"gp":    Optuna{Sampler: "gp"},
}

// run drives a planner over probe until it ends and checks what every search
// owes: legal points, a bounded number of visits, repeats only for an open
// verdict or a probe that said nothing, the same step for the same history, and
// a history left as it was.
func run(t testing.TB, planner Planner, p Problem, probe func(Step) Observation) (h []Observation, reason string) {
	t.Helper()
	most := 3*max(p.Budget, 30) + 20
	visits := map[string]int{}
	for range most {
		before := slices.Clone(h)
		step := planner.Next(p, h)
		require.True(t, reflect.DeepEqual(fmt.Sprint(before), fmt.Sprint(h)), "the history was changed")
		if len(h)%7 == 3 {
			require.Equal(t, fmt.Sprint(step), fmt.Sprint(planner.Next(p, h)), "same history, another step")
		}
		require.NotEmpty(t, step.Reason, "a step without a reason")
		require.Len(t, planner.Answers(p, h), len(viewsOf(p, h)))
		if step.Done {
			require.Nil(t, step.At)
			return h, step.Reason
		}
		require.Len(t, step.At, len(p.Dims))
		require.GreaterOrEqual(t, step.Size, 1.0)
		for i, d := range p.Dims {
			require.GreaterOrEqual(t, step.At[i], d.Lo)
			require.LessOrEqual(t, step.At[i], d.Hi)
			if d.Int {
				require.Equal(t, math.Trunc(step.At[i]), step.At[i])
			}
		}
		key := fmt.Sprint(step.At)
		said := 0
		for _, o := range h {
			if o.says() && fmt.Sprint(o.At) == key {
				said++
			}
		}
		if said > 0 && h[len(h)-1].says() { // a probe that said nothing is repeated as it was
			require.Greater(t, step.Size, 1.0, "a repeat that adds nothing at %v", step.At)
			require.Less(t, said, maxVisits, "visit %d of %v", said+1, step.At)
		}
		visits[key]++
		o := probe(step)
		o.At, o.Asked = slices.Clone(step.At), step
		h = append(h, o)
	}
	require.Failf(t, "the search does not end", "after %d steps: %v", most, visits)
	return nil, ""
}

// oneDim is a search of whole numbers from lo to hi with one goal to maximise.
func oneDim(lo, hi float64) Problem {
	return Problem{
		Dims:   []Dim{{Path: "phases.profiling.concurrency", Lo: lo, Hi: hi, Int: true, Log: lo > 0}},
		Goals:  []Goal{{Maximize: true, Reference: math.NaN()}},
		Budget: 30, Seed: 1,
	}
}

// measured is a whole probe with exact margins and goals.
func measured(margins, goals []float64) Observation {
	o := Observation{Requests: 1000}
	for _, g := range margins {
		o.Margins = append(o.Margins, Margin{Estimate: Estimate{Value: g, SE: math.NaN()}, Pass: math.NaN()})
	}
	for _, v := range goals {
		o.Goals = append(o.Goals, Estimate{Value: v, SE: math.NaN()})
	}
	return o
}

// boundaryAt is a noise-free server whose margin crosses zero between b and b+1.
func boundaryAt(b float64) func(Step) Observation {
	return func(s Step) Observation {
		c := s.At[0]
		return measured([]float64{1.5 * math.Log(c/(b+0.5))}, []float64{100 * c / (1 + c/500)})
	}
}

func TestModelStylesBoundary(t *testing.T) {
	for name, planner := range modelStyles {
		for _, b := range []float64{1, 2, 7, 45, 137, 480, 900, 999} {
			t.Run(fmt.Sprintf("%s/%v", name, b), func(t *testing.T) {
				p := oneDim(1, 1000)
				h, reason := run(t, planner, p, boundaryAt(b))
				a := planner.Answers(p, h)[0]
				assert.True(t, a.Passed)
				assert.False(t, a.NonMonotone)
				assert.LessOrEqual(t, a.Safe, b, reason)
				assert.GreaterOrEqual(t, a.Safe, math.Floor(0.93*b), "%s after %d", reason, len(h))
				assert.LessOrEqual(t, len(h), 24)
			})
		}
	}
}

// An end is named for what happened, whatever the sampler.
func TestModelStylesEnds(t *testing.T) {
	flat := func(g float64) func(Step) Observation {
		return func(s Step) Observation { return measured([]float64{g}, []float64{10 * s.At[0]}) }
	}
	always := func(o Observation) func(Step) Observation { return func(Step) Observation { return o } }
	nothing := measured([]float64{math.NaN()}, []float64{math.NaN()})
	rows := []struct {
		name   string // the reason it is a case
		p      Problem
		probe  func(Step) Observation
		end    string // the reason's end
		safe   float64
		probes int // at most
	}{
		{"nothing passes: few probes, and it says so", oneDim(1, 1000), flat(2), noPass, math.NaN(), 6},
		{"everything passes: the top is probed", oneDim(1, 1000), flat(-2), noFailure, 1000, 12},
		{"a range of one passing point", oneDim(7, 7), flat(-2), noFailure, 7, 3},
		{"a range of one failing point", oneDim(7, 7), flat(2), noPass, math.NaN(), 3},
		{"a range of two points, boundary between", oneDim(7, 8), boundaryAt(7), exhausted, 7, 4},
		{"every request fails everywhere", oneDim(1, 1000), always(Observation{State: Failed}), noPass, math.NaN(), 6},
		{"the metric is missing everywhere", oneDim(1, 1000), always(nothing), noPass, math.NaN(), 6},
		{"the point is never measured", oneDim(1, 1000), always(Observation{State: Unmeasured}), reasonUnmeasured, math.NaN(), 2},
		{"the client is the bottleneck", oneDim(1, 1000), always(Observation{State: Untrusted}), reasonUntrusted, math.NaN(), 2},
		{"no errors at all: a margin of −∞", oneDim(1, 1000), flat(math.Inf(-1)), noFailure, 1000, 12},
	}
	for _, row := range rows {
		for name, planner := range modelStyles {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				h, reason := run(t, planner, row.p, row.probe)
				assert.True(t, strings.HasSuffix(reason, row.end), "%s after %d", reason, len(h))
				assert.LessOrEqual(t, len(h), row.probes)
				safe := planner.Answers(row.p, h)[0].Safe
				if math.IsNaN(row.safe) {
					assert.True(t, math.IsNaN(safe), "safe %v", safe)
				} else {
					assert.Equal(t, row.safe, safe)
				}
			})
		}
	}
}

// A server that sheds all load above a point, or loses the metric there, has
// its boundary below that point.
func TestModelStylesCrash(t *testing.T) {
	lost := map[string]Observation{
		"crash":   {State: Failed},
		"missing": measured([]float64{math.NaN()}, []float64{math.NaN()}),
		"NaN": {
			Margins: []Margin{{Estimate: Estimate{Value: math.NaN(), SE: math.NaN()}, Pass: math.NaN()}},
			Goals:   []Estimate{{Value: math.NaN()}},
		},
	}
	for name, planner := range modelStyles {
		for what, o := range lost {
			t.Run(name+"/"+what, func(t *testing.T) {
				p := oneDim(1, 1000)
				h, reason := run(t, planner, p, func(s Step) Observation {
					if s.At[0] > 64 {
						return o
					}
					return measured([]float64{-1}, []float64{s.At[0]})
				})
				safe := planner.Answers(p, h)[0].Safe
				assert.LessOrEqual(t, safe, 64.0, reason)
				assert.GreaterOrEqual(t, safe, 55.0, "%s after %d", reason, len(h))
			})
		}
	}
}

// One transient failure far below the boundary does not become the answer
// (AIPerf's smooth_isotonic answers 15 where 300 is true).
func TestModelStylesTransientFailure(t *testing.T) {
	for name, planner := range modelStyles {
		for at := range 6 {
			t.Run(fmt.Sprintf("%s/probe %d", name, at), func(t *testing.T) {
				p, n := oneDim(1, 1000), 0
				h, reason := run(t, planner, p, func(s Step) Observation {
					if n++; n == at+1 && s.At[0] < 250 {
						return Observation{State: Failed}
					}
					return boundaryAt(300)(s)
				})
				safe := planner.Answers(p, h)[0].Safe
				assert.GreaterOrEqual(t, safe, 270.0, "%s after %d", reason, len(h))
				assert.LessOrEqual(t, safe, 300.0)
			})
		}
	}
}

// With verdicts that carry their certainty, the answer is certain by its own
// probes.
func TestModelStylesConfirm(t *testing.T) {
	for name, planner := range modelStyles {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				p := oneDim(1, 1000)
				p.Seed = seed
				rng := rand.New(rand.NewPCG(seed, 9))
				h, reason := run(t, planner, p, func(s Step) Observation {
					se := 0.05 / math.Sqrt(s.Size)
					g := 1.5*math.Log(s.At[0]/200.5) + se*rng.NormFloat64()
					o := measured([]float64{g}, []float64{s.At[0]})
					o.Margins[0].SE, o.Margins[0].Pass = se, normal.CDF(-g/se)
					return o
				})
				a := planner.Answers(p, h)[0]
				require.False(t, math.IsNaN(a.Safe), reason)
				b := viewsOf(p, h)[0].read(noiseEstimate)
				for _, point := range b.points {
					if point.x == a.Safe {
						assert.GreaterOrEqual(t, point.pass, DefaultConfidence)
					}
				}
				assert.InDelta(t, 200, a.Safe, 25, "%s after %d", reason, len(h))
			})
		}
	}
}

// Patience and plateau count feasible improvements: an infeasible probe with
// the highest goal does not end the search (AIPerf's stale counter starts
// there).
func TestSignalsFeasibleOnly(t *testing.T) {
	p := oneDim(1, 1000)
	var h []Observation
	for i, c := range []float64{900, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100} {
		o := measured([]float64{math.Log(c / 500)}, []float64{c})
		o.At = []float64{c}
		h = append(h, o)
		s := newStudy(viewsOf(p, h)[0])
		assert.Empty(t, Bayes{}.settings().signal(s), "after %d", i+1)
	}
	stale := measured([]float64{-1}, []float64{1})
	for c := range 10 {
		stale.At = []float64{float64(c + 1)}
		h = append(h, stale)
	}
	assert.Equal(t, ReasonPatience, Bayes{}.settings().signal(newStudy(viewsOf(p, h)[0])))
}

// Two whole dimensions: the optimum inside, the limit cuts it.
func TestModelStylesTwoDimensions(t *testing.T) {
	p := Problem{
		Dims:   []Dim{{Path: "concurrency", Lo: 1, Hi: 256, Int: true, Log: true}, {Path: "rate", Lo: 0, Hi: 10}},
		Goals:  []Goal{{Maximize: true, Reference: math.NaN()}},
		Budget: 40, Seed: 3,
	}
	value := func(at []float64) float64 {
		x, y := math.Log(at[0]/40), (at[1]-6)/3
		return 1000 * math.Exp(-x*x/2-y*y)
	}
	for name, planner := range modelStyles {
		t.Run(name, func(t *testing.T) {
			h, reason := run(t, planner, p, func(s Step) Observation {
				return measured([]float64{math.Log(s.At[0] / 60.5)}, []float64{value(s.At)})
			})
			best := 0.0
			for _, o := range h {
				if o.Margins[0].Value <= 0 {
					best = max(best, o.Goals[0].Value)
				}
			}
			share := 0.95
			if name == "tpe" {
				share = 0.8
			}
			assert.GreaterOrEqual(t, best, share*1000, "%s after %d", reason, len(h))
			a := planner.Answers(p, h)[0]
			assert.True(t, a.Passed)
			assert.True(t, math.IsNaN(a.Safe), "several dimensions have no largest point")
		})
	}
}

// Without a goal the boundary is all there is to find.
func TestModelStylesNoGoal(t *testing.T) {
	for name, planner := range modelStyles {
		t.Run(name, func(t *testing.T) {
			p := oneDim(1, 1000)
			p.Goals = nil
			h, reason := run(t, planner, p, func(s Step) Observation {
				o := boundaryAt(137)(s)
				o.Goals = nil
				return o
			})
			assert.InDelta(t, 134, planner.Answers(p, h)[0].Safe, 4, "%s after %d", reason, len(h))
			assert.True(t, strings.HasSuffix(reason, precise), reason)
			assert.LessOrEqual(t, len(h), 14)
		})
	}
}

// Without a limit the goal is all there is to find, and an interior optimum is
// found.
func TestModelStylesNoLimit(t *testing.T) {
	for name, planner := range modelStyles {
		t.Run(name, func(t *testing.T) {
			p := oneDim(1, 1000)
			goal := func(c float64) float64 { return c / (1 + math.Pow(c/100, 2)) } // best at 100
			h, reason := run(t, planner, p, func(s Step) Observation { return measured(nil, []float64{goal(s.At[0])}) })
			best := 0.0
			for _, o := range h {
				best = max(best, o.Goals[0].Value)
			}
			assert.GreaterOrEqual(t, best, 0.97*goal(100), "%s after %d", reason, len(h))
		})
	}
}

// Several tiers: each gets its boundary from one history.
func TestModelStylesTiers(t *testing.T) {
	for name, planner := range modelStyles {
		t.Run(name, func(t *testing.T) {
			p := oneDim(1, 1000)
			p.Tiers, p.Budget = [][]int{{0}, {1}}, 60
			h, reason := run(t, planner, p, func(s Step) Observation {
				g := 1.5 * math.Log(s.At[0])
				return measured([]float64{g - 1.5*math.Log(50.5), g - 1.5*math.Log(400.5)}, []float64{s.At[0]})
			})
			a := planner.Answers(p, h)
			assert.InDelta(t, 48, a[0].Safe, 3, "%s after %d", reason, len(h))
			assert.InDelta(t, 390, a[1].Safe, 12, "%s after %d", reason, len(h))
		})
	}
}

// The terminator ends a search whose noise hides what is left to gain.
func TestOptunaRegret(t *testing.T) {
	p := oneDim(1, 1000)
	p.Budget = 100
	noisy := func() func(Step) Observation {
		rng := rand.New(rand.NewPCG(1, 1))
		return func(s Step) Observation {
			c := s.At[0]
			return measured(nil, []float64{c / (1 + math.Pow(c/100, 2)) * math.Exp(0.3*rng.NormFloat64())})
		}
	}
	_, reason := run(t, Optuna{Sampler: "gp", Patience: 100, Terminator: TerminatorRegret}, p, noisy())
	assert.Equal(t, ReasonRegretBound, reason)
	_, reason = run(t, Optuna{Sampler: "gp", Patience: 100}, p, noisy())
	assert.NotEqual(t, ReasonRegretBound, reason)
}

// The other terminator ends it once probes stop telling where the best is; by
// then the best has been found.
func TestOptunaEMMR(t *testing.T) {
	p := oneDim(1, 1000)
	p.Budget = 100
	goal := func(c float64) float64 { return c / (1 + math.Pow(c/100, 2)) } // 50 at 100
	probe := func(s Step) Observation { return measured(nil, []float64{goal(s.At[0])}) }
	never := 100
	with, reason := run(t, Optuna{Sampler: "gp", Patience: never, Window: never, Terminator: TerminatorEMMR}, p, probe)
	assert.Equal(t, ReasonEMMR, reason)
	best := 0.0
	for _, o := range with {
		best = max(best, goal(o.At[0]))
	}
	assert.Greater(t, best, 49.0, "%d probes", len(with))
	_, reason = run(t, Optuna{Sampler: "gp", Patience: never, Window: never}, p, probe)
	assert.NotEqual(t, ReasonEMMR, reason)
}

// Several goals: the front's hypervolume beats that of as many quasi-random
// points.
func TestModelStylesSeveralGoals(t *testing.T) {
	for _, n := range []int{2, 3} {
		p := Problem{Dims: []Dim{{Path: "x", Lo: 0, Hi: 1}, {Path: "y", Lo: 0, Hi: 1}}, Budget: 30, Seed: 5}
		reference := []float64{0, 2, 2}[:n]
		for k := range n {
			p.Goals = append(p.Goals, Goal{Maximize: k == 0, Reference: reference[k]})
		}
		values := func(at []float64) []float64 {
			x, y := at[0], at[1]
			return []float64{1 + 4*x - 2*y*y, 0.2 + x*x + y, 0.2 + (1-x)*(1-x) + (y-0.3)*(y-0.3)}[:n]
		}
		volume := func(h []Observation) float64 {
			var points [][]float64
			for _, o := range h {
				points = append(points, values(o.At))
			}
			return directions(p.Goals).Volume(reference, points)
		}
		for name, planner := range modelStyles {
			t.Run(fmt.Sprintf("%s/%d goals", name, n), func(t *testing.T) {
				h, reason := run(t, planner, p, func(s Step) Observation { return measured(nil, values(s.At)) })
				var spread []Observation
				for _, q := range halton.Points(len(h), 2, 77) {
					spread = append(spread, Observation{At: q})
				}
				t.Logf("%s: %d probes, volume %.4f, quasi-random %.4f", reason, len(h), volume(h), volume(spread))
				assert.Greater(t, volume(h), volume(spread))
			})
		}
	}
}

// chaos is a random problem on a server that does everything wrong.
func chaos(seed uint64) (Problem, func(Step) Observation) {
	rng := rand.New(rand.NewPCG(seed, 77))
	p := Problem{Budget: 2 + rng.IntN(20), Seed: seed, Baseline: math.NaN()}
	for range 1 + rng.IntN(3) {
		lo := float64(rng.IntN(50))
		d := Dim{Path: "d", Lo: lo, Hi: lo + float64(rng.IntN(300)), Int: rng.IntN(2) == 0}
		d.Log = d.Lo > 0 && rng.IntN(2) == 0
		p.Dims = append(p.Dims, d)
	}
	for range rng.IntN(4) {
		p.Goals = append(p.Goals, Goal{Maximize: rng.IntN(2) == 0, Reference: math.NaN()})
	}
	limits := rng.IntN(4)
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1e308, -1e308, 5e-324}
	number := func(usual float64) float64 {
		if rng.IntN(12) == 0 {
			return odd[rng.IntN(len(odd))]
		}
		return usual
	}
	bias := rng.NormFloat64()
	return p, func(s Step) Observation {
		o := Observation{At: s.At, State: State(0), Requests: rng.IntN(2000)}
		if rng.IntN(4) == 0 {
			o.State = State(rng.IntN(5))
		}
		for range limits {
			l := Margin{Estimate: Estimate{Value: number(rng.NormFloat64() + bias), SE: number(0.1)}, Pass: math.NaN()}
			if rng.IntN(2) == 0 {
				l.Pass = rng.Float64()
			}
			if rng.IntN(2) == 0 {
				l.SE = math.NaN()
			}
			o.Margins = append(o.Margins, l)
		}
		for range p.Goals {
			o.Goals = append(o.Goals, Estimate{Value: number(100 * rng.NormFloat64()), SE: number(1)})
		}
		if rng.IntN(10) == 0 {
			o.Margins, o.Goals = nil, nil
		}
		return o
	}
}

func TestModelStylesChaos(t *testing.T) {
	for name, planner := range modelStyles {
		for seed := range uint64(40) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				p, probe := chaos(seed)
				run(t, planner, p, probe)
			})
		}
	}
}

func FuzzModelStyles(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(seed, uint8(seed))
	}
	names := []string{"bayes", "tpe", "gp"}
	f.Fuzz(func(t *testing.T, seed uint64, style uint8) {
		p, probe := chaos(seed)
		run(t, modelStyles[names[int(style)%len(names)]], p, probe)
	})
}

// sixty is a history of 60 noisy observations of one dimension with three
// limits, the largest that a suggestion has to be quick for.
func sixty() (Problem, []Observation) {
	p := oneDim(1, 1000)
	p.Budget = 100
	rng := rand.New(rand.NewPCG(4, 2))
	var h []Observation
	for i := range 60 {
		c := math.Round(math.Exp(math.Log(1000) * float64(i) / 59))
		c = max(c, float64(i+1))
		g := 1.5 * math.Log(c/200)
		gs := []float64{g + 0.05*rng.NormFloat64(), g - 0.3 + 0.05*rng.NormFloat64(), g - 0.5 + 0.05*rng.NormFloat64()}
		o := measured(gs, []float64{100 * c / (1 + c/500) * (1 + 0.02*rng.NormFloat64())})
		o.At = []float64{c}
		h = append(h, o)
	}
	return p, h
}

func BenchmarkSuggestion60(b *testing.B) {
	p, h := sixty()
	p.Budget = 1000
	planners := map[string]Planner{
		"bayes": Bayes{Patience: 1000}, "tpe": Optuna{Patience: 1000}, "gp": Optuna{Sampler: "gp", Patience: 1000},
	}
	for name, planner := range planners {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				planner.Next(p, h)
			}
		})
	}
}

// Several goals over three dimensions, 60 observations.
func BenchmarkSuggestionFront60(b *testing.B) {
	for _, goals := range []int{2, 3} {
		p := Problem{Budget: 1000, Seed: 1}
		for range 3 {
			p.Dims = append(p.Dims, Dim{Lo: 0, Hi: 1})
		}
		for k := range goals {
			p.Goals = append(p.Goals, Goal{Maximize: k == 0, Reference: math.NaN()})
		}
		var h []Observation
		for _, q := range halton.Points(60, 3, 5) {
			o := measured([]float64{q[0] + q[1] - 1.2}, []float64{q[0] + q[2], q[0]*q[0] + q[1], 1 - q[1] + q[2]}[:goals])
			o.At = q
			h = append(h, o)
		}
		for _, name := range []string{"bayes", "tpe", "gp"} {
			b.Run(fmt.Sprintf("%s/%d goals", name, goals), func(b *testing.B) {
				planners := map[string]Planner{
					"bayes": Bayes{Patience: 1000, Window: 1000},
					"tpe":   Optuna{Patience: 1000, Window: 1000},
					"gp":    Optuna{Sampler: "gp", Patience: 1000, Window: 1000},
				}
				for b.Loop() {
					require.False(b, planners[name].Next(p, h).Done)
				}
			})
		}
	}
}

func BenchmarkSearch30(b *testing.B) {
	for name, planner := range modelStyles {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				run(b, planner, oneDim(1, 1000), boundaryAt(137))
			}
		})
	}
}

// One suggestion at 60 observations takes under 50 ms on one core; a whole
// search under a second of its own time. The figures are ten times that here:
// the machine may be busy.
func TestModelStylesAreQuick(t *testing.T) {
	p, h := sixty()
	for name, planner := range modelStyles {
		start := time.Now()
		planner.Next(p, h)
		took := time.Since(start)
		t.Logf("%s: %v for a suggestion at 60 observations with 3 limits and a goal", name, took)
		assert.Less(t, took, 500*time.Millisecond, name)
	}
}
