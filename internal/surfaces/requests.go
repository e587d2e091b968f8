package surfaces

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Server is a surface at request level, a recipes.Prober. The latencies of a probe are
// log-normal with a log-sd of 0.5, scaled so that the probe's value is the percentile of
// the population. Dependence therefore changes how far a probe scatters, and not what
// is true.
type Server struct {
	Surface Surface
	RNG     *rand.Rand
	// Blocks makes each c requests in a row share a factor exp(0.2 z − 0.02), c being
	// the concurrency. Otherwise requests are independent.
	Blocks bool
	// Capacity is the share of the surface's capacity that is left: at c the server
	// behaves as the surface does at c/Capacity. Zero means all of it.
	Capacity float64
	// Requests counts what was sent so far, over all probes.
	Requests int
}

// Kind names the dependence of the requests: "blocks" or "independent".
func Kind(blocks bool) string {
	if blocks {
		return "blocks"
	}
	return "independent"
}

// Probe draws one probe's population from the surface and its requests from
// that, until the decider stops it.
func (r *Server) Probe(_ context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	s := r.Surface
	if r.Capacity > 0 {
		s.Model.capacity = r.Capacity
	}
	v := s.Noisy(l.Concurrency, r.RNG)
	sd := 0.5
	if r.Blocks {
		sd = math.Sqrt(0.25 + 0.04)
	}
	draw := func(key string, q float64) func(shared float64) float64 { // ms; the q quantile of the population is the probe's value
		m := math.Log(v[key]) - distuv.UnitNormal.Quantile(q)*sd
		if r.Blocks {
			m += 0.02
		}
		return func(shared float64) float64 { return math.Exp(m + shared + 0.5*r.RNG.NormFloat64()) }
	}
	drawTTFT, drawITL, drawE2E := draw(KeyTTFT, 0.95), draw(KeyITL, 0.95), draw(KeyE2E, 0.99)
	n := max(l.Requests, 2*l.Concurrency)
	expected := n
	if d != nil { // it seldom wants all
		expected = min(n, 128)
	}
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{},
		Requests: make([]loadgen.Request, 0, expected)}
	firsts := make([]time.Duration, 0, expected) // one array of times for all requests
	shared, failed, good := 0.0, 0, 0
	for i := range n {
		if r.Blocks && i%l.Concurrency == 0 {
			shared = 0.2*r.RNG.NormFloat64() - 0.02
		}
		q := loadgen.Request{Index: i, Streamed: true, OSL: 128, FirstTokens: 1, Good: true}
		q.Good = r.RNG.Float64() < v[KeyGood]
		if r.RNG.Float64() < v[KeyErr]/100 {
			q.Failure, q.Good = &loadgen.Failure{Kind: loadgen.FailedStatus, Status: 500}, false
			failed++
		} else {
			ttft, itl := drawTTFT(shared), drawITL(shared)
			e2e := max(drawE2E(shared), ttft+itl)
			q.OSL = 1 + max(1, int(math.Round((e2e-ttft)/itl))) // the ITL follows from the three
			firsts = append(firsts, time.Duration(ttft*float64(time.Millisecond)))
			q.Chunks = firsts[len(firsts)-1 : len(firsts) : len(firsts)]
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
	sent := float64(len(m.Requests))
	r.Requests += len(m.Requests)
	share := func(k float64, scale float64) loadgen.Metric {
		p := k / sent
		return loadgen.Metric{Stats: map[string]float64{"avg": scale * p}, SE: map[string]float64{"avg": scale * math.Sqrt(p*(1-p)/sent)}}
	}
	one := func(x float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": x}} }
	m.Metrics[loadgen.TagCompleted], m.Metrics[loadgen.TagErrors] = one(sent), one(float64(failed))
	m.Metrics[loadgen.TagErrorRate], m.Metrics[loadgen.TagGoodShare] = share(float64(failed), 100), share(float64(good), 1)
	m.Metrics[loadgen.TagTokenRate], m.Metrics[loadgen.TagGoodput] = one(v[KeyTput]), one(v[KeyGoodput])
	for tag, q := range map[string]float64{loadgen.TagTTFT: 0.95, loadgen.TagITL: 0.95, loadgen.TagLatency: 0.99} {
		values := make([]float64, 0, len(m.Requests))
		for i := range m.Requests {
			if x, ok := m.Requests[i].Value(tag); ok {
				values = append(values, x)
			}
		}
		m.Metrics[tag] = Percentiles(values, q)
	}
	return m, nil
}

// Percentiles is a metric of the given quantiles, 0.95 as "p95", each with its standard
// error from order statistics where there are enough values. It sorts the values, in ms.
func Percentiles(values []float64, quantiles ...float64) loadgen.Metric {
	m := loadgen.Metric{Unit: "ms", Stats: map[string]float64{}, SE: map[string]float64{}}
	if len(values) == 0 {
		return m
	}
	slices.Sort(values)
	n := float64(len(values))
	for _, q := range quantiles {
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
	}
	return m
}

// Recipe asks for the surface's boundary in style sequential.
func (s Surface) Recipe() *recipes.Recipe {
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
