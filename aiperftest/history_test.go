package aiperftest_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/history"
)

// days is a server that is another each day: its latencies scatter by 3% from run to run, and
// are slower by a share from the night of the loss on.
type days struct {
	curve
	rng    *rand.Rand
	today  float64
	slower float64
}

func (d *days) next() { d.today = math.Exp(0.03 * d.rng.NormFloat64()) }

func (d *days) Probe(ctx context.Context, l loadgen.Load, dec loadgen.Decider) (*loadgen.Measurement, error) {
	c := d.curve
	c.ttft = func(c int) float64 { return (40 + 2*float64(c)) * d.today * (1 + d.slower) }
	return c.Probe(ctx, l, dec)
}

// TestHistory measures night after night, as a scheduled job does, and holds what is printed to
// goldens: the first nights, an ordinary one, one after a loss, one with a file that somebody
// has spoilt, and the night on which the loss is accepted.
func TestHistory(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "text"))
	require.NoError(t, err)
	for _, k := range []string{"AIPERF_URL", "AIPERF_ARTIFACTS", "AIPERF_REQUIRE", "AIPERF_SEED", "AIPERF_UPDATE_BASELINE",
		"CI_COMMIT_SHA", "GIT_COMMIT"} {
		t.Setenv(k, "")
	}
	t.Setenv("GITHUB_SHA", "9c25bd3f0a1b2c3d4e5f")
	t.Chdir(t.TempDir())
	const file = "nightly/history.txt"
	dir := t.TempDir()
	server := &days{rng: rand.New(rand.NewPCG(3, 3))}
	synctest.Test(t, func(t *testing.T) {
		night := func(opts ...aiperftest.Option) (*recipes.Outcome, string) {
			time.Sleep(24 * time.Hour)
			server.next()
			f := &fakeT{TB: fixedDir{t, dir}, name: "TestNightly"}
			var out *recipes.Outcome
			done := make(chan struct{})
			go func() {
				defer close(done)
				out = aiperftest.Run(f, recipes.Fixed(64), append([]aiperftest.Option{aiperftest.Prober(server),
					aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.TTFT(400 * time.Millisecond), aiperftest.Label("nightly"),
					aiperftest.Label("GPU driver", "570.86"), aiperftest.History("nightly/", history.Rule{})}, opts...)...)
			}()
			<-done
			return out, f.transcript()
		}
		check := func(name, why, text string) {
			checkGolden(t, filepath.Join(golden, name+".txt"), "# "+why+"\n"+text)
		}
		_, text := night()
		check("history_first", "the first run of a history has nothing to be compared with", text)
		for range 39 {
			o, text := night(aiperftest.Charts(false))
			require.Equal(t, recipes.Met, o.Verdict, text)
		}
		o, text := night()
		require.Equal(t, recipes.Met, o.Verdict)
		check("history_met", "a run like those before it", text)
		for _, name := range []string{"history.html", "plots/history-ttft-p95-ns-concurrency_64.svg", "report.html"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Contains(t, string(b), "ttft p95", name)
		}
		page, err := os.ReadFile(filepath.Join(dir, "history.html"))
		require.NoError(t, err)
		for _, want := range []string{"commit 9c25bd3f0a1b, gpu-driver 570.86", "9 January 2000", "Over the last 41 runs", "this run"} {
			assert.Regexp(t, "(?i)"+regexp.QuoteMeta(want), string(page))
		}

		server.slower = 0.12
		o, text = night()
		if o.Verdict == recipes.Met { // a single run need not show it
			o, text = night()
		}
		require.Equal(t, recipes.Missed, o.Verdict, text)
		require.Equal(t, recipes.Missed, o.Trend.Verdict())
		check("history_missed", "the server has become slower, and its limits still hold", text)
		page, err = os.ReadFile(filepath.Join(dir, "history.html"))
		require.NoError(t, err)
		assert.Contains(t, string(page), "worse than before, this run")

		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("<<<<<<< HEAD\n\ndate: 2000-03-01T00:00:00Z\nrecipe: fixed-concurrency-64\nBenchmarkRecipe/fixed-conc")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		o, text = night()
		require.Equal(t, recipes.Missed, o.Verdict, "a loss stays found")
		check("history_torn", "somebody has spoilt the file, and a run was killed while it wrote", text)
	})
}

// TestHistoryAccepted: AIPERF_UPDATE_BASELINE=1 begins a new level.
func TestHistoryAccepted(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AIPERF_URL", "")
	server := &days{rng: rand.New(rand.NewPCG(3, 3))}
	synctest.Test(t, func(t *testing.T) {
		night := func() *recipes.Outcome {
			time.Sleep(24 * time.Hour)
			server.next()
			f := &fakeT{TB: fixedDir{t, t.TempDir()}, name: "TestNightly"}
			var out *recipes.Outcome
			done := make(chan struct{})
			go func() {
				defer close(done)
				out = aiperftest.Run(f, recipes.Fixed(64), aiperftest.Prober(server), aiperftest.Seed(7), aiperftest.Charts(false),
					aiperftest.TTFT(400*time.Millisecond), aiperftest.History("history.txt", history.Rule{}))
			}()
			<-done
			return out
		}
		for range 30 {
			night()
		}
		server.slower = 0.2
		require.Equal(t, recipes.Missed, night().Verdict)
		require.NoError(t, os.Setenv("AIPERF_UPDATE_BASELINE", "1"))
		o := night()
		require.NoError(t, os.Unsetenv("AIPERF_UPDATE_BASELINE"))
		require.Equal(t, recipes.Met, o.Verdict)
		for range 5 {
			require.Equal(t, recipes.Met, night().Verdict)
		}
		runs, problems, err := history.ReadFile("history.txt")
		require.NoError(t, err)
		assert.Empty(t, problems)
		marks := map[history.Mark]int{}
		for _, r := range runs {
			marks[r.Mark]++
		}
		assert.Equal(t, map[history.Mark]int{history.Plain: 35, history.Worse: 1, history.Accepted: 1}, marks)
	})
}

// TestHistoryMisuse: what is wrong with a history is said before anything is measured.
func TestHistoryMisuse(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		why  string
		opts aiperftest.Options
		want string
	}{
		{"a rule that cannot be", aiperftest.Options{aiperftest.History(dir, history.Rule{FalseAlarm: 1})},
			`use aiperftest.History("` + filepath.Join(dir, "history.txt") + `"): a false alarm in 1 of the runs cannot be`},
		{"two", aiperftest.Options{aiperftest.History(dir, history.Rule{}, history.Rule{})}, "2 rules cannot be; give one, or none"},
		{"a tolerance that cannot be", aiperftest.Options{aiperftest.History(dir, history.Rule{}), aiperftest.Tolerance(5)},
			"a tolerance of 5 cannot be"},
		{"a fact with a name of the run's own", aiperftest.Options{aiperftest.Label("Model", "x")},
			`use aiperftest.Label("Model", …): "Model" is a name of the run's own; choose another`},
		{"a form that is none", aiperftest.Options{aiperftest.Artifacts("out", "llm-d", "csv")},
			`use aiperftest.Artifacts("out", "csv"): there is no such form of a run's files; use "llm-d", or none`},
		{"a fact without a name", aiperftest.Options{aiperftest.Label("1:", "x")}, "cannot be the name of a fact; begin it with a letter"},
	} {
		f := run(t, "TestNightly", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(4), tt.opts, aiperftest.Prober(&curve{ttft: linear(2)}))
		})
		assert.True(t, f.failed, tt.why)
		assert.Contains(t, strings.Join(strings.Fields(strings.Join(f.errs, " ")), " "), tt.want, tt.why)
	}
}

// spoiling is a prober during whose probe the history's folder becomes a file.
type spoiling struct {
	curve
	folder string
}

func (s *spoiling) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	if err := os.WriteFile(s.folder, nil, 0o666); err != nil {
		return nil, err
	}
	return s.curve.Probe(ctx, l, d)
}

// A history that cannot be read or written any more costs a warning, and not the run.
func TestHistoryUnwritten(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "nightly")
	synctest.Test(t, func(t *testing.T) {
		f := run(t, "TestNightly", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(4), aiperftest.Prober(&spoiling{curve{ttft: linear(2)}, folder}), aiperftest.Charts(false),
				aiperftest.History(filepath.Join(folder, "history.txt")))
		})
		assert.Empty(t, f.errs)
		assert.Contains(t, strings.Join(f.logs, "\n"), "read history")
	})
}

// Artifacts(dir, "llm-d") writes llm-d's report of each trial.
func TestArtifactsLLMD(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := run(t, "TestNightly", func(t aiperftest.T) {
			aiperftest.Run(t, recipes.Fixed(4), aiperftest.Prober(&curve{ttft: linear(2)}), aiperftest.Charts(false),
				aiperftest.Artifacts(dir, "llm-d"))
		})
		assert.Empty(t, f.errs)
	})
	assert.FileExists(t, filepath.Join(dir, "concurrency_4", "benchmark_report_v0.2,_profile_export_aiperf.json.yaml"))
}

// TestHistoryOfGates: a gate on a search is kept by what it measured at its floor, since its
// answer is the floor whatever the server does; a search by its answer; and a comparison of two
// endpoints by the new one.
func TestHistoryOfGates(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AIPERF_URL", "")
	common := aiperftest.Options{aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7),
		aiperftest.Concurrency(1, 200), aiperftest.TTFT(200 * time.Millisecond)}
	one := func(body func(aiperftest.T)) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeT{TB: fixedDir{t, t.TempDir()}, name: "TestNightly"}
			done := make(chan struct{})
			go func() { defer close(done); body(f) }()
			<-done
			require.Empty(t, f.errs)
		})
	}
	read := func(path string) []history.Run {
		runs, problems, err := history.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, problems)
		return runs
	}
	search := func(t aiperftest.T, opts ...aiperftest.Option) *recipes.Outcome {
		return aiperftest.Gate(t, "max-concurrency-under-sla", "capacity.json",
			append([]aiperftest.Option{common, aiperftest.Prober(&shaky{ttft: linear(2)})}, opts...)...)
	}
	t.Setenv("AIPERF_UPDATE_BASELINE", "1")
	one(func(t aiperftest.T) { search(t, aiperftest.History("gate.txt", history.Rule{})) })
	t.Setenv("AIPERF_UPDATE_BASELINE", "")
	for range 5 {
		one(func(t aiperftest.T) { search(t, aiperftest.History("gate.txt", history.Rule{})) })
	}
	runs := read("gate.txt")
	require.Len(t, runs, 6)
	assert.Equal(t, history.Accepted, runs[0].Mark)
	answer, ok := runs[0].Value("", "concurrency")
	require.True(t, ok, "the run that measured the baseline is a search")
	at := strings.TrimPrefix(runs[1].Series[0].Point, "concurrency=")
	assert.InDelta(t, 0.95*answer, number(t, at), 0.03*answer, "the floor")
	ttft, ok := runs[1].Value("concurrency="+at, "ttft-p95-ns")
	require.True(t, ok)
	assert.InDelta(t, 190e6, ttft, 15e6)
	assert.GreaterOrEqual(t, len(runs[1].Series[0].Values), 3, "a value a visit")

	var out *recipes.Outcome
	one(func(t aiperftest.T) {
		out = search(t, aiperftest.History("gate.txt", history.Rule{}))
	})
	moves := out.Trend.(*history.Trend).Moves
	require.Len(t, moves, 1, "the limit's metric, against the five runs of the same floor")
	assert.Equal(t, "ttft-p95-ns", moves[0].Unit)
	assert.Equal(t, 5, moves[0].N)

	one(func(t aiperftest.T) {
		aiperftest.RunRecipe(t, "max-concurrency-under-sla", common, aiperftest.Style(recipes.Monotonic), aiperftest.ProbeTime(time.Minute),
			aiperftest.Prober(&shaky{ttft: linear(2)}), aiperftest.History("search.txt"))
		aiperftest.Compare(t, recipes.Fixed(64), "http://old:8000", "http://new:8000", aiperftest.Charts(false), aiperftest.Seed(7),
			aiperftest.Prober(&shaky{ttft: linear(2)}), aiperftest.History("compare.txt"))
	})
	_, ok = read("search.txt")[0].Value("", "concurrency")
	assert.True(t, ok)
	compared := read("compare.txt")
	require.Len(t, compared, 1)
	assert.Equal(t, "fixed-concurrency-64", compared[0].Recipe)
}

// number is a text as a number.
func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}
