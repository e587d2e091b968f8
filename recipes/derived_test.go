package recipes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// formula is a server without noise whose latencies are known functions of the
// load. Percentiles are multiples of the average, so that a statistic in the
// place of another shows.
type formula struct {
	loads []loadgen.Load
	fails func(loadgen.Load) bool
}

func ttftOf(l loadgen.Load) float64 { return 12 + 0.05*float64(l.ISL) + 0.5*float64(l.Concurrency-1) }
func itlOf(l loadgen.Load) float64  { return 5 + 0.1*float64(l.Concurrency) }
func e2eOf(l loadgen.Load) float64  { return ttftOf(l) + float64(l.OSL-1)*itlOf(l) }
func rateOf(l loadgen.Load) float64 {
	return 1000 * float64(l.Concurrency*l.OSL) / e2eOf(l)
}

const p95, p99 = 1.25, 1.5 // times the average

// Wait lets no time pass: formulas do not depend on it.
func (f *formula) Wait(context.Context, time.Duration) bool { return true }

func (f *formula) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	f.loads = append(f.loads, l)
	spread := func(v float64) loadgen.Metric {
		return loadgen.Metric{Unit: "ms", Stats: map[string]float64{
			"avg": v, "min": v / 2, "max": 2 * v, "p50": v, "p90": 1.2 * v, "p95": p95 * v, "p99": p99 * v, "std": 1, "count": 300}}
	}
	one := func(unit string, v float64) loadgen.Metric {
		return loadgen.Metric{Unit: unit, Stats: map[string]float64{"avg": v}}
	}
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagTTFT: spread(ttftOf(l)), loadgen.TagITL: spread(itlOf(l)), loadgen.TagLatency: spread(e2eOf(l)),
		loadgen.TagTokenRate: one("tokens/sec", rateOf(l)), loadgen.TagReqRate: one("requests/sec", rateOf(l)/float64(l.OSL)),
		loadgen.TagCompleted: one("requests", 300), loadgen.TagErrors: one("requests", 0), loadgen.TagErrorRate: one("%", 0),
	}}
	if limit, ok := l.SLO[loadgen.TagTTFT]; ok {
		// TTFT is taken as spread evenly over twice its average.
		share := min(1, limit/(2*ttftOf(l)))
		m.Metrics[loadgen.TagGoodShare] = one("ratio", share)
		m.Metrics[loadgen.TagGoodput] = one("requests/sec", share*rateOf(l)/float64(l.OSL))
	}
	if f.fails != nil && f.fails(l) {
		m.Metrics = map[string]loadgen.Metric{
			loadgen.TagCompleted: one("requests", 300), loadgen.TagErrors: one("requests", 300), loadgen.TagErrorRate: one("%", 100)}
	}
	return m, nil
}

// runFailing is a run in which every request fails at some loads, and its error.
func runFailing(t *testing.T, name string, fails func(loadgen.Load) bool, in recipes.Inputs) (*recipes.Outcome, error) {
	t.Helper()
	r, err := recipes.Lookup(name)
	require.NoError(t, err)
	out, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: &formula{fails: fails}, Inputs: in, Workload: loadgen.Load{Seed: 3}})
	require.NotNil(t, out)
	return out, err
}

func runFormula(t *testing.T, name string, f *formula, in recipes.Inputs, change ...func(*recipes.Spec)) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup(name)
	require.NoError(t, err)
	s := recipes.Spec{Prober: f, Inputs: in, Workload: loadgen.Load{Seed: 3}}
	for _, c := range change {
		c(&s)
	}
	out, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	return out
}

func TestConcurrencyRamp(t *testing.T) {
	f := &formula{}
	out := runFormula(t, "concurrency-ramp", f, recipes.Inputs{})
	assert.Equal(t, recipes.Met, out.Verdict)
	assert.False(t, out.Best.Found, "a ramp has no best point")
	k, ok := out.Knee()
	require.True(t, ok)
	base := loadgen.Load{Concurrency: 1, ISL: loadgen.DefaultISL, OSL: loadgen.DefaultOSL}
	assert.InEpsilon(t, p99*e2eOf(base), k.Baseline, 1e-12, "p99, and not the average")
	for _, c := range []int{3, 7, 19, 52, 139, 373, 1000} { // 8 log steps in [1, 1000], after the first
		at := base
		at.Concurrency = c
		if e2eOf(at) > 1.2*e2eOf(base) {
			assert.Equal(t, c, k.Concurrency)
			assert.InEpsilon(t, p99*e2eOf(at), k.Value, 1e-12)
			break
		}
	}
	assert.Equal(t, 1000.0, k.Highest)

	flat := runFormula(t, "concurrency-ramp", &formula{}, recipes.Inputs{Concurrency: recipes.Bounds{Max: new(4)}, Steps: new(3)})
	k, ok = flat.Knee()
	require.True(t, ok)
	assert.Zero(t, k.Concurrency, "none within the range")
	assert.True(t, math.IsNaN(k.Value))

	other := runFormula(t, "concurrency-ramp", &formula{},
		recipes.Inputs{Degradation: new(0.5), DegradationMetric: "ttft", DegradationStat: "p95"})
	k, ok = other.Knee()
	require.True(t, ok)
	assert.InEpsilon(t, p95*ttftOf(base), k.Baseline, 1e-12)
	assert.Equal(t, 52, k.Concurrency, "39.5 ms + 0.5 ms a slot passes 59.25 ms above concurrency 40")
}

func TestPrefillCurve(t *testing.T) {
	f := &formula{}
	out := runFormula(t, "prefill-ttft-curve", f, recipes.Inputs{}, func(s *recipes.Spec) { s.Workload.ISL, s.Workload.OSL = 7, 9 })
	fit, ok := out.TTFTFit()
	require.True(t, ok)
	require.Len(t, fit.Coefficients, 2)
	assert.InEpsilon(t, 0.05, fit.Coefficients[0], 1e-9)
	assert.InEpsilon(t, 12.0, fit.Coefficients[1], 1e-9)
	assert.InDelta(t, 1, fit.RSquared, 1e-9)
	assert.True(t, fit.Confident)
	assert.InEpsilon(t, 12+0.05*5000, fit.At(5000), 1e-9)
	assert.Equal(t, []float64{256, 32768}, []float64{fit.From, fit.To})
	require.Len(t, f.loads, 8)
	for _, l := range f.loads {
		assert.Equal(t, 1, l.Concurrency)
		assert.Equal(t, 9, l.OSL, "Tokens sets the length that is not swept")
		assert.NotEqual(t, 7, l.ISL, "and a swept length wins over it")
	}
	assert.Empty(t, out.Warnings)
}

func TestDecodeCurve(t *testing.T) {
	out := runFormula(t, "decode-itl-curve", &formula{}, recipes.Inputs{})
	s, ok := out.ITLSurface()
	require.True(t, ok)
	assert.Equal(t, []float64{1, 3, 8, 24, 69, 200}, s.Concurrency)
	assert.Equal(t, []float64{64, 161, 406, 1024}, s.OSL)
	for i, c := range s.Concurrency {
		for j := range s.OSL {
			assert.InEpsilon(t, 5+0.1*c, s.ITL[i][j], 1e-12)
		}
	}
	holes, err := runFailing(t, "decode-itl-curve",
		func(l loadgen.Load) bool { return l.Concurrency == 200 && l.OSL == 1024 }, recipes.Inputs{})
	assert.ErrorContains(t, err, "no request succeeded at osl 1024, concurrency 200")
	s, ok = holes.ITLSurface()
	require.True(t, ok)
	assert.True(t, math.IsNaN(s.ITL[5][3]), "what was not measured is not invented")
}

func TestParetoSweep(t *testing.T) {
	f := &formula{}
	out := runFormula(t, "pareto-sweep", f, recipes.Inputs{Pairs: new("128/128,512/256,2048/32")},
		func(s *recipes.Spec) { s.Workload.ISL = 7 })
	p, ok := out.Frontier()
	require.True(t, ok)
	require.Len(t, p.Cells, 15)
	for i, c := range p.Cells {
		l := f.loads[i]
		assert.Equal(t, []int{l.ISL, l.OSL, l.Concurrency}, []int{c.ISL, c.OSL, c.Concurrency})
		assert.InEpsilon(t, p95*ttftOf(l), c.X, 1e-12)
		assert.InEpsilon(t, rateOf(l), c.Y, 1e-12)
		beaten := false
		for _, o := range f.loads {
			beaten = beaten || ttftOf(o) <= ttftOf(l) && rateOf(o) >= rateOf(l) && (ttftOf(o) < ttftOf(l) || rateOf(o) > rateOf(l))
		}
		assert.Equal(t, !beaten, c.Optimal, "%+v", c)
	}
	require.Len(t, out.Warnings, 1)
	assert.ErrorContains(t, out.Warnings[0], "does not use Tokens")
}

func TestStyleGrid(t *testing.T) {
	limit := 60.0 // ms: 1.25·(39.5 + 0.5·(c−1)) < 60 up to c = 17
	in := recipes.Inputs{TTFT: &limit, Style: recipes.Grid}
	out := runFormula(t, "max-concurrency-under-sla", &formula{}, in)
	assert.Equal(t, recipes.Met, out.Verdict)
	assert.Equal(t, 7, out.Best.Concurrency())
	b, ok := out.Breach()
	require.True(t, ok)
	assert.Equal(t, []any{7.0, 19.0, true, p95 * (39.5 + 9), sla.Limit{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: 60}},
		[]any{b.MaxPassing, b.FirstFailing, b.Monotone, b.Observed, b.Limit})

	in.Steps = new(30)
	fine := runFormula(t, "max-concurrency-under-sla", &formula{}, in)
	assert.InDelta(t, 17, fine.Best.Concurrency(), 4, "Steps is honoured")

	crash, err := runFailing(t, "max-concurrency-under-sla", func(l loadgen.Load) bool { return l.Concurrency == 3 },
		recipes.Inputs{TTFT: &limit, Style: recipes.Grid})
	assert.ErrorContains(t, err, "no request succeeded at concurrency 3", "no verdict rests on a point that was not measured")
	b, ok = crash.Breach()
	require.True(t, ok)
	assert.Equal(t, 3.0, b.FirstFailing, "a crash is a failing point")
	assert.Equal(t, 7.0, b.MaxPassing, "AIPerf's largest passing value, wherever it lies")
	assert.False(t, b.Monotone)
	assert.Equal(t, 1, crash.Best.Concurrency(), "while the answer is the prefix that passes")
	assert.True(t, math.IsNaN(b.Observed))

	best := runFormula(t, "max-throughput-ttft-sla", &formula{}, in)
	assert.Equal(t, fine.Best.Concurrency(), best.Best.Concurrency(),
		"throughput rises with the load: the largest that passes has the most")
	assert.InEpsilon(t, rateOf(best.Best.Load), best.Best.Objective, 1e-12)
}

// TestSearchRecipes: each search recipe, by default style, ends at the boundary
// that its formulas have.
func TestSearchRecipes(t *testing.T) {
	ms := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		recipe string
		in     recipes.Inputs
		want   float64
		why    string
	}{
		{"max-throughput-ttft-sla", recipes.Inputs{TTFT: ms(100)}, 81.99, "1.25·(39 + 0.5·c) < 100"},
		{"max-throughput-itl-sla", recipes.Inputs{TPOT: ms(20)}, 109.99, "1.25·(5 + 0.1·c) < 20"},
		{"max-concurrency-under-sla", recipes.Inputs{ITL: ms(20), TTFT: ms(100)}, 81.99, "the tighter of the two"},
		{"max-goodput-under-slo", recipes.Inputs{TTFT: ms(200), ITL: ms(50), E2E: ms(9e3), Attainment: ms(0.8)}, 172,
			"200 ≥ 0.8·2·(39 + 0.5·c)"},
	} {
		t.Run(tt.recipe, func(t *testing.T) {
			out := runFormula(t, tt.recipe, &formula{}, tt.in)
			assert.Equal(t, recipes.Met, out.Verdict, out.Reason)
			assert.InEpsilon(t, math.Floor(tt.want), out.Boundary.Safe, 0.05, "%s (%d probes)", tt.why, len(out.Probes))
			assert.LessOrEqual(t, out.Boundary.Safe, tt.want)
			assert.Empty(t, out.Derived)
		})
	}
}

// TestTrialsInAggregate: of several trials a sweep has a block a statistic, with
// Student's interval; handlers read its mean.
func TestTrialsInAggregate(t *testing.T) {
	out := runFormula(t, "concurrency-ramp", &formula{}, recipes.Inputs{Steps: new(2)}, func(s *recipes.Spec) { s.Trials = 3 })
	a := out.Sweep()
	require.Len(t, a.Points, 2)
	assert.Equal(t, 6, a.Runs)
	assert.Equal(t, 3, a.Metadata.Trials)
	block := a.Points[0].Metrics["request_latency_p99"]
	require.NotNil(t, block)
	assert.Equal(t, block["mean"], block["ci_low"], "trials that agree")
	assert.InEpsilon(t, 4.302652729, block["t_critical"], 1e-6, "t(0.975, 2 degrees of freedom)")
	k, ok := out.Knee()
	require.True(t, ok)
	v, ok := a.Points[0].Stat("request_latency", "p99")
	require.True(t, ok)
	assert.Equal(t, v, k.Baseline)
	raw, err := json.Marshal(a)
	require.NoError(t, err)
	var again sweep.Sweep
	require.NoError(t, json.Unmarshal(raw, &again))
	w, _ := again.Points[0].Stat("request_latency", "p99")
	assert.Equal(t, v, w, "written and read again it is the same")
}

// TestDerivationOfOnesOwn: in a recipe by value; one that fails or panics is a
// warning and is kept, and the sweep stands.
func TestDerivationOfOnesOwn(t *testing.T) {
	with := func(file string, rule func(*sweep.Sweep) (any, error)) *recipes.Recipe {
		return &recipes.Recipe{Name: "two-points", Doc: "two points", Expand: func(recipes.Inputs) (*recipes.Plan, error) {
			return &recipes.Plan{
				Grid:   []recipes.Axis{{Path: recipes.PathConcurrency, Values: []float64{1, 2}}},
				Derive: sweep.Custom{Handler: "mine", Output: file, Rule: rule},
			}, nil
		}}
	}
	count := func(s *sweep.Sweep) (any, error) { return map[string]any{"rows": len(s.Points), "of": "all"}, nil }
	out, err := recipes.Run(t.Context(), with("rows.json", count), recipes.Spec{Prober: &formula{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"rows":2,"of":"all"}`, string(out.Derived["rows.json"]))
	_, ok := out.Knee()
	assert.False(t, ok, "a view on what another derivation made shows nothing")

	for says, rule := range map[string]func(*sweep.Sweep) (any, error){
		"no such luck":       func(*sweep.Sweep) (any, error) { return nil, errors.New("no such luck") },
		"index out of range": func(s *sweep.Sweep) (any, error) { return s.Points[99], nil },
		"not a JSON object":  func(*sweep.Sweep) (any, error) { return 7, nil },
		"NaN":                func(*sweep.Sweep) (any, error) { return map[string]any{"x": math.NaN()}, nil },
	} {
		out, err := recipes.Run(t.Context(), with("rows.json", rule), recipes.Spec{Prober: &formula{}})
		require.NoError(t, err)
		assert.Equal(t, recipes.Met, out.Verdict, "the sweep stands")
		require.Len(t, out.Warnings, 1)
		assert.ErrorContains(t, out.Warnings[0], says)
		assert.NotContains(t, out.Derived, "rows.json")
		assert.Contains(t, string(out.Derived["post_process_errors.json"]), says)
	}
	for _, file := range []string{"../rows.json", "", "post_process_errors.json"} {
		f := &formula{}
		_, err := recipes.Run(t.Context(), with(file, count), recipes.Spec{Prober: f})
		assert.ErrorAs(t, err, new(*recipes.InputError))
		assert.Empty(t, f.loads, "before any traffic")
	}
}

// TestInputsOfSweeps: what a sweep has no use for is refused where it would
// change what is asked, and warned of where it changes nothing.
func TestInputsOfSweeps(t *testing.T) {
	limit := 100.0
	for _, tt := range []struct {
		why, recipe string
		in          recipes.Inputs
		refused     []recipes.Input
		warned      string
	}{
		{"a tunable on a grid recipe", "concurrency-ramp", recipes.Inputs{MaxProbes: new(10)}, []recipes.Input{"MaxProbes"}, ""},
		{"all of them at once", "prefill-ttft-curve", recipes.Inputs{MaxProbes: new(10), InitialPoints: new(2), Replicates: new(1)},
			[]recipes.Input{"MaxProbes", "InitialPoints", "Replicates"}, ""},
		{"style grid has no search to tune", "max-concurrency-under-sla",
			recipes.Inputs{TTFT: &limit, Style: recipes.Grid, InitialPoints: new(2)}, []recipes.Input{"InitialPoints"}, ""},
		{"a list where the recipe chooses", "concurrency-ramp", recipes.Inputs{ConcurrencyList: []int{1, 2}},
			[]recipes.Input{"ConcurrencyList"}, ""},
		{"a list on a search", "max-throughput-ttft-sla", recipes.Inputs{TTFT: &limit, ConcurrencyList: []int{1, 2}},
			[]recipes.Input{"ConcurrencyList"}, ""},
		{"a concurrency twice", "pareto-sweep", recipes.Inputs{Pairs: new("1/1,2/2"), ConcurrencyList: []int{4, 4}},
			[]recipes.Input{"ConcurrencyList"}, ""},
		{"a statistic that sweeps do not have", "concurrency-ramp", recipes.Inputs{DegradationStat: "max"},
			[]recipes.Input{"Degradation"}, ""},
		{"a metric that does not exist", "concurrency-ramp", recipes.Inputs{DegradationMetric: "ttf"}, []recipes.Input{"Degradation"}, ""},
		{"a streamed metric without streams", "concurrency-ramp", recipes.Inputs{DegradationMetric: "ttft", Streaming: new(false)},
			[]recipes.Input{"Streaming"}, ""},
		{"an input of another recipe", "prefill-ttft-curve", recipes.Inputs{Concurrency: recipes.Bounds{Max: new(9)}}, nil,
			"does not use Concurrency"},
		{"steps of a search", "max-throughput-ttft-sla", recipes.Inputs{TTFT: &limit, Steps: new(9)}, nil, "does not use Steps"},
		{"replicates of a style that has none", "max-throughput-ttft-sla", recipes.Inputs{TTFT: &limit, Replicates: new(3)}, nil,
			"Replicates in style bo; it is for style smooth_isotonic"},
		{"a sampler of a style that has none", "max-throughput-ttft-sla", recipes.Inputs{TTFT: &limit, Sampler: "gp"}, nil,
			"it is for style optuna"},
		{"initial points where the bracket comes first", "max-concurrency-under-sla",
			recipes.Inputs{TTFT: &limit, InitialPoints: new(7)}, nil, "in style smooth_isotonic; it is for styles bo and optuna"},
		{"degradation is the ramp's", "decode-itl-curve", recipes.Inputs{Degradation: new(0.3)}, nil, "it is read by concurrency-ramp"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r, err := recipes.Lookup(tt.recipe)
			require.NoError(t, err)
			f := &formula{}
			out, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: f, Inputs: tt.in})
			if tt.refused != nil {
				var at *recipes.InputError
				require.ErrorAs(t, err, &at)
				assert.Equal(t, tt.refused, at.Inputs, "%v", err)
				assert.Empty(t, f.loads, "before any traffic")
				return
			}
			require.NoError(t, err)
			assert.Contains(t, fmt.Sprint(out.Warnings), tt.warned)
		})
	}
}

// TestExtraLimitsOnSweeps: every recipe takes further SLA limits.
func TestExtraLimitsOnSweeps(t *testing.T) {
	limit, err := sla.ParseLimit("e2e p99 < 1s")
	require.NoError(t, err)
	base := 100.0
	for _, name := range []string{
		"max-throughput-ttft-sla", "max-throughput-itl-sla", "max-concurrency-under-sla", "max-goodput-under-slo",
		"concurrency-ramp", "prefill-ttft-curve", "decode-itl-curve", "pareto-sweep",
	} {
		r, err := recipes.Lookup(name)
		require.NoError(t, err)
		in := recipes.Inputs{TTFT: &base, ITL: &base, E2E: &base, Pairs: new("128/8,64/8"), Limits: []sla.Limit{limit}}
		p, err := r.Expand(in)
		require.NoError(t, err, r.Name)
		require.NotEmpty(t, p.Limits, r.Name)
		assert.Equal(t, limit, p.Limits[len(p.Limits)-1], "%s: after its own", r.Name)
	}
	out := runFormula(t, "concurrency-ramp", &formula{}, recipes.Inputs{Limits: []sla.Limit{limit}})
	assert.Equal(t, recipes.Missed, out.Verdict, "1.5·(39.5 + 127·5.1) > 1000")
	_, ok := out.Knee()
	assert.True(t, ok, "the knee is there all the same")
}
