// Package aiperf finds, inside go test, what a language-model server can take.
//
//	func TestCapacity(t *testing.T) {
//		out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
//			aiperftest.TTFT(200*time.Millisecond),
//			aiperftest.Tokens(550, 128))
//		t.Logf("deploy at concurrency %d", out.Best.Concurrency())
//	}
//
// loads the OpenAI-compatible endpoint in AIPERF_URL, searches the concurrency
// at which throughput is highest while p95 TTFT stays below 200 ms, asserts that
// there is one, and leaves artifacts. It implements the Search Recipes of NVIDIA
// AIPerf.
//
// The module reads like its sentence, recipe → plan → probe → measure → decide →
// report → assert:
//
//   - package recipes holds the recipes, runs them and decides;
//   - package recipes/plan proposes each point, as pure functions of what was
//     seen;
//   - package loadgen probes and measures; loadgen/simserver is a simulated
//     server to try things on;
//   - package report writes what was found;
//   - package aiperftest is the front door, and asserts.
//
// This package holds no code, only examples.
package aiperf
