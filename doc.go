// Package aiperf measures, inside go test, how much load a language-model server
// can take within its service-level agreement. This is
// testdata/capacity/capacity_test.go, a whole file:
//
//	package capacity_test
//
//	import (
//		"os"
//		"testing"
//		"time"
//
//		"github.com/aiperf-go/aiperf/aiperftest"
//		"github.com/aiperf-go/aiperf/loadgen/simserver"
//		"github.com/aiperf-go/aiperf/recipes"
//	)
//
//	func TestCapacity(t *testing.T) {
//		server := aiperftest.Options{} // the server in AIPERF_URL
//		if os.Getenv("AIPERF_URL") == "" {
//			server = aiperftest.Options{aiperftest.Simulated(simserver.Model{MaxBatch: 16})}
//		}
//		out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla", server,
//			aiperftest.TTFT(50*time.Millisecond), // p95 of the time to first token
//			aiperftest.Tokens(64, 64),            // lengths of a prompt and of an answer
//			aiperftest.Concurrency(4, 256),       // the range to search
//			aiperftest.Style(recipes.Sequential)) // end a probe once its verdict is certain
//		t.Logf("deploy at concurrency %d", out.Best.Concurrency())
//	}
//
// The test loads the OpenAI-compatible endpoint in AIPERF_URL, or a simulated
// server if there is none. It searches for the concurrency at which throughput is
// highest while the p95 TTFT stays below 200 ms, fails if there is no such
// concurrency, and writes its measurements to files. In a clone of the repository
// it is run by
//
//	go test -v -count=1 ./testdata/capacity
//
// The module implements the Search Recipes of NVIDIA AIPerf. Its packages follow
// one sentence, recipe → plan → probe → measure → decide → report → assert:
//
//   - Package recipes holds the recipes, runs them, and decides.
//   - Package recipes/plan proposes each point to probe. Its planners are pure
//     functions of what has been measured.
//   - Package loadgen probes and measures. Package loadgen/simserver is a
//     simulated server to try things on, and package loadgen/remote puts the load
//     on other machines.
//   - Package report writes the results.
//   - Package aiperftest is what a test calls. It asserts the result.
//
// This package holds no code. It has the examples, one for each recipe.
package aiperf
