package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// StartError reports pods that do not start, or do not start again. Waiting longer is no use.
type StartError struct {
	// Pod is the pod that it was found on, or the Job if there is no pod.
	Pod string
	// Reason is what Kubernetes calls it, for example Unschedulable, and Message its own words,
	// which may be empty. Remedy says what to do.
	Reason, Message, Remedy string
	// Missing of Pods pods are not there.
	Missing, Pods int
	// Events are the latest of the pod and the Job, the oldest first, and Log has the last lines
	// of the worker. Either may be missing, and then Unknown says why.
	Events  []string
	Log     string
	Unknown string
}

// Error says how many pods are missing and why, with the events and the log below it.
func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d pods did not start; %s: %s", e.Missing, e.Pods, e.Pod, e.Reason)
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "; %s", e.Remedy)
	}
	for _, event := range e.Events {
		fmt.Fprintf(&b, "\n  event: %s", event)
	}
	for line := range strings.Lines(e.Log) {
		fmt.Fprintf(&b, "\n  log: %s", strings.TrimRight(line, "\r\n"))
	}
	if e.Unknown != "" {
		fmt.Fprintf(&b, "\n  %s", e.Unknown)
	}
	return b.String()
}

// Final reports true: the pool of workers does not try again.
func (e *StartError) Final() bool { return true }

// state is what keeps a pod from working. The zero state is that of one that works, or may do so
// at any moment.
type state struct {
	reason, message string
	// final says that waiting is no use.
	final bool
	// crashed says that the log is that of the container before.
	crashed bool
}

// reasons have what to do about each reason that Kubernetes has, or that it is part of a message
// of it.
var reasons = []struct{ reason, message, remedy string }{
	{"FailedCreate", "exceeded quota", "raise the quota of the namespace, give fewer pods, or lower Options.CPU and Options.Memory"},
	{"FailedCreate", "violates PodSecurity", "the pods meet the level restricted unless Options.Template changes them"},
	{"FailedCreate", "", "a rule of the cluster refuses the pods; change them by Options.Template"},
	{"Unschedulable", "", "lower Options.CPU and Options.Memory, loosen Options.NodeSelector or Options.OnePerNode, or add nodes"},
	{"ImagePullBackOff", "", imageRemedy},
	{"ErrImagePull", "", imageRemedy},
	{"InvalidImageName", "", imageRemedy},
	{"ErrImageNeverPull", "", imageRemedy},
	{"CreateContainerConfigError", "", "look at what Options.Template and Options.APIKeySecret refer to"},
	{"CreateContainerError", "", commandRemedy},
	{"RunContainerError", "", commandRemedy},
	{"StartError", "", commandRemedy},
	{"ContainerCannotRun", "", commandRemedy},
	{"FailedMount", "", "look at what Options.Template and Options.APIKeySecret refer to"},
	{"OOMKilled", "", "raise Options.Memory, or use more pods"},
	{"CrashLoopBackOff", "", "the log says why the worker ends"},
	{"Evicted", "", "the node ran short of it; raise Options.Memory, or choose other nodes by Options.NodeSelector"},
	{"PreemptionByScheduler", "", "a pod of a higher priority took its place; give the pods a priority by Options.Template"},
	{"DeletionByTaintManager", "", "its node is gone or was drained; choose other nodes by Options.NodeSelector"},
	{"EvictionByEvictionAPI", "", "its node is being drained; choose other nodes by Options.NodeSelector"},
	{"Completed", "", "no test has called it for 2 minutes, or somebody stopped it; run the test again"},
	{"BackoffLimitExceeded", "", "the pods ended too often"},
	{"DeadlineExceeded", "", "the Job may be there 5 minutes longer than the test; give the test more time"},
	{"Unreachable", "", "the pod runs, and does not answer; look for a NetworkPolicy or a proxy before the API server"},
}

const (
	imageRemedy   = "correct Options.Image or AIPERF_KUBE_IMAGE, or give Options.PullSecret"
	commandRemedy = "the image must have the command aiperf-worker or, to ship it, a shell with head and chmod"
)

// remedy returns what to do about a reason.
func remedy(reason, message string) string {
	for _, r := range reasons {
		if r.reason == reason && strings.Contains(message, r.message) {
			return r.remedy
		}
	}
	return ""
}

// judge says what keeps a pod from working.
func judge(p *corev1.Pod) state {
	if p.Status.Phase == corev1.PodFailed || p.DeletionTimestamp != nil {
		return ended(p)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return state{reason: c.Reason, message: c.Message} // a node may come, or a pod may go
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil {
			switch w.Reason {
			case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError",
				"RunContainerError":
				return state{reason: w.Reason, message: w.Message, final: true}
			case "CrashLoopBackOff":
				st := crash(s.LastTerminationState.Terminated)
				st.crashed, st.final = true, s.RestartCount > 1
				return st
			case "ErrImagePull": // tried once more before it counts
				return state{reason: w.Reason, message: w.Message}
			}
		}
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			st := crash(t)
			st.final = t.Reason == "StartError" || t.Reason == "ContainerCannotRun"
			return st
		}
	}
	return state{}
}

// ended says why a pod has ended, or is about to.
func ended(p *corev1.Pod) state {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && p.Status.Reason == "" {
			return state{reason: c.Reason, message: c.Message}
		}
	}
	if p.Status.Reason != "" {
		return state{reason: p.Status.Reason, message: p.Status.Message}
	}
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return crash(t)
		}
	}
	if p.DeletionTimestamp != nil {
		return state{reason: "Deleted", message: "somebody deleted the pod"}
	}
	return state{reason: "Failed", message: p.Status.Message}
}

// crash says how a container ended.
func crash(t *corev1.ContainerStateTerminated) state {
	if t == nil {
		return state{reason: "CrashLoopBackOff"}
	}
	st := state{reason: t.Reason, message: fmt.Sprintf("exit code %d", t.ExitCode)}
	if t.Reason == "Error" || t.Reason == "" || t.Reason == "Completed" {
		st.reason = "CrashLoopBackOff"
	}
	if t.Signal != 0 {
		st.message += fmt.Sprintf(" by signal %d", t.Signal)
	}
	if t.Message != "" {
		st.message += ", " + t.Message
	}
	return st
}

// judgeEvent says whether an event of the Job means that no pod will come.
func judgeEvent(e corev1.Event) state {
	switch e.Reason {
	case "FailedCreate":
		// Only a refusal is final: an API server that does not answer is asked again.
		final := strings.Contains(e.Message, "forbidden") || strings.Contains(e.Message, "invalid") || strings.Contains(e.Message, "denied")
		return state{reason: e.Reason, message: refused(e.Message), final: final}
	case "BackoffLimitExceeded", "DeadlineExceeded":
		return state{reason: e.Reason, message: e.Message, final: true}
	}
	return state{}
}

var (
	// creating is how the Job controller begins what it says of a pod that is refused, with a
	// name that is never seen again.
	creating = regexp.MustCompile(`^Error creating: (pods "[^"]*" is forbidden: )?`)
	// spaces are what some messages are wrapped with.
	spaces = regexp.MustCompile(`\s+`)
)

// refused is what the cluster says against a pod, in one line.
func refused(message string) string {
	return spaces.ReplaceAllString(creating.ReplaceAllString(message, ""), " ")
}

// told are the latest n events in the order in which they came, each once.
func told(events []corev1.Event, n int) (texts []string) {
	at := func(e corev1.Event) time.Time {
		if t := e.LastTimestamp.Time; !t.IsZero() {
			return t
		}
		return e.EventTime.Time
	}
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return at(a).Compare(at(b)) })
	for _, e := range events {
		text := e.Reason + ": " + refused(e.Message)
		if e.Type != corev1.EventTypeNormal && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts[max(0, len(texts)-n):]
}
