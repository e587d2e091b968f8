// Package measure asks every recipe's question of the server in AIPERF_URL, at sizes
// that a small server on a few cores answers in seconds. run.sh compiles it and runs the
// binary against each server.
package measure

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

var (
	isl      = flag.Int("isl", 64, "prompt tokens")
	osl      = flag.Int("osl", 32, "tokens of an answer")
	requests = flag.Int("requests", 200, "requests of a fixed load")
	points   = flag.Int("points", 40, "requests of a recipe's probe")
	most     = flag.Int("most", 12, "highest concurrency of a recipe")
	out      = flag.String("out", "", "folder of the artifacts; empty for a temporary one")
)

// Line is what a run found. It is written beside the run's artifacts as line.json.
type Line struct {
	Run     string  `json:"run"`
	Passed  bool    `json:"passed"`
	Finding string  `json:"finding"`
	Probes  int     `json:"probes"`
	Seconds float64 `json:"seconds"`
}

// TestFixed measures one request in flight and four, and one of the other protocol.
func TestFixed(t *testing.T) {
	for _, c := range []struct {
		name     string
		recipe   *recipes.Recipe
		protocol loadgen.Protocol
	}{
		{"fixed-1", recipes.Fixed(1), loadgen.Chat},
		{"fixed-4", recipes.Fixed(4), loadgen.Chat},
		{"completions-1", recipes.Fixed(1), loadgen.Completions},
	} {
		t.Run(c.name, func(t *testing.T) {
			measure(t, c.name, c.recipe, aiperftest.Requests(*requests), aiperftest.EndpointType(c.protocol))
		})
	}
}

// TestRecipes runs the eight recipes. Their limits are multiples of what a single request
// meets, so that a search has something to find on a machine of any speed.
func TestRecipes(t *testing.T) {
	alone := measure(t, "alone", recipes.Fixed(1), aiperftest.Requests(*points))
	times := func(tag loadgen.Tag, factor float64) time.Duration {
		require.NotEmpty(t, alone.Probes)
		v, ok := alone.Probes[0].Stat(tag, "p95")
		require.True(t, ok, "a single request has no %s", tag)
		return time.Duration(v * factor * float64(time.Millisecond))
	}
	ttft := aiperftest.TTFT(times(loadgen.TagTTFT, 4))
	itl := aiperftest.ITL(times(loadgen.TagITL, 3))
	e2e := aiperftest.E2E(times(loadgen.TagLatency, 4))
	search := aiperftest.Options{aiperftest.Requests(*points), aiperftest.Concurrency(1, *most), aiperftest.MaxProbes(8)}
	sweep := aiperftest.Options{aiperftest.Requests(*points), aiperftest.Concurrency(1, *most)}

	for _, c := range []struct {
		name string
		opts aiperftest.Options
	}{
		{"max-throughput-ttft-sla", aiperftest.Options{search, ttft}},
		{"max-throughput-itl-sla", aiperftest.Options{search, itl}},
		{"max-concurrency-under-sla", aiperftest.Options{search, e2e}},
		{"max-goodput-under-slo", aiperftest.Options{search, ttft, itl, e2e}},
		{"concurrency-ramp", aiperftest.Options{sweep, aiperftest.Steps(3)}},
		{"prefill-ttft-curve", aiperftest.Options{aiperftest.Requests(*points), aiperftest.ISL(64, 1024), aiperftest.Steps(3)}},
		{"decode-itl-curve", aiperftest.Options{sweep, aiperftest.Steps(2), aiperftest.OSL(16, 64), aiperftest.OSLSteps(2)}},
		{"pareto-sweep", aiperftest.Options{aiperftest.Requests(*points), aiperftest.Pairs("32/16,256/16"), aiperftest.ConcurrencyList(1, 4)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			recipe, err := recipes.Lookup(c.name)
			require.NoError(t, err)
			out := measure(t, c.name, recipe, c.opts)
			assert.NoError(t, out.Err)
		})
	}
}

// measure runs a recipe, and writes what it found.
func measure(t *testing.T, name string, r *recipes.Recipe, opts ...aiperftest.Option) *recipes.Outcome {
	t.Helper()
	dir := t.TempDir()
	if *out != "" {
		dir = filepath.Join(*out, name)
	}
	l := Line{Run: name, Finding: "it could not be measured"}
	begun := time.Now()
	defer func() {
		l.Passed, l.Seconds = !t.Failed(), time.Since(begun).Seconds()
		if text, err := os.ReadFile(filepath.Join(dir, "summary.md")); err == nil {
			first, _, _ := strings.Cut(string(text), "\n")
			_, l.Finding, _ = strings.Cut(first, ": ")
		}
		b, err := json.Marshal(l)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "line.json"), b, 0o666))
	}()
	run := aiperftest.Run(t, r, append(opts, aiperftest.Artifacts(dir), aiperftest.Tokens(*isl, *osl), aiperftest.Charts(false))...)
	l.Probes = len(run.Probes)
	return run
}
