package aiperf_test

import (
	"context"
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// What the server says of itself stands beside what was measured: here more requests are in
// flight than its batch has room for.
func Example_serverMetrics() {
	model := chat.Model
	model.MaxBatch, model.Step = 8, 2*time.Millisecond
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
	m, err := g.Probe(ctx, loadgen.Load{Concurrency: 16, ISL: 32, OSL: 8, Requests: 64}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	running, _ := m.Stat(loadgen.TagRunning, "max")
	waiting, _ := m.Stat(loadgen.TagWaiting, "avg")
	fmt.Println(m.Server.Window.Server, "runs", running, "requests, and others wait:", waiting > 4)
	// Output: vLLM runs 8 requests, and others wait: true
}

// With the number of GPUs and the price of a GPU-hour, a probe says what its tokens cost; with
// an exporter's page, what energy they take. The simulated server has one with its own.
func Example_gpus() {
	model := chat.Model
	model.MaxBatch, model.Step, model.GPUs, model.Idle, model.Peak = 16, 2*time.Millisecond, 2, 100, 700
	srv := simserver.New(model)
	defer srv.Close()
	g, err := loadgen.New(loadgen.Target{URL: srv.URL, GPUs: 2, Price: 2.5})
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
	m, err := g.Probe(ctx, loadgen.Load{Concurrency: 16, ISL: 32, OSL: 8, Requests: 64}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	rate, _ := m.Stat(loadgen.TagTokenRate, "avg")
	cost, _ := m.Stat(loadgen.TagCost, "avg")
	joules, _ := m.Stat(loadgen.TagJoules, "avg")
	fmt.Printf("%.0f an hour for two GPUs\n", cost*rate*3600/1e6)
	fmt.Println("a batch that is nearly full draws more than 1 kW:", joules*rate > 1000)
	// Output:
	// 5 an hour for two GPUs
	// a batch that is nearly full draws more than 1 kW: true
}
