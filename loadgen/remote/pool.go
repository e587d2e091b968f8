package remote

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Pool measures with N workers, as a [loadgen.Generator] does alone. It is a recipes.Prober
// with all of its further methods. Target, N and Dial are required; the fields must not
// change once Ready or Probe was called, and the methods must be called from one goroutine
// at a time.
type Pool struct {
	// Target is the endpoint, as the workers reach it. What is no data cannot travel: Dial and
	// TLS must be nil, and Protocol must be a codec that the workers have. Files that it names
	// are read here and sent.
	Target loadgen.Target
	// N is the number of workers, at least 1.
	N int
	// Dial opens a connection to worker i, from 0 to N−1. It is called from several
	// goroutines at once, and again for each worker when one of them was lost. See the package
	// comment.
	Dial func(ctx context.Context, i int) (net.Conn, error)
	// Keys are the client's. If it is nil, connections are neither encrypted nor
	// authenticated, as between processes of one machine.
	Keys *Keys

	// Worker returns the name of worker i for messages, and the node or host that it runs on.
	// What is empty, or a nil Worker, is as the worker itself says.
	Worker func(i int) (name, node string)
	// Kind is what a worker is called in reports, and Place what it runs on, in the singular:
	// "worker" and "host" if they are empty.
	Kind, Place string
	// StartTimeout is how long Ready, and a Probe behind a loss, wait for all workers to be
	// there. 0 means one minute.
	StartTimeout time.Duration
	// Run is the name of the run that holds the workers: pools with the same Run share them, as
	// those of the two endpoints of a comparison, and a pool of another one is refused. If it is
	// empty, the pool makes one.
	Run string
}

// Ready waits for all workers, and until the endpoint answers each of them a real inference,
// as [loadgen.Generator.Ready] does. What the first worker learns of the endpoint, such as
// how words map to tokens, holds for all. Errors are those of Generator.Ready, a
// *[WorkerError], and a *loadgen.TargetError for a target that cannot travel.
func (p *Pool) Ready(ctx context.Context) error { return errUnfinished }

// Probe measures the load l over all workers, as [loadgen.Generator.Probe] does with one
// generator, whose errors it has. A worker that is lost ends it with a *[WorkerError], and
// the next Probe dials all workers again.
func (p *Pool) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	return nil, errUnfinished
}

// Server returns what is known of the endpoint. It is complete once Ready has returned nil.
func (p *Pool) Server() loadgen.Server { return loadgen.Server{} }

// Where says where the load comes from, for example "8 pods on 5 nodes". It is complete once
// Ready has returned nil.
func (p *Pool) Where() string { return "" }

// Alive asks the endpoint for one short inference from the first worker, as
// [loadgen.Generator.Alive] does.
func (p *Pool) Alive(ctx context.Context) error { return errUnfinished }

// Rest ends the load of all workers, and waits until none has a request in flight.
func (p *Pool) Rest() {}

// Wait lets d pass and reports whether ctx is still alive.
func (p *Pool) Wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends the load and lets go of the workers, which then wait for the next pool. It always
// returns nil.
func (p *Pool) Close() error { return nil }

var errUnfinished = errors.New("not finished")
