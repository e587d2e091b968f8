package aiperftest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// shaky is a curve that no two probes see alike: every probe's TTFT is off by a
// few percent, in an order that repeats. slower makes the new arm of an A/B run
// slower.
type shaky struct {
	curve
	ttft   func(c int) float64
	slower float64
	probes int
}

func (s *shaky) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	off := []float64{0.012, -0.017, 0.004, -0.009, 0.021, -0.003, 0.008, -0.014, 0.016, -0.02, 0.001, 0.011}
	shift := 1 + off[s.probes%len(off)]
	if l.Target == "new" {
		shift *= 1 + s.slower
	}
	s.probes++
	c := s.curve
	c.ttft = func(c int) float64 { return s.ttft(c) * shift }
	return c.Probe(ctx, l, d)
}

// cutLines keeps n benchmark lines of a file.
func cutLines(t *testing.T, from, to string, n int) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	var kept []string
	for _, line := range strings.SplitAfter(string(b), "\n") {
		if strings.HasPrefix(line, "Benchmark") {
			if n--; n < 0 {
				continue
			}
		}
		kept = append(kept, line)
	}
	require.NoError(t, os.WriteFile(to, []byte(strings.Join(kept, "")), 0o666))
}

// TestGateText holds what a gate prints to goldens, in full.
func TestGateText(t *testing.T) {
	const capacity, lines, few, broken = "testdata/capacity.json", "testdata/fixed.txt", "testdata/few.txt", "testdata/broken.json"
	common := aiperftest.Options{
		aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
		aiperftest.Concurrency(1, 200), aiperftest.TTFT(200 * time.Millisecond),
	}
	gate := func(path string, slope float64, opts ...aiperftest.Option) func(aiperftest.T) {
		return func(t aiperftest.T) {
			aiperftest.Gate(t, "max-concurrency-under-sla", path,
				append([]aiperftest.Option{common, aiperftest.Prober(&shaky{ttft: linear(slope)})}, opts...)...)
		}
	}
	fixed := func(path string, slope float64, opts ...aiperftest.Option) func(aiperftest.T) {
		return func(t aiperftest.T) {
			aiperftest.GateRun(t, recipes.Fixed(64), path,
				append([]aiperftest.Option{aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
					aiperftest.Prober(&shaky{ttft: linear(slope)})}, opts...)...)
		}
	}
	golden, err := filepath.Abs(filepath.Join("testdata", "text"))
	require.NoError(t, err)
	for _, k := range []string{"AIPERF_URL", "AIPERF_ARTIFACTS", "AIPERF_REQUIRE", "AIPERF_SEED"} {
		t.Setenv(k, "")
	}
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("testdata", 0o777))
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o666))
	for _, tt := range []struct {
		name, why string
		update    bool
		body      func(aiperftest.T)
	}{
		{"gate_no_baseline", "there is nothing to compare with", false, gate(capacity, 2)},
		{"gate_update", "a search is written as a baseline", true, gate(capacity, 2)},
		{"gate_update_vague", "probes too small for a baseline: the one there is stays", true,
			gate(capacity, 0.4, aiperftest.Requests(40), aiperftest.TTFT(80*time.Millisecond), aiperftest.Tolerance(0.01))},
		{"gate_met", "the same server", false, gate(capacity, 2)},
		{"gate_missed", "a server that lost a fifth of its capacity", false, gate(capacity, 2.5)},
		{"gate_too_near", "the loss is what is tolerated, to the percent", false, gate(capacity, 2.103)},
		{"gate_other_sla", "the baseline is another question's", false, gate(capacity, 2, aiperftest.E2E(time.Minute))},
		{"gate_no_sla", "the recipe lacks its limit, which comes before the baseline", false, func(t aiperftest.T) {
			aiperftest.Gate(t, "max-concurrency-under-sla", capacity, aiperftest.Prober(&shaky{ttft: linear(2)}))
		}},
		{"gate_broken_file", "a baseline that cannot be read", false, gate(broken, 2)},
		{"gate_bad_tolerance", "a percentage where a fraction is meant", false, gate(capacity, 2, aiperftest.Tolerance(5))},
		{"gate_fixed_update", "a fixed load is written as benchmark lines", true, fixed(lines, 2)},
		{"gate_fixed_update_few", "with too few measurements", true, fixed(few, 2, aiperftest.Trials(2))},
		{"gate_fixed_met", "the same server", false, fixed(lines, 2)},
		{"gate_fixed_missed", "a slower one", false, fixed(lines, 2.6)},
		{"gate_fixed_few", "a baseline of too few measurements", false, fixed(few, 2, aiperftest.Trials(2))},
		{"gate_fixed_workload", "a baseline of other prompts", false, fixed(lines, 2, aiperftest.Tokens(100, 128))},
		{"gate_fixed_history", "a search's file for a fixed load", false, fixed(capacity, 2)},
		{"gate_answers", "a search against benchmark lines without an answer", false, gate(lines, 2)},
		{"compare", "the new endpoint is slower", false, func(t aiperftest.T) {
			aiperftest.Compare(t, recipes.Fixed(64), "http://old:8000", "http://new:8000", aiperftest.Charts(false),
				aiperftest.Tokens(550, 128), aiperftest.Seed(7),
				aiperftest.Prober(&shaky{ttft: linear(2), slower: 0.12}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := ""
			if tt.update {
				set = "1"
			}
			t.Setenv("AIPERF_UPDATE_BASELINE", set)
			dir := t.TempDir()
			if tt.name == "gate_fixed_few" {
				cutLines(t, lines, few, 2)
			}
			synctest.Test(t, func(t *testing.T) {
				f := &fakeT{TB: fixedDir{t, dir}, name: "TestCapacity"}
				done := make(chan struct{})
				go func() { defer close(done); tt.body(f) }()
				<-done
				checkGolden(t, filepath.Join(golden, tt.name+".txt"), "# "+tt.why+"\n"+f.transcript())
			})
		})
	}
}

// TestGateRate: a search over the request rate is a baseline, in requests a second, as its
// history and as the line of a benchmark, and a server that lost a third is found.
func TestGateRate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rate.json")
	lines := filepath.Join(t.TempDir(), "rate.txt")
	require.NoError(t, os.WriteFile(lines, []byte("BenchmarkRecipe/max-request-rate-under-sla/capacity 1 62.5 max-req/s\n"), 0o666))
	dir := t.TempDir()
	gate := func(baseline string, perRate float64) (out *recipes.Outcome, said string) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeT{TB: fixedDir{t, dir}, name: "TestGate"}
			done := make(chan struct{})
			go func() {
				defer close(done)
				out = aiperftest.Gate(f, "max-request-rate-under-sla", baseline, aiperftest.Charts(false), aiperftest.Seed(7),
					aiperftest.TTFT(200*time.Millisecond), aiperftest.Requests(300), aiperftest.Rate(20, 200),
					aiperftest.Prober(&shaky{ttft: linear(perRate)}))
			}()
			<-done
			said = f.transcript()
		})
		return out, said
	}
	t.Setenv("AIPERF_UPDATE_BASELINE", "1")
	out, said := gate(path, 2)
	require.Equal(t, recipes.Met, out.Verdict, said)
	require.InDelta(t, 63, out.Best.Rate(), 4)
	t.Setenv("AIPERF_UPDATE_BASELINE", "")
	for _, baseline := range []string{path, lines} {
		for perRate, want := range map[float64]recipes.Verdict{2: recipes.Met, 3: recipes.Missed} {
			out, said := gate(baseline, perRate)
			require.Equal(t, want, out.Verdict, said)
			require.Contains(t, said, "requests/s")
			require.NotContains(t, said, "concurrency")
		}
	}
}
