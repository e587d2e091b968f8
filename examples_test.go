package aiperf_test

import (
	"context"
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// chat is a simulated server and a workload. TTFT is flat for up to 17 requests in
// flight; the next ones queue.
var chat, _ = simserver.Lookup("chat")

// A recipe also runs without a test: the engine returns values and errors. The server has
// room for four sequences, so that of 64 requests most wait for a place.
func Example_engine() {
	srv := simserver.New(simserver.Model{Step: time.Millisecond, MaxBatch: 4})
	defer srv.Close()
	recipe, err := recipes.Lookup("max-concurrency-under-sla")
	if err != nil {
		fmt.Println(err)
		return
	}
	lo, hi, points := 4, 64, 2
	limit, err := sla.ParseLimit("ttft p95 < 60ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := recipes.Run(context.Background(), recipe, recipes.Spec{
		Target:   loadgen.Target{URL: srv.URL},
		Workload: loadgen.Load{ISL: 64, OSL: 8, Requests: 200, Seed: 1},
		Inputs: recipes.Inputs{Limits: []sla.Limit{limit}, Style: recipes.Grid, Steps: &points,
			Concurrency: recipes.Bounds{Min: &lo, Max: &hi}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Verdict, out.Best.Concurrency())
	// Output: met 4
}
