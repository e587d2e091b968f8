package aiperftest_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata/text")

func linear(perSlot float64) func(int) float64 {
	return func(c int) float64 { return 40 + perSlot*float64(c) }
}

// TestText holds everything that a test prints to goldens, in full: what was
// expanded, a line a probe, the finding.
func TestText(t *testing.T) {
	common := aiperftest.Options{
		aiperftest.Charts(false),
		aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.TTFT(200 * time.Millisecond), aiperftest.Concurrency(1, 200),
		aiperftest.ProbeTime(time.Minute),
	}
	const maxThroughput, maxConcurrency = "max-throughput-ttft-sla", "max-concurrency-under-sla"
	named := func(name string, opts ...aiperftest.Option) func(aiperftest.T) {
		return func(t aiperftest.T) {
			aiperftest.RunRecipe(t, name, append([]aiperftest.Option{common, aiperftest.Style(recipes.Monotonic)}, opts...)...)
		}
	}
	timed := func(opts ...aiperftest.Option) func(aiperftest.T) { // by default, without ProbeTime
		return func(t aiperftest.T) {
			aiperftest.RunRecipe(t, maxConcurrency, append([]aiperftest.Option{aiperftest.Charts(false), aiperftest.Seed(7),
				aiperftest.TTFT(200 * time.Millisecond), aiperftest.Concurrency(1, 200), aiperftest.Style(recipes.Monotonic)}, opts...)...)
		}
	}
	for _, tt := range []struct {
		name string
		why  string
		body func(aiperftest.T)
	}{
		{"met", "a boundary inside the range", named(maxThroughput, aiperftest.Prober(&curve{ttft: linear(2)}))},
		{"met_in_time", "the time of a search is over before its style has come to an end",
			timed(aiperftest.Style(recipes.Optuna), aiperftest.Tokens(550, 512), aiperftest.Prober(&curve{ttft: linear(2), timed: true}))},
		{"out_of_time", "nothing has failed when the time of a search is over, twice",
			timed(aiperftest.Tokens(550, 128), aiperftest.Prober(&curve{ttft: linear(0.1)}))},
		{"met_all", "nothing in the range fails", named(maxConcurrency, aiperftest.Prober(&curve{ttft: linear(0.1)}))},
		{"met_at_least", "the floor is reached", named(maxConcurrency, aiperftest.AtLeast(32), aiperftest.Prober(&curve{ttft: linear(2)}))},
		{"met_several", "several limits, one of them on errors",
			named(maxConcurrency, aiperftest.SLA("errors <= 1%", "request_latency p99 < 2s", "output_token_throughput avg > 50 tok/s"),
				aiperftest.Prober(&curve{ttft: linear(2)}))},
		{"met_mixed", "laws of lengths and shared prefixes are what the texts say", named(maxThroughput,
			aiperftest.Prober(&curve{ttft: linear(2)}), aiperftest.Workload(loadgen.Workload{
				ISL: workload.LogNormal(550, 300).Between(16, 4096), OSL: workload.Normal(128, 40), System: 200,
				Prefixes: []workload.Prefix{{Groups: 3, Tokens: 512, Share: 0.6}}}))},
		{"bad_workload", "a law of lengths that cannot be", named(maxThroughput, aiperftest.Prober(&curve{ttft: linear(2)}),
			aiperftest.Workload(loadgen.Workload{Mix: []loadgen.Workload{{}, {OSL: workload.Normal(128, -5)}}}))},
		{"replay_without_times", "a recipe for recorded times, and none",
			func(t aiperftest.T) {
				aiperftest.RunRecipe(t, "replay", common, aiperftest.Prober(&curve{ttft: linear(2)}))
			}},
		{"missed", "the lowest concurrency is too slow already",
			named(maxThroughput, aiperftest.SLA("errors <= 1%"), aiperftest.Prober(&curve{ttft: linear(300)}))},
		{"missed_at_least", "the floor is out of reach",
			named(maxConcurrency, aiperftest.AtLeast(128), aiperftest.Prober(&curve{ttft: linear(2)}))},
		{"missed_failing", "a server that fails its requests does not pass",
			named(maxConcurrency, aiperftest.Prober(&curve{ttft: linear(2), fail: func(int) float64 { return 1 }}))},
		{"inconclusive", "a margin that no probe of this size can tell from the limit",
			named(maxConcurrency, aiperftest.AtLeast(64), aiperftest.Concurrency(60, 64), aiperftest.Requests(100),
				aiperftest.Prober(&curve{ttft: func(int) float64 { return 169.5 }}))},
		{"client_bound", "the client sends late: its numbers are not the server's",
			named(maxConcurrency, aiperftest.Prober(&curve{ttft: linear(2), lag: 200 * time.Millisecond}))},
		{"deadline", "time is up before anything is certain", func(t aiperftest.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			named(maxConcurrency, aiperftest.Context(ctx), aiperftest.Prober(&curve{ttft: linear(2)}))(t)
		}},
		{"deadline_with_answer", "time is up with a safe answer in hand", func(t aiperftest.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 13*time.Minute)
			defer cancel()
			named(maxConcurrency, aiperftest.Context(ctx), aiperftest.Prober(&curve{ttft: linear(2)}))(t)
		}},
		{"lost", "the endpoint is gone in mid-search",
			named(maxConcurrency, aiperftest.Prober(&curve{ttft: linear(2), err: func(c int) error {
				if c < 8 {
					return nil
				}
				return &loadgen.UnreachableError{URL: "http://127.0.0.1:8000", Err: errors.New("connection refused")}
			}}))},
		{"report_only", "missed, and left to the caller",
			named(maxThroughput, aiperftest.ReportOnly(), aiperftest.Prober(&curve{ttft: linear(300)}))},
		{"fixed", "a fixed load without limits", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(16), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
				aiperftest.Prober(&curve{ttft: linear(2)}))
		}},
		{"fixed_missed", "a fixed load that is over its limit", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(16), aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.TTFT(50*time.Millisecond),
				aiperftest.Prober(&curve{ttft: linear(2)}))
		}},
		{"fixed_slo", "a fixed load of which most requests are good, and a limit on that", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(16), aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.SLO("ttft < 84ms"),
				aiperftest.SLA("good >= 95%"), aiperftest.Prober(&curve{ttft: linear(2)}))
		}},
		{"rate", "a boundary in requests a second",
			func(t aiperftest.T) {
				aiperftest.RunRecipe(t, "max-request-rate-under-sla", aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
					aiperftest.TTFT(200*time.Millisecond), aiperftest.Rate(2.5, 400), aiperftest.AtLeast(40.5),
					aiperftest.Style(recipes.Monotonic), aiperftest.Prober(&curve{ttft: linear(2), timed: true}))
			}},
		{"rate_missed", "every rate is above what the server serves",
			func(t aiperftest.T) {
				aiperftest.RunRecipe(t, "max-goodput-rate-under-slo", aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
					aiperftest.SLO("ttft < 20s"), aiperftest.Rate(25, 400), aiperftest.Style(recipes.Grid), aiperftest.Steps(3),
					aiperftest.Prober(&curve{ttft: linear(2), most: 12}))
			}},
		{"bad_rate", "a range that is upside down", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, "max-request-rate-under-sla", aiperftest.TTFT(time.Second), aiperftest.Rate(9, 3),
				aiperftest.Prober(&curve{}))
		}},
		{"bad_arrival", "an arrival process that there is none of", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.FixedRate(4), aiperftest.Arrival("bursty"), aiperftest.Prober(&curve{}))
		}},
		{"bad_slo", "a limit on a single request that has a statistic", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(4), aiperftest.SLO("ttft p95 < 1s", "goodput > 3"), aiperftest.Prober(&curve{}))
		}},
		{"tiers", "two tiers and no other limit", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, maxConcurrency, aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
				aiperftest.Tier("fast", "ttft p95 < 80ms"), aiperftest.Tier("slow", "ttft p95 < 200ms"), aiperftest.Concurrency(1, 200),
				aiperftest.Style(recipes.Sequential), aiperftest.Prober(&curve{ttft: linear(2)}))
		}},
		{"front", "two objectives", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Explicit(recipes.Search{
				Space: []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 64, Int: true, Log: true}}, MaxProbes: 6, InitialPoints: 4,
				Objectives: []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}, {Metric: loadgen.TagTTFT, Stat: "p95"}},
			}), aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.Prober(&curve{ttft: linear(2)}))
		}},
		{"botorch", "a sampler of AIPerf's that is not here", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, maxConcurrency, aiperftest.TTFT(time.Second), aiperftest.Style(recipes.Optuna), aiperftest.Sampler("botorch"),
				aiperftest.Prober(&curve{}))
		}},
		{"unknown_recipe", "a name that is nearly right", named("max-throughput-tft-sla")},
		{"no_sla", "the recipe's own input is missing", func(t aiperftest.T) {
			aiperftest.RunRecipe(t, maxThroughput, aiperftest.Prober(&curve{}))
		}},
		{"bad_sla", "two limits that cannot be read",
			named(maxThroughput, aiperftest.SLA("ttft p98 < 200ms", "errors < 1"), aiperftest.Prober(&curve{}))},
		{"skip", "no endpoint at all", named(maxThroughput)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, k := range []string{"AIPERF_URL", "AIPERF_ARTIFACTS", "AIPERF_REQUIRE", "AIPERF_SEED"} {
				t.Setenv(k, "")
			}
			// The temporary directory's clean-up does not fit into a bubble.
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeT{TB: fixedDir{t, dir}, name: "TestCapacity"}
				done := make(chan struct{})
				go func() { defer close(done); tt.body(f) }()
				<-done
				checkGolden(t, filepath.Join("testdata", "text", tt.name+".txt"), "# "+tt.why+"\n"+f.transcript())
				assert.Greater(t, f.helpers, 0, "lines carry the caller's line")
			})
		})
	}
}

type fixedDir struct {
	testing.TB
	dir string
}

func (f fixedDir) TempDir() string { return f.dir }

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	for i, line := range strings.Split(got, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 100, "line %d is wider than 100 columns: %s", i+1, line)
	}
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with: go test ./aiperftest -update")
	assert.Equal(t, string(want), got)
}
