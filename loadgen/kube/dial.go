package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
		if time.Since(began) >= silent {
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

var errNoPod = errors.New("the pod has no address yet")
