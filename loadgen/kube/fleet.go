package kube

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/aiperf-go/aiperf/loadgen/remote"
)

const (
	// looking is how often the events of a Job are asked for while a pod is missing.
	looking = 2 * time.Second
	// endless is how long a run without a deadline may have its Job.
	endless = 24 * time.Hour
	// silent is how long a start takes until the test says what it waits for.
	silent = 5 * time.Second
	// asking is how long one request to the API server may take where nothing else bounds it.
	asking = 10 * time.Second
)

// fleet is the pods of one run: a Job, its Secret, and what is known of the pods.
type fleet struct {
	*client
	o Options
	n int
	// id is that of the run, name that of its objects, and who what others are told of it.
	id, name, who string
	// keys are the test's half. The other is in the Secret alone.
	keys *remote.Keys
	// reach opens a connection to the worker of a running pod, and ship sends it the worker.
	reach func(context.Context, *corev1.Pod) (net.Conn, error)
	ship  func(context.Context, *corev1.Pod) error

	// held ends, with a *LeaseError as its cause, when a Lease of the run is lost.
	held context.Context
	lose context.CancelCauseFunc

	// users counts the carriers. The yard's mutex guards it.
	users int

	// waiting, if not nil, is told what it is waited for, each time that it is something else.
	waiting func(error)
	told    string

	once struct{ permitted, started bool }
	// watching ends the watch, and watched waits for its end.
	watching context.CancelFunc
	watched  sync.WaitGroup

	mu sync.Mutex
	// pods are the current ones by their indices, past those that ended before, last those that
	// were heard of last, and shipped those that have the worker. changed is closed when any of it
	// changes.
	pods, past map[int]*corev1.Pod
	last       map[int]*corev1.Pod
	shipped    map[types.UID]bool
	changed    chan struct{}
	// broken is why the pods cannot be watched; nil if they can.
	broken error
	events struct {
		sync.Mutex
		at   time.Time
		list []corev1.Event
		err  error
	}
	leases struct {
		sync.Mutex
		of map[string]*lease
	}
}

// newFleet makes the fleet of a run. Nothing is started.
func newFleet(c *client, o Options, n int, who string) *fleet {
	const letters = "bcdfghjklmnpqrstvwxz2456789" // as in generated names: they spell nothing
	id := make([]byte, 7)
	for i := range id {
		id[i] = letters[rand.IntN(len(letters))]
	}
	f := &fleet{
		client: c, o: o, n: n, id: string(id), who: cmp.Or(who, fmt.Sprintf("process %d on %s", os.Getpid(), hostname())),
		pods: map[int]*corev1.Pod{}, past: map[int]*corev1.Pod{}, last: map[int]*corev1.Pod{},
		shipped: map[types.UID]bool{}, changed: make(chan struct{}),
	}
	f.name = jobName(who, f.id)
	f.leases.of = map[string]*lease{}
	f.held, f.lose = context.WithCancelCause(context.Background())
	f.reach, f.ship = f.connect, newShipper(f).ship
	f.keys = &remote.Keys{} // filled by start
	return f
}

// permitted asks for the rights of the run, once.
func (f *fleet) permitted(ctx context.Context) error {
	if f.once.permitted {
		return nil
	}
	if _, err := f.client.permitted(ctx, f.o); err != nil {
		return err
	}
	f.once.permitted = true
	return nil
}

// start creates the Job and its Secret, once, and watches the pods until stop. It does not wait
// for them.
func (f *fleet) start(ctx context.Context) error {
	if f.once.started {
		return nil
	}
	lasts := endless
	if at, ok := ctx.Deadline(); ok {
		lasts = time.Until(at)
	}
	client, worker, err := remote.NewKeys(lasts + graceful)
	if err != nil {
		return err
	}
	*f.keys = *client
	j, err := f.batch.Jobs(f.namespace).Create(ctx, job(f.o, f.name, f.id, f.who, f.n, lasts), meta.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create Job %s in namespace %s: %w", f.name, f.namespace, err)
	}
	f.once.started = true // from here on there is something to delete
	// The Secret is behind the Job that owns it, so that it cannot be left alone. A pod that is
	// faster waits for it.
	if _, err := f.core.Secrets(f.namespace).Create(ctx, secret(j, worker), meta.CreateOptions{}); err != nil {
		return fmt.Errorf("create Secret %s in namespace %s: %w", f.name, f.namespace, err)
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.watching = cancel
	f.watched.Go(func() { f.watch(watching) })
	return nil
}

// stop deletes the Job, and with it everything that it owns.
func (f *fleet) stop() error {
	if f.watching != nil {
		f.watching()
		f.watched.Wait()
	}
	if !f.once.started || f.o.Keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), asking)
	defer cancel()
	err := f.batch.Jobs(f.namespace).Delete(ctx, f.name, meta.DeleteOptions{PropagationPolicy: new(meta.DeletePropagationBackground)})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Job %s in namespace %s: %w; its workers end after %v without a test, and it is deleted %v later",
			f.name, f.namespace, err, orphaned, kept)
	}
	return nil
}

// watch keeps the pods known until ctx ends. A watch without a version begins with the pods that
// there are, so that they need not be listed, and one that ends is begun again.
func (f *fleet) watch(ctx context.Context) {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		w, err := f.core.Pods(f.namespace).Watch(ctx, meta.ListOptions{LabelSelector: labelRun + "=" + f.id})
		f.see(func() {
			clear(f.pods) // those that ended meanwhile are in no event
			f.broken = err
		})
		if err == nil {
			began := time.Now()
			end := context.AfterFunc(ctx, w.Stop)
			for e := range w.ResultChan() {
				f.take(e)
			}
			end()
			w.Stop()
			if time.Since(began) > time.Second {
				pause = 100 * time.Millisecond
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// see changes what is known of the pods.
func (f *fleet) see(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// take notes what an event says of a pod.
func (f *fleet) take(e watch.Event) {
	p, ok := e.Object.(*corev1.Pod)
	if !ok {
		return // an error, behind which the watch ends
	}
	i, err := indexed(p)
	if err != nil || i >= f.n || p.Labels[labelRun] != f.id {
		return
	}
	f.see(func() {
		current := f.pods[i]
		if before := f.last[i]; before == nil || !p.CreationTimestamp.Before(&before.CreationTimestamp) {
			f.last[i] = p
		}
		switch {
		case e.Type == watch.Deleted || p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
			if before := f.past[i]; before == nil || before.UID == p.UID || before.CreationTimestamp.Before(&p.CreationTimestamp) {
				f.past[i] = p
			}
			if current != nil && current.UID == p.UID {
				delete(f.pods, i)
			}
		case current == nil || current.UID == p.UID || current.CreationTimestamp.Before(&p.CreationTimestamp):
			f.pods[i] = p
		}
	})
}

// known returns what is known of pod i, and what is closed when that changes.
func (f *fleet) known(i int) (current, past *corev1.Pod, changed <-chan struct{}, broken error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pods[i], f.past[i], f.changed, f.broken
}

// called returns the name of pod i and its node, for messages.
func (f *fleet) called(i int) (name, node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.last[i]; p != nil {
		return p.Name, p.Spec.NodeName
	}
	return fmt.Sprintf("%s-%d", f.name, i), ""
}
