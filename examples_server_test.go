package aiperf_test

import (
	"context"
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// What the server says of itself stands beside what was measured: here more requests are in
// flight than its batch has room for.
func Example_serverMetrics() {
	model := chat.Model
	model.MaxBatch = 8
	srv := simserver.New(model)
	defer srv.Close()
	g, err := loadgen.New(loadgen.Target{URL: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	ctx := context.Background()
	if err := g.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	m, err := g.Probe(ctx, loadgen.Load{Concurrency: 16, ISL: 32, OSL: 16, Requests: 64}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	running, _ := m.Stat(loadgen.TagRunning, "max")
	waiting, _ := m.Stat(loadgen.TagWaiting, "avg")
	fmt.Println(m.Server.Window.Server, "runs", running, "requests, and others wait:", waiting > 4)
	// Output: vLLM runs 8 requests, and others wait: true
}
