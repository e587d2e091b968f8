package recipes_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/aiperf-go/aiperf/internal/surfaces"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

type goldenTrajectory struct {
	Surface       string           `json:"surface"`
	Planner       string           `json:"planner"`
	MaxIterations int              `json:"max_iterations"`
	Trajectory    []trajectoryStep `json:"trajectory"`
	Reason        string           `json:"convergence_reason"`
	Boundary      *goldenBoundary  `json:"boundary_summary"`
}

type trajectoryStep struct {
	Concurrency   int      `json:"concurrency"`
	Label         string   `json:"label"`
	Feasible      bool     `json:"feasible"`
	Objective     float64  `json:"objective"`
	FeasibleMax   *int     `json:"feasible_max"`
	InfeasibleMin *int     `json:"infeasible_min"`
	Warmup        *float64 `json:"warmup_seconds"`
}

type goldenEnd struct {
	Value int `json:"value"`
}

// goldenBoundary keeps what the planners decide of a boundary summary; the
// report's own keys are compared where they are written.
type goldenBoundary struct {
	FeasibleMax   *goldenEnd
	InfeasibleMin *goldenEnd
}

func (g *goldenBoundary) UnmarshalJSON(data []byte) error {
	var b struct {
		FeasibleMax   *goldenEnd `json:"feasible_max"`
		InfeasibleMin *goldenEnd `json:"infeasible_min"`
	}
	err := json.Unmarshal(data, &b)
	g.FeasibleMax, g.InfeasibleMin = b.FeasibleMax, b.InfeasibleMin
	return err
}

func surfacesByName(t *testing.T) map[string]surfaces.Surface {
	t.Helper()
	byName := map[string]surfaces.Surface{}
	for _, s := range loadSurfaces(t) {
		byName[s.Name] = s
	}
	return byName
}

// distance is how far an answer is off the truth; none is as far as it gets.
// The truth is the prefix boundary, which is the boundary unless the surface is
// not monotone.
func distance(s surfaces.Surface, answer float64) float64 {
	switch truth := s.Truth.PrefixBoundary; {
	case truth == nil && math.IsNaN(answer):
		return 0
	case truth == nil || math.IsNaN(answer):
		return math.Inf(1)
	default:
		return math.Abs(answer - float64(*truth))
	}
}

func valueOf(e *goldenEnd) float64 {
	if e == nil {
		return math.NaN()
	}
	return float64(e.Value)
}

func distinctPoints(trajectory []trajectoryStep) (points []float64) {
	for _, step := range trajectory {
		if c := float64(step.Concurrency); !slices.Contains(points, c) {
			points = append(points, c)
		}
	}
	return points
}

func points(h []plan.Observation) (ps []float64) {
	for _, o := range h {
		ps = append(ps, o.At[0])
	}
	return ps
}

// noiseFree searches a surface without noise, and with observations that say
// so.
func noiseFree(t *testing.T, s surfaces.Surface, planner plan.Planner, budget int) ([]plan.Observation, plan.Answer, string) {
	t.Helper()
	p := s.Problem(budget, 1)
	h, reason, err := surfaces.Search(planner, p, func(step plan.Step) plan.Observation {
		return s.Observe(step.At, s.Model.Metrics(int(step.At[0])), true)
	})
	require.NoError(t, err)
	return h, planner.Answers(p, h)[0], reason
}

// Label of the monotonic cases: exact in the distinct points, in their order,
// up to where AIPerf's budget cut it off; rule for the rest: every point once,
// an answer at least as close to the truth, and within 5 % of it, in AIPerf's
// distinct points or, where its budget cut it off, in our own budget.
//
// Label of the smooth_isotonic cases: rule. The answer is at least as close to
// the truth as the golden one, with no more probes.
func TestGoldenPlannerTrajectories(t *testing.T) {
	byName := surfacesByName(t)
	for _, c := range golden.AllOf[goldenTrajectory](t, "planner_trajectories.json") {
		t.Run(c.Surface+" "+c.Planner, func(t *testing.T) {
			s, ok := byName[c.Surface]
			require.True(t, ok, "no surface %q: set AIPERF_SURFACES to the folder that belongs to AIPERF_GOLDEN", c.Surface)
			golden := math.NaN()
			if c.Boundary != nil {
				golden = valueOf(c.Boundary.FeasibleMax)
			}
			switch c.Planner {
			case "monotonic", "monotonic_s1", "monotonic_mi100":
				h, a, reason := noiseFree(t, s, plan.Monotonic{}, 20)
				want := distinctPoints(c.Trajectory)
				got := points(h)
				require.GreaterOrEqual(t, len(got), len(want), "ours: %v, golden: %v", got, want)
				assert.Equal(t, want, got[:len(want)])
				assert.LessOrEqual(t, distance(s, a.Safe), distance(s, golden))
				if c.Reason != "max_iterations" {
					assert.Len(t, got, len(want))
					assert.Equal(t, c.Reason, reason)
				}
				if b := s.Truth.PrefixBoundary; b != nil {
					assert.LessOrEqual(t, distance(s, a.Safe), max(1, 0.05*(float64(*b)+1)), "answer %v, truth %d", a.Safe, *b)
				}
			case "smooth_isotonic":
				h, a, reason := noiseFree(t, s, plan.SmoothIsotonic{}, c.MaxIterations)
				assert.LessOrEqual(t, len(h), len(c.Trajectory), "probes: %v", points(h))
				assert.LessOrEqual(t, distance(s, a.Safe), distance(s, golden), "answer %v, golden %v, truth %v", a.Safe, golden,
					s.Truth.PrefixBoundary)
				if s.Truth.PrefixBoundary == nil || *s.Truth.PrefixBoundary == s.Hi {
					assert.Equal(t, c.Reason, reason)
				}
			default:
				t.Fatalf("the test knows no planner %q", c.Planner)
			}
		})
	}
}

// The bounds after each step of AIPerf's own smooth_isotonic runs (one vote a
// value), read off the same observations. Label: exact.
func TestGoldenPlannerBounds(t *testing.T) {
	byName := surfacesByName(t)
	for _, c := range golden.AllOf[goldenTrajectory](t, "planner_trajectories.json") {
		if c.Planner != "smooth_isotonic" { // two votes a value latch later: distinct points say it all
			continue
		}
		t.Run(c.Surface, func(t *testing.T) {
			s, ok := byName[c.Surface]
			require.True(t, ok, "no surface %q", c.Surface)
			p := s.Problem(c.MaxIterations, 1)
			var h []plan.Observation
			for i, step := range c.Trajectory {
				h = append(h, s.Observe([]float64{float64(step.Concurrency)}, s.Model.Metrics(step.Concurrency), true))
				for _, planner := range []plan.Planner{plan.SmoothIsotonic{}, plan.Monotonic{}, plan.List{}} {
					lo, hi := planner.Answers(p, h)[0].Ends()
					sameBound(t, step.FeasibleMax, lo, "%T after step %d: feasible_max", planner, i)
					sameBound(t, step.InfeasibleMin, hi, "%T after step %d: infeasible_min", planner, i)
				}
			}
		})
	}
}

func sameBound(t *testing.T, want *int, got float64, what string, args ...any) {
	t.Helper()
	if want == nil {
		assert.True(t, math.IsNaN(got), fmt.Sprintf(what, args...)+": want none, got %v", got)
		return
	}
	assert.Equal(t, float64(*want), got, fmt.Sprintf(what, args...))
}

// value is a metric's stats in a script.
type scriptedStat float64

func (v *scriptedStat) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`, "null":
		*v = scriptedStat(math.NaN())
	case `"Infinity"`:
		*v = scriptedStat(math.Inf(1))
	case `"-Infinity"`:
		*v = scriptedStat(math.Inf(-1))
	default:
		return json.Unmarshal(data, (*float64)(v))
	}
	return nil
}

type scriptedStep struct {
	Concurrency   int                                  `json:"concurrency"`
	Trials        []map[string]map[string]scriptedStat `json:"trials"`
	Feasible      bool                                 `json:"feasible"`
	Warning       bool                                 `json:"non_monotonic_warning"`
	FeasibleMax   *int                                 `json:"feasible_max"`
	InfeasibleMin *int                                 `json:"infeasible_min"`
}

type goldenScript struct {
	Label    string            `json:"label"`
	Planner  string            `json:"planner"`
	Filters  []surfaces.Filter `json:"filters"`
	Steps    []scriptedStep    `json:"steps"`
	Reason   string            `json:"convergence_reason"`
	Boundary *goldenBoundary   `json:"boundary_summary"`
}

// observe pools a step's trials: the mean of what was measured, failed when no
// trial succeeded.
func (c goldenScript) observe(step scriptedStep) plan.Observation {
	o := plan.Observation{At: []float64{float64(step.Concurrency)}, State: plan.Failed}
	for _, trial := range step.Trials {
		if trial != nil {
			o.State = plan.Full
		}
	}
	for _, f := range c.Filters {
		sum, n := 0.0, 0.0
		for _, trial := range step.Trials {
			if v, ok := trial[f.Tag][f.Stat]; ok && !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) {
				sum, n = sum+float64(v), n+1
			}
		}
		l := plan.Margin{Estimate: plan.Estimate{Value: math.NaN(), SE: 0}, Pass: math.NaN()}
		if n > 0 {
			l.Value = f.Margin(sum / n)
		}
		o.Margins = append(o.Margins, l)
	}
	return o
}

func passed(o plan.Observation) bool {
	return o.State == plan.Full && !slices.ContainsFunc(o.Margins, func(l plan.Margin) bool { return !(l.Value <= 0) })
}

// simple reports a script whose verdicts leave nothing to pool or to mend: each
// value gives the same verdict each time, AIPerf's any-trial verdict is the
// pooled one, and no pass lies above a failure.
func (c goldenScript) simple() bool {
	verdicts := map[int]bool{}
	for _, step := range c.Steps {
		v := passed(c.observe(step))
		if before, ok := verdicts[step.Concurrency]; ok && before != v || v != step.Feasible {
			return false
		}
		verdicts[step.Concurrency] = v
	}
	for x, px := range verdicts {
		for y, py := range verdicts {
			if x < y && !px && py {
				return false
			}
		}
	}
	return true
}

// Labels, by what a script holds:
//   - exact, for scripts that leave nothing to mend: the bounds read off the
//     whole script are AIPerf's; and monotonic, told AIPerf's observations one
//     by one, asks for AIPerf's next distinct value each time and ends for
//     AIPerf's reason.
//   - rule, for the others (failed trials beside good ones, trials or visits
//     that disagree, passes above failures): the boundary is that of the pooled
//     verdicts, as a prefix. One lucky trial, or one failed visit beside good
//     ones, decides nothing, and NonMonotone says when a pass lies above.
func TestGoldenPlannerScripted(t *testing.T) {
	for i, c := range golden.AllOf[goldenScript](t, "planner_scripted.json") {
		t.Run(fmt.Sprintf("%02d %s %s", i, c.Planner, c.Label), func(t *testing.T) {
			p := plan.Problem{Dims: []plan.Dim{{Lo: 1, Hi: 1000, Int: true}}, Budget: 100}
			var planner plan.Planner
			switch c.Planner {
			case "smooth_isotonic":
				planner = plan.SmoothIsotonic{}
			case "monotonic", "monotonic_s1", "monotonic_mi100":
				planner = plan.Monotonic{}
			default:
				t.Fatalf("the test knows no planner %q", c.Planner)
			}
			var h []plan.Observation
			for _, step := range c.Steps {
				h = append(h, c.observe(step))
			}
			a := planner.Answers(p, h)[0]
			aLo, aHi := a.Ends()
			if !c.simple() {
				lo, hi, above := pooledBounds(h)
				assert.Equal(t, fmt.Sprint(lo, hi, above), fmt.Sprint(aLo, aHi, a.NonMonotone), "label: rule")
				return
			}
			if c.Boundary != nil && c.Reason != "max_iterations" { // at its cut AIPerf may be one vote short of a bound
				assert.Equal(t, fmt.Sprint(valueOf(c.Boundary.FeasibleMax)), fmt.Sprint(aLo), "label: exact")
				assert.Equal(t, fmt.Sprint(valueOf(c.Boundary.InfeasibleMin)), fmt.Sprint(aHi), "label: exact")
			}
			assert.False(t, a.NonMonotone)
			if _, ok := planner.(plan.Monotonic); ok {
				c.follow(t, p)
			}
		})
	}
}

// follow tells Monotonic the script's observations, one a distinct value, and
// compares what it asks for next.
func (c goldenScript) follow(t *testing.T, p plan.Problem) {
	t.Helper()
	var h []plan.Observation
	for _, step := range c.Steps {
		at := []float64{float64(step.Concurrency)}
		if slices.ContainsFunc(h, func(o plan.Observation) bool { return slices.Equal(o.At, at) }) {
			continue
		}
		next := plan.Monotonic{}.Next(p, h)
		require.False(t, next.Done, "ended with %q before %v", next.Reason, at)
		require.Equal(t, at, next.At, "after %v", points(h))
		h = append(h, c.observe(step))
	}
	if c.Reason == "max_iterations" {
		return
	}
	for range 2 { // a failed visit is asked once more: a fault may have been transient
		next := plan.Monotonic{}.Next(p, h)
		if next.Done {
			assert.Equal(t, c.Reason, next.Reason)
			return
		}
		i := slices.IndexFunc(h, func(o plan.Observation) bool { return slices.Equal(o.At, next.At) })
		require.True(t, i >= 0 && h[i].State == plan.Failed, "asks for %v after the end", next.At)
		h = append(h, h[i])
	}
	t.Fatal("does not end")
}

// pooledBounds is the rule in its plainest form: a value passes when the median
// margin of its measured visits does (the mean of two) and fewer visits failed
// than passed.
func pooledBounds(h []plan.Observation) (lo, hi float64, above bool) {
	byValue := map[float64][]plan.Observation{}
	for _, o := range h {
		byValue[o.At[0]] = append(byValue[o.At[0]], o)
	}
	xs := make([]float64, 0, len(byValue))
	for x := range byValue {
		xs = append(xs, x)
	}
	slices.Sort(xs)
	lo, hi = math.NaN(), math.NaN()
	for _, x := range xs {
		good := 0
		for _, o := range byValue[x] {
			if passed(o) {
				good++
			} else {
				good--
			}
		}
		switch {
		case good > 0 && math.IsNaN(hi):
			lo = x
		case good > 0:
			above = true
		case math.IsNaN(hi):
			hi = x
		}
	}
	return lo, hi, above
}
