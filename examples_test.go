package aiperf_test

import (
	"context"
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// chat is a simulated server and a workload. Its limit on TTFT holds for up to 20
// requests in flight.
var chat, _ = simserver.Lookup("chat")

// A recipe also runs without a test: the engine returns values and errors.
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
