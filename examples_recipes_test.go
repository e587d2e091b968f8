package aiperf_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report"
	"github.com/aiperf-go/aiperf/report/history"
)

// The examples below ask each recipe's question of a fast simulated server, as a
// test would. In a test of your own, t is the *testing.T and Simulated is left out.
// The output of an example is compared, and the measured numbers differ from run to
// run, so the limits are generous and only the form of a curve is printed.

// small is the server and a load that takes a second or less.
var small = aiperftest.Options{
	aiperftest.Simulated(simserver.Model{Step: time.Millisecond}),
	aiperftest.Tokens(16, 8), aiperftest.Requests(100), aiperftest.Seed(7), aiperftest.Charts(false),
}

// This searches for the most output tokens per second while 95% of the requests
// have their first token within a second.
func Example_maxThroughputTTFTSLA() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla", small,
			aiperftest.TTFT(time.Second),
			aiperftest.Concurrency(4, 8), aiperftest.Style(recipes.Monotonic))
		fmt.Println(out.Verdict, "up to concurrency", out.Boundary.Safe)
		fmt.Println(out.Plan.Limits, out.Best.Found)
	})
	// Output:
	// met up to concurrency 8
	// [ttft p95 < 1s] true
}

// This searches for the most output tokens per second while the tokens of an
// answer come less than half a second apart.
func Example_maxThroughputITLSLA() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-throughput-itl-sla", small,
			aiperftest.ITL(500*time.Millisecond),
			aiperftest.Concurrency(4, 8), aiperftest.Style(recipes.Monotonic))
		fmt.Println(out.Verdict, "up to concurrency", out.Boundary.Safe)
		fmt.Println(out.Plan.Limits, out.Best.Found)
	})
	// Output:
	// met up to concurrency 8
	// [itl p95 < 500ms] true
}

// This searches for the highest concurrency at which several limits hold. AtLeast
// turns the answer into an assertion.
func Example_maxConcurrencyUnderSLA() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-concurrency-under-sla", small,
			aiperftest.TTFT(time.Second), aiperftest.ErrorRate(0.1), aiperftest.SLA("request_latency p90 < 5s"),
			aiperftest.Concurrency(4, 8), aiperftest.Style(recipes.Monotonic), aiperftest.AtLeast(6))
		fmt.Println(out.Verdict, "up to concurrency", out.Best.Concurrency())
		fmt.Println(out.Plan.Limits)
	})
	// Output:
	// met up to concurrency 8
	// [ttft p95 < 1s errors < 10% e2e p90 < 5s]
}

// This searches for the concurrency with the most good requests per second. A
// request is good if it is within all three limits, and at least 95% must be.
func Example_maxGoodputUnderSLO() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-goodput-under-slo", small, aiperftest.Requests(60),
			aiperftest.TTFT(time.Second), aiperftest.ITL(500*time.Millisecond), aiperftest.E2E(5*time.Second),
			aiperftest.Concurrency(4, 8), aiperftest.Style(recipes.Monotonic))
		good, _ := out.Probes[out.Best.Probe].Stat("good", "avg")
		fmt.Println(out.Verdict, "up to concurrency", out.Boundary.Safe, good >= 0.95)
		fmt.Println(out.Plan.Limits)
	})
	// Output:
	// met up to concurrency 8 true
	// [good >= 0.95]
}

// This searches for the highest rate of requests a second at which several limits hold.
// Arrivals are those of users who know nothing of each other unless Arrival says
// otherwise, and AtLeast is in requests a second.
func Example_maxRequestRateUnderSLA() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-request-rate-under-sla", small,
			aiperftest.TTFT(time.Second), aiperftest.SLA("request_latency p90 < 5s"),
			aiperftest.Rate(200, 400), aiperftest.Style(recipes.Monotonic), aiperftest.AtLeast(300.5))
		fmt.Println(out.Verdict, "up to", out.Best.Rate(), "requests/s")
	})
	// Output:
	// met up to 400 requests/s
}

// This searches for the highest rate of requests a second of which at least 90% are
// good. It needs only what makes a request good: here its latency.
func Example_maxGoodputRateUnderSLO() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-goodput-rate-under-slo", small,
			aiperftest.SLO("e2e < 5s"), aiperftest.Attainment(0.9), aiperftest.Arrival("constant"),
			aiperftest.Rate(200, 400), aiperftest.Style(recipes.Monotonic))
		fmt.Println(out.Verdict, "up to", out.Best.Rate(), "requests/s")
		fmt.Println(out.Plan.Limits)
	})
	// Output:
	// met up to 400 requests/s
	// [good >= 0.9]
}

// This measures one rate of requests a second.
func Example_fixedRate() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.FixedRate(250), small,
			aiperftest.TTFT(time.Second), aiperftest.Arrival("gamma:2"))
		fmt.Println(out.Verdict, "at", out.Best.Load)
	})
	// Output:
	// met at 250 requests/s
}

// This says which single request is good, of any load and with any recipe, and limits
// their share.
func Example_goodput() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Fixed(4), small,
			aiperftest.SLO("ttft < 1s", "e2e < 5s"), aiperftest.SLA("good >= 95%"))
		rate, _ := out.Probes[0].Stat("goodput", "avg") // requests/s
		fmt.Println(out.Verdict, rate > 0)
		fmt.Println(out.Plan.Limits)
	})
	// Output:
	// met true
	// [good >= 0.95]
}

// This answers two tiers of limits by one search, with an answer for each.
func Example_tiers() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "max-concurrency-under-sla", small,
			aiperftest.Tier("interactive", "ttft p95 < 1s"), aiperftest.Tier("batch", "request_latency p90 < 10s"),
			aiperftest.Concurrency(4, 8), aiperftest.Style(recipes.Monotonic))
		for i, tier := range out.Plan.Tiers {
			fmt.Println(tier.Label, "up to concurrency", out.Tiers[i].Safe)
		}
	})
	// Output:
	// interactive up to concurrency 8
	// batch up to concurrency 8
}

// This searches for the front of two objectives: the points that no other point beats in
// both of them.
func Example_front() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Explicit(recipes.Search{
			Space:     []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 16, Int: true}},
			MaxProbes: 3, InitialPoints: 2,
			Objectives: []recipes.Objective{
				{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true},
				{Metric: loadgen.TagTTFT, Stat: "p95"},
			},
		}), small, aiperftest.SLA("ttft p95 < 1s"))
		front, _ := out.BestProbes() // indexes into out.Probes
		fmt.Println(out.Verdict, len(front) >= 1)
	})
	// Output:
	// met true
}

// This sweeps two lengths that move together, and concurrencies: four points.
func Example_sweep() {
	asTest(func(t aiperftest.T) {
		lengths := recipes.Axis{Path: recipes.PathISL, Values: []float64{16, 64}}
		lengths.With = []recipes.Axis{{Path: recipes.PathOSL, Values: []float64{4, 8}}}
		out := aiperftest.Run(t, recipes.Sweep(lengths, recipes.Axis{Path: recipes.PathConcurrency, Values: []float64{2, 4}}),
			small, aiperftest.Requests(20), aiperftest.SLA("e2e p50 < 5s"))
		for _, point := range out.Plan.Scenarios {
			fmt.Println(point.Name)
		}
		fmt.Println(len(out.Sweep().Points), "points")
	})
	// Output:
	// isl_16__osl_4__concurrency_2
	// isl_16__osl_4__concurrency_4
	// isl_64__osl_8__concurrency_2
	// isl_64__osl_8__concurrency_4
	// 4 points
}

// This sweeps a setting of the server, which Setup makes it have, for example by a restart.
func Example_setup() {
	asTest(func(t aiperftest.T) {
		const batch = recipes.PathServer + "max_num_seqs"
		aiperftest.Run(t, recipes.Sweep(
			recipes.Axis{Path: batch, Values: []float64{8, 16}},
			recipes.Axis{Path: recipes.PathConcurrency, Values: []float64{4}},
		), small, aiperftest.Requests(20), aiperftest.SLA("e2e p50 < 5s"),
			aiperftest.Setup(func(_ context.Context, at map[recipes.Path]float64) error {
				fmt.Println("restart with", at[batch], "sequences")
				return nil
			}))
	})
	// Output:
	// restart with 8 sequences
	// restart with 16 sequences
}

// This finds where latency begins to degrade: the first concurrency whose p99
// latency is more than 30% above that of the lowest concurrency.
func Example_concurrencyRamp() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "concurrency-ramp", small, aiperftest.SLA("e2e p90 < 5s"), aiperftest.Requests(50),
			aiperftest.Simulated(simserver.Model{Step: time.Millisecond, MaxBatch: 4}),
			aiperftest.Concurrency(4, 32), aiperftest.Steps(4), aiperftest.Degradation(0.3))
		for _, p := range out.Probes {
			fmt.Println("measured at", p.Load.Concurrency)
		}
		knee, ok := out.Knee() // knee.Concurrency is 0 if latency does not degrade
		fmt.Printf("%v: %s %s, baseline at %d, threshold %.0f%%\n", ok, knee.Metric, knee.Stat, knee.Lowest, 100*knee.Threshold)
	})
	// Output:
	// measured at 4
	// measured at 8
	// measured at 16
	// measured at 32
	// true: request_latency p99, baseline at 4, threshold 30%
}

// This measures TTFT as a function of the prompt's length.
func Example_prefillTTFTCurve() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "prefill-ttft-curve", small, aiperftest.SLA("ttft p50 < 5s"), aiperftest.Requests(10),
			aiperftest.ISL(256, 4096), aiperftest.Steps(4))
		fit, ok := out.TTFTFit()
		fmt.Printf("%v: measured from %v to %v tokens at %d points, r² wanted %v\n", ok, fit.From, fit.To, len(out.Probes), fit.LeastR2)
		fmt.Println("2000 tokens are estimated:", fit.At(2000) > 0) // ms
	})
	// Output:
	// true: measured from 256 to 4096 tokens at 4 points, r² wanted 0.85
	// 2000 tokens are estimated: true
}

// This measures inter-token latency over concurrency and answer length.
func Example_decodeITLCurve() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "decode-itl-curve", small, aiperftest.SLA("e2e p50 < 5s"), aiperftest.Requests(20),
			aiperftest.Concurrency(2, 8), aiperftest.Steps(2), aiperftest.OSL(4, 16), aiperftest.OSLSteps(2))
		surface, ok := out.ITLSurface()
		fmt.Println(ok, surface.Concurrency, surface.OSL)
		fmt.Println("a step takes 1 ms at least:", surface.ITL[0][1] > 0.95)
	})
	// Output:
	// true [2 8] [4 16]
	// a step takes 1 ms at least: true
}

// This measures the trade-off between latency and throughput over several shapes
// of workload.
func Example_paretoSweep() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "pareto-sweep", small, aiperftest.SLA("e2e p50 < 5s"), aiperftest.Requests(20),
			aiperftest.Pairs("16/8,256/8"), aiperftest.ConcurrencyList(1, 8))
		frontier, ok := out.Frontier()
		fmt.Println(ok, frontier.XMetric, frontier.XStat, "against", frontier.YMetric)
		for _, c := range frontier.Cells {
			fmt.Printf("%d/%d at %d: %v\n", c.ISL, c.OSL, c.Concurrency, c.X > 0 && c.Y > 0)
		}
	})
	// Output:
	// true time_to_first_token p95 against output_token_throughput
	// 16/8 at 1: true
	// 16/8 at 8: true
	// 256/8 at 1: true
	// 256/8 at 8: true
}

// asTest runs f with a stand-in for the *testing.T that go test would pass. A
// failure is printed, so the example's output does not match.
func asTest(f func(aiperftest.T)) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	t := &exampleT{dir: dir}
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine that it is called on
		defer close(done)
		defer t.cleanup()
		f(t)
	}()
	<-done
}

// exampleT is the smallest implementation of aiperftest.T. Its log is discarded,
// because it would become part of the example's output; only failures are printed.
type exampleT struct {
	dir      string
	failed   bool
	cleanups []func()
}

func (t *exampleT) Helper()             {}
func (t *exampleT) Name() string        { return "Example" }
func (t *exampleT) Log(...any)          {}
func (t *exampleT) Logf(string, ...any) {}
func (t *exampleT) Errorf(format string, args ...any) {
	t.failed = true
	fmt.Printf(format+"\n", args...)
}
func (t *exampleT) FailNow()     { t.failed = true; runtime.Goexit() }
func (t *exampleT) Failed() bool { return t.failed }
func (t *exampleT) Skipf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	runtime.Goexit()
}
func (t *exampleT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) TempDir() string  { return t.dir }
func (t *exampleT) cleanup() {
	for _, f := range t.cleanups {
		defer f()
	}
	os.RemoveAll(t.dir)
}

// This is a recipe of one's own. It declares an input, Slots, and looks at the lengths of the
// load that it was given: a server with so many slots is measured with all of them in use, and
// with a quarter of them if answers are long.
func Example_ownRecipe() {
	const slots recipes.Input = "Slots"
	r := &recipes.Recipe{
		Name: "all-slots", Doc: "measure the server with its slots in use", Uses: []recipes.Input{slots},
		Expand: func(in recipes.Inputs) (*recipes.Plan, error) {
			n, ok := in.Own[slots].(int)
			if !ok {
				return nil, &recipes.InputError{Inputs: []recipes.Input{slots}, Problem: "requires the number of Slots"}
			}
			if in.Workload.OSL > 1000 {
				n /= 4
			}
			return &recipes.Plan{Grid: []recipes.Axis{{Path: recipes.PathConcurrency, Values: []float64{float64(n)}}}, Limits: in.Limits}, nil
		},
	}
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, r, small, aiperftest.Input("Slots", 8), aiperftest.SLA("e2e p90 < 5s"))
		fmt.Println(out.Verdict, "at", out.Probes[0].Load)
	})
	// Output:
	// met at concurrency 8
}

// This searches a number of the workload: the share of requests that begin with a shared
// prefix, at 8 requests in flight.
func Example_workloadSearch() {
	share := recipes.Search{
		Style: recipes.Monotonic, Boundary: true, MaxProbes: 3,
		Space:      []plan.Dim{{Path: recipes.PathWorkload + "prefixes.0.share", Lo: 0.5, Hi: 1}},
		With:       []recipes.Value{{Path: recipes.PathConcurrency, Value: 8}},
		Objectives: []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}},
	}
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Explicit(share), small, aiperftest.TTFT(5*time.Second), aiperftest.ReportOnly(),
			aiperftest.SLA("ttft p95 < 5s"), aiperftest.Workload(loadgen.Workload{Prefixes: []workload.Prefix{{Tokens: 64, Share: 0.5}}}))
		for _, p := range out.Probes[:2] {
			fmt.Println(p.Load, "with a share of", p.Load.Workload.Prefixes[0].Share)
		}
		fmt.Println(report.Headline(out))
	})
	// Output:
	// concurrency 8 with a share of 0.5
	// concurrency 8 with a share of 1
	// SLA met up to share 1
}

// This watches the time to first token in place of the latency, and repeats each point until
// its mean is known within 20%, by the trials' coefficient of variation.
func Example_converge() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.RunRecipe(t, "concurrency-ramp", small, aiperftest.SLA("e2e p50 < 5s"), aiperftest.Requests(20),
			aiperftest.Concurrency(2, 8), aiperftest.Steps(2), aiperftest.Degradation(0.5, "ttft p95"),
			aiperftest.Converge("ttft", "avg", 0.5, "cv"))
		rule := out.Plan.Derive.(sweep.KneeRule)
		fmt.Printf("a rise of %.0f%% in %s %s\n", 100*rule.Threshold, rule.Metric, rule.Stat)
		fmt.Println("three trials or more:", len(out.Probes[0].Trials) >= 3)
	})
	// Output:
	// a rise of 50% in time_to_first_token p95
	// three trials or more: true
}

// answering stands for a server whose TTFT p95, in milliseconds, is known before it is asked.
type answering float64

func (s answering) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	m := &loadgen.Measurement{Load: l, Metrics: map[string]loadgen.Metric{}}
	m.Metrics[loadgen.TagTTFT] = loadgen.Metric{Stats: map[string]float64{"p95": float64(s)}}
	return m, nil
}

// This measures one load as a scheduled job does, adds each run to a history, and holds it against
// the runs before it. The limit still holds in the last of them, and the test fails all the same.
func Example_history() {
	dir, err := os.MkdirTemp("", "nightly")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, ttft := range []float64{98, 103, 101, 99, 104, 96, 100, 102, 99, 118} {
		asTest(func(t aiperftest.T) {
			out := aiperftest.Run(t, recipes.Fixed(16), aiperftest.Prober(answering(ttft)), aiperftest.ReportOnly(),
				aiperftest.TTFT(200*time.Millisecond), aiperftest.Charts(false),
				aiperftest.Label("driver", "570.86"), aiperftest.History(dir, history.Rule{Last: 5}))
			for _, m := range out.Trend.(*history.Trend).Failed() {
				fmt.Printf("%s %.0f%% worse than the last %d runs\n", m.Unit, 100*m.Worse, m.N)
			}
		})
	}
	runs, _, err := history.ReadFile(history.Path(dir))
	fmt.Println(len(runs), "runs,", runs[9].Mark, runs[9].Facts["driver"], err)
	// Output:
	// ttft-p95-ns 18% worse than the last 5 runs
	// 10 runs, worse 570.86 <nil>
}
