package kube

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

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
	if p != nil && began(p) && st.reason != "StartError" && st.reason != "ContainerCannotRun" { // there it has never run
		previous := st.crashed && restarts(p) > 0
		log, err := f.log(ctx, p, previous)
		if err == nil && len(log) == 0 && previous { // it has been cleaned up, or the current one has ended, too
			log, err = f.log(ctx, p, false)
		}
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

// log returns the last lines of the worker's log, of the container before if previous.
func (f *fleet) log(ctx context.Context, p *corev1.Pod, previous bool) ([]byte, error) {
	// A stream has the words of a refusal, which DoRaw has not.
	text, err := f.core.Pods(f.namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: container, TailLines: new(int64(10)), Previous: previous,
	}).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	return io.ReadAll(io.LimitReader(text, 64<<10))
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
