//go:build unix

package aiperftest_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// indexed is a prober that is deterministic in (seed, probe index): what the
// n-th probe of a search sees does not depend on the process that runs it.
type indexed struct {
	next int      // index of the next probe
	log  *os.File // a line as each probe starts; nil: none
	wait time.Duration
}

func (p *indexed) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	i := p.next
	p.next++
	if p.log != nil {
		fmt.Fprintf(p.log, "%d\n", i)
	}
	time.Sleep(p.wait)
	rng := rand.New(rand.NewPCG(l.Seed, uint64(i)))
	c := float64(l.Concurrency)
	ttft := (20 + 1.3*c) * (1 + 0.03*rng.NormFloat64())
	single := func(v float64) loadgen.Metric { return loadgen.Metric{Stats: map[string]float64{"avg": v}} }
	return &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{
		loadgen.TagTTFT:      {Unit: "ms", Stats: map[string]float64{"p95": ttft}, SE: map[string]float64{"p95": 0.03 * ttft}},
		loadgen.TagTokenRate: single(8000 * c / (c + 200)),
		loadgen.TagErrorRate: single(0),
		loadgen.TagCompleted: single(300),
		loadgen.TagErrors:    single(0),
	}}, nil
}

func search(t aiperftest.T, style recipes.Style, dir string, more ...aiperftest.Option) *recipes.Outcome {
	return aiperftest.RunRecipe(t, "max-concurrency-under-sla", aiperftest.Style(style),
		aiperftest.TTFT(200*time.Millisecond), aiperftest.Seed(5), aiperftest.Charts(false),
		aiperftest.Artifacts(dir), aiperftest.Resume(filepath.Join(dir, "search_history.json")), aiperftest.Options(more))
}

// served searches a server over HTTP.
func served(t aiperftest.T, url, dir string) *recipes.Outcome {
	return search(t, recipes.Sequential, dir, aiperftest.Endpoint(url), aiperftest.Tokens(64, 8), aiperftest.Requests(120),
		aiperftest.TTFT(150*time.Millisecond), aiperftest.Concurrency(60, 240), aiperftest.ReportOnly())
}

// TestKilledChild is the process that TestKilled kills; by itself it has nothing
// to do.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv("AIPERF_TEST_KILLED")
	if dir == "" {
		return
	}
	if url := os.Getenv("AIPERF_TEST_KILLED_URL"); url != "" {
		served(t, url, dir)
		return
	}
	log, err := os.OpenFile(filepath.Join(dir, "probes.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	require.NoError(t, err)
	p := &indexed{log: log, wait: 15 * time.Millisecond}
	if o, err := report.ReadHistoryFile(filepath.Join(dir, "search_history.json")); err == nil {
		if o.Reason != "" {
			return // it was killed when it had just ended
		}
		p.next = len(o.Probes)
	}
	search(t, recipes.Style(os.Getenv("AIPERF_TEST_KILLED_STYLE")), dir, aiperftest.Prober(p))
}

// TestKilled kills searches with SIGKILL, between and within probes, 20 times in
// all at random moments: no file is corrupt, no completed probe is repeated, and the
// final answer is that of a search that was never interrupted.
func TestKilled(t *testing.T) {
	slow.Test(t, slow.Processes)
	t.Parallel()
	for style, kills := range map[recipes.Style]int{recipes.Monotonic: 8, recipes.Sequential: 6, recipes.SmoothIsotonic: 3, recipes.BO: 3} {
		t.Run(string(style), func(t *testing.T) {
			t.Parallel()
			killed(t, style, kills)
		})
	}
}

func killed(t *testing.T, style recipes.Style, least int) {
	whole := search(t, style, t.TempDir(), aiperftest.Prober(&indexed{}))
	require.Equal(t, recipes.Met, whole.Verdict)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for kills := 0; kills < least; {
		dir := t.TempDir()
		mercy := kills + 6 // then the process is let live: a slow machine must not make this endless
		for finished := false; !finished; {
			before := completed(t, dir)
			child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$", "-test.count=1")
			child.Env = append(os.Environ(), "AIPERF_TEST_KILLED="+dir, "AIPERF_TEST_KILLED_STYLE="+string(style))
			require.NoError(t, child.Start())
			exited := make(chan error, 1)
			go func() { exited <- child.Wait() }()
			life := time.Duration(30+rng.IntN(600)) * time.Millisecond
			if kills >= mercy {
				life = time.Minute
			}
			select {
			case err := <-exited:
				require.NoError(t, err)
				finished = true
			case <-time.After(life):
				_ = child.Process.Kill()
				if err := <-exited; err == nil {
					finished = true // it was faster
				} else {
					kills++
				}
			}
			for _, i := range started(t, dir) {
				assert.GreaterOrEqual(t, i, before, "a completed probe was repeated")
			}
			require.NoError(t, os.Remove(filepath.Join(dir, "probes.log")), "each process starts a probe")
		}
		out, err := report.ReadHistoryFile(filepath.Join(dir, "search_history.json"))
		require.NoError(t, err)
		assert.Equal(t, whole.Boundary.Safe, out.Boundary.Safe)
		assert.Equal(t, whole.Reason, out.Reason)
		assert.Len(t, out.Probes, len(whole.Probes))
		t.Logf("%d kills so far", kills)
	}
}

var httpKills = flag.Int("kills", 0, "how often TestKilledHTTP kills its search")

// TestKilledHTTP kills a search of a served model within its probes: the answer is
// within 5% of that of a search that was let alone. It takes a minute, and holds one
// measured answer to another, so that it runs when it is asked for:
//
//	go test ./aiperftest -run TestKilledHTTP -kills 5
//
// TestKilled has the same, 20 times, with a prober whose numbers are exact.
func TestKilledHTTP(t *testing.T) {
	if *httpKills == 0 {
		t.Skip("run with -kills 1 or more")
	}
	large, err := simserver.Lookup("large")
	require.NoError(t, err)
	srv := simserver.New(large.Model)
	defer srv.Close()
	whole := served(t, srv.URL, t.TempDir())
	require.Equal(t, recipes.Met, whole.Verdict)
	dir := t.TempDir()
	kills, mercy := 0, *httpKills
	for finished := false; !finished; {
		before := completed(t, dir)
		child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$", "-test.count=1")
		child.Env = append(os.Environ(), "AIPERF_TEST_KILLED="+dir, "AIPERF_TEST_KILLED_URL="+srv.URL)
		require.NoError(t, child.Start())
		exited := make(chan error, 1)
		go func() { exited <- child.Wait() }()
		life := 3*time.Second + time.Duration(kills)*500*time.Millisecond // two probes or so
		if kills == mercy {
			life = time.Minute
		}
		select {
		case err := <-exited:
			require.NoError(t, err)
			finished = true
		case <-time.After(life):
			_ = child.Process.Kill()
			<-exited
			kills++
		}
		require.GreaterOrEqual(t, completed(t, dir), before, "what was measured stays")
	}
	out, err := report.ReadHistoryFile(filepath.Join(dir, "search_history.json"))
	require.NoError(t, err)
	require.Positive(t, kills, "the search was too quick to be killed")
	t.Logf("killed %d times: %v; let alone: %v", kills, out.Boundary.Safe, whole.Boundary.Safe)
	assert.InEpsilon(t, whole.Boundary.Safe, out.Boundary.Safe, 0.05)
}

// completed returns how many probes the history holds; a file that is there is
// whole.
func completed(t *testing.T, dir string) int {
	t.Helper()
	path := filepath.Join(dir, "search_history.json")
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return 0
	}
	o, err := report.ReadHistoryFile(path)
	require.NoError(t, err)
	return len(o.Probes)
}

// started returns the indexes of the probes that the last process started.
func started(t *testing.T, dir string) []int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "probes.log"))
	if os.IsNotExist(err) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "probes.log"), nil, 0o666)) // killed before its first probe
		return nil
	}
	require.NoError(t, err)
	var out []int
	for _, line := range strings.Fields(string(b)) {
		i, err := strconv.Atoi(line)
		require.NoError(t, err)
		out = append(out, i)
	}
	return out
}
