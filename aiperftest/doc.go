// Package aiperftest asks a serving endpoint a question inside go test, and
// asserts the answer.
//
//	func TestCapacity(t *testing.T) {
//		out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
//			aiperftest.TTFT(200*time.Millisecond),
//			aiperftest.Tokens(550, 128))
//		t.Logf("deploy at concurrency %d", out.Best.Concurrency())
//	}
//
// What happens, in order:
//
//  1. Options and environment are folded into a recipes.Spec; what the code
//     leaves out, the environment fills in (AIPERF_URL, AIPERF_MODEL,
//     AIPERF_API_KEY, AIPERF_ARTIFACTS, AIPERF_SEED).
//  2. Without an endpoint the test is skipped and says why; with
//     AIPERF_REQUIRE=1 it fails, since a skipped gate is a green gate.
//  3. recipes.Run searches. What the recipe expanded to and one line a probe
//     are logged; run with -v to see them as they come.
//  4. Artifacts are written, then the finding is reported: met passes, missed
//     and inconclusive fail the test with Errorf. What could not be measured,
//     and misuse, end it at once.
//
// Gate holds a run against a committed baseline, which AIPERF_UPDATE_BASELINE=1
// writes, and Compare two endpoints against each other.
//
// Runs on one endpoint take turns, in a process and across processes: two loads
// at once would measure each other. A result of a live endpoint is kept out of
// the test cache; -count=1 does the same and is the documented way.
//
// Three kinds of result are never mixed: an error (it could not be measured), a
// verdict (it was), a warning (it was, but read this).
package aiperftest
