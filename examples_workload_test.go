package aiperf_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// cached is a server that keeps prefixes, and also answers to the name of an adapter.
var cached = aiperftest.Options{
	aiperftest.Simulated(simserver.Model{Name: "base", Adapters: []string{"adapter"}, Step: 2 * time.Millisecond, PrefixCache: 1 << 16}),
	aiperftest.Model("base"), aiperftest.Requests(100), aiperftest.Seed(7), aiperftest.Charts(false),
}

// This measures a load whose lengths follow laws. All requests begin with a system prompt,
// and 60% of them go on with one of three shared prefixes. How much of the prompts a prefix
// cache can have is known before anything is sent.
func Example_workload() {
	asTest(func(t aiperftest.T) {
		w := loadgen.Workload{
			ISL:      workload.LogNormal(64, 32).Between(4, 512),
			OSL:      workload.Normal(8, 2),
			System:   32,
			Prefixes: []workload.Prefix{{Groups: 3, Tokens: 128, Share: 0.6}},
		}
		out := aiperftest.Run(t, recipes.Fixed(8), cached, aiperftest.SLA("e2e p50 < 5s"), aiperftest.Workload(w))
		fmt.Println(out.Spec.Workload.Lengths())
		share, _ := out.Probes[0].Stat(loadgen.TagCached, "avg")
		fmt.Printf("%.0f%% expected from the cache, measured as expected: %v\n", 100*w.Cached(0, 0), math.Abs(share-w.Cached(0, 0)) < 0.1)
	})
	// Output:
	// log-normal 64±32 in [4, 512]/normal 8±2 tokens in/out, a system prompt of 32 tokens, 3 prefixes of 128 tokens for 60%
	// 63% expected from the cache, measured as expected: true
}

// This mixes two kinds of requests: three of four are short and go to the model, and the
// fourth is long, goes to an adapter, and has a temperature.
func Example_workloadMix() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Fixed(8), cached, aiperftest.Tokens(32, 8), aiperftest.SLA("e2e p50 < 5s"),
			aiperftest.Workload(loadgen.Workload{
				Mix: []loadgen.Workload{
					{Weight: 3},
					{Weight: 1, ISL: workload.Uniform(200, 300), Model: "adapter", Body: map[string]any{"temperature": 0.2}},
				},
			}))
		fmt.Println(out.Spec.Workload.Lengths())
		short, _ := out.Probes[0].Stat(loadgen.TagISL, "p50")
		mean, _ := out.Probes[0].Stat(loadgen.TagISL, "avg")
		fmt.Printf("half of the prompts have %.0f tokens, and the mean is near %.1f: %v\n", short, 0.75*32+0.25*250, math.Abs(mean-86.5) < 30)
	})
	// Output:
	// 32/8 tokens in/out, mix (75% as it is; 25% uniform 200 to 300 tokens in, model adapter, 1 body field)
	// half of the prompts have 32 tokens, and the mean is near 86.5: true
}

// This sends a recorded trace at its own times, each of its requests once. A line that
// cannot be read is named in a warning, and the rest is sent.
func Example_replay() {
	asTest(func(t aiperftest.T) {
		var lines []string
		for i := range 50 {
			lines = append(lines, fmt.Sprintf(`{"timestamp": %d, "input_length": 600, "output_length": 4, "hash_ids": [%d, %d]}`, 10*i, i%5, 100+i))
		}
		lines[10] = `{"timestamp": 100, "input_len`
		path := filepath.Join(t.TempDir(), "trace.jsonl")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
			fmt.Println(err)
			return
		}
		out := aiperftest.RunRecipe(t, "replay", cached, aiperftest.Requests(0), aiperftest.SLA("ttft p90 < 5s"),
			aiperftest.Workload(loadgen.Workload{File: path, Replay: 1, SkipUnread: true}))
		p := out.Probes[0]
		fmt.Printf("%v: %d requests at a mean of %.1f a second\n", out.Verdict, p.Requests(), p.Load.Rate)
		for _, w := range out.Warnings {
			if _, said, ok := strings.Cut(w.Error(), path); ok {
				fmt.Println("trace.jsonl" + said)
			}
		}
	})
	// Output:
	// met: 49 requests at a mean of 98.0 a second
	// trace.jsonl:11: it is not JSON (invalid character '\n' in string literal)
}

// This measures users that have conversations. One in five has two to four turns, and thinks
// before each. A prompt grows by all that was said before it, the model's own answers
// included, which a server that keeps prefixes need not compute again.
func Example_conversations() {
	asTest(func(t aiperftest.T) {
		w := loadgen.Workload{
			ISL: workload.Constant(48), OSL: workload.Constant(16),
			Turns: workload.Turns{Count: workload.Uniform(2, 4), Share: 0.2, Think: workload.LogNormal(30, 15)},
		}
		out := aiperftest.Run(t, recipes.Fixed(8), cached, aiperftest.SLA("e2e p50 < 5s"), aiperftest.Workload(w))
		fmt.Println(out.Spec.Workload.Lengths())
		m := out.Probes[0].Trials[0]
		for turn, metrics := range m.Turns {
			fmt.Printf("turn %d: prompts of %.0f tokens, %.0f%% of them cached\n", turn+1,
				metrics[loadgen.TagISL].Stats["avg"], 100*metrics[loadgen.TagCached].Stats["avg"])
		}
		flying, _ := m.Stat(loadgen.TagInFlight, "avg")
		fmt.Printf("fewer requests in flight than users: %v\n", flying < 8)
	})
	// Output:
	// 48/16 tokens in/out, 20% of conversations of uniform 2 to 4 turns, think time log-normal 30±15 ms
	// turn 1: prompts of 48 tokens, 0% of them cached
	// turn 2: prompts of 112 tokens, 43% of them cached
	// turn 3: prompts of 176 tokens, 64% of them cached
	// turn 4: prompts of 240 tokens, 73% of them cached
	// fewer requests in flight than users: true
}

// This gives one request in ten up, as users do that do not wait for the end of an answer.
// They are counted apart: none of them is a failure, and none a fast answer.
func Example_cancel() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Fixed(8), cached, aiperftest.Tokens(32, 16), aiperftest.SLA("e2e p50 < 5s"),
			aiperftest.Workload(loadgen.Workload{
				Cancel: workload.Cancel{Share: 0.1, After: 10 * time.Millisecond},
			}))
		m := out.Probes[0].Trials[0]
		failed, _ := m.Stat(loadgen.TagErrors, "avg")
		valid, _ := m.Stat(loadgen.TagCount, "avg")
		fmt.Printf("%s: %.0f failed, and about a tenth is given up: %v\n", out.Spec.Workload.Lengths(), failed, valid >= 85 && valid <= 95)
	})
	// Output:
	// 32/16 tokens in/out, 10% cancelled after 10ms: 0 failed, and about a tenth is given up: true
}

// This sends a schedule of rates: a ramp up, a stretch, and a step down. Each stage has
// metrics of its own.
func Example_soak() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "soak", cached, aiperftest.Requests(0), aiperftest.Tokens(32, 4), aiperftest.Arrival("constant"),
			aiperftest.SLA("ttft p95 < 5s"), aiperftest.Workload(loadgen.Workload{Stages: workload.Stages{
				{From: 40, To: 120, Over: 500 * time.Millisecond},
				{Over: 250 * time.Millisecond},
				{From: 40, Over: 250 * time.Millisecond},
			}}))
		m := out.Probes[0].Trials[0]
		fmt.Printf("%v at %v\n", out.Verdict, m.Load)
		for i, stage := range m.Load.Schedule() {
			fmt.Printf("%v: %.0f requests\n", stage, m.Stages[i][loadgen.TagCompleted].Stats["avg"])
		}
	})
	// Output:
	// met at 80 requests/s on average
	// 40 to 120 requests/s over 500ms: 40 requests
	// 120 requests/s for 250ms: 30 requests
	// 40 requests/s for 250ms: 10 requests
}
