package remote

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// WorkerError reports a worker that was lost, or that could not be reached. A probe that
// ends with it says nothing of the endpoint.
type WorkerError struct {
	// Worker is the worker's name, and Node the host or node that it runs on, empty if that is
	// not known.
	Worker, Node string
	// Err is what became of it.
	Err error
}

// Error names the worker and says what became of it.
func (e *WorkerError) Error() string { return fmt.Sprintf("%s: %v", placed(e.Worker, e.Node), e.Err) }

// Unwrap returns Err.
func (e *WorkerError) Unwrap() error { return e.Err }

// placed names a worker and where it runs.
func placed(worker, node string) string {
	if node == "" || strings.Contains(worker, node) {
		return "worker " + worker
	}
	return fmt.Sprintf("worker %s (%s)", worker, node)
}

// VersionError reports a worker of another version than the pool's. Both must be of the same
// version of this module.
type VersionError struct {
	// Pool and Worker are the versions of the module, and Protocol those of the protocol, the
	// pool's first.
	Pool, Worker string
	Protocol     [2]int
}

// Error names both versions, and how to get the worker that fits.
func (e *VersionError) Error() string {
	return fmt.Sprintf("it is of version %s (protocol %d), and this test of version %s (protocol %d); "+
		"build the worker with the version of the test: go build github.com/aiperf-go/aiperf/loadgen/remote/aiperf-worker",
		e.Worker, e.Protocol[1], e.Pool, e.Protocol[0])
}

// speaks reports that a worker does not have the codec of the target, as a *TargetError: a codec
// of one's own is code, which does not travel.
func (p *Pool) speaks(m *member, codecs []string) error {
	api := p.Target.API()
	if slices.Contains(codecs, api) {
		return nil
	}
	return &loadgen.TargetError{Field: "Protocol", Problem: fmt.Sprintf("%q is a codec of this test, which %s does not have; "+
		"register it in a worker of your own, whose main calls remote.Serve", api, placed(p.called(m.i, m)))}
}
