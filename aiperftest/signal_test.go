//go:build unix

package aiperftest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// signalChild names what a child process of TestSignals does; AIPERF_TEST_DIR is
// where its files go.
const signalChild = "AIPERF_TEST_SIGNAL"

// TestSignalChild is the process that TestSignals signals; by itself it has
// nothing to do.
func TestSignalChild(t *testing.T) {
	mode := os.Getenv(signalChild)
	if mode == "" {
		t.Skip("run by TestSignals")
	}
	server := aiperftest.Options{
		aiperftest.Simulated(simserver.Model{Step: time.Millisecond}), aiperftest.Artifacts(os.Getenv("AIPERF_TEST_DIR")),
		aiperftest.Tokens(8, 4), aiperftest.Requests(30), aiperftest.Seed(7), aiperftest.ReportOnly(),
	}
	var stuck aiperftest.T = t
	switch mode {
	case "after":
		aiperftest.Run(t, recipes.Fixed(2), server)
		fmt.Println("child: now")
		select {}
	case "twice":
		stuck = hanging{t}
	}
	t.Cleanup(func() {
		aiperftest.Run(t, recipes.Fixed(2), server, aiperftest.Artifacts(t.TempDir())) // does not begin
	})
	aiperftest.RunRecipe(told{stuck}, "max-concurrency-under-sla", server, aiperftest.TTFT(time.Minute),
		aiperftest.Style(recipes.Monotonic), aiperftest.Concurrency(1, 1000), aiperftest.Confidence(0.999), aiperftest.Requests(3000))
}

// told says on standard output, unbuffered, when the first probe has ended.
type told struct{ aiperftest.T }

func (s told) Logf(format string, args ...any) {
	s.T.Logf(format, args...)
	if strings.HasPrefix(fmt.Sprintf(format, args...), "probe 1,") {
		fmt.Println("child: now")
	}
}

// hanging is a test whose report never ends.
type hanging struct{ aiperftest.T }

func (hanging) Errorf(string, ...any) {
	fmt.Println("child: now")
	select {}
}

// TestSignals: the first signal ends a run with all it has learnt on disk and in
// the log, a second one ends the process, and outside of a run signals do what
// they always did.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode    string
		signals []syscall.Signal
		killed  bool // by the last signal
	}{
		{"once", []syscall.Signal{syscall.SIGINT}, false},
		{"once", []syscall.Signal{syscall.SIGTERM}, false},
		{"twice", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, true},
		{"after", []syscall.Signal{syscall.SIGTERM}, true},
	} {
		t.Run(fmt.Sprintf("%s %v", tt.mode, tt.signals[0]), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignalChild$", "-test.v")
			cmd.Env = append(os.Environ(), signalChild+"="+tt.mode, "AIPERF_TEST_DIR="+dir)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			var said strings.Builder
			pending := tt.signals
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
				if lines.Text() == "child: now" && len(pending) > 0 {
					require.NoError(t, cmd.Process.Signal(pending[0]))
					pending = pending[1:]
				}
			}
			err = cmd.Wait()
			require.Error(t, err, said.String())
			require.Empty(t, pending, said.String())
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			last := tt.signals[len(tt.signals)-1]
			if tt.killed {
				require.True(t, status.Signaled(), said.String())
				assert.Equal(t, last, status.Signal())
			} else {
				assert.Equal(t, 1, status.ExitStatus(), said.String())
				text := unfolded(said.String())
				assert.Contains(t, text, "recipe max-concurrency-under-sla: inconclusive: ")
				assert.Contains(t, text, fmt.Sprintf(`cancelled by signal %q; a second signal ends the process`, last))
				assert.Contains(t, text, "stopped: cancelled)")
				assert.Contains(t, text, fmt.Sprintf(`recipe "fixed-concurrency-2": cancelled by signal %q`, last),
					"the next run does not begin")
			}
			if tt.mode == "after" {
				return
			}
			var h struct {
				Reason string `json:"convergence_reason"`
				Probes []any  `json:"iterations"`
			}
			b, err := os.ReadFile(filepath.Join(dir, "search_history.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &h))
			assert.Equal(t, recipes.ReasonCancelled, h.Reason)
			require.NotEmpty(t, h.Probes)
			names := files(t, dir)
			for i := range h.Probes {
				assert.Contains(t, names, fmt.Sprintf("search_iter_%04d/profile_runs/run_0001/profile_export_aiperf.json", i))
			}
		})
	}
}
