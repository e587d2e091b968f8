package capacity_test

import (
	"os"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

func TestCapacity(t *testing.T) {
	server := aiperftest.Options{} // the server in AIPERF_URL
	if os.Getenv("AIPERF_URL") == "" {
		server = aiperftest.Options{aiperftest.Simulated(simserver.Model{MaxBatch: 16})}
	}
	out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla", server,
		aiperftest.TTFT(50*time.Millisecond), // p95 of the time to first token
		aiperftest.Tokens(64, 64),            // lengths of a prompt and of an answer
		aiperftest.Concurrency(4, 256),       // the range to search
		aiperftest.Style(recipes.Sequential)) // end a probe once its verdict is certain
	t.Logf("deploy at concurrency %d", out.Best.Concurrency())
}
