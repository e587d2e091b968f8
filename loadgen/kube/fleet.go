package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
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
	// slow is how long a start takes until the test says what it waits for.
	slow = 5 * time.Second
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

// runs reports whether the worker of a pod runs.
func runs(p *corev1.Pod) bool {
	if p == nil || p.Status.Phase != corev1.PodRunning {
		return false
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
			return s.State.Running != nil
		}
	}
	return len(p.Status.ContainerStatuses) == 0 // a kubelet that says no more than the phase
}

// Dial waits until pod i runs, and opens a connection to its worker. A pod that cannot start ends
// it at once with a *StartError, and one that does not start shortly before ctx does.
func (f *fleet) Dial(ctx context.Context, i int) (net.Conn, error) {
	over, began := f.patience(ctx), time.Now()
	tick := time.NewTicker(looking)
	defer tick.Stop()
	for {
		current, past, changed, broken := f.known(i)
		if runs(current) {
			c, err := f.open(ctx, current)
			select {
			case <-over:
				if err != nil {
					return nil, f.explain(i, state{reason: "Unreachable", message: err.Error()})
				}
			default:
			}
			return c, err
		}
		if broken != nil && (apierrors.IsForbidden(broken) || apierrors.IsUnauthorized(broken)) {
			return nil, fatalError{fmt.Errorf("watch the pods of Job %s: %w", f.name, broken)}
		}
		st := f.hopeless(ctx, i, current, past)
		if st.final {
			return nil, f.explain(i, st)
		}
		if time.Since(began) >= slow {
			f.tell(i, st)
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-over:
			return nil, f.explain(i, state{})
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// patience ends so long before ctx that it can still be asked what is wrong.
func (f *fleet) patience(ctx context.Context) <-chan time.Time {
	at, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	left := time.Until(at)
	return time.After(left - min(left/5, 3*time.Second))
}

// fatalError is an error after which no pod is tried again.
type fatalError struct{ error }

// Unwrap returns the error.
func (e fatalError) Unwrap() error { return e.error }

// Final reports true.
func (e fatalError) Final() bool { return true }

// open connects to a pod that runs, and sends it the worker first if it has none.
func (f *fleet) open(ctx context.Context, p *corev1.Pod) (net.Conn, error) {
	if f.o.Image == "" {
		f.mu.Lock()
		has := f.shipped[p.UID]
		f.mu.Unlock()
		if !has {
			if err := f.ship(ctx, p); err != nil {
				return nil, err
			}
			f.see(func() { f.shipped[p.UID] = true })
		}
	}
	return f.reach(ctx, p)
}

// tell says what pod i is waited for, if that is news.
func (f *fleet) tell(i int, st state) {
	name, _ := f.called(i)
	text := fmt.Sprintf("waiting up to %v for %d of %d pods", f.o.StartTimeout, f.missing(), f.n)
	if st.reason != "" {
		text += fmt.Sprintf("; pod %s: %s", name, st.reason)
		if st.message != "" {
			text += ": " + refused(st.message)
		}
	}
	f.mu.Lock()
	news := f.told == "" || st.reason != "" && !strings.Contains(f.told, st.reason)
	if news {
		f.told = text
	}
	waiting := f.waiting
	f.mu.Unlock()
	if news && waiting != nil {
		waiting(errors.New(text))
	}
}

// hopeless says why pod i is not there, and whether it will not come.
func (f *fleet) hopeless(ctx context.Context, i int, current, past *corev1.Pod) state {
	if current != nil {
		return judge(current)
	}
	if past != nil && past.Status.Phase == corev1.PodSucceeded { // the Job makes no other one for its index
		return state{reason: "Completed", message: "the worker ended by itself", final: true}
	}
	events, _ := f.said(ctx, false)
	for _, e := range events {
		if e.InvolvedObject.Kind == "Job" {
			if st := judgeEvent(e); st.final {
				return st
			}
		}
	}
	return state{}
}

// said are the events of the run's objects. They are asked for at most every two seconds, however
// many pods are missing, or at once if now.
func (f *fleet) said(ctx context.Context, now bool) ([]corev1.Event, error) {
	f.events.Lock()
	defer f.events.Unlock()
	if now || time.Since(f.events.at) >= looking {
		f.events.at = time.Now()
		list, err := f.core.Events(f.namespace).List(ctx, meta.ListOptions{Limit: 1000})
		f.events.err = err
		if err == nil {
			f.events.list = nil
			for _, e := range list.Items {
				if o := e.InvolvedObject; o.Name == f.name || strings.HasPrefix(o.Name, f.name+"-") {
					f.events.list = append(f.events.list, e)
				}
			}
		}
	}
	return f.events.list, f.events.err
}

// explain is the error of pod i, with all that can be learnt of it. Without a state it is of one
// that took too long.
func (f *fleet) explain(i int, st state) *StartError {
	ctx, cancel := context.WithTimeout(context.Background(), min(asking, 2*time.Second))
	defer cancel()
	current, past, _, broken := f.known(i)
	p := current
	if p == nil {
		p = past
	}
	events, unheard := f.said(ctx, true)
	var of []corev1.Event
	for _, e := range events {
		if e.InvolvedObject.Kind == "Job" || p != nil && e.InvolvedObject.Name == p.Name {
			of = append(of, e)
		}
	}
	e := &StartError{Pod: "Job " + f.name, Pods: f.n, Missing: f.missing()}
	if st.reason == "" {
		st = f.guess(current, past, of, broken)
	}
	if st.reason != "FailedCreate" && st.reason != "BackoffLimitExceeded" && p != nil {
		e.Pod = "pod " + p.Name
	}
	e.Reason, e.Message, e.Remedy = st.reason, strings.TrimSuffix(refused(st.message), "."), remedy(st.reason, st.message)
	e.Events = slices.DeleteFunc(told(of, 5), func(text string) bool { return text == e.Reason+": "+e.Message })
	var unknown []string
	if p != nil && began(p) {
		log, err := f.core.Pods(f.namespace).GetLogs(p.Name, &corev1.PodLogOptions{
			Container: container, TailLines: new(int64(10)), Previous: st.crashed && restarts(p) > 0,
		}).DoRaw(ctx)
		if e.Log = string(log); err != nil {
			e.Log = ""
			unknown = append(unknown, fmt.Sprintf("the log cannot be read: %v", err))
		}
	}
	if unheard != nil {
		unknown = append(unknown, fmt.Sprintf("the events cannot be read: %v", unheard))
	}
	e.Unknown = strings.Join(unknown, "; ")
	return e
}

// guess says why a pod that took too long is not there, from what was last seen.
func (f *fleet) guess(current, past *corev1.Pod, events []corev1.Event, broken error) state {
	var st state
	if current != nil {
		st = judge(current)
	} else if past != nil {
		st = ended(past)
	}
	for _, e := range events { // an event says more than that a container is being created
		if st.reason != "" || e.Type == corev1.EventTypeNormal {
			continue
		}
		if st = judgeEvent(e); st.reason == "" {
			st = state{reason: e.Reason, message: e.Message}
		}
	}
	switch {
	case st.reason != "":
	case broken != nil:
		st = state{reason: "Unknown", message: fmt.Sprintf("the pods cannot be watched: %v", broken)}
	case current == nil:
		st = state{reason: "NotCreated", message: fmt.Sprintf("the Job has made no pod within %v", f.o.StartTimeout)}
	default:
		st = state{reason: string(current.Status.Phase), message: fmt.Sprintf("not ready within %v", f.o.StartTimeout)}
	}
	return st
}

// began reports whether the worker of a pod has ever run, so that it may have a log.
func began(p *corev1.Pod) bool {
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil {
			return true
		}
	}
	return false
}

// restarts is how often a worker was started again in its pod.
func restarts(p *corev1.Pod) (n int32) {
	for _, s := range p.Status.ContainerStatuses {
		n += s.RestartCount
	}
	return n
}

// missing counts the pods whose worker does not run.
func (f *fleet) missing() (n int) {
	for i := range f.n {
		if current, _, _, _ := f.known(i); !runs(current) {
			n++
		}
	}
	return max(n, 1)
}

// notes are what a report must say about the pods.
func (f *fleet) notes() (notes []error) {
	nodes, limited, limit := map[string]bool{}, "", ""
	for i := range f.n {
		p, _, _, _ := f.known(i)
		if p == nil {
			continue
		}
		nodes[p.Spec.NodeName] = true
		for _, c := range p.Spec.Containers {
			if l, ok := c.Resources.Limits[corev1.ResourceCPU]; ok && limited == "" {
				limited, limit = p.Name, l.String()
			}
		}
	}
	if _, node := f.called(0); f.n > 1 && len(nodes) == 1 {
		notes = append(notes, fmt.Errorf("all %d pods are on node %s, whose CPUs and network they share; "+
			"use kube.Options.OnePerNode, or NodeSelector", f.n, node))
	}
	if limited != "" {
		notes = append(notes, fmt.Errorf("pod %s has a CPU limit of %s, which kube does not set, perhaps by a LimitRange; "+
			"a worker that is throttled measures its own pauses", limited, limit))
	}
	return notes
}

var errNoPod = errors.New("the pod has no address yet")
