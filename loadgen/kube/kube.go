package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/recipes"
)

func init() {
	aiperftest.SpreadBy(envPods, func(value string) aiperftest.Option {
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 {
			return refuse(fmt.Errorf("read %s=%q: it must be a number of pods, or 0 for as many as are needed", envPods, value))
		}
		return Pods(n)
	})
}

const (
	// podBears is how many requests in flight one worker has without being what is measured, and
	// podPorts how many connections to one address it has ports for; see docs/client.md.
	podBears = 10_000
	podPorts = 28_232
)

// Pods lets n pods carry the load of a run: aiperftest.RunRecipe(t, recipe, …, kube.Pods(8)).
// 0 is as many as its greatest concurrency needs, one for each 10,000 requests in flight. Give
// Options at most once. Everything else of the run is as without it. AIPerf: kube sweep.
func Pods(n int, how ...Options) aiperftest.Option {
	if n < 0 {
		return refuse(fmt.Errorf("use kube.Pods(%d): a number of pods is not negative", n))
	}
	y := &yard{fleets: map[string]*fleet{}, made: prepared}
	return aiperftest.Spread(func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) { return y.carrier(n, how, o) })
}

// refuse is the option of a mistake, which the run reports.
func refuse(err error) aiperftest.Option {
	return aiperftest.Spread(func(context.Context, *recipes.Outcome) (recipes.Prober, error) { return nil, err })
}

// prepared returns the options with their defaults, and the clients.
func prepared(how []Options) (Options, *client, error) {
	var o Options
	switch len(how) {
	case 0:
	case 1:
		o = how[0]
	default:
		return o, nil, errors.New("use kube.Pods(n, kube.Options{…}): give Options once")
	}
	o, err := o.complete()
	if err != nil {
		return o, nil, err
	}
	c, err := connect(o)
	return o, c, err
}

// yard has the fleets of one option, by the tests that they carry the load of. A test has one,
// also when it compares two endpoints; tests that share the option do not share the pods.
type yard struct {
	mu     sync.Mutex
	fleets map[string]*fleet
	made   func([]Options) (Options, *client, error)
}

// carrier returns what carries the load of a run. Nothing is started.
func (y *yard) carrier(n int, how []Options, o *recipes.Outcome) (*carrier, error) {
	most := inFlight(o)
	if n == 0 {
		n = max(1, (most+podBears-1)/podBears)
	}
	if need := (most + podPorts - 1) / podPorts; need > n {
		return nil, fmt.Errorf("%d requests in flight on %d pods: each pod has %d ports to one address; use kube.Pods(%d)",
			most, n, podPorts, max(need, (most+podBears-1)/podBears))
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	f := y.fleets[o.Spec.Who]
	if f == nil {
		options, c, err := y.made(how)
		if err != nil {
			return nil, err
		}
		f = newFleet(c, options, n, o.Spec.Who)
		y.fleets[o.Spec.Who] = f
	}
	f.users++
	t := o.Spec.Target
	if f.o.APIKeySecret != nil {
		t.APIKey = ""
	}
	k := &carrier{yard: y, fleet: f, target: t}
	k.Pool = &remote.Pool{
		Target: t, N: f.n, Keys: f.keys, Run: f.id, Who: f.who, Kind: "pod", Place: "node", StartTimeout: f.o.StartTimeout,
		Dial: f.Dial, Worker: f.called,
	}
	return k, nil
}

// inFlight is the greatest concurrency of a run's plan, 0 if it has none.
func inFlight(o *recipes.Outcome) int {
	most := float64(o.Spec.Workload.MostInFlight)
	take := func(path string, value float64) {
		if path == string(recipes.PathConcurrency) {
			most = max(most, value)
		}
	}
	p := o.Plan
	if p == nil {
		return int(most)
	}
	if p.Search != nil {
		for _, d := range p.Search.Space {
			take(d.Path, d.Hi)
		}
		for _, v := range p.Search.With {
			take(string(v.Path), v.Value)
		}
	}
	for _, a := range p.Grid {
		take(string(a.Path), slices.Max(a.Values))
	}
	for _, s := range p.Scenarios {
		for _, v := range s.Values {
			take(string(v.Path), v.Value)
		}
	}
	return int(most)
}

// carrier is the pool of a run's workers on one endpoint, with the pods and the Lease around it.
type carrier struct {
	*remote.Pool
	yard   *yard
	fleet  *fleet
	target loadgen.Target
	leases []*lease
	// ends end the contexts of the probes. That of the last one must outlive it, since its load
	// goes on until the next.
	ends   []context.CancelFunc
	closed bool
}

// Ready waits for the endpoint's Lease and the pods, and until the endpoint answers each of them.
func (k *carrier) Ready(ctx context.Context) error {
	f := k.fleet
	if err := f.permitted(ctx); err != nil {
		return err
	}
	var hosts []string
	for _, endpoint := range k.target.Endpoints() {
		hosts = append(hosts, hostOf(endpoint))
	}
	slices.Sort(hosts) // so that no two tests wait for each other
	for _, host := range slices.Compact(hosts) {
		l, err := f.lease(ctx, host, k.target.Waiting)
		if err != nil {
			return err
		}
		k.leases = append(k.leases, l)
	}
	f.mu.Lock()
	f.waiting = k.target.Waiting
	f.mu.Unlock()
	if err := f.start(ctx); err != nil {
		return err
	}
	return start(k.Pool.Ready(ctx))
}

// hostOf is what an endpoint's Lease is on: two paths of a server share its machine.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return endpoint
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
		if port == "" {
			port = "80"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Probe measures as remote.Pool does. It ends when somebody else has taken the Lease.
func (k *carrier) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(k.fleet.held, func() { cancel(context.Cause(k.fleet.held)) })
	k.ends = append(k.ends, func() { detach(); cancel(nil) })
	m, err := k.Pool.Probe(ctx, l, d)
	return m, start(err)
}

// start returns the error of a start as itself: it names its pod, as the pool's around it would.
func start(err error) error {
	if s := (*StartError)(nil); errors.As(err, &s) {
		return s
	}
	return err
}

// Server returns what is known of the endpoint, with notes about the pods.
func (k *carrier) Server() loadgen.Server {
	s := k.Pool.Server()
	s.Notes = append(slices.Clone(s.Notes), k.fleet.notes()...)
	return s
}

// Close lets go of the pods, and deletes them once nobody needs them.
func (k *carrier) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	err := k.Pool.Close()
	for _, end := range k.ends {
		end()
	}
	for _, l := range k.leases {
		l.release()
	}
	k.yard.mu.Lock()
	k.fleet.users--
	last := k.fleet.users == 0
	if last {
		delete(k.yard.fleets, k.fleet.who)
	}
	k.yard.mu.Unlock()
	if last {
		if stopped := k.fleet.stop(); stopped != nil && k.target.Waiting != nil {
			k.target.Waiting(stopped)
		}
	}
	return err
}

// hostname is that of this process, for those who wait.
func hostname() string {
	h, _ := os.Hostname()
	return h
}
