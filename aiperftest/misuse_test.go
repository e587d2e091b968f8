package aiperftest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestMisuse holds what the author of a test can get wrong to a golden: each message names
// the option as the author knows it, what is allowed, and what was probably meant. All of
// them come before any load.
func TestMisuse(t *testing.T) {
	for _, k := range []string{"AIPERF_WORKERS", "AIPERF_WORKER_KEYS", "AIPERF_URL", "AIPERF_ARTIFACTS", "AIPERF_REQUIRE", "AIPERF_SEED"} {
		t.Setenv(k, "")
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("list.json", []byte(`[1,2]`), 0o666))
	require.NoError(t, os.WriteFile("text.json", []byte(`hello`), 0o666))
	fake := aiperftest.Prober(&curve{ttft: linear(2)})
	nobody := aiperftest.Endpoint("http://127.0.0.1:9")
	ttft := aiperftest.TTFT(time.Second)
	// What is not refused would be measured.
	soon, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	type opts = aiperftest.Options
	var b strings.Builder
	for _, tt := range []struct {
		code string
		opts aiperftest.Options
	}{
		{`SLA("ttft mean < 200ms")`, opts{fake, aiperftest.SLA("ttft mean < 200ms")}},
		{`SLA("ttft median < 200ms")`, opts{fake, aiperftest.SLA("ttft median < 200ms")}},
		{`SLA("ttft 95 < 200ms")`, opts{fake, aiperftest.SLA("ttft 95 < 200ms")}},
		{`SLA("ttft p98 < 200ms")`, opts{fake, aiperftest.SLA("ttft p98 < 200ms")}},
		{`SLA("p95 ttft < 200ms")`, opts{fake, aiperftest.SLA("p95 ttft < 200ms")}},
		{`SLA("ttft p95 < 0.2")`, opts{fake, aiperftest.SLA("ttft p95 < 0.2")}},
		{`SLA("errors < 1")`, opts{fake, aiperftest.SLA("errors < 1")}},
		{`SLA("latency p99 < 2s")`, opts{fake, aiperftest.SLA("latency p99 < 2s")}},
		{`SLA("rps > 3")`, opts{fake, aiperftest.SLA("rps > 3")}},
		{`SLO("ttft p95 < 1s")`, opts{fake, ttft, aiperftest.SLO("ttft p95 < 1s")}},
		{`TTFT(200)`, opts{fake, aiperftest.TTFT(200)}},
		{`TTFT(0)`, opts{fake, aiperftest.TTFT(0)}},
		{`TTFT(-time.Second)`, opts{fake, aiperftest.TTFT(-time.Second)}},
		{`ErrorRate(5)`, opts{fake, ttft, aiperftest.ErrorRate(5)}},
		{`Style("bayes")`, opts{fake, ttft, aiperftest.Style("bayes")}},
		{`Style("binary")`, opts{fake, ttft, aiperftest.Style("binary")}},
		{`Sampler("cmaes")`, opts{fake, ttft, aiperftest.Sampler("cmaes")}},
		{`Confidence(98)`, opts{fake, ttft, aiperftest.Confidence(98)}},
		{`Confidence(0)`, opts{fake, ttft, aiperftest.Confidence(0)}},
		{`Requests(-4)`, opts{fake, ttft, aiperftest.Requests(-4)}},
		{`Tokens(-1, 16)`, opts{fake, ttft, aiperftest.Tokens(-1, 16)}},
		{`Tokens(0, 16)`, opts{fake, ttft, aiperftest.Tokens(0, 16)}},
		{`ProbeTime(0)`, opts{fake, ttft, aiperftest.ProbeTime(0)}},
		{`ProbeTime(-1)`, opts{fake, ttft, aiperftest.ProbeTime(-1)}},
		{`Ready(0)`, opts{fake, ttft, aiperftest.Ready(0)}},
		{`Trials(0)`, opts{fake, ttft, aiperftest.Trials(0)}},
		{`MaxProbes(0)`, opts{fake, ttft, aiperftest.MaxProbes(0)}},
		{`Concurrency(10, 5)`, opts{fake, ttft, aiperftest.Concurrency(10, 5)}},
		{`Concurrency(0, 5)`, opts{fake, ttft, aiperftest.Concurrency(0, 5)}},
		{`AtLeast(0)`, opts{fake, ttft, aiperftest.AtLeast(0)}},
		{`AtLeast(-1)`, opts{fake, ttft, aiperftest.AtLeast(-1)}},
		{`AtLeast(5000)`, opts{fake, ttft, aiperftest.AtLeast(5000)}},
		{`one Tier`, opts{fake, aiperftest.Tier("a", "ttft p95 < 1s")}},
		{`two Tiers of one label`, opts{fake, aiperftest.Tier("a", "ttft p95 < 1s"), aiperftest.Tier("a", "ttft p95 < 2s")}},
		{`a Tier without limits`, opts{fake, aiperftest.Tier("a"), aiperftest.Tier("b", "ttft p95 < 2s")}},
		{`Endpoint("localhost:8000")`, opts{aiperftest.Endpoint("localhost:8000"), ttft}},
		{`EndpointType("foo")`, opts{nobody, ttft, aiperftest.EndpointType("foo")}},
		{`Tokenizer("meta-llama/Llama-3.1-8B")`, opts{nobody, ttft, aiperftest.Tokenizer("meta-llama/Llama-3.1-8B")}},
		{`Tokenizer("list.json")`, opts{nobody, ttft, aiperftest.Tokenizer("list.json")}},
		{`GPUs(0)`, opts{nobody, ttft, aiperftest.GPUs(0)}},
		{`GPUs(-2)`, opts{nobody, ttft, aiperftest.GPUs(-2)}},
		{`Price(-1)`, opts{nobody, ttft, aiperftest.Price(-1)}},
		{`SLA("cost < 2") without a price`, opts{nobody, aiperftest.SLA("cost < 2"), ttft}},
		{`Prompts("nosuch.jsonl")`, opts{nobody, ttft, aiperftest.Prompts("nosuch.jsonl")}},
		{`Baseline("nosuch.json")`, opts{fake, ttft, aiperftest.Baseline("nosuch.json")}},
		{`Baseline("list.json")`, opts{fake, ttft, aiperftest.Baseline("list.json")}},
		{`Workers()`, opts{nobody, ttft, aiperftest.Workers()}},
		{`Workers("gpu7")`, opts{nobody, ttft, aiperftest.Workers("gpu7")}},
		{`Workers("10.0.0.8:7070")`, opts{nobody, ttft, aiperftest.Workers("10.0.0.8:7070")}},
		{`Workers("localhost:1", "localhost:1")`, opts{nobody, ttft, aiperftest.Workers("localhost:1", "localhost:1")}},
		{`Workers and Prober`, opts{fake, ttft, aiperftest.Workers("localhost:1")}},
		{`Workers and Spread`, opts{nobody, ttft, aiperftest.Workers("localhost:1"), aiperftest.Spread(
			func(context.Context, *recipes.Outcome) (recipes.Prober, error) { return nil, nil })}},
		{`Resume("text.json")`, opts{fake, ttft, aiperftest.Resume("text.json")}},
	} {
		f := run(t, "TestCapacity", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, "max-concurrency-under-sla", tt.opts, aiperftest.Seed(7), aiperftest.Context(soon))
		})
		require.True(t, f.failed, "%s: %s", tt.code, f.transcript())
		for _, leak := range []string{"Target.", "Load ", "Go value", "recipes.", "loadgen."} {
			assert.NotContains(t, strings.Join(f.errs, "\n"), leak, tt.code)
		}
		fmt.Fprintf(&b, "# %s\n%s\n\n", tt.code, strings.Join(f.errs, "\n"))
	}
	for _, r := range []string{"pareto-sweep", "prefill-ttft-curve", "max-throughput-ttft-sla"} {
		f := run(t, "TestCapacity", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, r, fake, aiperftest.AtLeast(64), aiperftest.Context(soon))
		})
		fmt.Fprintf(&b, "# AtLeast(64) and no SLA, recipe %s\n%s\n\n", r, strings.Join(f.errs, "\n"))
	}
	checkGolden(t, filepath.Join(here, "testdata", "text", "misuse.txt"), b.String())
}

// here is the package's folder.
var here, _ = os.Getwd()
