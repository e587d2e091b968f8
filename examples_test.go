package aiperf_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// TestCapacity is the main job: how much concurrency does the server in
// AIPERF_URL take while its p95 TTFT stays below 200 ms? Without AIPERF_URL it
// asks a simulated server, and says so.
func TestCapacity(t *testing.T) {
	server := aiperftest.Options{aiperftest.TTFT(200 * time.Millisecond), aiperftest.Tokens(550, 128)}
	if os.Getenv("AIPERF_URL") == "" {
		server = aiperftest.Options{
			aiperftest.Simulated(chat.Model),
			aiperftest.TTFT(38 * time.Millisecond), aiperftest.Tokens(chat.ISL, chat.OSL), aiperftest.Concurrency(4, 200),
			aiperftest.Requests(200), // enough for a server this regular
		}
	}
	out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla", server)
	t.Logf("deploy at concurrency %d", out.Best.Concurrency())
}

// chat is a simulated server whose TTFT limit holds up to 20 requests in flight.
var chat, _ = simserver.Lookup("chat")

// A recipe runs without a test, too: the engine returns values and errors.
func Example_engine() {
	srv := simserver.New(chat.Model)
	defer srv.Close()
	recipe, err := recipes.Lookup("max-concurrency-under-sla")
	if err != nil {
		fmt.Println(err)
		return
	}
	limit, err := sla.ParseLimit("ttft p95 < 38ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	lo, hi := 10, 40
	out, err := recipes.Run(context.Background(), recipe, recipes.Spec{
		Target:   loadgen.Target{URL: srv.URL},
		Workload: loadgen.Load{ISL: chat.ISL, OSL: chat.OSL, Requests: 100, Seed: 1},
		Inputs:   recipes.Inputs{Limits: []sla.Limit{limit}, Concurrency: recipes.Bounds{Min: &lo, Max: &hi}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Verdict, out.Best.Concurrency() >= 18 && out.Best.Concurrency() <= 22)
	// Output: met true
}
