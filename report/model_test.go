package report_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// model is a prober that answers at once: a server with room for 64 requests,
// whose tokens come slower the more of them there are, and which queues beyond.
type model struct {
	fail    func(c int) float64 // share of failing requests; nil: none
	lag     time.Duration       // of the client
	message string              // of failures
	probes  int
}

func (m *model) latencies(l loadgen.Load) (ttft, itl float64) {
	c := float64(l.Concurrency)
	itl = 9 + 0.16*min(c, 64) + 0.002*float64(l.OSL)
	ttft = 12 + 0.06*float64(l.ISL) + 1.1*c
	if c > 64 {
		ttft += (c - 64) / 64 * itl * float64(l.OSL)
	}
	return ttft, itl
}

func (m *model) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	m.probes++
	r := rand.New(rand.NewPCG(l.Seed, uint64(m.probes)))
	n := max(l.Requests, 2*l.Concurrency)
	bad := 0
	if m.fail != nil {
		bad = int(m.fail(l.Concurrency) * float64(n))
	}
	out := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{}, Epoch: time.Now(),
		Health: loadgen.Health{SendLagP99: m.lag + 200*time.Microsecond, BeatLagP99: time.Millisecond, CPU: 0.11, Bytes: 3_400_000}}
	ttft, itl := m.latencies(l)
	var ttfts, itls, e2es []float64
	good := 0
	for i := range n {
		a, b := ttft*math.Exp(0.25*r.NormFloat64()), itl*math.Exp(0.08*r.NormFloat64())
		first := time.Duration(a * float64(time.Millisecond))
		last := first + time.Duration(b*float64(l.OSL-1)*float64(time.Millisecond))
		q := loadgen.Request{Index: i, Chunks: []time.Duration{first, last}, End: last, EOF: last, ISL: l.ISL, OSL: l.OSL, Streamed: true}
		if i%10 == 3 && i/10 < bad {
			q.Failure = &loadgen.Failure{Kind: loadgen.FailedStatus, Status: 503, Message: m.message}
		} else {
			ttfts, itls, e2es = append(ttfts, a), append(itls, b), append(e2es, float64(last)/1e6)
			q.Good = len(l.SLO) > 0 && a <= l.SLO[loadgen.TagTTFT] && b <= l.SLO[loadgen.TagITL] && float64(last)/1e6 <= l.SLO[loadgen.TagLatency]
			if q.Good {
				good++
			}
		}
		out.Requests = append(out.Requests, q)
	}
	failed := n - len(ttfts)
	if failed > 0 {
		out.Failures = []loadgen.FailureCount{{Failure: loadgen.Failure{Kind: loadgen.FailedStatus, Status: 503, Message: m.message},
			Count: failed}}
	}
	out.Metrics[loadgen.TagTTFT], out.Metrics[loadgen.TagITL], out.Metrics[loadgen.TagLatency] = described(ttfts), described(itls),
		described(e2es)
	set := func(tag, unit string, v float64) {
		out.Metrics[tag] = loadgen.Metric{Unit: unit, Stats: map[string]float64{"avg": v}, SE: map[string]float64{"avg": 0.01 * v}}
	}
	e2e := (ttft + itl*float64(l.OSL-1)) / 1000
	rate := float64(l.Concurrency) / e2e * float64(n-failed) / float64(n)
	set(loadgen.TagReqRate, "requests/sec", rate)
	set(loadgen.TagTokenRate, "tokens/sec", rate*float64(l.OSL))
	set(loadgen.TagErrorRate, "%", 100*float64(failed)/float64(n))
	set(loadgen.TagCompleted, "requests", float64(n))
	set(loadgen.TagErrors, "requests", float64(failed))
	if len(l.SLO) > 0 {
		set(loadgen.TagGoodput, "requests/sec", rate*float64(good)/float64(n))
		set(loadgen.TagGoodShare, "ratio", float64(good)/float64(n))
	}
	return out, nil
}

// described is a metric in ms of values.
func described(vs []float64) loadgen.Metric {
	m := loadgen.Metric{Unit: "ms", Stats: map[string]float64{}, SE: map[string]float64{}}
	if len(vs) == 0 {
		return m
	}
	sorted := slices.Sorted(slices.Values(vs))
	at := func(q float64) float64 { return sorted[int(math.Round(q*float64(len(sorted)-1)))] }
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	m.Stats["avg"], m.Stats["min"], m.Stats["max"] = sum/float64(len(vs)), sorted[0], sorted[len(sorted)-1]
	m.SE["avg"] = 0.25 * m.Stats["avg"] / math.Sqrt(float64(len(vs)))
	for name, q := range map[string]float64{"p1": .01, "p5": .05, "p10": .1, "p25": .25, "p50": .5, "p75": .75, "p90": .9, "p95": .95,
		"p99": .99} {
		m.Stats[name] = at(q)
		m.SE[name] = 0.02 * at(q)
	}
	return m
}

// modelRun is a question that is put to a model. Without a recipe it is one fixed
// load.
type modelRun struct {
	name   string
	recipe string
	inputs recipes.Inputs
	model  model
}

// question returns what recipes.Run takes; each call has a model of its own.
func (r modelRun) question(t testing.TB) (*recipes.Recipe, recipes.Spec) {
	t.Helper()
	recipe := recipes.Fixed(32)
	if r.recipe != "" {
		var err error
		recipe, err = recipes.Lookup(r.recipe)
		require.NoError(t, err)
	}
	return recipe, recipes.Spec{Prober: &r.model, Inputs: r.inputs, Workload: loadgen.Load{Seed: 7},
		Note: "measured on a model, not on a machine"}
}

// runs is one run of every recipe, and of what changes what is drawn.
var runs = []modelRun{
	{"max-throughput-ttft-sla", "max-throughput-ttft-sla", recipes.Inputs{TTFT: new(200.0)}, model{}},
	{"max-throughput-itl-sla", "max-throughput-itl-sla", recipes.Inputs{ITL: new(18.0)}, model{}},
	{"max-concurrency-under-sla", "max-concurrency-under-sla", recipes.Inputs{TTFT: new(200.0), ErrorRate: new(0.01)}, model{}},
	{"max-goodput-under-slo", "max-goodput-under-slo", recipes.Inputs{TTFT: new(300.0), ITL: new(25.0), E2E: new(4000.0)}, model{}},
	{"concurrency-ramp", "concurrency-ramp", recipes.Inputs{}, model{}},
	{"prefill-ttft-curve", "prefill-ttft-curve", recipes.Inputs{}, model{}},
	{"decode-itl-curve", "decode-itl-curve", recipes.Inputs{}, model{}},
	{"pareto-sweep", "pareto-sweep", recipes.Inputs{Pairs: new("128/128,512/256,2048/64")}, model{}},
	{"missed everywhere", "max-concurrency-under-sla", recipes.Inputs{TTFT: new(20.0)}, model{}},
	{"failing requests", "max-concurrency-under-sla", recipes.Inputs{TTFT: new(200.0), ErrorRate: new(0.01), Style: recipes.Monotonic},
		model{fail: func(c int) float64 { return min(0.3*float64(c)/1000, 0.1) }, message: "overloaded"}},
	{"a slow client", "max-concurrency-under-sla", recipes.Inputs{TTFT: new(200.0), Style: recipes.Monotonic}, model{lag: time.Second}},
	{"one fixed load", "", recipes.Inputs{TTFT: new(200.0)}, model{}},
	{"style grid", "max-throughput-ttft-sla", recipes.Inputs{TTFT: new(200.0), Style: recipes.Grid}, model{}},
}

// outcome runs one of them.
func outcome(t testing.TB, name string) *recipes.Outcome {
	t.Helper()
	for _, r := range runs {
		if r.name != name {
			continue
		}
		recipe, spec := r.question(t)
		o, err := recipes.Run(t.Context(), recipe, spec)
		require.NoError(t, err)
		return o
	}
	require.Fail(t, "no such run", name)
	return nil
}
