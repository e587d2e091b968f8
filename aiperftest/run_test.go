package aiperftest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/internal/turn"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(turn.M{M: m, Parallel: 8}) }

// quick is a run of a second or two against a fast simulated server.
var quick = aiperftest.Options{
	aiperftest.Simulated(simserver.Model{Step: time.Millisecond, MaxBatch: 8}),
	aiperftest.Style(recipes.Monotonic), aiperftest.Seed(7),
	aiperftest.Tokens(8, 4), aiperftest.Requests(60), aiperftest.Concurrency(1, 64),
}

// unfolded undoes the breaking of long lines.
func unfolded(s string) string { return strings.Join(strings.Fields(s), " ") }

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	return names
}

// TestArtifacts: a run leaves AIPerf's files, whole and readable.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out *recipes.Outcome
	f := run(t, "TestCapacity", func(ft aiperftest.T) {
		out = aiperftest.RunRecipe(ft, "max-concurrency-under-sla", quick, aiperftest.TTFT(time.Second), aiperftest.Artifacts(dir))
	})
	require.Empty(t, f.errs)
	require.Equal(t, recipes.Met, out.Verdict)
	assert.Contains(t, f.transcript(), "artifacts: "+dir)
	assert.Contains(t, f.transcript(), "simulated")

	names := files(t, dir)
	assert.Contains(t, names, "search_history.json")
	for i := range out.Probes {
		for _, name := range []string{"profile_export_aiperf.json", "profile_export.jsonl"} {
			assert.Contains(t, names, filepath.ToSlash(filepath.Join("search_iter_000"+string(rune('0'+i)), "profile_runs",
				"run_0001", name)))
		}
		if i == 9 {
			break
		}
	}
	for _, name := range names {
		assert.NotContains(t, name, "tmp", "no half file is left")
	}
	var h struct {
		Recipe     string `json:"recipe"`
		Reason     string `json:"convergence_reason"`
		Verdict    string `json:"verdict"`
		Iterations []any  `json:"iterations"`
		Boundary   struct {
			Max struct {
				Value int `json:"value"`
			} `json:"feasible_max"`
		} `json:"boundary_summary"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "search_history.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &h))
	assert.Equal(t, "max-concurrency-under-sla", h.Recipe)
	assert.Equal(t, "met", h.Verdict)
	assert.Equal(t, out.Reason, h.Reason)
	assert.Len(t, h.Iterations, len(out.Probes))
	assert.Equal(t, out.Best.Concurrency(), h.Boundary.Max.Value)
	b, err = os.ReadFile(filepath.Join(dir, "search_iter_0000", "profile_runs", "run_0001", "profile_export.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, out.Probes[0].Requests(), strings.Count(string(b), "\n"), "a line a request")
}

// TestLostServer: what was learnt before the server died is on disk.
func TestLostServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := run(t, "TestCapacity", func(ft aiperftest.T) {
		aiperftest.RunRecipe(ft, "max-concurrency-under-sla", quick, aiperftest.TTFT(time.Second),
			aiperftest.Ready(time.Second), aiperftest.Artifacts(dir),
			aiperftest.Simulated(simserver.Model{Step: time.Millisecond, Faults: simserver.Faults{DieAfter: 400}}))
	})
	assert.True(t, f.failed)
	require.Len(t, f.errs, 1)
	assert.Contains(t, unfolded(f.errs[0]), "connection refused")
	assert.Contains(t, unfolded(f.errs[0]), "the endpoint was lost")
	b, err := os.ReadFile(filepath.Join(dir, "search_history.json"))
	require.NoError(t, err)
	assert.Contains(t, string(b), `"convergence_reason": "aborted"`)
	assert.Contains(t, files(t, dir), "search_iter_0000/profile_runs/run_0001/profile_export_aiperf.json")
}

// TestEnvironment fills in what the code leaves out, and the code wins.
func TestEnvironment(t *testing.T) {
	srv := simserver.New(simserver.Model{Name: "m", APIKey: "sekrit", Step: time.Millisecond})
	defer srv.Close()
	root := t.TempDir()
	t.Setenv("AIPERF_URL", srv.URL)
	t.Setenv("AIPERF_MODEL", "m")
	t.Setenv("AIPERF_API_KEY", "sekrit")
	t.Setenv("AIPERF_ARTIFACTS", root)
	t.Setenv("AIPERF_SEED", "99")
	for range 2 {
		var out *recipes.Outcome
		f := run(t, "TestFixed/a b", func(ft aiperftest.T) {
			out = aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Tokens(8, 4), aiperftest.Requests(20))
		})
		require.Empty(t, f.errs)
		assert.EqualValues(t, 99, out.Spec.Workload.Seed)
		assert.Equal(t, "m", out.Server.Model)
		assert.NotContains(t, f.transcript(), "sekrit")
	}
	names := files(t, root)
	assert.Contains(t, names, "aiperftest/TestFixed/a_b/concurrency_2/profile_export_aiperf.json")
	assert.Contains(t, names, "aiperftest/TestFixed/a_b_2/concurrency_2/profile_export_aiperf.json", "a second run takes another folder")
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.NotContains(t, string(b), "sekrit", name)
	}
}

func TestRequire(t *testing.T) {
	t.Setenv("AIPERF_URL", "")
	t.Setenv("AIPERF_REQUIRE", "1")
	f := run(t, "TestCapacity", func(ft aiperftest.T) { aiperftest.Run(ft, recipes.Fixed(1)) })
	assert.True(t, f.failed)
	assert.Empty(t, f.skipped)
	require.Len(t, f.errs, 1)
	assert.Contains(t, f.errs[0], "AIPERF_REQUIRE")
}

// TestWaiting: a test that waits for its endpoint says so, and for what.
func TestWaiting(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	f := run(t, "TestCapacity", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(1), aiperftest.Endpoint(gone.URL), aiperftest.Ready(100*time.Millisecond))
	})
	assert.True(t, f.failed)
	require.NotEmpty(t, f.logs)
	assert.Contains(t, f.transcript(), "log: waiting up to 100ms for endpoint "+gone.URL)
	assert.Contains(t, unfolded(f.errs[0]), "check the URL and that the server runs")
}

// TestOptions: the later option wins, and lists of options nest.
func TestOptions(t *testing.T) {
	var out *recipes.Outcome
	shared := aiperftest.Options{aiperftest.Seed(1), nil, aiperftest.Options{aiperftest.Seed(2), aiperftest.SLA("errors <= 10%")}}
	f := run(t, "TestOptions", func(ft aiperftest.T) {
		out = aiperftest.Run(ft, recipes.Fixed(2), quick, shared, aiperftest.Seed(3), aiperftest.SLA("e2e p95 < 2s"))
	})
	require.Empty(t, f.errs)
	assert.EqualValues(t, 3, out.Spec.Workload.Seed)
	require.Len(t, out.Plan.Limits, 2)
	assert.Equal(t, "errors <= 10%", out.Plan.Limits[0].String())
	assert.Equal(t, "e2e p95 < 2s", out.Plan.Limits[1].String())
}

// TestPanic: a panic inside a run is an error of the test, not its death.
func TestPanic(t *testing.T) {
	f := run(t, "TestPanic", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Prober(&curve{ttft: func(int) float64 { panic("boom") }}))
	})
	assert.True(t, f.failed)
	require.NotEmpty(t, f.errs)
	assert.Contains(t, f.errs[0], "boom")
}

// TestGPUOptions: the number of GPUs, their price and their page make limits on costs and energy
// possible.
func TestGPUOptions(t *testing.T) {
	dir := t.TempDir()
	f := run(t, "TestCost", func(t aiperftest.T) {
		aiperftest.Run(t, recipes.Fixed(4), aiperftest.Simulated(simserver.Model{Step: time.Millisecond, MaxBatch: 8, GPUs: 2}),
			aiperftest.GPUs(2), aiperftest.Price(2.5), aiperftest.SLA("cost < 100", "joules_per_token < 10", "per-gpu > 1"),
			aiperftest.Tokens(16, 8), aiperftest.Requests(40), aiperftest.Charts(false), aiperftest.Seed(7),
			aiperftest.Artifacts(dir))
	})
	assert.Empty(t, f.errs, f.transcript())
	assert.Regexp(t, `cost at concurrency 4: [\d.]+ per million output tokens, [\d.]+ per million tokens`, f.transcript())
}
