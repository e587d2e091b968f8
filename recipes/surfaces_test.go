package recipes_test

import (
	"cmp"
	"context"
	"encoding/json"
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

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/surfaces"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// loadSurfaces reads every surface of the folder AIPERF_SURFACES.
func loadSurfaces(t testing.TB) []surfaces.Surface {
	t.Helper()
	all, err := surfaces.Load(surfaces.Dir())
	require.NoError(t, err)
	return all
}

// surfaceSeeds is how many seeds a surface is searched with: one, unless
// AIPERF_SURFACES_SEEDS says otherwise. What is compared with AIPerf takes 20.
func surfaceSeeds(t testing.TB) int {
	t.Helper()
	text := cmp.Or(os.Getenv("AIPERF_SURFACES_SEEDS"), "1")
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "AIPERF_SURFACES_SEEDS")
	require.Positive(t, n, "AIPERF_SURFACES_SEEDS")
	return n
}

// TestSurfaces searches every surface with every style and compares the styles with
// AIPerf's. The comparison needs the 20 seeds that AIPerf was measured with; fewer
// print the table only. The command internal/experiments/accuracy writes the tables
// of docs/accuracy.md.
func TestSurfaces(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	all, seeds := loadSurfaces(t), surfaceSeeds(t)
	comparable := seeds >= 20 && surfaces.ArePublic(all)
	if !comparable {
		t.Log("a table only: AIPerf's figures are those of the 14 public surfaces at 20 seeds")
	}
	styled, err := surfaces.RunStyles(surfaces.Styles, all, seeds)
	require.NoError(t, err)
	var table, bench strings.Builder
	table.WriteString(surfaces.TableHead)
	for _, r := range styled {
		table.WriteString(r.Figures.Row(r.Style.Name))
		bench.WriteString(r.Figures.BenchLine(r.Style.Name))
		if comparable {
			assert.Empty(t, r.Style.Check(r.Figures))
		}
	}
	t.Logf("%d surfaces, %d seeds\n%s\n%s", len(all), seeds, table.String(), bench.String())
}

// The truth of the files is what the formulas give, to the last digit that
// matters.
func TestSurfacesTruth(t *testing.T) {
	for _, s := range loadSurfaces(t) {
		t.Run(s.Name, func(t *testing.T) {
			got := s.FindTruth()
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
	b, err := os.ReadFile(filepath.Join(golden.Dir(), "planner_trajectories.json"))
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
	byName := surfacesByName(t)
	checked := 0
	for _, c := range file.Cases {
		s, ok := byName[c.Surface]
		require.True(t, ok, "no surface %q: set AIPERF_SURFACES to the folder that belongs to AIPERF_GOLDEN", c.Surface)
		for _, step := range c.Trajectory {
			require.InEpsilon(t, step.Objective, s.ObjectiveAt(step.Concurrency), 1e-9, "%s at %d", c.Surface, step.Concurrency)
			require.Equal(t, step.Feasible, s.Passes(step.Concurrency), "%s at %d", c.Surface, step.Concurrency)
			checked++
		}
	}
	require.Positive(t, checked)
}

func TestRandomSurfacesLaw(t *testing.T) {
	all := surfaces.Random(1)
	require.Len(t, all, surfaces.RandomCount)
	kinds := map[string]int{}
	for _, s := range all {
		kinds[s.Name[4:]]++
		b := *s.Truth.Boundary
		assert.True(t, s.Passes(b) && !s.Passes(b+1), "%s: boundary %d", s.Name, b)
		assert.True(t, b >= 2 && b <= 990, s.Name)
		assert.Greater(t, s.Conditioning(), 0.0, s.Name)
	}
	assert.Len(t, kinds, len(surfaces.Kinds), "every kind is drawn: %v", kinds)
	assert.Equal(t, all[7].Filters, surfaces.Random(1)[7].Filters, "the same seed draws the same surfaces")
	assert.NotEqual(t, all[7].Filters, surfaces.Random(2)[7].Filters)
}

// TestRandomSurfaces runs the styles on surfaces that they were not tuned on.
// It prints; the public surfaces carry the comparison with AIPerf.
func TestRandomSurfaces(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	seeds, all := 1, surfaces.Random(surfaces.HeldOut)[:12] // keeps the suite quick
	if os.Getenv("AIPERF_SURFACES_SEEDS") != "" {
		seeds, all = min(10, surfaceSeeds(t)), surfaces.Random(surfaces.HeldOut)
	} else {
		t.Logf("%d of %d surfaces: AIPERF_SURFACES_SEEDS asks for all", len(all), surfaces.RandomCount)
	}
	table, err := surfaces.RandomTable(surfaces.Styles, all, seeds)
	require.NoError(t, err)
	t.Logf("%d random surfaces, %d seeds\n%s", len(all), seeds, table)
}

// TestRequestSurfaces searches the surfaces at request level and prints what an
// answer costs.
func TestRequestSurfaces(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	all, seeds := loadSurfaces(t), surfaceSeeds(t)
	var table strings.Builder
	table.WriteString(surfaces.CostHead)
	for _, blocks := range []bool{false, true} {
		by, err := surfaces.RunRequests(all, seeds, blocks, false, surfaces.BySize)
		require.NoError(t, err)
		for _, g := range surfaces.Sizes {
			table.WriteString(by[g].Row(surfaces.Kind(blocks), g))
		}
		if seeds >= 20 && surfaces.ArePublic(all) {
			assert.NoError(t, surfaces.CheckCost(by), "%s", surfaces.Kind(blocks))
		}
	}
	t.Logf("%d seeds\n%s", seeds, table.String())
}

// The share of requests above the probe's p95 is 5% whether requests are independent
// or in blocks; blocks make it scatter more. Failures and good requests come at the
// probe's rates, and a probe never has fewer than two requests a slot.
func TestRequestLevel(t *testing.T) {
	const c, probes = 50, 300
	s := surfaces.Surface{Model: surfaces.Model{
		MaxNumSeqs: 256, ITL0: 20, TTFT0: 200, OSL: 128, TTFTTail: 1, ITLTail: 1, E2ETail: 1,
		ErrMid: new(float64(c)), ErrWidth: 1, ErrMaxPct: 10, // 5% at c; a good share of 0.95, of those that succeed
	}}
	v := s.Model.Metrics(c)
	require.InDelta(t, 5, v[surfaces.KeyErr], 1e-9)
	probe := func(blocks bool, seed uint64, c, n int) []loadgen.Request {
		server := &surfaces.Server{Surface: s, Blocks: blocks, RNG: rand.New(rand.NewPCG(3, seed))}
		m, err := server.Probe(t.Context(), loadgen.Load{Concurrency: c, Requests: n}, nil)
		require.NoError(t, err)
		require.Equal(t, len(m.Requests), server.Requests)
		return m.Requests
	}
	scatter := map[bool]float64{}
	for _, blocks := range []bool{false, true} {
		var above, failed, good, squares float64
		for i := range probes {
			rs := probe(blocks, uint64(i), c, surfaces.ProbeRequests)
			exceeded, measured := 0.0, 0.0
			for _, r := range rs {
				if ttft, ok := r.Value(loadgen.TagTTFT); ok {
					measured++
					if ttft > v[surfaces.KeyTTFT] {
						exceeded++
					}
				}
				if r.Failure != nil {
					failed += 1 / float64(len(rs)) / probes
				}
				if r.Good {
					good += 1 / float64(len(rs)) / probes
				}
			}
			share := exceeded / measured
			above += share / probes
			squares += (share - 0.05) * (share - 0.05) / probes
		}
		assert.InDelta(t, 0.05, above, 0.006, "blocks: %v", blocks)
		assert.InDelta(t, 0.05, failed, 0.003)
		assert.InDelta(t, 0.95*0.95, good, 0.003)
		scatter[blocks] = math.Sqrt(squares)
	}
	assert.InDelta(t, math.Sqrt(0.05*0.95/surfaces.ProbeRequests), scatter[false], 0.0012, "binomial")
	assert.Greater(t, scatter[true], 1.3*scatter[false])
	assert.Len(t, probe(false, 1, 900, surfaces.ProbeRequests), 1800, "never fewer than 2c")

	s.Model.ErrMid = nil
	var latencies []float64
	for _, r := range probe(false, 1, 10, 2000) {
		latency, ok := r.Value(loadgen.TagLatency)
		require.True(t, ok)
		latencies = append(latencies, latency)
	}
	slices.Sort(latencies)
	assert.InEpsilon(t, s.Model.Metrics(10)[surfaces.KeyE2E], latencies[1980], 0.15, "p99")
}

// Run ends probes early where only their verdict is wanted, and hands the
// certainty on: to the reading, and to the planner.
func TestRunEndsProbesEarly(t *testing.T) {
	all := loadSurfaces(t)
	i := slices.IndexFunc(all, func(s surfaces.Surface) bool { return s.Truth.NPassing > 50 && len(s.Filters) == 1 })
	require.GreaterOrEqual(t, i, 0)
	s := all[i]
	run := func(seed int, full bool) (*recipes.Outcome, int) {
		server := &surfaces.Server{Surface: s, RNG: surfaces.RNG(s.Name, seed, "early")}
		out, err := recipes.Run(context.Background(), s.Recipe(), recipes.Spec{
			Prober: server, Workload: loadgen.Load{Requests: 1000}, FullProbes: full,
		})
		require.NoError(t, err)
		requests := 0 // of the search itself: visits of its answer at other times are whole either way
		for _, p := range out.Probes {
			if p.Step.Apart == 0 {
				requests += p.Requests()
			}
		}
		return out, requests
	}
	out, requests := run(1, false)
	cut := 0
	for _, p := range out.Probes {
		if p.Observed.State != plan.Cut {
			continue
		}
		cut++
		assert.LessOrEqual(t, p.Requests(), max(p.Load.Requests, 2*p.Load.Concurrency))
		pass := p.Observed.Margins[0].Pass
		assert.LessOrEqual(t, math.Abs(p.Readings[0].Pass-0.5), math.Abs(pass-0.5)+1e-9, "visits at other times only take certainty away")
		assert.Equal(t, p.Readings[0].Holds, p.Observed.Margins[0].Value <= 0)
		if p.Requests() < 300 { // curtailment needs more: the sequential test came to its end
			assert.True(t, pass >= 0.98 || pass <= 0.02, "P(pass) %v after %d requests", pass, p.Requests())
		}
	}
	assert.GreaterOrEqual(t, cut, 3)
	whole, every := run(1, true)
	for _, p := range whole.Probes {
		assert.Equal(t, plan.Full, p.Observed.State)
	}
	// One search may meet visits that disagree, and look more often.
	for seed := range 9 {
		_, some := run(seed+2, false)
		_, all := run(seed+2, true)
		requests, every = requests+some, every+all
	}
	t.Logf("%d requests, and %d with whole probes", requests, every)
	assert.Less(t, requests, every)
}
