package matchers_test

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/aiperf-go/aiperf/aiperftest/matchers"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

var update = flag.Bool("update", false, "rewrite the golden messages in testdata")

var ttft = sla.Limit{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: 200}

// probe is a visit of concurrency c that saw a TTFT p95 of v ms, certain either
// way but within 0.8 % of the limit.
func probe(c int, v float64) recipes.Probe {
	pass := 1.0
	if v >= ttft.Threshold {
		pass = 0
	}
	if math.Abs(v/ttft.Threshold-1) < 0.008 {
		pass = 0.5
	}
	g := plan.Margin{Estimate: plan.Estimate{Value: math.Log(v / ttft.Threshold), SE: 0.01}, Pass: pass}
	metrics := map[string]loadgen.Metric{
		loadgen.TagTTFT:      {Unit: "ms", Stats: map[string]float64{"avg": v / 1.2, "p95": v}},
		loadgen.TagTokenRate: {Unit: "tokens/sec", Stats: map[string]float64{"avg": 100.25 * float64(c)}},
		loadgen.TagReqRate:   {Unit: "requests/sec", Stats: map[string]float64{"avg": float64(c)}},
		loadgen.TagErrorRate: {Unit: "%", Stats: map[string]float64{"avg": 0}},
		"queue_depth":        {Unit: "requests", Stats: map[string]float64{"max": 12}},
	}
	return recipes.Probe{
		Step: plan.Step{At: []float64{float64(c)}, Size: 1, Reason: "doubling"},
		Load: loadgen.Load{Concurrency: c}, Trials: []*loadgen.Measurement{{Metrics: metrics}},
		Readings: []sla.Reading{{Limit: ttft, Value: v, Adjusted: v, Lo: v * 0.98, Hi: v * 1.02, Holds: v < ttft.Threshold, Pass: pass,
			Of: 300}},
		Observed: plan.Observation{At: []float64{float64(c)}, Margins: []plan.Margin{g}, Requests: 300},
		Wall:     2 * time.Second,
	}
}

func outcome(t *testing.T, v recipes.Verdict, probes ...recipes.Probe) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	in := recipes.Inputs{TTFT: new(200.0), Style: recipes.Monotonic}
	p, err := r.Expand(in)
	require.NoError(t, err)
	nan := math.NaN()
	o := &recipes.Outcome{Recipe: r, Plan: p, Spec: recipes.Spec{Inputs: in, Confidence: 0.98, Trials: 1}, Verdict: v, Probes: probes,
		Reason: "monotonic_precision_reached", Boundary: plan.Answer{Safe: nan, Estimate: nan,
			Bracket: plan.Bracket{Lo: nan, Hi: nan}}, Wall: 4 * time.Second}
	for i, p := range probes {
		if p.Readings[0].Holds && v == recipes.Met {
			o.Best = recipes.Best{Load: p.Load, Probe: i, Found: true}
			o.Boundary.Safe = p.Step.At[0]
		} else if math.IsNaN(o.Boundary.Bracket.Hi) {
			o.Boundary.Bracket.Hi = p.Step.At[0]
		}
	}
	return o
}

// TestMessages holds every failure message to its golden, in full.
func TestMessages(t *testing.T) {
	met := outcome(t, recipes.Met, probe(64, 198.1234567), probe(128, 349))
	missed := outcome(t, recipes.Missed, probe(1, 412))
	open := outcome(t, recipes.Inconclusive, probe(60, 201))
	for _, tt := range []struct {
		name    string
		why     string
		actual  any
		matcher types.GomegaMatcher
		negated bool
	}{
		{"sla_missed", "the finding, as the run prints it", missed, MeetSLA(), false},
		{"sla_inconclusive", "cannot tell is no yes, and says so", open, MeetSLA(), false},
		{"sla_not", "met where it should not have been", met, MeetSLA(), true},
		{"sustain", "the answer is too low", met, SustainConcurrency(BeNumerically(">=", 100)), false},
		{"sustain_none", "there is no answer", missed, SustainConcurrency(BeNumerically(">=", 100)), false},
		{"sustain_not", "the answer is higher than it should be", met, SustainConcurrency(BeNumerically(">", 60)), true},
		{"metric", "the value at the best point", met, HaveMetric("ttft p95", BeNumerically("<", 150)), false},
		{"metric_duration", "a latency held against a duration", met,
			HaveMetric("ttft p95", BeNumerically("<", 150*time.Millisecond)), false},
		{"metric_run", "one number a run, by its tag", met, HaveMetric("output_token_throughput", BeNumerically(">", 1e4)), false},
		{"metric_shown", "no best point: the value that the finding shows", missed,
			HaveMetric("time_to_first_token p95", BeNumerically("<", 200)), false},
		{"metric_own", "a metric of the server's own", met, HaveMetric("queue_depth max", Equal(0.0)), false},
		{"metric_not", "a value that should have been another", met, HaveMetric("ttft avg", BeNumerically("<", 180)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, err := tt.matcher.Match(tt.actual)
			require.NoError(t, err)
			require.Equal(t, tt.negated, ok)
			text := tt.matcher.FailureMessage
			if tt.negated {
				text = tt.matcher.NegatedFailureMessage
			}
			checkGolden(t, tt.name, "# "+tt.why+"\n"+text(tt.actual)+"\n")
		})
	}
}

// TestMatch: what each matcher lets pass.
func TestMatch(t *testing.T) {
	g := NewWithT(t)
	met := outcome(t, recipes.Met, probe(64, 198), probe(128, 349))
	g.Expect(met).To(MeetSLA())
	g.Expect(met).To(SustainConcurrency(Equal(64)))
	g.Expect(met).To(HaveMetric("ttft p95", Equal(198.0)))
	g.Expect(met).To(HaveMetric("time_to_first_token p95", Equal(198.0)))
	g.Expect(met).To(HaveMetric("errors", BeZero()))
	g.Expect(met).To(HaveMetric("ttft p95", BeNumerically("<", 200*time.Millisecond)))
	g.Expect(met).To(HaveMetric("ttft p95", And(BeNumerically(">", 100*time.Millisecond), Not(Equal(time.Second)))))
	g.Expect(met).To(HaveMetric("ttft p95", BeNumerically("~", 197*time.Millisecond, 2*time.Millisecond)))
	g.Expect(met).To(HaveMetric("ttft p95", WithTransform(func(d time.Duration) string { return d.String() }, Equal("198ms"))))
	g.Expect(met).NotTo(HaveMetric("ttft p95", BeNumerically("<", 100*time.Millisecond)))
	g.Expect(met).To(HaveMetric("throughput avg", Equal(6416.0)))
	g.Expect(outcome(t, recipes.Missed, probe(1, 412))).To(SustainConcurrency(BeZero()))
	g.Expect(outcome(t, recipes.Inconclusive, probe(1, 199))).NotTo(MeetSLA())
}

// TestErrors: what cannot be judged is neither a match nor a mismatch, and the
// message says what to do.
func TestErrors(t *testing.T) {
	met := outcome(t, recipes.Met, probe(64, 198))
	free := outcome(t, recipes.Met, probe(64, 198))
	free.Plan = &recipes.Plan{Search: free.Plan.Search}
	positive := BeNumerically(">", 0)
	for _, tt := range []struct {
		why     string
		actual  any
		matcher types.GomegaMatcher
		want    string
	}{
		{"another type", 64, MeetSLA(), "MeetSLA takes the *recipes.Outcome that aiperftest.Run or RunRecipe returns, but got:\n    <int>: 64"},
		{"a plain nil", nil, SustainConcurrency(positive),
			"SustainConcurrency takes the *recipes.Outcome that aiperftest.Run or RunRecipe returns, but got:\n    <nil>: nil"},
		{"a nil outcome", (*recipes.Outcome)(nil), HaveMetric("ttft p95", positive),
			"HaveMetric got a nil *recipes.Outcome; pass what aiperftest.Run or RunRecipe returns"},
		{"the outcome of a run that was skipped", &recipes.Outcome{}, MeetSLA(),
			"MeetSLA has nothing to judge: the run measured nothing; its own message says why"},
		{"no limits", free, MeetSLA(), "MeetSLA has no limit to judge: recipe max-concurrency-under-sla ran without an SLA; " +
			"give one, for example aiperftest.TTFT(…) or aiperftest.SLA(…)"},
		{"a misspelt metric", met, HaveMetric("tftt p95", positive),
			`HaveMetric("tftt p95", …): metric "tftt" is unknown; did you mean "ttft"?; ` +
				`metrics are ttft, ttst, itl, icl, e2e, per-user, errors, goodput, good, throughput, ` +
				`total-throughput, req-rate, osl, isl, ttfo, decode, prefill, e2e-per-user, reasoning, waiting, running, ` +
				`kv_cache_use, preemptions, prefix_hit_share, queue_time, prefill_time, decode_time, server_ttft, ` +
				`server_itl, server_e2e, gpu_power, gpu_util, gpu_memory, gpu_energy, joules_per_token, ` +
				`joules_per_total_token, per-gpu, total-per-gpu, cost, total_cost`},
		{"a misspelt statistic", met, HaveMetric("ttft p98", positive),
			`HaveMetric("ttft p98", …): statistic "p98" is unknown; ` +
				`use avg, min, max, p1, p5, p10, p25, p50, p75, p90, p95, p99; did you mean "p99"?`},
		{"no statistic", met, HaveMetric("ttft", positive), `HaveMetric("ttft", …): the statistic is missing; for example, write "ttft p95"`},
		{"too many words", met, HaveMetric("ttft p95 < 3", positive),
			`HaveMetric("ttft p95 < 3", …): expected a metric and a statistic, for example "ttft p95"`},
		{"not measured", met, HaveMetric("itl p95", positive),
			`HaveMetric("itl p95", …): itl p95 was not measured at concurrency 64; ` +
				`TTFT and ITL need streamed answers, goodput needs per-request limits`},
		{"a duration for what is none", met, HaveMetric("throughput", BeNumerically(">", time.Second)),
			`HaveMetric("throughput", …) compares with a time.Duration what is no latency; give a number`},
		{"a duration and a number", met, HaveMetric("ttft p95", And(BeNumerically(">", 10), BeNumerically("<", time.Second))),
			`HaveMetric("ttft p95", …) compares with a time.Duration and with a number; give durations alone, ` +
				`for example 180*time.Millisecond`},
		{"no matcher", met, HaveMetric("ttft p95", nil),
			`HaveMetric("ttft p95", …) needs a matcher for the value, for example BeNumerically("<", 180)`},
		{"no matcher", met, SustainConcurrency(nil),
			`SustainConcurrency needs a matcher for the concurrency, for example BeNumerically(">=", 64)`},
	} {
		t.Run(tt.why, func(t *testing.T) {
			_, err := tt.matcher.Match(tt.actual)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	for _, line := range strings.Split(got, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 100, line)
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with: go test ./aiperftest/matchers -update")
	assert.Equal(t, string(want), got)
}
