package regression_test

import (
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

var serving = aiperftest.Options{aiperftest.Tokens(550, 128), aiperftest.Seed(7)}

// TestCapacityHolds asks whether the server still takes the load that it took.
func TestCapacityHolds(t *testing.T) {
	aiperftest.Gate(t, "max-concurrency-under-sla", "testdata/capacity.json", serving,
		aiperftest.TTFT(500*time.Millisecond), aiperftest.Concurrency(1, 256))
}

// TestLatencyHolds compares every metric at one load with what it was.
func TestLatencyHolds(t *testing.T) {
	aiperftest.GateRun(t, recipes.Fixed(16), "testdata/fixed.txt", serving)
}
