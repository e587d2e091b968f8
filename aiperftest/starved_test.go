package aiperftest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/turn"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// starvedRuns are what the starved client is asked: a search that a healthy one
// would call met, one that it would call missed, and a load without limits.
var starvedRuns = map[string]func(aiperftest.T, aiperftest.Option) *recipes.Outcome{
	"met": func(t aiperftest.T, o aiperftest.Option) *recipes.Outcome {
		return aiperftest.RunRecipe(t, "max-concurrency-under-sla", o, aiperftest.Style(recipes.Monotonic),
			aiperftest.Concurrency(1, 4), aiperftest.TTFT(2*time.Second))
	},
	"missed": func(t aiperftest.T, o aiperftest.Option) *recipes.Outcome {
		return aiperftest.RunRecipe(t, "max-concurrency-under-sla", o, aiperftest.Style(recipes.Monotonic),
			aiperftest.Concurrency(1, 4), aiperftest.TTFT(5*time.Millisecond))
	},
	"measured": func(t aiperftest.T, o aiperftest.Option) *recipes.Outcome {
		return aiperftest.Run(t, recipes.Fixed(2), o)
	},
}

// TestStarvedChild is the client that TestStarved starves; by itself it has
// nothing to do.
func TestStarvedChild(t *testing.T) {
	name, dir := os.Getenv("AIPERF_TEST_STARVED"), os.Getenv("AIPERF_TEST_DIR")
	if name == "" {
		return
	}
	done := make(chan struct{})
	defer close(done)
	// Busy neighbours on the one processor, each of which keeps it for 30 ms: the child
	// runs without asynchronous preemption, which would take it away after 10 ms. That was
	// tried, and now and then left a whole probe in peace.
	began := time.Now()
	spin(1 << 24)
	turns := int(float64(1<<24) * 0.030 / time.Since(began).Seconds())
	for range 2 {
		go func() {
			for {
				select {
				case <-done:
					return
				default:
					spin(turns)
					runtime.Gosched()
				}
			}
		}()
	}
	out := starvedRuns[name](t, aiperftest.Options{
		aiperftest.Tokens(8, 3), aiperftest.Requests(12), aiperftest.Artifacts(dir), aiperftest.ReportOnly(), aiperftest.Charts(false),
	})
	fmt.Printf("verdict: %v\n", out.Verdict)
}

// spin computes for so many turns, without a call at which it could be stopped.
func spin(turns int) {
	x := uint64(1)
	for range turns {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	spun.Store(x)
}

var spun atomic.Uint64 // so that spin is not optimized away

// TestStarved: a client with one processor and busy neighbours on it, against a
// server in another process, measures itself and not the server. The run is inconclusive
// where its lateness may be what breaks a limit. A limit with ample headroom is met all the
// same, since lateness makes latencies larger only.
func TestStarved(t *testing.T) {
	slow.Test(t, slow.Processes)
	turn.Take(t) // since it keeps a processor busy; all three at once would keep two from the package beside
	srv := simserver.New(simserver.Model{Step: 10 * time.Millisecond})
	defer srv.Close()
	for name := range starvedRuns {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStarvedChild$", "-test.v", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1",
				"AIPERF_URL="+srv.URL, "AIPERF_TEST_STARVED="+name, "AIPERF_TEST_DIR="+dir)
			began := time.Now()
			b, err := cmd.CombinedOutput()
			used := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / time.Since(began).Seconds()
			out := unfolded(string(b))
			require.NoError(t, err, "%s", b)
			switch name {
			case "met":
				assert.Contains(t, out, "verdict: met", "%s", b)
			case "missed": // beyond the lag, or too near to it to be judged; the server needs 10 ms
				assert.NotContains(t, out, "verdict: met", "%s", b)
			default:
				assert.Contains(t, out, "client not healthy (p99 wake-up lag")
				assert.Contains(t, out, "verdict: inconclusive", "%s", b)
				assert.Contains(t, out, "the client was late at concurrency")
				if used > 0.8 { // of its processor; otherwise others have it, which has another remedy
					assert.Contains(t, out, "give it more cores or lower the load", "%.2f", used)
				}
				assert.Contains(t, out, "give it more cores")
			}

			type health struct {
				Send  *float64 `json:"send_lag_p99_ms"`
				Beat  *float64 `json:"heartbeat_lag_p99_ms"`
				CPU   *float64 `json:"cpu"`
				GC    *float64 `json:"gc_pause_ms"`
				Bound bool     `json:"client_bound"`
			}
			seen, bound := 0, 0
			for _, file := range files(t, dir) {
				if !strings.HasSuffix(file, "profile_export_aiperf.json") {
					continue
				}
				seen++
				var doc struct {
					Health health `json:"client_health"`
				}
				b, err := os.ReadFile(filepath.Join(dir, file))
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(b, &doc))
				h := doc.Health
				require.True(t, h.Send != nil && h.Beat != nil && h.CPU != nil && h.GC != nil, "%s has all of %+v", file, h)
				if h.Bound {
					bound++
				}
				assert.Greater(t, *h.Beat, 5.0)
				assert.Greater(t, *h.CPU, min(0.1, used/5))
			}
			assert.Positive(t, seen, "every probe's profile says how the client fared")
			if name != "met" { // of whose limit the lag is less than 5%
				assert.Positive(t, bound, "and that of a probe whose client was the bottleneck that it was")
			}
		})
	}
}
