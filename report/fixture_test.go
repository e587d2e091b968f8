package report

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/turn"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// sim is one run against the simulated server, in virtual time.
type sim struct {
	recipe string
	fixed  int // concurrency of a fixed load, in place of the recipe
	inputs recipes.Inputs
	model  simserver.Model
	change func(*recipes.Spec)
	dir    *Dir
}

// run measures and writes, and returns the outcome and the folder.
func (s sim) run(t *testing.T) (*recipes.Outcome, string) {
	t.Helper()
	d := s.dir
	if d == nil {
		d = &Dir{Path: t.TempDir(), NoCharts: true} // drawing takes most of the time
	}
	var o *recipes.Outcome
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(s.model)
		defer srv.Close()
		r := recipes.Fixed(max(s.fixed, 1))
		if s.recipe != "" {
			var err error
			r, err = recipes.Lookup(s.recipe)
			require.NoError(t, err)
		}
		spec := recipes.Spec{
			Target:   loadgen.Target{URL: srv.URL, Dial: srv.Dial},
			Workload: loadgen.Load{ISL: 32, OSL: 8, Requests: 40, Window: 20 * time.Second, Seed: 7},
			Inputs:   s.inputs, Observe: d.Update,
		}
		if s.change != nil {
			s.change(&spec)
		}
		var err error
		o, err = recipes.Run(context.Background(), r, spec)
		require.NoError(t, err)
		synctest.Wait()
	})
	return o, d.Path
}

// standard are runs like those whose real files are in testdata/aiperf-runs.
var standard = map[string]sim{
	"mono": {recipe: "max-concurrency-under-sla", inputs: recipes.Inputs{TTFT: new(20.0), Style: recipes.Monotonic,
		Concurrency: between(1, 100)}},
	// A slow server has fewer requests between the visits that confirm an answer.
	"smooth": {recipe: "max-concurrency-under-sla", inputs: recipes.Inputs{TTFT: new(80.0), Style: recipes.SmoothIsotonic,
		Concurrency: between(1, 64)}, model: simserver.Model{Step: 20 * time.Millisecond, PerSeq: 200 * time.Microsecond,
		PerPromptToken: 40 * time.Microsecond}},
	"grid": {recipe: "max-concurrency-under-sla", inputs: recipes.Inputs{TTFT: new(20.0), E2E: new(200.0), Style: recipes.Grid,
		Concurrency: between(1, 64)}},
	"ttft": {recipe: "max-throughput-ttft-sla", inputs: recipes.Inputs{TTFT: new(60.0), Concurrency: between(1, 64), MaxProbes: new(7)}},
	"goodput": {recipe: "max-goodput-under-slo", inputs: recipes.Inputs{TTFT: new(60.0), ITL: new(50.0), E2E: new(500.0),
		Concurrency: between(1, 64), MaxProbes: new(6)}},
	"ramp":    {recipe: "concurrency-ramp", inputs: recipes.Inputs{Concurrency: between(1, 32), Steps: new(4)}},
	"prefill": {recipe: "prefill-ttft-curve", inputs: recipes.Inputs{ISL: between(64, 2048), Steps: new(4)}},
	"decode": {recipe: "decode-itl-curve", inputs: recipes.Inputs{Concurrency: between(1, 16), Steps: new(2), OSL: between(64, 128),
		OSLSteps: new(2)}},
	"pareto": {recipe: "pareto-sweep", inputs: recipes.Inputs{Pairs: new("32/8,64/16"), ConcurrencyList: []int{1, 8}}},
}

// A ranRun is a standard run, which is run once, for all tests.
type ranRun struct {
	sync.Mutex
	dir string
	out *recipes.Outcome
}

var ran sync.Map // the ranRun of a name

// standardRun returns a standard run.
func standardRun(t *testing.T, name string) *ranRun {
	t.Helper()
	v, _ := ran.LoadOrStore(name, &ranRun{})
	r := v.(*ranRun)
	r.Lock()
	defer r.Unlock()
	if r.dir == "" {
		dir, err := os.MkdirTemp(shared, name)
		require.NoError(t, err)
		s := standard[name]
		s.dir = &Dir{Path: dir, NoCharts: true}
		r.out, r.dir = s.run(t)
	}
	return r
}

// runDir is where a standard run's files are.
func runDir(t *testing.T, name string) string { return standardRun(t, name).dir }

// runOutcome is a standard run's outcome.
func runOutcome(t *testing.T, name string) *recipes.Outcome { return standardRun(t, name).out }

// revisited is the outcome of a standard run with n probes in place of its own, each
// a copy of the run's first that change makes another. What a test of what is made of
// an outcome needs is a few numbers, in an outcome that is otherwise real.
func revisited(t *testing.T, name string, n int, change func(i int, p *recipes.Probe)) *recipes.Outcome {
	t.Helper()
	o := *runOutcome(t, name)
	first := o.Probes[0]
	require.NotEmpty(t, first.Readings)
	o.Probes = nil
	for i := range n {
		p := first
		p.Readings = slices.Clone(first.Readings)
		change(i, &p)
		o.Probes = append(o.Probes, p)
	}
	return &o
}

var shared string

func TestMain(m *testing.M) {
	var err error
	if shared, err = os.MkdirTemp("", "report"); err != nil {
		panic(err)
	}
	code := turn.M{M: m, Parallel: 4, Aside: true}.Run()
	os.RemoveAll(shared)
	os.Exit(code)
}

func between(lo, hi int) recipes.Bounds { return recipes.Bounds{Min: &lo, Max: &hi} }

// tree lists the files below dir, with slashes.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	slices.Sort(names)
	return names
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return string(b)
}

// realRuns is where real files of AIPerf are.
const realRuns = "../testdata/aiperf-runs"

func realTree(t *testing.T, run string) []string {
	t.Helper()
	var out []string
	for _, line := range strings.Fields(read(t, realRuns, run, "tree.txt")) {
		out = append(out, strings.TrimPrefix(line, "./"))
	}
	return out
}
