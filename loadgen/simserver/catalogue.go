package simserver

import (
	"fmt"
	"strings"
	"time"
)

// A Scenario is a ready-made model with a workload, a limit, and the true
// concurrency up to which the limit holds.
type Scenario struct {
	// Name is what Lookup finds the scenario by.
	Name string
	// Doc says in a sentence what binds.
	Doc string
	// Model is the server, and ISL and OSL the tokens of each request.
	Model    Model
	ISL, OSL int
	// Limit is what must hold.
	Limit Limit
	// Boundary is what Truth reports. A test pins it.
	Boundary int
}

// Truth computes the boundary: every concurrency from 1 is simulated, as
// Model.Boundary describes, with 6,000 requests each (20 probes of 300) and a
// turnaround of 300 µs.
func (s Scenario) Truth() int {
	c := Clients{ISL: s.ISL, OSL: s.OSL}
	return s.Model.Boundary(c, 1, 1000, func(t []Trace) bool { return s.Limit.Holds(t, s.OSL) })
}

const us = time.Microsecond

// ttft returns a limit on the 95th percentile of TTFT.
func ttft(p95 time.Duration) Limit {
	return Limit{Metric: TTFT, Percentile: 95, Threshold: p95}
}

// Catalogue returns the ready-made scenarios, from the smallest TTFT boundary
// to the largest, then those that another resource binds.
//
// Each is quick to search: its requests take from 40 to 250 ms, and there are fewer than
// 6,000 events a second at the boundary. Its answer is the server's and not the
// client's: TTFT at the boundary is tens of milliseconds, so that half a millisecond of
// the client matters little, and it grows by at least 0.7% for each percent of
// concurrency. With other starts of the clients, and a turnaround of 1 ms instead of
// 0.3 ms, the boundary moves by at most 5%.
//
//	name          step time: base, a sequence, a prompt token    chunk  batch   ISL OSL  limit                boundary
//	long-prompt   4 ms, 50 µs, 10 µs, jitter 3%                     64     32   128   8  ttft p95 < 48 ms            8
//	chat          4 ms, 100 µs, 10 µs, jitter 3%, template 9       128     64   128  16  ttft p95 < 38 ms           20
//	small-batch   4 ms, 40 µs, 5 µs, jitter 3%                      64     12    64  16  ttft p95 < 164 ms          36
//	slow-decode   1.5 ms, 220 µs, 10 µs, jitter 5%                 512    128    64  16  ttft p95 < 28 ms           45
//	wide          5 ms, 60 µs, 8 µs, jitter 4%                     256    128    96  16  ttft p95 < 80 ms           61
//	large         8 ms, 60 µs, 4 µs, jitter 4%                     384    128    64   8  ttft p95 < 150 ms         114
//	itl           2 ms, 200 µs, 5 µs, jitter 3%                    256    128    64  16  itl p95 < 7.5 ms           27
//	kv-cliff      4 ms, 100 µs, 10 µs, jitter 3%, 1,960 KV tokens  256    128    64  16  ttft p95 < 60 ms           24
func Catalogue() []Scenario {
	return []Scenario{
		{
			Name:  "long-prompt",
			Doc:   "a prompt is two chunks, so prefill is the bottleneck from 5 clients on and TTFT the queue before it",
			Model: Model{Step: 4 * time.Millisecond, PerSeq: 50 * us, PerPromptToken: 10 * us, Jitter: 0.03, Chunk: 64, MaxBatch: 32},
			ISL:   128, OSL: 8, Limit: ttft(48 * time.Millisecond), Boundary: 8,
		},
		{
			Name: "chat",
			Doc:  "a prompt is one chunk: a flat TTFT up to 17 clients, then the prefill queue; the chat template adds 9 tokens",
			Model: Model{Step: 4 * time.Millisecond, PerSeq: 100 * us, PerPromptToken: 10 * us, Jitter: 0.03, Chunk: 128, MaxBatch: 64,
				Template: 9},
			ISL: 128, OSL: 16, Limit: ttft(38 * time.Millisecond), Boundary: 20,
		},
		{
			Name: "small-batch",
			Doc: "12 sequences run at once and one prompt a step is prefilled: TTFT is the wait for a place, two turns of the batch " +
				"at 36 clients",
			Model: Model{Step: 4 * time.Millisecond, PerSeq: 40 * us, PerPromptToken: 5 * us, Jitter: 0.03, Chunk: 64, MaxBatch: 12},
			ISL:   64, OSL: 16, Limit: ttft(164 * time.Millisecond), Boundary: 36,
		},
		{
			Name:  "slow-decode",
			Doc:   "nothing queues: the steps themselves grow with the batch, so TTFT rises smoothly",
			Model: Model{Step: 1500 * us, PerSeq: 220 * us, PerPromptToken: 10 * us, Jitter: 0.05, Chunk: 512, MaxBatch: 128},
			ISL:   64, OSL: 16, Limit: ttft(28 * time.Millisecond), Boundary: 45,
		},
		{
			Name:  "wide",
			Doc:   "prompts share chunks unevenly (96 of 256); the prefill queue sets in at 45 clients",
			Model: Model{Step: 5 * time.Millisecond, PerSeq: 60 * us, PerPromptToken: 8 * us, Jitter: 0.04, Chunk: 256, MaxBatch: 128},
			ISL:   96, OSL: 16, Limit: ttft(80 * time.Millisecond), Boundary: 61,
		},
		{
			Name:  "large",
			Doc:   "six prompts a chunk, short answers: the prefill queue behind a boundary above 100",
			Model: Model{Step: 8 * time.Millisecond, PerSeq: 60 * us, PerPromptToken: 4 * us, Jitter: 0.04, Chunk: 384, MaxBatch: 128},
			ISL:   64, OSL: 8, Limit: ttft(150 * time.Millisecond), Boundary: 114,
		},
		{
			Name:  "itl",
			Doc:   "the time between tokens binds: each sequence makes every step longer",
			Model: Model{Step: 2 * time.Millisecond, PerSeq: 200 * us, PerPromptToken: 5 * us, Jitter: 0.03, Chunk: 256, MaxBatch: 128},
			ISL:   64, OSL: 16, Limit: Limit{Metric: ITL, Percentile: 95, Threshold: 7500 * us}, Boundary: 27,
		},
		{
			Name: "kv-cliff",
			Doc:  "latency is fine at any load, but the 25th request of 80 tokens finds the KV cache full and is refused",
			Model: Model{Step: 4 * time.Millisecond, PerSeq: 100 * us, PerPromptToken: 10 * us, Jitter: 0.03, Chunk: 256, MaxBatch: 128,
				KVTokens: 24*80 + 40},
			ISL: 64, OSL: 16, Limit: ttft(60 * time.Millisecond), Boundary: 24,
		},
	}
}

// Lookup returns the catalogue's scenario of that name. If there is none, the error
// lists the names that exist.
func Lookup(name string) (Scenario, error) {
	var names []string
	for _, s := range Catalogue() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("unknown simulated scenario %q; known are %s", name, strings.Join(names, ", "))
}
