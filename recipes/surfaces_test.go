package recipes_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// surface is one synthetic server: noise-free metrics as a function of
// concurrency, a noise law and the truth about its boundary.
type surface struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Lo          int          `json:"lo"`
	Hi          int          `json:"hi"`
	Filters     []filter     `json:"filters"`
	Objective   objective    `json:"objective"`
	Model       surfaceModel `json:"model"`
	Noise       surfaceNoise `json:"noise"`
	Truth       surfaceTruth `json:"truth"`
}

type filter struct {
	Tag       string  `json:"metric_tag"`
	Stat      string  `json:"stat"`
	Op        string  `json:"op"`
	Threshold float64 `json:"threshold"`
}

func (f filter) key() string { return f.Tag + "." + f.Stat }

type objective struct {
	Metric    string `json:"metric"`
	Stat      string `json:"stat"`
	Direction string `json:"direction"`
}

// surfaceModel holds the parameters by their JSON keys; nil switches a term
// off.
type surfaceModel struct {
	MaxNumSeqs   float64  `json:"max_num_seqs"`
	ITL0         float64  `json:"itl0_ms"`
	ITL1         float64  `json:"itl1_ms"`
	ITLPow       float64  `json:"itl_pow"`
	KVLimit      *float64 `json:"kv_limit"`
	KVGain       float64  `json:"kv_gain"`
	KVWidth      float64  `json:"kv_width"`
	TTFT0        float64  `json:"ttft0_ms"`
	TTFT1        float64  `json:"ttft1_ms"`
	TTFTPow      float64  `json:"ttft_pow"`
	Bump         float64  `json:"bump_ms"`
	BumpC        float64  `json:"bump_c"`
	BumpW        float64  `json:"bump_w"`
	KneeC        *float64 `json:"knee_c"`
	Knee         float64  `json:"knee_ms"`
	KneePow      float64  `json:"knee_pow"`
	Wave         float64  `json:"wave_ms"`
	StepFrac     float64  `json:"step_frac"`
	TTFTThrash   bool     `json:"ttft_thrash"`
	OSL          float64  `json:"osl"`
	TputCap      *float64 `json:"tput_cap"`
	TputCapSharp float64  `json:"tput_cap_sharp"`
	CollapseC    *float64 `json:"collapse_c"`
	CollapsePow  float64  `json:"collapse_pow"`
	ErrMid       *float64 `json:"err_mid"`
	ErrWidth     float64  `json:"err_width"`
	ErrMaxPct    float64  `json:"err_max_pct"`
	GoodShape    float64  `json:"good_shape"`
	SLOTTFT      *float64 `json:"slo_ttft_ms"`
	SLOITL       *float64 `json:"slo_itl_ms"`
	SLOE2E       *float64 `json:"slo_e2e_ms"`

	capacity float64 // share of it that is left: at c it is as the model is at c/capacity; 0: all
	TTFTTail float64 `json:"ttft_tail"`
	ITLTail  float64 `json:"itl_tail"`
	E2ETail  float64 `json:"e2e_tail"`
}

type surfaceNoise struct {
	Sigma         float64 `json:"sigma"`
	SigmaFraction float64 `json:"sigma_fraction"`
	OutlierProb   float64 `json:"outlier_prob"`
	OutlierMult   float64 `json:"outlier_mult"`
}

type surfaceTruth struct {
	Boundary       *int     `json:"boundary"`
	PrefixBoundary *int     `json:"prefix_boundary"`
	NPassing       int      `json:"n_passing"`
	BestC          *int     `json:"best_concurrency"`
	BestObjective  *float64 `json:"best_objective"`
}

// Keys of the reported metrics.
const (
	keyTTFT    = "time_to_first_token.p95"
	keyITL     = "inter_token_latency.p95"
	keyE2E     = "request_latency.p99"
	keyTput    = "output_token_throughput.avg"
	keyErr     = "request_error_rate.avg"
	keyGood    = "good_request_fraction.avg"
	keyGoodput = "goodput.avg"
)

// metrics are the noise-free values at concurrency n, in the order of
// surfaces.md.
func (m surfaceModel) metrics(n int) map[string]float64 {
	c, left := float64(n), 1.0
	if m.capacity > 0 {
		c, left = c/m.capacity, m.capacity
	}
	b := m.MaxNumSeqs
	r := min(c, b)
	thrash := 1.0
	if m.KVLimit != nil {
		over := max(0, (c-*m.KVLimit) / *m.KVLimit)
		thrash = 1 + m.KVGain*(1-math.Exp(-over/m.KVWidth))
	}
	itl := (m.ITL0 + m.ITL1*math.Pow(r, m.ITLPow)) * thrash

	ttft := m.TTFT0 + m.TTFT1*math.Pow(c, m.TTFTPow)
	if m.Bump != 0 {
		ttft += m.Bump * math.Exp(-math.Pow((math.Log(c)-math.Log(m.BumpC))/m.BumpW, 2))
	}
	if m.KneeC != nil {
		ttft += m.Knee * math.Pow(max(0, c / *m.KneeC - 1), m.KneePow)
	}
	waves := math.Ceil(c/b) - 1
	frac := max(0, c-b) / b
	ttft += m.Wave * (m.StepFrac*waves + (1-m.StepFrac)*frac)
	if m.TTFTThrash {
		ttft *= thrash
	}
	e2e := ttft + (m.OSL-1)*itl

	tput := 1000 * c * m.OSL / e2e
	if m.TputCap != nil {
		k := m.TputCapSharp
		tput /= math.Pow(1+math.Pow(tput / *m.TputCap, k), 1/k)
	}
	if m.CollapseC != nil {
		tput /= 1 + math.Pow(c / *m.CollapseC, m.CollapsePow)
	}
	tput *= left // Little's law at n, not at c
	errPct := 0.0
	if m.ErrMid != nil {
		errPct = m.ErrMaxPct / (1 + math.Exp(-(c-*m.ErrMid)/m.ErrWidth))
	}
	good := 1 - errPct/100
	for _, pair := range []struct {
		value float64
		slo   *float64
	}{{ttft, m.SLOTTFT}, {itl, m.SLOITL}, {e2e, m.SLOE2E}} {
		if pair.slo != nil {
			good *= 1 / (1 + math.Pow(pair.value / *pair.slo, m.GoodShape))
		}
	}
	return map[string]float64{
		keyTTFT: ttft * m.TTFTTail, keyITL: itl * m.ITLTail, keyE2E: e2e * m.E2ETail,
		keyTput: tput, keyErr: errPct, keyGood: good, keyGoodput: tput / m.OSL * good,
	}
}

// noisy draws one probe's metrics.
func (s surface) noisy(n int, rng *rand.Rand) map[string]float64 {
	outlier := s.Noise.OutlierProb > 0 && rng.Float64() < s.Noise.OutlierProb
	mult := 1.0
	if outlier {
		mult = s.Noise.OutlierMult
	}
	v := s.Model.metrics(n)
	for _, k := range []string{keyTTFT, keyITL, keyE2E, keyTput, keyErr, keyGood, keyGoodput} {
		z := rng.NormFloat64()
		switch k {
		case keyTput, keyGoodput:
			v[k] *= math.Exp(s.Noise.Sigma*z) / mult
		case keyGood:
			v[k] = 1 - min(1, (1-v[k])*math.Exp(s.Noise.SigmaFraction*z)*mult)
		case keyErr:
			v[k] = min(100, v[k]*math.Exp(s.Noise.SigmaFraction*z))
		default:
			v[k] *= math.Exp(s.Noise.Sigma*z) * mult
		}
	}
	return v
}

// holds compares a value with the filter as AIPerf does: lt and gt are strict.
func (f filter) holds(v float64) bool {
	switch f.Op {
	case "lt":
		return v < f.Threshold
	case "le":
		return v <= f.Threshold
	case "gt":
		return v > f.Threshold
	}
	return v >= f.Threshold
}

// margin is g = ln(value/threshold), positive when violated; for at-least
// limits on a fraction it compares the bad fractions. A value on the threshold
// of a strict limit violates it, so g is then the smallest number above zero.
func (f filter) margin(v float64) float64 {
	var g float64
	switch {
	case f.Op == "lt" || f.Op == "le":
		g = math.Log(v / f.Threshold)
	case strings.Contains(f.Tag, "fraction"):
		g = math.Log((1 - v) / (1 - f.Threshold))
	default:
		g = math.Log(f.Threshold / v)
	}
	switch {
	case f.holds(v) && g > 0:
		return 0
	case !f.holds(v) && !(g > 0):
		return math.SmallestNonzeroFloat64
	}
	return g
}

// passes reports whether every filter holds without noise.
func (s surface) passes(n int) bool {
	v := s.Model.metrics(n)
	return !slices.ContainsFunc(s.Filters, func(f filter) bool { return !f.holds(v[f.key()]) })
}

// findTruth finds the truth by brute force.
func (s surface) findTruth() surfaceTruth {
	var t surfaceTruth
	prefix := true
	for c := s.Lo; c <= s.Hi; c++ {
		if !s.passes(c) {
			prefix = false
			continue
		}
		t.NPassing++
		t.Boundary = new(c)
		if prefix {
			t.PrefixBoundary = new(c)
		}
		if v := s.objective(c); t.BestObjective == nil || s.better(v, *t.BestObjective) {
			t.BestC, t.BestObjective = new(c), new(v)
		}
	}
	return t
}

func (s surface) objective(c int) float64 {
	return s.Model.metrics(c)[s.Objective.Metric+"."+s.Objective.Stat]
}

func (s surface) better(a, b float64) bool {
	if strings.EqualFold(s.Objective.Direction, "minimize") {
		return a < b
	}
	return a > b
}

// observe turns one probe's metrics into what a planner sees at surface level:
// margins without standard errors or certainties. exact: the probe is without
// noise and says so, with standard error 0.
func (s surface) observe(at []float64, v map[string]float64, exact bool) plan.Observation {
	se := math.NaN()
	if exact {
		se = 0
	}
	o := plan.Observation{At: slices.Clone(at)}
	for _, f := range s.Filters {
		value, ok := v[f.key()]
		l := plan.Margin{Estimate: plan.Estimate{Value: math.NaN(), SE: se}, Pass: math.NaN()}
		if ok && !math.IsNaN(value) {
			l.Value = f.margin(value)
		}
		o.Margins = append(o.Margins, l)
	}
	o.Goals = []plan.Estimate{{Value: v[s.Objective.Metric+"."+s.Objective.Stat], SE: se}}
	return o
}

// problem is the search of a recipe over the surface's concurrencies.
func (s surface) problem(budget int, seed uint64) plan.Problem {
	return plan.Problem{
		Dims:   []plan.Dim{{Path: "phases.profiling.concurrency", Lo: float64(s.Lo), Hi: float64(s.Hi), Int: true, Log: true}},
		Goals:  []plan.Goal{{Maximize: !strings.EqualFold(s.Objective.Direction, "minimize"), Reference: math.NaN()}},
		Budget: budget, Seed: seed, Baseline: math.NaN(), Floor: math.NaN(),
	}
}

// maxSteps is beyond every planner's budget and confirmations: reaching it
// means that a search does not end.
const maxSteps = 400

// search drives a planner over probe and returns its history and its reason.
func search(planner plan.Planner, p plan.Problem, probe func(plan.Step) plan.Observation) ([]plan.Observation, string, error) {
	var h []plan.Observation
	for range maxSteps {
		step := planner.Next(p, h)
		if step.Done {
			return h, step.Reason, nil
		}
		if d := p.Dims[0]; len(step.At) != 1 || step.At[0] < d.Lo || step.At[0] > d.Hi || d.Int && step.At[0] != math.Trunc(step.At[0]) {
			return h, "", fmt.Errorf("step %d is out of bounds: %v", len(h), step.At)
		}
		o := probe(step)
		o.Asked = step
		h = append(h, o)
	}
	return h, "", errors.New("the search does not end")
}

// loadSurfaces reads every surface of the folder AIPERF_SURFACES.
func loadSurfaces(t testing.TB) []surface {
	t.Helper()
	dir := cmp.Or(os.Getenv("AIPERF_SURFACES"), filepath.Join("..", "testdata", "surfaces"))
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no surfaces in %s", dir)
	var all []surface
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		var s surface
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields() // a parameter that is not understood would change the metrics unseen
		require.NoError(t, dec.Decode(&s), f)
		all = append(all, s)
	}
	return all
}

// surfaceSeeds is how many seeds a surface is searched with.
func surfaceSeeds(t testing.TB) int {
	t.Helper()
	text := cmp.Or(os.Getenv("AIPERF_SURFACES_SEEDS"), "3")
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "AIPERF_SURFACES_SEEDS")
	require.Positive(t, n, "AIPERF_SURFACES_SEEDS")
	return n
}

// surfaceRNG is a generator of its own for every surface, seed and use, so that
// a new surface or style changes no other figure.
func surfaceRNG(name string, seed int, use string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s", name, use)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(seed)))
}

// score is how one search did.
type score struct {
	probes   int
	relErr   float64
	violates bool
	unsafe   bool
	regret   float64 // NaN on a surface where nothing passes
	wasted   int     // probes at a concurrency already probed
	reason   string
	answer   float64
}

// scoreOf compares a search with the truth, by the rules of surfaces.md.
func (s surface) scoreOf(a plan.Answer, h []plan.Observation) score {
	sc := score{probes: len(h), answer: a.Safe, regret: math.NaN()}
	seen := map[float64]bool{}
	for _, o := range h {
		if seen[o.At[0]] {
			sc.wasted++
		}
		seen[o.At[0]] = true
	}
	none := math.IsNaN(a.Safe)
	switch {
	case s.Truth.Boundary == nil:
		if !none {
			sc.relErr, sc.unsafe = 1, true
		}
	case none:
		sc.relErr = 1
	default:
		sc.relErr = math.Abs(a.Safe-float64(*s.Truth.Boundary)) / float64(*s.Truth.Boundary)
	}
	if !none && !s.passes(int(a.Safe)) {
		sc.violates = true
		near := false
		for c := int(math.Ceil(a.Safe * 0.95)); c <= int(a.Safe*1.05); c++ {
			near = near || c >= s.Lo && c <= s.Hi && s.passes(c)
		}
		sc.unsafe = sc.unsafe || !near
	}
	if b := s.Truth.Boundary; b != nil && !none && a.Safe > 1.05*float64(*b) {
		sc.unsafe = true
	}
	if s.Truth.BestObjective != nil {
		sc.regret = 1
		if c, ok := s.chosen(a, h); ok {
			sc.regret = (*s.Truth.BestObjective - s.objective(c)) / *s.Truth.BestObjective
		}
	}
	return sc
}

// chosen is the concurrency of best_trials[0]: the best observed objective
// among the points at or below the safe value, one trial a visit.
func (s surface) chosen(a plan.Answer, h []plan.Observation) (int, bool) {
	best, at := math.NaN(), math.NaN()
	for _, o := range h {
		ok := o.State == plan.Full && len(o.Goals) > 0 && !math.IsNaN(o.Goals[0].Value) && o.At[0] <= a.Safe &&
			!slices.ContainsFunc(o.Margins, func(l plan.Margin) bool { return !(l.Value <= 0) })
		if ok && (math.IsNaN(best) || s.better(o.Goals[0].Value, best)) {
			best, at = o.Goals[0].Value, o.At[0]
		}
	}
	if math.IsNaN(at) {
		return 0, false
	}
	return int(at), true
}

// figures are the scores of one style over all runs.
type figures struct {
	Runs                                   int
	Probes, Error, Over5, Violates, Unsafe float64 // means; shares
	Regret, Wasted                         float64 // median; mean
}

func summarise(scores []score) figures {
	f := figures{Runs: len(scores)}
	n := float64(len(scores))
	var regrets []float64
	share := func(b bool) float64 {
		if b {
			return 1 / n
		}
		return 0
	}
	for _, s := range scores {
		f.Probes += float64(s.probes) / n
		f.Error += s.relErr / n
		f.Wasted += float64(s.wasted) / n
		f.Over5 += share(s.relErr > 0.05)
		f.Violates += share(s.violates)
		f.Unsafe += share(s.unsafe)
		if !math.IsNaN(s.regret) {
			regrets = append(regrets, s.regret)
		}
	}
	slices.Sort(regrets)
	f.Regret = math.NaN()
	if k := len(regrets); k > 0 {
		f.Regret = (regrets[(k-1)/2] + regrets[k/2]) / 2
	}
	return f
}

const tableHead = "| style | probes | mean error | error > 5 % | violates | unsafe | regret, median | wasted |\n|---|---|---|---|---|---|---|---|\n"

func (f figures) row(name string) string {
	return fmt.Sprintf("| %s | %.2f | %.2f %% | %.1f %% | %.1f %% | %.1f %% | %.2f %% | %.2f |\n",
		name, f.Probes, 100*f.Error, 100*f.Over5, 100*f.Violates, 100*f.Unsafe, 100*f.Regret, f.Wasted)
}

func (f figures) benchLine(name string) string {
	return fmt.Sprintf("BenchmarkSurfaces/style=%s %d %.4g probes/op %.4g error-pct %.4g over5-pct %.4g violates-pct %.4g unsafe-pct %.4g regret-pct %.4g wasted/op\n",
		name, f.Runs, f.Probes, 100*f.Error, 100*f.Over5, 100*f.Violates, 100*f.Unsafe, 100*f.Regret, f.Wasted)
}

// surfaceStyle is one row of the table, with what it has to beat.
type surfaceStyle struct {
	name     string
	planner  plan.Planner
	budget   int
	list     []float64                     // the points of a grid
	aiperf   struct{ probes, err float64 } // the row of its namesake in planners.md
	mayTie   bool                          // in probes
	violates float64                       // share at most; 0: no bound
}

// surfaceStyles lists what TestSurfaces compares. The grid has the points and
// the verdicts of AIPerf's, so its error is the same but for the noise drawn: 32
// to 33 %, on either side of the row.
//
// Another test file may append
// to it in its init.
var surfaceStyles = []surfaceStyle{
	{name: "grid", planner: plan.List{}, list: []float64{1, 3, 7, 19, 52, 139, 373, 1000}, budget: 8, aiperf: struct{ probes, err float64 }{8, 0.33}, mayTie: true},
	{name: "monotonic", planner: plan.Monotonic{}, budget: 20, aiperf: struct{ probes, err float64 }{17.9, 0.203}},
	{name: "smooth_isotonic", planner: plan.SmoothIsotonic{}, budget: 30, aiperf: struct{ probes, err float64 }{12.5, 0.015}, violates: 0.05},
}

// skip reports that AIPERF_SURFACES_STYLE asks for another style only.
func (st surfaceStyle) skip() bool {
	only := os.Getenv("AIPERF_SURFACES_STYLE")
	return only != "" && st.name != only
}

// run searches a surface once.
func (st surfaceStyle) run(s surface, seed int) (score, error) {
	rng := surfaceRNG(s.Name, seed, "noise")
	p := s.problem(st.budget, uint64(seed))
	for _, x := range st.list {
		p.List = append(p.List, []float64{x})
	}
	h, reason, err := search(st.planner, p, func(step plan.Step) plan.Observation {
		return s.observe(step.At, s.noisy(int(step.At[0]), rng), false)
	})
	if err != nil {
		return score{}, fmt.Errorf("style %s on %s, seed %d: %w", st.name, s.Name, seed, err)
	}
	sc := s.scoreOf(st.planner.Answers(p, h)[0], h)
	sc.reason = reason
	return sc, nil
}

// arePublic reports whether the surfaces are the 14 that AIPerf was measured on.
func arePublic(surfaces []surface) bool {
	var numbers []string
	for _, s := range surfaces {
		number, _, _ := strings.Cut(s.Name, "_")
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return strings.Join(numbers, " ") == "p01 p02 p03 p04 p05 p06 p07 p08 p09 p10 p11 p12 p13 p14"
}

// TestSurfaces searches every surface with every style and compares the styles
// with AIPerf's. The comparison needs the 20 seeds it was measured with; fewer
// print the table only.
func TestSurfaces(t *testing.T) {
	surfaces, seeds := loadSurfaces(t), surfaceSeeds(t)
	comparable := seeds >= 20 && arePublic(surfaces)
	if !comparable {
		t.Log("a table only: AIPerf's figures are those of the 14 public surfaces at 20 seeds")
	}
	var table, bench, details strings.Builder
	var spots []spot
	table.WriteString(tableHead)
	for _, st := range surfaceStyles {
		if st.skip() {
			continue
		}
		var all []score
		for _, s := range surfaces {
			var mine []score
			for seed := range seeds {
				sc, err := st.run(s, seed)
				require.NoError(t, err)
				mine = append(mine, sc)
			}
			details.WriteString(summarise(mine).row(st.name + " " + s.Name))
			all = append(all, mine...)
		}
		f := summarise(all)
		table.WriteString(f.row(st.name))
		bench.WriteString(f.benchLine(st.name))
		spots = append(spots, spot{st.name, 1000 * f.Probes, 100 * f.Error, 100 * f.Violates})
		if !comparable {
			continue
		}
		if st.mayTie {
			assert.LessOrEqual(t, f.Probes, st.aiperf.probes, "%s: probes", st.name)
		} else {
			assert.Less(t, f.Probes, st.aiperf.probes, "%s: probes", st.name)
		}
		assert.Less(t, f.Error, st.aiperf.err, "%s: mean error", st.name)
		if st.violates > 0 {
			assert.LessOrEqual(t, f.Violates, st.violates, "%s: share of answers that violate the SLA", st.name)
		}
	}
	t.Logf("%d surfaces, %d seeds\n%s\n%s", len(surfaces), seeds, table.String(), bench.String())
	if os.Getenv("AIPERF_SURFACES_DETAILS") != "" {
		t.Logf("by surface\n%s%s", tableHead, details.String())
	}
	if comparable {
		publish(t, "surfaces", table.String())
		early, _ := requestFigures(t, surfaces, seeds, false, func(surface) string { return "all" })
		publishPicture(t, append(spots, spot{"sequential, probes ended early", early["all"].requests, 100 * early["all"].Error, 100 * early["all"].Violates}))
	}
}

// The truth of the files is what the formulas give, to the last digit that
// matters.
func TestSurfacesTruth(t *testing.T) {
	for _, s := range loadSurfaces(t) {
		t.Run(s.Name, func(t *testing.T) {
			got := s.findTruth()
			assert.Equal(t, s.Truth.Boundary, got.Boundary)
			assert.Equal(t, s.Truth.PrefixBoundary, got.PrefixBoundary)
			assert.Equal(t, s.Truth.NPassing, got.NPassing)
			assert.Equal(t, s.Truth.BestC, got.BestC)
			if s.Truth.BestObjective != nil {
				require.NotNil(t, got.BestObjective)
				assert.InEpsilon(t, *s.Truth.BestObjective, *got.BestObjective, 1e-9)
			}
		})
	}
}

// The objective values of AIPerf's noise-free trajectories check the formulas
// point by point, surface by surface.
func TestSurfacesGoldenObjectives(t *testing.T) {
	dir := cmp.Or(os.Getenv("AIPERF_GOLDEN"), filepath.Join("..", "testdata", "golden"))
	b, err := os.ReadFile(filepath.Join(dir, "planner_trajectories.json"))
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Surface    string `json:"surface"`
			Trajectory []struct {
				Concurrency int     `json:"concurrency"`
				Feasible    bool    `json:"feasible"`
				Objective   float64 `json:"objective"`
			} `json:"trajectory"`
		} `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(b, &file))
	byName := map[string]surface{}
	for _, s := range loadSurfaces(t) {
		byName[s.Name] = s
	}
	checked := 0
	for _, c := range file.Cases {
		s, ok := byName[c.Surface]
		require.True(t, ok, "no surface %q: set AIPERF_SURFACES to the folder that belongs to AIPERF_GOLDEN", c.Surface)
		for _, step := range c.Trajectory {
			require.InEpsilon(t, step.Objective, s.objective(step.Concurrency), 1e-9, "%s at %d", c.Surface, step.Concurrency)
			require.Equal(t, step.Feasible, s.passes(step.Concurrency), "%s at %d", c.Surface, step.Concurrency)
			checked++
		}
	}
	require.Positive(t, checked)
}
