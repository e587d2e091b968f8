package recipes_test

import (
	"context"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// ttftScenarios are the simulated servers that a TTFT limit binds, from below 10
// to above 100 in flight, chunked prefill on.
func ttftScenarios() []simserver.Scenario {
	var all []simserver.Scenario
	for _, s := range simserver.Catalogue() {
		if s.Limit.Metric == simserver.TTFT && s.Model.KVTokens == 0 {
			all = append(all, s)
		}
	}
	return all
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// afar puts the clients at a distance: what they send arrives the truth's
// turnaround later. At no distance at all a client's next request is there in
// the very instant in which its last answer ends, as over no network.
func afar(srv *simserver.Server) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := srv.Dial(ctx, network, addr)
		return late{c}, err
	}
}

type late struct{ net.Conn }

func (l late) Write(p []byte) (int, error) {
	time.Sleep(300 * time.Microsecond)
	return l.Conn.Write(p)
}

// searchScenario runs max-concurrency-under-sla against a scenario's server.
func searchScenario(ctx context.Context, t *testing.T, s simserver.Scenario, srv *simserver.Server, dial dialFunc, requests int, full bool, in recipes.Inputs) *recipes.Outcome {
	t.Helper()
	ms := float64(s.Limit.Threshold) / float64(time.Millisecond)
	in.TTFT = &ms
	out, err := recipes.Run(ctx, maxConcurrency(t), recipes.Spec{
		Target:   loadgen.Target{URL: srv.URL, Dial: dial},
		Workload: loadgen.Load{ISL: s.ISL, OSL: s.OSL, Requests: requests, Seed: 1},
		Inputs:   in, FullProbes: full,
	})
	require.NoError(t, err)
	for _, p := range out.Probes {
		r := p.Readings[0]
		t.Logf("%-10s conc %4.0f size %.0f: p95 %7.2f ms, %d of %d, P(pass) %.3f, %v %.1fs (%s)", s.Name, p.Step.At[0], p.Step.Size, r.Value, r.Exceeded, r.Of, r.Pass, p.Observed.State, p.Wall.Seconds(), p.Step.Reason)
	}
	t.Logf("%s: %v, safe %v, estimate %.1f in [%v, %v], truth %d, %d probes, %.1fs, %s", s.Name, out.Verdict, out.Boundary.Safe, out.Boundary.Estimate, out.Boundary.Lo, out.Boundary.Hi, s.Boundary, len(out.Probes), out.Wall.Seconds(), out.Reason)
	for _, w := range out.Warnings {
		t.Log("warning:", w)
	}
	return out
}

func maxConcurrency(t *testing.T) *recipes.Recipe {
	t.Helper()
	r, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	return r
}

// TestBoundaryVirtual: in virtual time the answer is the true boundary within
// the search's own precision, a bracket of 5 %.
func TestBoundaryVirtual(t *testing.T) {
	for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Sequential} {
		for _, s := range ttftScenarios() {
			t.Run(string(style)+"/"+s.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := simserver.NewInMemory(s.Model)
					ctx, cancel := context.WithCancel(t.Context())
					out := searchScenario(ctx, t, s, srv, afar(srv), 300, false, recipes.Inputs{Style: style})
					cancel()
					srv.Close()
					assert.Equal(t, recipes.Met, out.Verdict)
					assert.InDelta(t, s.Boundary, out.Best.Concurrency(), math.Ceil(0.05*float64(s.Boundary)))
				})
			})
		}
	}
}
