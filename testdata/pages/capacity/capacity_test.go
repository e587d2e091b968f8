package capacity_test

import (
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
)

func TestCapacity(t *testing.T) {
	out := aiperftest.RunRecipe(t, "max-concurrency-under-sla",
		aiperftest.TTFT(500*time.Millisecond), // p95 of the time to first token
		aiperftest.ITL(40*time.Millisecond),   // p95 of the time between tokens
		aiperftest.ErrorRate(0.01),            // at most 1% of requests fail
		aiperftest.Tokens(550, 128),           // lengths of a prompt and of an answer
		aiperftest.Concurrency(1, 256),        // where to search
		aiperftest.AtLeast(32))                // fails below this; leave it out to be told
	t.Logf("deploy at concurrency %d", out.Best.Concurrency())
}
