package aiperftest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/recipes"
)

// SpreadBy lets the option that way returns carry the load of each run on an endpoint whose
// environment has the variable, unless the test itself says what carries it. A package that
// knows a way to more machines calls it in init, so that a blank import of it is enough.
func SpreadBy(variable string, way func(value string) Option) { ways[variable] = way }

// ways has what SpreadBy was given, by variables. It is written by inits alone.
var ways = map[string]func(value string) Option{}

// spreads lets the run's workers, if there are any, carry its load.
func (c *config) spreads() {
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		if v := os.Getenv(name); v != "" && c.live() && c.spec.Spread == nil && c.workers == nil {
			ways[name](v).apply(c)
			c.filled = append(c.filled, [2]string{name, v})
		}
	}
	addrs := c.workers
	if v := os.Getenv(envWorkers); addrs == nil && v != "" && c.spec.Spread == nil && c.spec.Prober == nil {
		addrs = strings.Split(v, ",")
	}
	switch {
	case addrs == nil:
		return
	case c.spec.Spread != nil:
		c.errs = append(c.errs, errors.New("use aiperftest.Workers(…) or aiperftest.Spread(…): both say what carries the load"))
		return
	case c.spec.Prober != nil:
		c.errs = append(c.errs, errors.New("use aiperftest.Workers(…) without aiperftest.Prober(…), which is no HTTP load"))
		return
	}
	keys, err := workerKeys(addrs)
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("use aiperftest.Workers(…): %w", err))
		return
	}
	run := rand.Text() // both endpoints of a comparison are loaded by the same workers
	c.spec.Spread = func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) {
		return &remote.Pool{
			Target: o.Spec.Target, N: len(addrs), Keys: keys, Run: run, Who: o.Spec.Who,
			Dial: func(ctx context.Context, i int) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addrs[i])
			},
			Worker: func(i int) (name, node string) { return addrs[i], "" },
		}, nil
	}
}

// holder is what this run is called to whoever waits for what it holds.
func (c *config) holder() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s of process %d on %s", c.talk.t.Name(), os.Getpid(), host)
}

// workerKeys checks the addresses of workers, and reads the keys that they are reached with.
// There are none for workers on this machine if none are named.
func workerKeys(addrs []string) (*remote.Keys, error) {
	if len(addrs) == 0 {
		return nil, errors.New("give at least one address, for example 10.0.0.8:7070")
	}
	dir, far, seen := os.Getenv(envKeys), "", map[string]bool{}
	for i, addr := range addrs {
		addrs[i] = strings.TrimSpace(addr)
		host, port, err := net.SplitHostPort(addrs[i])
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is not host:port, for example 10.0.0.8:7070", addr)
		}
		if seen[addrs[i]] {
			return nil, fmt.Errorf("duplicate worker %s: each process carries its own share", addrs[i])
		}
		seen[addrs[i]] = true
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			far = addrs[i]
		}
	}
	switch {
	case dir != "":
		return remote.ReadKeys(dir)
	case far != "":
		return nil, fmt.Errorf("%s is on another machine, and there are no keys for it; make them with aiperf-worker -new-keys, "+
			"and name the client's directory by %s", far, envKeys)
	}
	return nil, nil
}
