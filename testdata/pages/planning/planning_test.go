package planning_test

import (
	"testing"

	"github.com/aiperf-go/aiperf/aiperftest"
)

// TestKnee measures latency and throughput over concurrency.
func TestKnee(t *testing.T) {
	aiperftest.RunRecipe(t, "concurrency-ramp", aiperftest.Tokens(550, 128),
		aiperftest.Concurrency(1, 256), aiperftest.Steps(9))
}

// TestPrefill measures how the time to first token grows with the prompt.
func TestPrefill(t *testing.T) {
	aiperftest.RunRecipe(t, "prefill-ttft-curve", aiperftest.ISL(256, 8192), aiperftest.Steps(6))
}

// TestTrade measures what throughput costs in latency, for three kinds of requests.
func TestTrade(t *testing.T) {
	aiperftest.RunRecipe(t, "pareto-sweep", aiperftest.Pairs("128/128,512/256,2048/64"),
		aiperftest.ConcurrencyList(1, 8, 32, 128))
}
