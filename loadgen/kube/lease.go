package kube

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Two tests that load one endpoint at the same time measure each other. Within a machine
// aiperftest sees to it by a locked file; a Lease is its twin for all machines that use the
// namespace. Its holder is a run, named as in "TestCapacity of process 7 on ci-12 (run x7k2p9b)".

const (
	renewed  = 10 * time.Second // how often the holder renews the Lease
	overtake = 40 * time.Second // how long it must not have been renewed to be taken over
	// forgotten is how old the last renewal must be for a Lease to be taken over at once. Clocks
	// of two machines differ by less.
	forgotten = 10 * time.Minute
	// polled is how often a run that waits looks at the Lease.
	polled = 2 * time.Second

	annotationEndpoint = "aiperf.dev/endpoint"
)

// LeaseError reports that the endpoint was taken by another run, so that what was measured may
// be both.
type LeaseError struct {
	// Name is that of the Lease, and Endpoint the host and port that it is on.
	Name, Endpoint string
	// Holder is the other run, empty if there is none and the Lease could not be renewed for 40 s.
	Holder string
	// Err is why it could not be renewed; nil if another run took it.
	Err error
}

// Error names who has the Lease, and what to do.
func (e *LeaseError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("renew Lease %s of endpoint %s: not possible for %v, so that another test may have taken it: %v",
			e.Name, e.Endpoint, overtake, e.Err)
	}
	return fmt.Sprintf("%s has taken Lease %s of endpoint %s, so that both measure each other; run the test again",
		e.Holder, e.Name, e.Endpoint)
}

// Unwrap returns Err.
func (e *LeaseError) Unwrap() error { return e.Err }

// lease is a Lease that a run holds.
type lease struct {
	f              *fleet
	name, endpoint string
	// current is as it was last written.
	current *coordination.Lease
	stop    context.CancelFunc
	done    chan struct{}
	uses    int
}

// leaseName is the name of the Lease of a host and port, which may have characters that names
// cannot have.
func leaseName(endpoint string) string {
	return fmt.Sprintf("aiperf-%x", sha256.Sum256([]byte(endpoint)))[:len("aiperf-")+16]
}

// lease takes the Lease of an endpoint and renews it until it is released. It waits for as long
// as another run has it, and tells waiting for whom. A run that asks twice has it once.
func (f *fleet) lease(ctx context.Context, endpoint string, waiting func(error)) (*lease, error) {
	f.leases.Lock()
	defer f.leases.Unlock()
	name := leaseName(endpoint)
	if l := f.leases.of[name]; l != nil {
		l.uses++
		return l, nil
	}
	l := &lease{f: f, name: name, endpoint: endpoint, done: make(chan struct{}), uses: 1}
	if err := l.acquire(ctx, waiting); err != nil {
		return nil, fmt.Errorf("take Lease %s of endpoint %s in namespace %s: %w", name, endpoint, f.namespace, err)
	}
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = cancel
	go l.keep(keep)
	f.leases.of[name] = l
	return l, nil
}

// holder is what the Lease says of this run.
func (l *lease) holder() string { return fmt.Sprintf("%s (run %s)", l.f.who, l.f.id) }

// held writes this run into a Lease.
func (l *lease) held(c *coordination.Lease) *coordination.Lease {
	now := meta.NowMicro()
	c.Spec.HolderIdentity = new(l.holder())
	c.Spec.LeaseDurationSeconds = new(int32(overtake.Seconds()))
	c.Spec.AcquireTime, c.Spec.RenewTime = &now, &now
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[annotationEndpoint] = l.endpoint
	return c
}

// acquire waits until the Lease is this run's.
func (l *lease) acquire(ctx context.Context, waiting func(error)) error {
	leases := l.f.client.leases.Leases(l.f.namespace)
	var seen string // the version that was there since
	var since time.Time
	told := ""
	for {
		c, err := leases.Create(ctx, l.held(&coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: l.name}}), meta.CreateOptions{})
		if err == nil {
			l.current = c
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		if c, err = leases.Get(ctx, l.name, meta.GetOptions{}); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return err
		}
		if c.ResourceVersion != seen {
			seen, since = c.ResourceVersion, time.Now()
		}
		if free(c) || time.Since(since) >= overtake {
			c, err = leases.Update(ctx, l.held(c), meta.UpdateOptions{}) // of the version that was seen
			if err == nil {
				l.current = c
				return nil
			}
			if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return err
			}
			continue
		}
		if who := *c.Spec.HolderIdentity; who != told && waiting != nil {
			told = who
			waiting(fmt.Errorf("waiting for %s, which measures the same endpoint %s (Lease %s)", who, l.endpoint, l.name))
		}
		t := time.NewTimer(polled)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%s has it: %w", *c.Spec.HolderIdentity, context.Cause(ctx))
		}
	}
}

// free reports whether nobody has the Lease, or whoever had it is long gone. A shorter time needs
// to be seen to pass here, since the clock of the holder is another one.
func free(c *coordination.Lease) bool {
	return c.Spec.HolderIdentity == nil || *c.Spec.HolderIdentity == "" ||
		c.Spec.RenewTime == nil || time.Since(c.Spec.RenewTime.Time) > forgotten
}

// keep renews the Lease until ctx ends. If it is lost, so is the run.
func (l *lease) keep(ctx context.Context) {
	defer close(l.done)
	leases := l.f.client.leases.Leases(l.f.namespace)
	last := time.Now()
	tick := time.NewTicker(renewed)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		try, cancel := context.WithTimeout(ctx, renewed)
		now := meta.NowMicro()
		l.current.Spec.RenewTime = &now
		c, err := leases.Update(try, l.current, meta.UpdateOptions{})
		if apierrors.IsConflict(err) { // somebody wrote it: perhaps a label alone
			if c, err = leases.Get(try, l.name, meta.GetOptions{}); err == nil {
				if who := c.Spec.HolderIdentity; who == nil || *who != l.holder() {
					cancel()
					l.f.lose(&LeaseError{Name: l.name, Endpoint: l.endpoint, Holder: named(who)})
					return
				}
				c.Spec.RenewTime = &now
				c, err = leases.Update(try, c, meta.UpdateOptions{})
			}
		}
		cancel()
		switch {
		case err == nil:
			l.current, last = c, time.Now()
		case ctx.Err() == nil && time.Since(last) >= overtake:
			l.f.lose(&LeaseError{Name: l.name, Endpoint: l.endpoint, Err: err})
			return
		}
	}
}

// named is the holder of a Lease in words.
func named(who *string) string {
	if who == nil || *who == "" {
		return "somebody"
	}
	return *who
}

// release gives the Lease back once as many have released it as asked for it. That it fails is no
// harm: the Lease can be taken over then.
func (l *lease) release() {
	f := l.f
	f.leases.Lock()
	defer f.leases.Unlock()
	if l.uses--; l.uses > 0 {
		return
	}
	delete(f.leases.of, l.name)
	l.stop()
	<-l.done
	if context.Cause(f.held) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), asking)
	defer cancel()
	l.current.Spec.HolderIdentity, l.current.Spec.AcquireTime = nil, nil
	_, _ = f.client.leases.Leases(f.namespace).Update(ctx, l.current, meta.UpdateOptions{})
}
