package aiperf_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// startWorkers starts workers on this machine, as aiperf-worker does on others, and returns
// their addresses.
func startWorkers(ctx context.Context, n int) (addrs []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		addrs = append(addrs, l.Addr().String())
		go remote.Serve(ctx, l, remote.Options{})
	}
	return addrs
}

// This puts the load of a test on two workers. Nothing else of the test changes; on other
// machines, workers have keys (docs/workers.md).
func Example_workers() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	addrs := startWorkers(ctx, 2)
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.Fixed(4), aiperftest.Endpoint(srv.URL), aiperftest.Tokens(32, 4), aiperftest.Requests(40),
			aiperftest.SLA("e2e p95 < 5s"), aiperftest.Charts(false), aiperftest.Workers(addrs...))
		fmt.Printf("%d requests; %s\n", out.Probes[0].Requests(), out.Spec.Note)
	})
	// Output: 40 requests; the load comes from 2 workers on 1 host
}

// This measures one level by a pool of workers without a recipe, as a Generator does alone.
// Dial may open whatever leads to worker i: a host's port, or one that is forwarded.
func Example_pool() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	addrs := startWorkers(ctx, 2)
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	pool := &remote.Pool{
		Target: loadgen.Target{URL: srv.URL},
		N:      2,
		Dial: func(ctx context.Context, i int) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addrs[i])
		},
		Kind: "pod", Place: "node",
	}
	defer pool.Close()
	if err := pool.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	m, err := pool.Probe(ctx, loadgen.Load{Concurrency: 4, ISL: 32, OSL: 4, Requests: 40}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d requests, %d failed, by %s\n", len(m.Requests), len(m.Failures), pool.Where())
	// Output: 40 requests, 0 failed, by 2 pods on 1 node
}
