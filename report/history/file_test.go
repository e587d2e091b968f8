package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// steady is a prober that measures the same TTFT at each load, in ms.
type steady float64

func (l steady) Probe(_ context.Context, load loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	m := &loadgen.Measurement{Load: load, Metrics: map[string]loadgen.Metric{}}
	for tag, v := range map[string]float64{loadgen.TagTTFT: float64(l), loadgen.TagTokenRate: 1500, loadgen.TagCompleted: 300} {
		m.Metrics[tag] = loadgen.Metric{Stats: map[string]float64{"p95": v, "avg": v}}
	}
	return m, nil
}

// outcome is a run of fixed load.
func outcome(t testing.TB, ttft float64, change func(*recipes.Spec)) *recipes.Outcome {
	t.Helper()
	spec := recipes.Spec{Prober: steady(ttft), Trials: 2}
	if change != nil {
		change(&spec)
	}
	o, err := recipes.Run(context.Background(), recipes.Fixed(16), spec)
	require.NoError(t, err)
	o.Began = time.Date(2026, 11, 26, 3, 0, 12, 345, time.UTC)
	return o
}

// TestAppend writes runs and reads them back, facts, marks and all.
func TestAppend(t *testing.T) {
	dir := t.TempDir()
	path := Path(filepath.Join(dir, "nightly") + "/")
	assert.Equal(t, filepath.Join(dir, "nightly", "history.txt"), path)
	runs, problems, err := ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, runs)
	assert.Empty(t, problems)

	first := outcome(t, 84, func(s *recipes.Spec) {
		s.Label = "nightly"
		s.Facts = map[string]string{"GPU driver": "570.86\nrc1", "commit": "9c25bd3", "empty": ""}
	})
	require.NoError(t, Append(path, first, Plain))
	later := outcome(t, 86, nil)
	later.Began = later.Began.AddDate(0, 0, 1)
	require.NoError(t, Append(path, later, Accepted))
	assert.Equal(t, path, Path(filepath.Dir(path)), "a folder has one file")

	runs, problems, err = ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, problems)
	require.Len(t, runs, 2)
	r := runs[0]
	assert.Equal(t, time.Date(2026, 11, 26, 3, 0, 12, 0, time.UTC), r.Time)
	assert.Equal(t, "fixed-concurrency-16", r.Recipe)
	assert.Equal(t, "nightly", r.Label)
	assert.Equal(t, "met", r.Verdict)
	assert.Equal(t, map[string]string{"gpu-driver": "570.86 rc1", "commit": "9c25bd3"}, r.Facts)
	assert.Equal(t, "commit 9c25bd3, gpu-driver 570.86 rc1", r.Describe())
	assert.Equal(t, "isl 550, osl 128", r.Same)
	v, ok := r.Value("concurrency=16", ttft)
	assert.True(t, ok)
	assert.Equal(t, 84e6, v)
	assert.Len(t, r.Series[0].Values, 2, "each trial")
	assert.Empty(t, runs[1].Facts, "the next run has none of them")
	assert.Empty(t, runs[1].Label)
	assert.Equal(t, Accepted, runs[1].Mark)

	now, ok := Of(first)
	require.True(t, ok)
	r.Line, r.Mark = 0, Plain
	assert.Equal(t, r, now, "a run is what it is read back as")
	assert.Len(t, Among(path, runs, now).Runs, 2, "runs of another label are not compared")
}

// TestSameQuestion: the answers of a search within other limits are answers to another question,
// and what a fixed load measures is the same whatever the limits are.
func TestSameQuestion(t *testing.T) {
	search, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	of := func(r *recipes.Recipe, limit float64) Run {
		in := recipes.Inputs{Style: recipes.Monotonic, Limits: []sla.Limit{{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: limit}}}
		o, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: steady(84), Inputs: in})
		require.NoError(t, err)
		run, ok := Of(o)
		require.True(t, ok)
		return run
	}
	a, b := of(search, 200), of(search, 300)
	assert.Equal(t, "isl 550, osl 128, sla ttft p95 < 200ms", a.Same)
	assert.Len(t, Among("", []Run{a, b}, a).Runs, 2, "itself, and the one within the same limits")
	fixed := recipes.Fixed(16)
	a, b = of(fixed, 200), of(fixed, 300)
	assert.Len(t, Among("", []Run{a, b}, a).Runs, 3)
}

// TestBenchstat: benchstat reads the file, and its columns are the runs.
func TestBenchstat(t *testing.T) {
	slow.Test(t, slow.Processes)
	path := filepath.Join(t.TempDir(), "history.txt")
	for i, commit := range []string{"9c25bd3", "292bbff"} {
		o := outcome(t, 84+10*float64(i), func(s *recipes.Spec) { s.Facts = map[string]string{"commit": commit}; s.Trials = 6 })
		o.Began = o.Began.AddDate(0, 0, i)
		require.NoError(t, Append(path, o, Plain))
	}
	out, err := exec.Command("go", "tool", "benchstat", "-table", "isl,osl", "-ignore", "date", "-col", "commit", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"9c25bd3", "292bbff", "+11.90%", "p=0.002 n=6"} {
		assert.Contains(t, string(out), want)
	}
	assert.NotContains(t, string(out), "rror")
}

// TestTorn: what is no part of a record is named with its line and skipped, and so is a record
// without an end. What stands around it is read.
func TestTorn(t *testing.T) {
	block := string(record(outcome(t, 84, nil), Plain))
	lines := strings.SplitAfter(block, "\n")
	whole := func(day int) string {
		return "\n" + strings.ReplaceAll(block, "2026-11-26", fmt.Sprintf("2026-11-%d", day))
	}
	size := strings.Count(whole(1), "\n")
	for _, tt := range []struct {
		why, text string
		runs      int
		problems  []string
	}{
		{"an empty file", "", 0, nil},
		{"whole", whole(10) + whole(11), 2, nil},
		{"a text before and between", "PASS\n" + whole(10) + "<<<<<<< HEAD\n" + whole(11), 2, []string{
			`history h.txt:1: "PASS" is no line of a record; skipped`,
			fmt.Sprintf(`history h.txt:%d: "<<<<<<< HEAD" is no line of a record; skipped`, 2+size)}},
		{"a text within", "\n" + lines[0] + "what is this, and why does it stand here at all?\n" + strings.Join(lines[1:], ""), 1,
			[]string{`history h.txt:3: "what is this, and why does it stand here…" is no line of a record; skipped`}},
		{"benchmark lines of no record", "BenchmarkX 1 5 ns/op\n" + whole(10), 1,
			[]string{`history h.txt:1: "BenchmarkX 1 5 ns/op" is no line of a record; skipped`}},
		{"half a benchmark line", strings.Replace(whole(10), " 300 ", " 3x0 ", 1), 1,
			[]string{`"BenchmarkRecipe/fixed-concurrency-16/con…" is no benchmark line; skipped`}},
		{"no time", strings.Replace(whole(10), "2026-11-10", "yesterday", 1), 0,
			[]string{`history h.txt:2: "yesterdayT03:00:12Z" is no time; skipped`}},
		{"the file of another tool", "{\n\"a\": 1\n}\n", 0, []string{`h.txt:1: "{"`, `h.txt:2: "\"a\": 1"`, `h.txt:3: "}"`}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			runs, problems := Parse(strings.NewReader(tt.text), "h.txt")
			assert.Len(t, runs, tt.runs)
			require.Len(t, problems, len(tt.problems), "%v", problems)
			for i, want := range tt.problems {
				assert.ErrorContains(t, problems[i], want)
			}
		})
	}
	// Wherever the writing of a record stops, the one before it and the one after it are read,
	// and the one between them is not read with half of its numbers.
	first, torn := whole(10), whole(11)
	for end := 1; end < len(torn)-len("date:\n"); end++ {
		runs, problems := Parse(strings.NewReader(first+torn[:end]+whole(12)), "h.txt")
		require.Len(t, runs, 2, "%q", torn[:end])
		assert.Equal(t, 12, runs[1].Time.Day())
		if end > len("\ndate: 2026") {
			require.NotEmpty(t, problems, "%q", torn[:end])
			assert.Contains(t, errors.Join(problems...).Error(), fmt.Sprintf("h.txt:%d: the record that begins here has no end", size+2))
		}
		for _, r := range runs {
			v, _ := r.Value("concurrency=16", ttft)
			require.Equal(t, 84e6, v)
		}
	}
}

// TestAppendTogether: records that end at the same time do not mix.
func TestAppendTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.txt")
	const writers, each = 8, 20
	o := outcome(t, 84, func(s *recipes.Spec) { s.Facts = map[string]string{"args": strings.Repeat("--long-argument ", 2000)} })
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				assert.NoError(t, Append(path, o, Plain))
			}
		})
	}
	wg.Wait()
	runs, problems, err := ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.Len(t, runs, writers*each)
}

// A run without numbers to trust, or one that was cut short, is not kept.
func TestNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.txt")
	o := outcome(t, 84, nil)
	o.Reason = recipes.ReasonDeadline
	require.NoError(t, Append(path, o, Plain))
	o = outcome(t, 84, nil)
	o.Err = context.Canceled
	require.NoError(t, Append(path, o, Plain))
	require.NoError(t, Append(path, &recipes.Outcome{}, Plain))
	assert.NoFileExists(t, path)
	_, ok := Of(o)
	assert.False(t, ok)
}

// A file that cannot be written, or read, says so.
func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
	err := Append(filepath.Join(dir, "file", "history.txt"), outcome(t, 84, nil), Plain)
	assert.ErrorContains(t, err, "add the run to history")
	_, _, err = ReadFile(dir)
	if err == nil { // a folder can be opened, and not read
		_, problems, _ := ReadFile(dir)
		require.Len(t, problems, 1)
		assert.ErrorContains(t, problems[0], "read history")
	}
}

func TestKey(t *testing.T) {
	for name, want := range map[string]string{"driver": "driver", "GPU Driver": "gpu-driver", "vllm.args": "vllm.args"} {
		key, err := Key(name)
		require.NoError(t, err)
		assert.Equal(t, want, key)
	}
	for _, name := range []string{"", "7b", "a:b", "model", "date", "Benchmark", "-"} {
		_, err := Key(name)
		assert.Error(t, err, name)
	}
}

// FuzzParse: no file ends in a panic, and what is read of a record is what stands there.
func FuzzParse(f *testing.F) {
	block := record(outcome(f, 84, nil), Plain)
	f.Add(block)
	f.Add(bytes.Repeat(append([]byte("\n"), block...), 2))
	f.Add(block[:len(block)/2])
	f.Add([]byte("date: 2026-11-26T03:00:12Z\ndate:\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, problems := Parse(bytes.NewReader(text), "h.txt")
		for _, r := range runs {
			assert.NotEmpty(t, r.Series)
		}
		for _, p := range problems {
			assert.NotEmpty(t, p.Error())
		}
	})
}
