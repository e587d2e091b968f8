package missed_test

import (
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSixtyFour fails: a server that runs 16 sequences at once cannot answer 64
// requests in flight within the limit.
func TestSixtyFour(t *testing.T) {
	aiperftest.Run(t, recipes.Fixed(64),
		aiperftest.Simulated(simserver.Model{MaxBatch: 16}),
		aiperftest.TTFT(200*time.Millisecond), aiperftest.ErrorRate(0.01),
		aiperftest.Tokens(64, 16))
}
