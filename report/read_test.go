package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// noisy is a prober whose numbers are a function of the load and of how often it
// was visited.
type noisy struct {
	visits map[int]int
	stop   func(probe int) error
	probes int
}

// Wait lets no time pass: the numbers do not depend on it.
func (n *noisy) Wait(context.Context, time.Duration) bool { return true }

func (n *noisy) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	if n.stop != nil {
		if err := n.stop(n.probes); err != nil {
			return nil, err
		}
	}
	n.probes++
	n.visits[l.Concurrency]++
	wobble := 1 + 0.03*float64((l.Concurrency*31+n.visits[l.Concurrency]*17)%7-3)/3
	c := float64(l.Concurrency)
	single := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	return &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagTTFT: {Unit: "ms", Stats: map[string]float64{"p95": (20 + c*1.3) * wobble},
			SE: map[string]float64{"p95": 0.03 * (20 + c*1.3)}},
		loadgen.TagTokenRate: single(8000 * c / (c + 200) * wobble),
		loadgen.TagErrorRate: single(0),
		loadgen.TagCompleted: single(300),
		loadgen.TagErrors:    single(0),
	}}, nil
}

func spec(p recipes.Prober, style recipes.Style) recipes.Spec {
	return recipes.Spec{Prober: p, Workload: loadgen.Load{Seed: 11}, Inputs: recipes.Inputs{TTFT: new(200.0), Style: style}}
}

// TestResume: a run that is broken off after any probe, written, read back and
// gone on with, comes to the very steps and answer of one that never was.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, style := range []recipes.Style{recipes.Monotonic, recipes.SmoothIsotonic, recipes.BO, recipes.Optuna} {
		t.Run(string(style), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // a failed probe is tried again, some time later
				r, err := recipes.Lookup("max-throughput-ttft-sla")
				require.NoError(t, err)
				whole, err := recipes.Run(t.Context(), r, spec(&noisy{visits: map[int]int{}}, style))
				require.NoError(t, err)
				n := len(whole.Probes)
				for _, at := range []int{1, 2, n / 2, n - 1} {
					lost := errors.New("lost")
					first := &noisy{visits: map[int]int{}, stop: func(probe int) error {
						if probe == at {
							return lost
						}
						return nil
					}}
					broken, err := recipes.Run(t.Context(), r, spec(first, style))
					require.ErrorIs(t, err, lost)
					var file bytes.Buffer
					require.NoError(t, report.History(&file, broken))
					earlier, err := report.ReadHistory(&file)
					require.NoError(t, err)

					s := spec(&noisy{visits: first.visits}, style)
					s.Workload.Seed = 99 // the earlier run's wins
					s.Resume = earlier
					out, err := recipes.Run(t.Context(), r, s)
					require.NoError(t, err)
					assert.Equal(t, at, out.Resumed)
					require.Len(t, out.Probes, len(whole.Probes), "after %d probes", at)
					for i := range whole.Probes {
						assert.Equal(t, whole.Probes[i].Step, out.Probes[i].Step)
					}
					assert.Equal(t, whole.Best.Concurrency(), out.Best.Concurrency())
					assert.Equal(t, whole.Boundary.Safe, out.Boundary.Safe)
					assert.Equal(t, whole.Reason, out.Reason)
					assert.Equal(t, whole.Verdict, out.Verdict)
				}
			})
		})
	}
}

// A file has the ends of an interval and those of a bracket in one place; reading it back
// tells them apart.
func TestReadBoundary(t *testing.T) {
	r, err := recipes.Lookup("max-throughput-ttft-sla")
	require.NoError(t, err)
	for style, level := range map[recipes.Style]float64{
		recipes.Monotonic: 0, recipes.SmoothIsotonic: 0.95, recipes.Sequential: 0.95, recipes.BO: 0.90, recipes.Optuna: 0.90,
	} {
		t.Run(string(style), func(t *testing.T) {
			out, err := recipes.Run(t.Context(), r, spec(&noisy{visits: map[int]int{}}, style))
			require.NoError(t, err)
			assert.Equal(t, level, out.Boundary.Level)
			var file bytes.Buffer
			require.NoError(t, report.History(&file, out))
			back, err := report.ReadHistory(&file)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(out.Boundary.Interval, out.Boundary.Bracket), fmt.Sprint(back.Boundary.Interval, back.Boundary.Bracket))
			for i, p := range back.Probes {
				assert.Equal(t, out.Probes[i].Step, p.Observed.Asked, "the step is read back, too")
			}
		})
	}
}

// TestResumeRefused: another question's history is refused, with the difference.
func TestResumeRefused(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	out, err := recipes.Run(t.Context(), r, spec(&noisy{visits: map[int]int{}}, recipes.Monotonic))
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, report.History(&file, out))
	text := file.String()
	for _, tt := range []struct {
		why    string
		change func(*recipes.Spec)
		recipe string
		says   string
	}{
		{"recipe", func(*recipes.Spec) {}, "max-throughput-ttft-sla", "its recipe was max-concurrency-under-sla"},
		{"style", func(s *recipes.Spec) { s.Inputs.Style = recipes.BO }, r.Name, "its style was monotonic and is now bo"},
		{"limit", func(s *recipes.Spec) { s.Inputs.TTFT = new(100.0) }, r.Name, "its SLA was [ttft p95 < 200ms] and is now [ttft p95 < 100ms]"},
		{"workload", func(s *recipes.Spec) { s.Workload.ISL = 7 }, r.Name, "its workload was 550/128 tokens and is now 7/128 tokens"},
		{"laws of lengths", func(s *recipes.Spec) { s.Workload.Workload.OSL = workload.Normal(128, 30) }, r.Name,
			"its workload was 550/128 tokens in/out and is now 550/normal 128±30 tokens in/out"},
		{"probe", func(s *recipes.Spec) { s.Workload.Requests = 7 }, r.Name, "its probe was 1 × 300 requests"},
		{"space", func(s *recipes.Spec) { s.Inputs.Concurrency = recipes.Bounds{Max: new(7)} }, r.Name, "its search space was"},
	} {
		earlier, err := report.ReadHistory(strings.NewReader(text))
		require.NoError(t, err)
		s := spec(&noisy{visits: map[int]int{}}, recipes.Monotonic)
		s.Resume = earlier
		tt.change(&s)
		r, err := recipes.Lookup(tt.recipe)
		require.NoError(t, err)
		_, err = recipes.Run(t.Context(), r, s)
		assert.ErrorAs(t, err, new(*recipes.ResumeError), tt.why)
		assert.ErrorContains(t, err, tt.says, tt.why)
	}
	for _, text := range []string{"", "{}", "null", `{"schema":"aiperf-go/0"}`,
		strings.Replace(text, `"state": "full"`, `"state": "fulll"`, 1), text[:len(text)/2]} {
		_, err := report.ReadHistory(strings.NewReader(text))
		assert.ErrorAs(t, err, new(*report.HistoryError))
	}
}

// TestResumeWorkload: a run of a workload is resumed, and used as a baseline, with the same
// workload alone. What is in no text, such as a body field, counts as well.
func TestResumeWorkload(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	mixed := func(temperature float64) loadgen.Workload {
		return loadgen.Workload{ISL: workload.LogNormal(550, 300).Between(16, 4096), System: 64,
			Mix: []loadgen.Workload{{Weight: 3}, {Weight: 1, Body: map[string]any{"temperature": temperature}}}}
	}
	s := spec(&noisy{visits: map[int]int{}}, recipes.Monotonic)
	s.Workload.Workload = mixed(1)
	out, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, report.History(&file, out))
	for _, resuming := range []bool{true, false} {
		for temperature, refused := range map[float64]bool{1: false, 0.5: true} {
			earlier, err := report.ReadHistory(bytes.NewReader(file.Bytes()))
			require.NoError(t, err)
			assert.True(t, earlier.Spec.Workload.Workload.Same(mixed(1)))
			now := s
			now.Prober = &noisy{visits: map[int]int{}}
			now.Workload.Workload = mixed(temperature)
			if resuming {
				earlier.Reason = recipes.ReasonCancelled
				now.Resume = earlier
			} else {
				now.Baseline = earlier
			}
			_, err = recipes.Run(t.Context(), r, now)
			if !refused {
				assert.NoError(t, err)
				continue
			}
			require.ErrorAs(t, err, new(*recipes.ResumeError))
			assert.Regexp(t, `its workload was log-normal 550±300 in \[16, 4096\]/128 tokens in/out, .* \(checksum ........\) and is now .*`+
				`checksum`, err.Error())
		}
	}
	_, err = report.ReadHistory(strings.NewReader(strings.Replace(file.String(), `"log-normal"`, `"zipf"`, 1)))
	assert.ErrorContains(t, err, `its workload cannot be used: ISL has the unknown law "zipf"`)
}

// FuzzReadHistory: whatever the file holds, it is an outcome or an error.
func FuzzReadHistory(f *testing.F) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	if err != nil {
		f.Fatal(err)
	}
	out, err := recipes.Run(f.Context(), r, spec(&noisy{visits: map[int]int{}}, recipes.Monotonic))
	if err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	if err := report.History(&file, out); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(`{"schema":"aiperf-go/1","iterations":[{"observation":{"at":[null]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := report.ReadHistory(bytes.NewReader(text))
		if (o == nil) == (err == nil) {
			t.Fatal("neither an outcome nor an error, or both")
		}
		if o != nil { // whatever is read can be run from, or is refused
			s := spec(&noisy{visits: map[int]int{}}, recipes.Monotonic)
			s.Resume = o
			_, _ = recipes.Run(t.Context(), r, s)
		}
	})
}

// TestReadSchemaBefore reads a file of the schema before, which had what was asked for among
// AIPerf's keys, and writes it again in this one.
func TestReadSchemaBefore(t *testing.T) {
	before, err := report.ReadHistoryFile("testdata/history-1.json")
	require.NoError(t, err)
	assert.Equal(t, 16, before.Spec.Workload.ISL)
	assert.Equal(t, 60, before.Spec.Workload.Requests)
	assert.Equal(t, 0.98, before.Spec.Confidence)
	assert.Equal(t, 1, before.Spec.Trials)
	require.NotNil(t, before.Plan.Search)
	assert.True(t, before.Plan.Search.Space[0].Log, "its dimension said log")
	var file bytes.Buffer
	require.NoError(t, report.History(&file, before))
	assert.Contains(t, file.String(), `"schema": "aiperf-go/2"`)
	assert.Contains(t, file.String(), `"prior": "log-uniform"`)
	assert.NotContains(t, file.String(), `"log":`)
	after, err := report.ReadHistory(&file)
	require.NoError(t, err)
	assert.Equal(t, before.Spec.Workload, after.Spec.Workload)
	assert.Equal(t, before.Plan, after.Plan)
	assert.Len(t, after.Probes, len(before.Probes))
}
