// Package boundaries searches simulated servers whose true boundary is known, in
// virtual time or over HTTP. It is for tests and for the commands of
// internal/experiments.
package boundaries

import (
	"context"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// Scenarios are the simulated servers that a TTFT limit binds, with a boundary from
// below 10 to above 100 in flight, and chunked prefill on.
func Scenarios() []simserver.Scenario {
	var all []simserver.Scenario
	for _, s := range simserver.Catalogue() {
		if s.Limit.Metric == simserver.TTFT && s.Model.KVTokens == 0 {
			all = append(all, s)
		}
	}
	return all
}

// HTTP are those that can be held to their truth over sockets. The TTFT of the one left
// out is two steps less the client's turnaround, which over HTTP is not the truth's
// 0.3 ms.
func HTTP() []simserver.Scenario {
	var some []simserver.Scenario
	for _, s := range Scenarios() {
		if s.Name != "slow-decode" {
			some = append(some, s)
		}
	}
	return some
}

// Dial connects to a server that listens nowhere.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// Afar puts the clients at a distance: what they send arrives the truth's turnaround
// later. At no distance at all a client's next request would be there in the very
// instant in which its last answer ends, as over no network.
func Afar(srv *simserver.Server) Dial {
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

// Search is one run of max-concurrency-under-sla against a scenario's server.
type Search struct {
	Scenario simserver.Scenario
	Server   *simserver.Server
	Dial     Dial // if nil, by HTTP over a socket
	Requests int  // of a probe; zero means the recipe's default
	Seed     uint64
	Full     bool // end no probe early
	Inputs   recipes.Inputs
	Logf     func(format string, args ...any)
}

// Run searches under the scenario's limit, and logs each probe and the answer.
func (s Search) Run(ctx context.Context) (*recipes.Outcome, error) {
	return s.ask(ctx, "max-concurrency-under-sla")
}

// ask runs a recipe against the scenario's server under its limit, and logs each probe and
// the answer.
func (s Search) ask(ctx context.Context, name string) (*recipes.Outcome, error) {
	recipe, err := recipes.Lookup(name)
	if err != nil {
		return nil, err
	}
	in := s.Inputs
	in.TTFT = new(float64(s.Scenario.Limit.Threshold) / float64(time.Millisecond))
	out, err := recipes.Run(ctx, recipe, recipes.Spec{
		Target:   loadgen.Target{URL: s.Server.URL, Dial: s.Dial},
		Workload: loadgen.Load{ISL: s.Scenario.ISL, OSL: s.Scenario.OSL, Requests: s.Requests, Seed: s.Seed + 1},
		Inputs:   in, FullProbes: s.Full,
	})
	if err != nil {
		return nil, fmt.Errorf("searching %s: %w", s.Scenario.Name, err)
	}
	for _, p := range out.Probes {
		r := p.Readings[0]
		s.Logf("%-10s %v, size %.0f: %v %7.2f, %d of %d, P(pass) %.3f, %v %.1fs (%s)", s.Scenario.Name, p.Load,
			p.Step.Size, r.Limit.Name(), r.Value, r.Exceeded, r.Of, r.Pass, p.Observed.State, p.Wall.Seconds(), p.Step.Reason)
	}
	b := out.Boundary
	s.Logf("%s: %v, safe %.4g, estimate %.1f, interval %v, %d probes, %.1fs, %s", s.Scenario.Name, out.Verdict,
		b.Safe, b.Estimate, b.Interval, len(out.Probes), out.Wall.Seconds(), out.Reason)
	for _, w := range out.Warnings {
		s.Logf("warning: %v", w)
	}
	return out, nil
}

// near returns an error if the answer is not met, or more than 10% off the truth.
func near(s simserver.Scenario, out *recipes.Outcome) error {
	if out.Verdict != recipes.Met {
		return fmt.Errorf("%s is %v", s.Name, out.Verdict)
	}
	if got := float64(out.Best.Concurrency()); math.Abs(got/float64(s.Boundary)-1) > 0.10 {
		return fmt.Errorf("%s: the answer is %v and the truth %d", s.Name, got, s.Boundary)
	}
	return nil
}

// Truth searches a scenario's server over sockets, client and server sharing the
// machine. It returns an error if the answer is more than 10% off the truth.
func Truth(ctx context.Context, s simserver.Scenario, logf func(string, ...any)) error {
	srv := simserver.New(s.Model)
	defer srv.Close()
	// A user who knows the server's size says so: the lowest levels are the slowest
	// to measure.
	lo, hi := max(4, s.Boundary/4), 4*s.Boundary
	requests := 120
	if s.Boundary < 10 {
		requests = 300 // a tenth of it is less than one: only the exact answer will do
	}
	out, err := Search{Scenario: s, Server: srv, Requests: requests, Logf: logf,
		Inputs: recipes.Inputs{Concurrency: recipes.Bounds{Min: &lo, Max: &hi}}}.Run(ctx)
	if err != nil {
		return err
	}
	return near(s, out)
}
