package aiperftest_test

import (
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
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// virtually runs a gate in virtual time, with the load generator as its prober and an
// in-memory server.
func virtually(t *testing.T, step time.Duration, gate func(aiperftest.T, aiperftest.Option)) *fakeT {
	dir := t.TempDir()
	var f *fakeT
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{Step: step, MaxBatch: 8})
		defer srv.Close()
		g, err := loadgen.New(loadgen.Target{URL: srv.URL, Dial: srv.Dial})
		require.NoError(t, err)
		defer g.Close()
		f = run(t, "TestGate", func(ft aiperftest.T) {
			ft.(*fakeT).TB = fixedDir{t, dir}
			gate(ft, aiperftest.Prober(g))
		})
	})
	return f
}

// TestGateRoundTrip writes a baseline and holds the same server, and one that
// lost two thirds of its speed, against it: both kinds of baseline. The script
// update_baseline does the same over HTTP.
func TestGateRoundTrip(t *testing.T) {
	small := aiperftest.Options{aiperftest.Seed(7), aiperftest.Tokens(8, 4), aiperftest.Requests(60), aiperftest.Charts(false),
		aiperftest.Tolerance(0.3)}
	for _, tt := range []struct {
		name, file string
		gate       func(aiperftest.T, string, ...aiperftest.Option) *recipes.Outcome
	}{
		{"capacity", "capacity.json", func(t aiperftest.T, path string, opts ...aiperftest.Option) *recipes.Outcome {
			return aiperftest.Gate(t, "max-concurrency-under-sla", path, small, aiperftest.Concurrency(1, 64),
				aiperftest.TTFT(20*time.Millisecond), aiperftest.Options(opts))
		}},
		{"fixed", "fixed.txt", func(t aiperftest.T, path string, opts ...aiperftest.Option) *recipes.Outcome {
			return aiperftest.GateRun(t, recipes.Fixed(12), path, small, aiperftest.E2E(10*time.Second), aiperftest.Options(opts))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "testdata", tt.file)
			var out *recipes.Outcome
			gate := func(step time.Duration) *fakeT {
				return virtually(t, step, func(ft aiperftest.T, server aiperftest.Option) { out = tt.gate(ft, path, server) })
			}
			missing := gate(4 * time.Millisecond)
			assert.True(t, missing.failed)
			assert.Contains(t, unfolded(missing.transcript()), "run this test once with AIPERF_UPDATE_BASELINE=1")

			t.Setenv("AIPERF_UPDATE_BASELINE", "1")
			f := gate(4 * time.Millisecond)
			require.Empty(t, f.errs)
			assert.Equal(t, recipes.Met, out.Verdict)
			assert.Contains(t, f.transcript(), "baseline:  written to "+path)
			first, err := os.ReadFile(path)
			require.NoError(t, err)

			t.Setenv("AIPERF_UPDATE_BASELINE", "")
			f = gate(4 * time.Millisecond)
			assert.Empty(t, f.errs)
			assert.Equal(t, recipes.Met, out.Verdict)
			t.Log(f.transcript())
			f = gate(12 * time.Millisecond)
			require.Len(t, f.errs, 1)
			assert.Equal(t, recipes.Missed, out.Verdict)
			t.Log(f.transcript())
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, first, after, "a comparison leaves the baseline alone")
			assert.NotContains(t, strings.Join(files(t, filepath.Dir(path)), " "), "tmp")
		})
	}
}

// TestCompare takes turns between two servers over HTTP: one endpoint rests while
// the other is loaded, and the slower one is found. It is four times as slow, so that
// what else the machine does cannot hide it. It was run beside the other tests: then it was
// hidden all the same.
func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		why     string
		new     simserver.Model
		block   int
		verdict recipes.Verdict
	}{
		{"equal servers", simserver.Model{Step: 3 * time.Millisecond, MaxBatch: 8}, 45, recipes.Met},
		{"a slower one", simserver.Model{Step: 12 * time.Millisecond, MaxBatch: 8}, 24, recipes.Missed},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			old, new := simserver.New(simserver.Model{Step: 3 * time.Millisecond, MaxBatch: 8}), simserver.New(tt.new)
			defer old.Close()
			defer new.Close()
			var dir string
			var out *recipes.Outcome
			var f *fakeT
			// What a client that was late has measured is no verdict on anything: once more.
			for range 3 {
				dir = t.TempDir()
				f = run(t, "TestCompare", func(ft aiperftest.T) {
					out = aiperftest.Compare(ft, recipes.Fixed(8), old.URL, new.URL, aiperftest.Tokens(8, 4), aiperftest.Requests(tt.block),
						aiperftest.Seed(7), aiperftest.Tolerance(0.25), aiperftest.E2E(10*time.Second), aiperftest.Charts(false),
						aiperftest.Artifacts(dir))
				})
				if out.Verdict != recipes.Inconclusive || !strings.Contains(f.transcript(), "not trusted") {
					break
				}
				t.Logf("the client was late; once more after\n%s", f.transcript())
			}
			assert.Equal(t, tt.verdict, out.Verdict, f.transcript())
			assert.Equal(t, tt.verdict == recipes.Missed, len(f.errs) > 0)
			comparison, ok := out.Comparison.(*bench.Comparison)
			require.True(t, ok)
			for _, c := range comparison.Changes {
				assert.Equal(t, 8, c.N1)
				assert.Equal(t, 8, c.N2)
			}
			names := files(t, dir)
			assert.Contains(t, names, "old/bench.txt")
			assert.Contains(t, names, "new/bench.txt")
			t.Log(f.transcript())
		})
	}
}

// TestCompareTooFew: too few trials to show a change are refused before anything is
// measured, and a sweep takes as many as its metrics need.
func TestCompareTooFew(t *testing.T) {
	f := run(t, "TestCompare", func(ft aiperftest.T) {
		aiperftest.Compare(ft, recipes.Fixed(8), "http://127.0.0.1:1", "http://127.0.0.1:2", aiperftest.Trials(4))
	})
	assert.True(t, f.failed)
	assert.Contains(t, unfolded(f.transcript()), "4 measurements of each endpoint are too few to show any change; use aiperftest.Trials(7)")
	assert.NotContains(t, f.transcript(), "waiting", "nothing was asked of the endpoints")
	enough, can := bench.Enough(20, 8, true)
	assert.False(t, can, "eight cannot show a change in 220 metrics")
	assert.Greater(t, enough, 8)
}

// A search cannot take turns.
func TestCompareSearch(t *testing.T) {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	f := run(t, "TestCompare", func(ft aiperftest.T) {
		aiperftest.Compare(ft, r, "http://127.0.0.1:1", "http://127.0.0.1:2", aiperftest.TTFT(time.Second))
	})
	assert.True(t, f.failed)
	assert.Contains(t, unfolded(f.transcript()), "use recipes.Fixed or a sweep")
}
