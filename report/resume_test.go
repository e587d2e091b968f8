package report_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// versioned is noisy with a server that says what it is.
type versioned struct {
	noisy
	server loadgen.Server
	quiet  bool
}

func (v *versioned) Server() loadgen.Server { return v.server }
func (v *versioned) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := v.noisy.Probe(ctx, l, d)
	if m != nil && v.quiet {
		m.Warnings = append(m.Warnings, loadgen.ErrUnsaturated)
	}
	return m, err
}

// brokenOff is a search that was broken off after some probes, as its file has it.
func brokenOff(t *testing.T, probes int) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	p := &versioned{noisy: noisy{visits: map[int]int{}}, server: loadgen.Server{Model: "m", Version: "1"}}
	p.stop = func(probe int) error {
		if probe == probes {
			return errors.New("lost")
		}
		return nil
	}
	s := spec(p, recipes.Monotonic)
	s.Target.URL = "http://127.0.0.1:8000"
	out, err := recipes.Run(t.Context(), r, s)
	if probes >= 0 {
		require.ErrorContains(t, err, "lost")
	} else {
		require.NoError(t, err)
	}
	var file bytes.Buffer
	require.NoError(t, report.History(&file, out))
	back, err := report.ReadHistory(&file)
	require.NoError(t, err)
	return back
}

// TestResumeOfAnother: a run resumes one of the same endpoint, model and version, of a
// short while ago, that has something left to measure; and no other.
func TestResumeOfAnother(t *testing.T) {
	for _, tt := range []struct {
		why    string
		probes int // after which the earlier run was broken off; -1 when it was not
		url    string
		server loadgen.Server
		wait   time.Duration
		says   string
	}{
		{"the same", 3, "http://127.0.0.1:8000", loadgen.Server{Model: "m", Version: "1"}, time.Hour, ""},
		{"another endpoint", 3, "http://127.0.0.1:8001", loadgen.Server{Model: "m", Version: "1"}, time.Hour,
			"its endpoint was http://127.0.0.1:8000 and is now http://127.0.0.1:8001"},
		{"another model", 3, "http://127.0.0.1:8000", loadgen.Server{Model: "n", Version: "1"}, time.Hour, "its model was m and is now n"},
		{"another version", 3, "http://127.0.0.1:8000", loadgen.Server{Model: "m", Version: "2"}, time.Hour,
			"its server version was 1 and is now 2"},
		{"long ago", 3, "http://127.0.0.1:8000", loadgen.Server{Model: "m", Version: "1"}, 30 * time.Hour, "it is 30h0m0s old"},
		{"finished", -1, "http://127.0.0.1:8000", loadgen.Server{Model: "m", Version: "1"}, time.Hour,
			"it is finished (monotonic_precision_reached"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := recipes.Lookup("max-concurrency-under-sla")
				require.NoError(t, err)
				earlier := brokenOff(t, tt.probes)
				time.Sleep(tt.wait)
				p := &versioned{noisy: noisy{visits: map[int]int{}}, server: tt.server}
				s := spec(p, recipes.Monotonic)
				s.Target.URL, s.Resume = tt.url, earlier
				_, err = recipes.Run(t.Context(), r, s)
				if tt.says == "" {
					require.NoError(t, err)
					assert.Positive(t, p.probes)
					return
				}
				require.ErrorAs(t, err, new(*recipes.ResumeError))
				assert.ErrorContains(t, err, tt.says)
				assert.Zero(t, p.probes, "nothing is measured")
			})
		})
	}
}

// TestResumeAfterSilence: a run that ended because its client was busy goes on where it
// stopped; the probes that said nothing are no strike against it.
func TestResumeAfterSilence(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	p := &versioned{noisy: noisy{visits: map[int]int{}}, quiet: true}
	out, err := recipes.Run(t.Context(), r, spec(p, recipes.Monotonic))
	require.NoError(t, err)
	require.Equal(t, "untrusted", out.Reason)
	s := spec(&versioned{noisy: noisy{visits: map[int]int{}}}, recipes.Monotonic)
	s.Resume = out
	on, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, on.Verdict, on.Reason)
	assert.Greater(t, len(on.Probes), len(out.Probes)+2)
}

// TestResumeKeepsFiles: what an earlier run measured stands where it wrote it, byte by
// byte, when a later one goes on in the same folder.
func TestResumeKeepsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	earlier := brokenOff(t, 3)
	// The earlier run's own files, which have its requests.
	for i := range 3 {
		at := filepath.Join(dir, "search_iter_000"+string(rune('0'+i)), "profile_runs", "run_0001")
		require.NoError(t, os.MkdirAll(at, 0o777))
		for _, name := range []string{"profile_export.jsonl", "inputs.json", "profile_export_aiperf.json"} {
			require.NoError(t, os.WriteFile(filepath.Join(at, name), []byte("measured"), 0o666))
		}
	}
	d := report.Dir{Path: dir, NoCharts: true}
	s := spec(&versioned{noisy: noisy{visits: map[int]int{}}, server: loadgen.Server{Model: "m", Version: "1"}}, recipes.Monotonic)
	s.Target.URL, s.Resume, s.Observe = "http://127.0.0.1:8000", earlier, d.Update
	out, err := recipes.Run(t.Context(), r, s)
	require.NoError(t, err)
	require.Greater(t, len(out.Probes), 3)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && name < "search_iter_0003" && filepath.Dir(name) != "." && name[:7] == "search_" {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Equal(t, "measured", string(b), name)
		}
		return err
	}))
	assert.FileExists(t, filepath.Join(dir, "search_iter_0003", "profile_runs", "run_0001", "profile_export_aiperf.json"))
}
