package recipes_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Style sequential has no namesake in AIPerf: it is held to the row of
// smooth_isotonic, its default. Its own goal, 2 % violations, is missed: 2.1 % at
// 20 seeds.
func init() {
	surfaceStyles = append(surfaceStyles,
		surfaceStyle{name: "sequential", planner: plan.Sequential{}, budget: 30, aiperf: struct{ probes, err float64 }{12.5, 0.15}, violates: 0.05},
	)
}

// requestServer is a surface at request level: a Prober whose requests follow
// the law of surfaces.md.
type requestServer struct {
	surface  surface
	rng      *rand.Rand
	blocks   bool    // blocks of c requests share a factor
	requests int     // all that were sent
	capacity float64 // share of the surface's capacity: at c it behaves as the surface does at c/capacity; 0: 1
}

// Probe draws one probe's population from the surface and its requests from
// that, until the decider stops it.
func (r *requestServer) Probe(_ context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	s := r.surface
	if r.capacity > 0 {
		s.Model.capacity = r.capacity
	}
	v := s.noisy(l.Concurrency, r.rng)
	sd := 0.5
	if r.blocks {
		sd = math.Sqrt(0.25 + 0.04)
	}
	draw := func(key string, q, shared float64) float64 { // ms; the q quantile of the population is the probe's value
		m := math.Log(v[key]) - distuv.UnitNormal.Quantile(q)*sd
		if r.blocks {
			m += 0.02
		}
		return math.Exp(m + shared + 0.5*r.rng.NormFloat64())
	}
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{}}
	shared, failed, good := 0.0, 0, 0
	for i := range max(l.Requests, 2*l.Concurrency) {
		if r.blocks && i%l.Concurrency == 0 {
			shared = 0.2*r.rng.NormFloat64() - 0.02
		}
		q := loadgen.Request{Index: i, Streamed: true, OSL: 128, FirstTokens: 1, Good: true}
		q.Good = r.rng.Float64() < v[keyGood]
		if r.rng.Float64() < v[keyErr]/100 {
			q.Failure, q.Good = &loadgen.Failure{Kind: loadgen.FailedStatus, Status: 500}, false
			failed++
		} else {
			ttft, itl := draw(keyTTFT, 0.95, shared), draw(keyITL, 0.95, shared)
			e2e := max(draw(keyE2E, 0.99, shared), ttft+itl)
			q.OSL = 1 + max(1, int(math.Round((e2e-ttft)/itl))) // the ITL follows from the three
			q.Chunks = []time.Duration{time.Duration(ttft * float64(time.Millisecond))}
			q.End = time.Duration(e2e * float64(time.Millisecond))
		}
		if q.Good {
			good++
		}
		m.Requests = append(m.Requests, q)
		if d != nil && d.Seen(q) {
			m.Ended = loadgen.EndedDecided
			break
		}
	}
	n := float64(len(m.Requests))
	r.requests += len(m.Requests)
	share := func(k float64, scale float64) loadgen.Metric {
		p := k / n
		return loadgen.Metric{Stats: map[string]float64{"avg": scale * p}, SE: map[string]float64{"avg": scale * math.Sqrt(p*(1-p)/n)}}
	}
	one := func(x float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": x}} }
	m.Metrics[loadgen.TagCompleted], m.Metrics[loadgen.TagErrors] = one(n), one(float64(failed))
	m.Metrics[loadgen.TagErrorRate], m.Metrics[loadgen.TagGoodShare] = share(float64(failed), 100), share(float64(good), 1)
	m.Metrics[loadgen.TagTokenRate], m.Metrics[loadgen.TagGoodput] = one(v[keyTput]), one(v[keyGoodput])
	for tag, q := range map[string]float64{loadgen.TagTTFT: 0.95, loadgen.TagITL: 0.95, loadgen.TagLatency: 0.99} {
		var values []float64
		for i := range m.Requests {
			if x, ok := m.Requests[i].Value(tag); ok {
				values = append(values, x)
			}
		}
		m.Metrics[tag] = quantileMetric(values, q)
	}
	return m, nil
}

// quantileMetric is a percentile with its standard error from order statistics.
func quantileMetric(values []float64, q float64) loadgen.Metric {
	m := loadgen.Metric{Unit: "ms", Stats: map[string]float64{}, SE: map[string]float64{}}
	if len(values) == 0 {
		return m
	}
	slices.Sort(values)
	n := float64(len(values))
	name := fmt.Sprintf("p%d", int(math.Round(100*q)))
	at := q * (n - 1)
	i := int(at)
	m.Stats[name] = values[i]
	if i+1 < len(values) {
		m.Stats[name] += (at - float64(i)) * (values[i+1] - values[i])
	}
	sd := math.Sqrt(n * q * (1 - q))
	if lo, hi := int(n*q-sd)-1, int(math.Ceil(n*q+sd))-1; lo >= 0 && hi < len(values) && lo < hi {
		m.SE[name] = m.Stats[name] * math.Log(values[hi]/values[lo]) * sd / float64(hi-lo)
	}
	return m
}

// recipe asks for the surface's boundary in style sequential.
func (s surface) recipe() *recipes.Recipe {
	var limits []sla.Limit
	for _, f := range s.Filters {
		limits = append(limits, sla.Limit{Metric: f.Tag, Stat: f.Stat, Op: sla.Op(f.Op), Threshold: f.Threshold})
	}
	return &recipes.Recipe{Name: "surface", Doc: "the boundary of a surface", Expand: func(recipes.Inputs) (*recipes.Plan, error) {
		return &recipes.Plan{Limits: limits, Search: &recipes.Search{
			Style: recipes.Sequential, Boundary: true, MaxProbes: 30,
			Space:      []plan.Dim{{Path: recipes.PathConcurrency, Lo: float64(s.Lo), Hi: float64(s.Hi), Int: true, Log: true}},
			Objectives: []recipes.Objective{{Metric: s.Objective.Metric, Stat: s.Objective.Stat, Maximize: true}},
		}}, nil
	}}
}

// TestRequestSurfaces searches the surfaces at request level, a probe asking for
// 1 000 requests, through Run: decider, decision and planner together. It prints
// the cost beside that of full probes.
func TestRequestSurfaces(t *testing.T) {
	surfaces, seeds := loadSurfaces(t), surfaceSeeds(t)
	full := os.Getenv("AIPERF_FULL_PROBES") != ""
	var table, details strings.Builder
	table.WriteString("| requests | boundary | probes | requests a search | mean error | violates | unsafe | inconclusive |\n|---|---|---|---|---|---|---|---|\n")
	for _, blocks := range []bool{false, true} {
		kind := kindOf(blocks)
		by, names := requestFigures(t, surfaces, seeds, blocks, func(s surface) string {
			if s.Truth.Boundary == nil || *s.Truth.Boundary <= 300 {
				return "at most 300"
			}
			return "above 300"
		})
		row := func(b *strings.Builder, g string) {
			f := by[g]
			fmt.Fprintf(b, "| %s | %s | %.2f | %.0f | %.2f %% | %.1f %% | %.1f %% | %.1f %% |\n", kind, g,
				f.Probes, f.requests, 100*f.Error, 100*f.Violates, 100*f.Unsafe, 100*f.open)
		}
		for _, g := range []string{"at most 300", "above 300"} {
			row(&table, g)
		}
		for _, s := range names {
			row(&details, s)
		}
		if seeds >= 20 && arePublic(surfaces) && !full {
			assert.LessOrEqual(t, by["at most 300"].requests, 4200.0, "%s: requests a search", kind)
		}
	}
	t.Logf("%d seeds\n%s", seeds, table.String())
	if os.Getenv("AIPERF_SURFACES_DETAILS") != "" {
		t.Logf("by surface\n%s", details.String())
	}
	if !full {
		publish(t, "requests", table.String())
	}
}

func kindOf(blocks bool) string {
	if blocks {
		return "blocks"
	}
	return "independent"
}

// requestCost is how searches at request level did, and what they cost.
type requestCost struct {
	figures
	requests float64 // a search
	open     float64 // share of inconclusive searches
}

// requestFigures searches the surfaces at request level in style sequential, and
// returns the figures by group and by surface.
func requestFigures(t *testing.T, surfaces []surface, seeds int, blocks bool, group func(surface) string) (by map[string]requestCost, names []string) {
	t.Helper()
	scores, cost := map[string][]score{}, map[string]requestCost{}
	for _, s := range surfaces {
		names = append(names, s.Name)
		for seed := range seeds {
			server := &requestServer{surface: s, blocks: blocks, rng: surfaceRNG(s.Name, seed, "requests "+kindOf(blocks))}
			out, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{
				Prober: server, Workload: loadgen.Load{Requests: 1000, Seed: uint64(seed)}, FullProbes: os.Getenv("AIPERF_FULL_PROBES") != "",
			})
			require.NoError(t, err)
			var h []plan.Observation
			for _, p := range out.Probes {
				h = append(h, p.Observed)
			}
			for _, g := range []string{group(s), s.Name} {
				scores[g] = append(scores[g], s.scoreOf(out.Boundary, h))
				c := cost[g]
				c.requests += float64(server.requests)
				if out.Verdict == recipes.Inconclusive {
					c.open++
				}
				cost[g] = c
			}
		}
	}
	for g, c := range cost {
		n := float64(len(scores[g]))
		cost[g] = requestCost{summarise(scores[g]), c.requests / n, c.open / n}
	}
	return cost, names
}

// Run ends probes early where only their verdict is wanted, and hands the
// certainty on: to the reading, and to the planner.
func TestRunEndsProbesEarly(t *testing.T) {
	i := slices.IndexFunc(loadSurfaces(t), func(s surface) bool { return s.Truth.NPassing > 50 && len(s.Filters) == 1 })
	require.GreaterOrEqual(t, i, 0)
	s := loadSurfaces(t)[i]
	run := func(full bool) (*recipes.Outcome, int) {
		server := &requestServer{surface: s, rng: surfaceRNG(s.Name, 1, "early")}
		out, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{Prober: server, Workload: loadgen.Load{Requests: 1000}, FullProbes: full})
		require.NoError(t, err)
		return out, server.requests
	}
	out, requests := run(false)
	cut := 0
	for _, p := range out.Probes {
		if p.Observed.State != plan.Cut {
			continue
		}
		cut++
		assert.LessOrEqual(t, p.Requests(), max(p.Load.Requests, 2*p.Load.Concurrency))
		assert.Equal(t, p.Readings[0].Pass, p.Observed.Margins[0].Pass)
		assert.Equal(t, p.Readings[0].Holds, p.Observed.Margins[0].Value <= 0)
		if p.Requests() < 300 { // curtailment needs more: the sequential test came to its end
			certain := p.Readings[0].Pass >= 0.98 || p.Readings[0].Pass <= 0.02
			assert.True(t, certain, "P(pass) %v after %d requests", p.Readings[0].Pass, p.Requests())
		}
	}
	assert.GreaterOrEqual(t, cut, 3)
	whole, all := run(true)
	for _, p := range whole.Probes {
		assert.Equal(t, plan.Full, p.Observed.State)
	}
	assert.Less(t, requests, all)
}
