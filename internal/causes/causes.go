// Package causes holds simulated servers of which it is known why their latency rises, and
// asks recipes/cause for it. It is for tests and for a command of internal/experiments.
//
// The engines run in virtual time, and what they say passes through the same text form, the
// same parser and the same windows as the page of a real server.
package causes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes/cause"
)

// Case is a server with a known cause.
type Case struct {
	Name string
	// Kind is the cause; empty if there is none to be found.
	Kind  cause.Kind
	Model simserver.Model
	// ISL and OSL are the lengths of the requests.
	ISL, OSL int
	// Metric is the latency that rises from Low to High requests in flight.
	Metric    loadgen.Tag
	Low, High int
	// Away is what the network adds to each token's way at so many requests in flight; nil for
	// nothing.
	Away func(inFlight int) time.Duration
}

const ms = time.Millisecond

// Cases are the servers. Each has jitter, and the flat ones rise by nothing that matters.
func Cases() []Case {
	us := time.Microsecond
	return []Case{
		{Name: "batch limit", Kind: cause.Queue, Metric: loadgen.TagTTFT, ISL: 100, OSL: 64, Low: 24, High: 44, // 35 at least
			Model: simserver.Model{Step: 10 * ms, PerSeq: 50 * us, PerPromptToken: 5 * us, MaxBatch: 32, KVTokens: 20000, Paged: true}},
		{Name: "queue-bound latency", Kind: cause.Queue, Metric: loadgen.TagLatency, ISL: 100, OSL: 32, Low: 8, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: 50 * us, PerPromptToken: 5 * us, MaxBatch: 12}},
		{Name: "KV cache with preemption", Kind: cause.KVCache, Metric: loadgen.TagTTFT, ISL: 100, OSL: 200, Low: 12, High: 48,
			Model: simserver.Model{Step: 10 * ms, PerSeq: 50 * us, PerPromptToken: 5 * us, MaxBatch: 256, KVTokens: 4000, Paged: true}},
		{Name: "KV cache, latency", Kind: cause.KVCache, Metric: loadgen.TagLatency, ISL: 50, OSL: 200, Low: 12, High: 64,
			Model: simserver.Model{Step: 10 * ms, PerSeq: 20 * us, PerPromptToken: 5 * us, MaxBatch: 256, KVTokens: 4000, Paged: true}},
		{Name: "prefill-bound", Kind: cause.Prefill, Metric: loadgen.TagTTFT, ISL: 2000, OSL: 16, Low: 2, High: 12,
			Model: simserver.Model{Step: 5 * ms, PerSeq: 20 * us, PerPromptToken: 50 * us, Chunk: 512}},
		{Name: "decode-bound", Kind: cause.Decode, Metric: loadgen.TagITL, ISL: 50, OSL: 64, Low: 8, High: 48,
			Model: simserver.Model{Step: 5 * ms, PerSeq: 300 * us, PerPromptToken: us}},
		{Name: "slow network, TTFT", Kind: cause.Network, Metric: loadgen.TagTTFT, ISL: 100, OSL: 32, Low: 8, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: 10 * us, PerPromptToken: us},
			Away:  func(n int) time.Duration { return time.Duration(n) * 2 * ms }},
		{Name: "slow network, latency", Kind: cause.Network, Metric: loadgen.TagLatency, ISL: 100, OSL: 16, Low: 8, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: 10 * us, PerPromptToken: us},
			Away:  func(n int) time.Duration { return time.Duration(n) * 4 * ms }},
		{Name: "flat, TTFT", Metric: loadgen.TagTTFT, ISL: 100, OSL: 64, Low: 24, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: us, PerPromptToken: us / 10, MaxBatch: 256}},
		{Name: "flat, ITL", Metric: loadgen.TagITL, ISL: 100, OSL: 64, Low: 24, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: us, PerPromptToken: us / 10, MaxBatch: 256}},
		{Name: "flat, far away", Metric: loadgen.TagTTFT, ISL: 100, OSL: 64, Low: 24, High: 32,
			Model: simserver.Model{Step: 10 * ms, PerSeq: us, PerPromptToken: us / 10, MaxBatch: 256},
			Away:  func(int) time.Duration { return 80 * ms }},
	}
}

// Explain runs the case with a seed, with so many requests at each of the two loads, and
// returns what is found.
func (c Case) Explain(seed uint64, requests int) (cause.Cause, bool) {
	// Nobody's search ends at the same two loads twice: the upper one is drawn, within a fifth.
	high := int(float64(c.High) * (0.8 + 0.4*rand.New(rand.NewPCG(seed, 2)).Float64()))
	return cause.Explain(c.Metric, c.point(c.Low, seed, requests), c.point(max(high, c.Low+1), seed, requests))
}

// Right reports whether the case is explained as it should be.
func (c Case) Right(seed uint64, requests int) bool {
	found, ok := c.Explain(seed, requests)
	return ok == (c.Kind != "") && (!ok || found.Kind == c.Kind)
}

// point measures the case at a load.
func (c Case) point(n int, seed uint64, requests int) cause.Point {
	m := c.Model
	m.Seed, m.Jitter = seed, 0.1
	traces, pages := m.Observe(simserver.Clients{Concurrency: n, ISL: c.ISL, OSL: c.OSL, Requests: requests, Seed: seed}, servermetrics.Every)
	away := time.Duration(0)
	if c.Away != nil {
		away = c.Away(n)
	}
	var ttft, itl, latency []float64
	for _, t := range traces {
		if t.Refused {
			continue
		}
		first, last := t.First-t.Arrived+away, t.Last-t.Arrived+away
		ttft, latency = append(ttft, millis(first)), append(latency, millis(last))
		itl = append(itl, millis(last-first)/float64(c.OSL-1))
	}
	out := &loadgen.Measurement{Load: loadgen.Load{Concurrency: n}, Metrics: map[loadgen.Tag]loadgen.Metric{}}
	for tag, values := range map[loadgen.Tag][]float64{loadgen.TagTTFT: ttft, loadgen.TagITL: itl, loadgen.TagLatency: latency} {
		mean, sd := stat.MeanStdDev(values, nil)
		out.Metrics[tag] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{"avg": mean},
			SE: map[string]float64{"avg": sd / math.Sqrt(float64(len(values)))}}
	}
	var samples []servermetrics.Sample
	for _, p := range pages {
		page, err := servermetrics.Parse(p.Text)
		if err != nil {
			panic(fmt.Sprintf("the simulated server's page cannot be read: %v", err)) // a defect of the two
		}
		samples = append(samples, servermetrics.Sample{At: p.At, Page: page})
	}
	out.Join(servermetrics.Record{Window: servermetrics.Merge(servermetrics.Summarize(samples))})
	return cause.Point{Label: fmt.Sprint(n), Trials: []*loadgen.Measurement{out}}
}

func millis(d time.Duration) float64 { return float64(d) / float64(ms) }
