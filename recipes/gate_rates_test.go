package recipes_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// What docs/gate.md promises.
const (
	gateTolerance  = 0.05
	gateFalseAlarm = 0.01
	gateFound      = 0.95
	gateRequests   = 12_000 // of a capacity gate at 1 000 a probe, at most
)

// gateRuns is how many runs of each case a simulation makes, and how many gates
// share a baseline: with AIPERF_GATE_RUNS none do.
func gateRuns(t testing.TB) (runs, shared int) {
	t.Helper()
	text := os.Getenv("AIPERF_GATE_RUNS")
	if text == "" {
		return 200, 10
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "AIPERF_GATE_RUNS")
	return n, 1
}

// gateSurfaces are those that the gates' rates are measured on; AIPERF_GATE_SURFACES
// names others, by the starts of their names.
func gateSurfaces(t testing.TB) []surface {
	t.Helper()
	var out []surface
	for _, s := range loadSurfaces(t) {
		for _, name := range strings.Fields(cmp.Or(os.Getenv("AIPERF_GATE_SURFACES"), "p01")) {
			if strings.HasPrefix(s.Name, name) {
				out = append(out, s)
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

// gateCase counts the verdicts of one case.
type gateCase struct {
	verdicts [3]int
	requests int
	most     int
}

func (c *gateCase) add(v recipes.Verdict, requests int) {
	c.verdicts[v]++
	c.requests += requests
	c.most = max(c.most, requests)
}

func (c *gateCase) share(v recipes.Verdict) float64 {
	n := c.verdicts[0] + c.verdicts[1] + c.verdicts[2]
	return float64(c.verdicts[v]) / float64(max(n, 1))
}

func (c *gateCase) String() string {
	n := c.verdicts[0] + c.verdicts[1] + c.verdicts[2]
	return fmt.Sprintf("%.1f %% | %.1f %% | %.1f %% | %d | %d", 100*c.share(recipes.Met), 100*c.share(recipes.Missed), 100*c.share(recipes.Inconclusive),
		c.requests/max(n, 1), c.most)
}

// within reports whether k of n is what a true share of at most p brings about,
// but for one time in a thousand.
func within(k, n int, p float64) bool {
	tail, term := 0.0, math.Pow(1-p, float64(n))
	for i := range k {
		tail += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return 1-tail > 0.001
}

// each calls f for 0 … n−1, on all cores.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// holdRates asserts the promised rates, as strictly as the runs allow.
func holdRates(t *testing.T, what string, same, worse *gateCase, runs int) {
	t.Helper()
	false_, missed := same.verdicts[recipes.Missed], runs-worse.verdicts[recipes.Missed]
	assert.True(t, within(false_, runs, gateFalseAlarm), "%s: %d false alarms in %d runs", what, false_, runs)
	assert.True(t, within(missed, runs, 1-gateFound), "%s: %d losses not found in %d runs", what, missed, runs)
	if runs >= 1000 {
		assert.LessOrEqual(t, same.share(recipes.Missed), gateFalseAlarm, what)
		assert.GreaterOrEqual(t, worse.share(recipes.Missed), gateFound, what)
	}
}

const gateHead = "| surface | requests of a probe | capacity | met | missed | inconclusive | requests | at most |\n|---|---|---|---|---|---|---|---|\n"

// TestGateRates measures a capacity gate's error rates: a baseline, itself a
// search with noise, and then the same server, or one that lost a tenth of its
// capacity, held against it.
func TestGateRates(t *testing.T) {
	runs, shared := gateRuns(t)
	var table strings.Builder
	table.WriteString(gateHead)
	for _, s := range gateSurfaces(t) {
		for _, blocks := range []bool{false, true} {
			kind := map[bool]string{false: "independent", true: "in blocks"}[blocks]
			var mu sync.Mutex
			var cases [2]gateCase
			baseline, vague := 0, 0
			each(runs/shared, func(i int) {
				rng := surfaceRNG(s.Name, i, "gate "+kind)
				old := &requestServer{surface: s, blocks: blocks, rng: rng}
				base, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{
					Prober: old, Workload: loadgen.Load{Requests: 1000}, Precise: recipes.PreciseFor(gateTolerance)})
				assert.NoError(t, err)
				g := &recipes.Gate{Was: base.Boundary.Estimate, Interval: base.Boundary.Interval, Tolerance: gateTolerance}
				mu.Lock()
				baseline += old.requests
				if g.Vague() {
					vague++ // the gate says so, and does not run
				}
				mu.Unlock()
				for range shared {
					for k, left := range []float64{1, 0.9} {
						now := &requestServer{surface: s, blocks: blocks, rng: rng, capacity: left}
						out, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{Prober: now, Workload: loadgen.Load{Requests: 1000}, Baseline: base, Gate: g})
						assert.NoError(t, err)
						mu.Lock()
						cases[k].add(out.Verdict, now.requests)
						mu.Unlock()
					}
				}
			})
			for k, left := range []string{"unchanged", "−10 %"} {
				fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", s.Name, kind, left, &cases[k])
			}
			t.Logf("same %v; −10 %% %v", &cases[0], &cases[1])
			t.Logf("%s, %s: a baseline takes %d requests; %d of %d are vague", s.Name, kind, baseline/(runs/shared), vague, runs/shared)
			holdRates(t, s.Name+" "+kind, &cases[0], &cases[1], runs)
			for k := range cases {
				if s.Truth.Boundary != nil && *s.Truth.Boundary <= 500 {
					assert.LessOrEqual(t, cases[k].most, gateRequests, s.Name)
				}
			}
		}
	}
	t.Logf("%d runs a case, %d a baseline\n%s", runs, shared, table.String())
}

// seriesOf is what bench.txt would have of a surface's run.
func seriesOf(o *recipes.Outcome) []bench.Series {
	var out []bench.Series
	for _, m := range []struct {
		tag, stat string
		higher    bool
	}{
		{loadgen.TagTTFT, "p95", false}, {loadgen.TagITL, "p95", false}, {loadgen.TagLatency, "p99", false},
		{loadgen.TagTokenRate, "avg", true}, {loadgen.TagGoodput, "avg", true}, {loadgen.TagErrorRate, "avg", false},
	} {
		s := bench.Series{Unit: m.tag + " " + m.stat, Higher: m.higher}
		for _, trial := range o.Probes[0].Trials {
			if v, ok := trial.Stat(m.tag, m.stat); ok {
				s.Values = append(s.Values, v)
			}
		}
		out = append(out, s)
	}
	return out
}

// TestFixedGateRates measures the error rates of a fixed load's gate, at the
// surface's boundary: ten measurements for a baseline, as many more as the gate
// chooses by itself.
func TestFixedGateRates(t *testing.T) {
	runs, _ := gateRuns(t)
	var table strings.Builder
	table.WriteString(gateHead)
	for _, s := range gateSurfaces(t) {
		for _, blocks := range []bool{false, true} {
			kind := map[bool]string{false: "independent", true: "in blocks"}[blocks]
			var mu sync.Mutex
			var cases [2]gateCase
			each(runs, func(i int) {
				rng := surfaceRNG(s.Name, i, "fixed gate "+kind)
				measure := func(left float64, trials int) ([]bench.Series, int) {
					server := &requestServer{surface: s, blocks: blocks, rng: rng, capacity: left}
					out, err := recipes.Run(context.Background(), recipes.Fixed(*s.Truth.Boundary), recipes.Spec{
						Prober: server, Workload: loadgen.Load{Requests: 1000}, Trials: trials})
					assert.NoError(t, err)
					return seriesOf(out), server.requests
				}
				old, _ := measure(1, 10)
				for k, left := range []float64{1, 0.9} {
					now, n := measure(left, bench.TrialsFor(10, len(old)))
					v := bench.Compare(old, now, gateTolerance).Verdict()
					mu.Lock()
					cases[k].add(v, n)
					mu.Unlock()
				}
			})
			for k, left := range []string{"unchanged", "−10 %"} {
				fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", s.Name, kind, left, &cases[k])
			}
			holdRates(t, s.Name+" "+kind, &cases[0], &cases[1], runs)
		}
	}
	t.Logf("%d runs a case\n%s", runs, table.String())
}
