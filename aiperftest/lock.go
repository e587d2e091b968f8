package aiperftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/report"
)

// Two runs that load one endpoint at the same time measure each other. So a run
// holds its endpoint: t.Parallel tests of a process take turns, and so do
// processes (packages side by side, ginkgo -p), by a locked file in the user's
// cache directory.
//
// The endpoint is held for the run, not per probe. Alternating probes were
// rejected: a search takes its points from one state of the server, another run's
// load in between leaves queues and caches behind, and both runs would take as
// long as one after the other anyway.

// hold waits until no other run has the endpoint, takes it, and returns what
// gives it back. When it waits, the test's log says for whom.
func hold(ctx context.Context, s talk, endpoint string) (release func(), err error) {
	s.t.Helper()
	name := lockName(endpoint)
	v, _ := turns.LoadOrStore(name, &turn{place: make(chan struct{}, 1)})
	mine := v.(*turn)
	if err := mine.take(ctx, s); err != nil {
		return nil, busy(endpoint, err)
	}
	unlock, err := lockFile(ctx, s, name)
	if err != nil {
		<-mine.place
		return nil, busy(endpoint, err)
	}
	return func() { unlock(); <-mine.place }, nil
}

// waits tells the test's log for whom it waits.
func waits(s talk, holder string) {
	s.t.Helper()
	s.progress(fmt.Sprintf("waiting for %s, which measures the same endpoint", holder))
}

// busy is the error of a run that could not get its endpoint in time.
func busy(endpoint string, err error) error {
	return fmt.Errorf("wait for another run to leave endpoint %s: %w; "+
		"give the test more time (go test -timeout) or run packages one by one (go test -p 1)", endpoint, err)
}

// lockName names an endpoint by what it loads, its host and port: two paths of a
// server share its machine.
func lockName(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return report.Safe(endpoint)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
		port = or(port, "80")
	}
	return report.Safe(host + "_" + port)
}

// turns has a turn per endpoint of this process.
var turns sync.Map

type turn struct {
	place chan struct{} // full while a run has the endpoint
	mu    sync.Mutex
	who   string
}

func (own *turn) take(ctx context.Context, s talk) error {
	s.t.Helper()
	select {
	case own.place <- struct{}{}:
	default:
		waits(s, own.holder())
		select {
		case own.place <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	own.who = s.t.Name()
	return nil
}

func (own *turn) holder() string {
	own.mu.Lock()
	defer own.mu.Unlock()
	return own.who
}

// lockPause is the wait between two tries for a file's lock. A blocking flock
// cannot be left when the context ends.
const lockPause = 50 * time.Millisecond

// errLocked reports that another process has the lock.
var errLocked = errors.New("locked by another process")

// lockFile holds the endpoint against other processes. The lock is the system's
// and goes with the process, however that ends. Where there is none (no cache
// directory, a system without flock, a file system that has no locks) processes
// are not serialised; go test -p 1 does it there.
func lockFile(ctx context.Context, s talk, name string) (unlock func(), err error) {
	s.t.Helper()
	nothing := func() {}
	dir, err := cacheDir()
	if err != nil {
		return nothing, nil
	}
	path := filepath.Join(dir, name+".lock")
	for told := false; ; {
		f, err := tryLock(path)
		switch {
		case err == nil:
			// What it says is for whoever waits; no lock depends on it.
			_, _ = fmt.Fprintf(f, "%s of process %d", s.t.Name(), os.Getpid())
			return func() { os.Remove(path); f.Close() }, nil
		case !errors.Is(err, errLocked):
			return nothing, nil
		}
		if !told {
			holder, _ := os.ReadFile(path)
			waits(s, or(string(holder), "another process"))
			told = true
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
