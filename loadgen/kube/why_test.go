package kube

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// waitingFor is a pod whose container waits.
func waitingFor(p *corev1.Pod, reason, message string) *corev1.Pod {
	p.Spec.NodeName = "n1"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	return p
}

// crashing is a pod whose container ended so often and is started again later.
func crashing(p *corev1.Pod, times int32, t corev1.ContainerStateTerminated) *corev1.Pod {
	p = waitingFor(p, "CrashLoopBackOff", "back-off 10s restarting failed container")
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses[0].RestartCount = times
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &t
	return p
}

// disrupted is a pod that the cluster ended.
func disrupted(p *corev1.Pod, reason, message string) *corev1.Pod {
	p.Spec.NodeName, p.Status.Phase = "n1", corev1.PodFailed
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
		Reason: reason, Message: message}}
	return p
}

// starts are the ways in which a start fails. Those that are final end at once, the others after
// StartTimeout.
var starts = []struct {
	name  string
	final bool
	// pod changes the last of two pods, of which the first runs. If it is nil, there is none.
	pod func(*corev1.Pod) *corev1.Pod
	// events are of the Job, or of the pod if they begin with "pod ".
	events []string
	log    string
	denied string
	// said is what the test says meanwhile.
	said string
}{
	{name: "quota", final: true, events: []string{`FailedCreate Error creating: pods "aiperf-cap-1-x2x4z" is forbidden: exceeded quota: ` +
		`pods, requested: pods=1, used: pods=1, limited: pods=1`}},
	{name: "security", final: true, events: []string{`FailedCreate Error creating: pods "aiperf-cap-1-8b2zz" is forbidden: violates ` +
		`PodSecurity "restricted:latest": host namespaces (hostNetwork=true)`}},
	{name: "admission", final: true, events: []string{`FailedCreate Error creating: ` +
		`admission webhook "policy.example" denied the request: no team label`}},
	{name: "unschedulable", pod: func(p *corev1.Pod) *corev1.Pod {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
			Message: "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found."}}
		return p
	}, events: []string{"pod FailedScheduling 0/3 nodes are available: 3 Insufficient cpu."},
		said: "waiting up to 5m0s for 1 of 2 pods; pod aiperf-cap-x7k2p9b-1-abcde: Unschedulable: 0/3 nodes are available: " +
			"3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found."},
	{name: "image", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		return waitingFor(p, "ImagePullBackOff", `Back-off pulling image "registry.example/aiperf-worker:v9": ErrImagePull: not found`)
	}, events: []string{`pod Failed Failed to pull image "registry.example/aiperf-worker:v9": not found`, "pod Failed Error: ErrImagePull"}},
	{name: "config", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		return waitingFor(p, "CreateContainerConfigError", `secret "llm-key" not found`)
	}},
	{name: "command", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		return waitingFor(p, "RunContainerError", `failed to start container: exec: "aiperf-worker": executable file not found in $PATH`)
	}},
	{name: "crash", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		return crashing(p, 2, corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"})
	}, events: []string{"pod BackOff Back-off restarting failed container worker"},
		log: "10:51:02 listening on [::]:7070\n10:51:02 read the keys of workers: open /aiperf/keys/ca.pem: no such file or directory\n"},
	{name: "oom", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		return crashing(p, 2, corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"})
	}, log: "10:51:02 held by TestCapacity\n"},
	{name: "evicted", pod: func(p *corev1.Pod) *corev1.Pod {
		p.Spec.NodeName, p.Status.Phase, p.Status.Reason = "n1", corev1.PodFailed, "Evicted"
		p.Status.Message = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi."
		return p
	}},
	{name: "preempted", pod: func(p *corev1.Pod) *corev1.Pod {
		return disrupted(p, "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod")
	}},
	{name: "drained", pod: func(p *corev1.Pod) *corev1.Pod {
		return disrupted(p, "EvictionByEvictionAPI", "Eviction API: evicting")
	}},
	{name: "backoff", final: true, events: []string{"BackoffLimitExceeded Job has reached the specified backoff limit"}},
	{name: "mount", pod: func(p *corev1.Pod) *corev1.Pod { return waitingFor(p, "ContainerCreating", "") },
		events: []string{`pod FailedMount MountVolume.SetUp failed for volume "key" : secret "llm-key" not found`}},
	{name: "nothing", said: "waiting up to 5m0s for 1 of 2 pods"},
	{name: "completed", final: true, pod: func(p *corev1.Pod) *corev1.Pod {
		p.Status.Phase = corev1.PodSucceeded
		return p
	}},
	{name: "creating", pod: func(p *corev1.Pod) *corev1.Pod { return waitingFor(p, "ContainerCreating", "") }},
	{name: "mute", pod: func(p *corev1.Pod) *corev1.Pod {
		return crashing(p, 1, corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"})
	}, denied: "get pods/log, list events"},
}

// TestStartErrors holds each way in which a start fails to its text, and to when it is told: in
// virtual time, at once or at the end of StartTimeout.
func TestStartErrors(t *testing.T) {
	for _, s := range starts {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				for what := range strings.SplitSeq(s.denied, ", ") {
					c.denied[what] = true
				}
				c.created = func(j *batchv1.Job) {
					c.set(running(pod(j, 0), "n1"))
					p := pod(j, 1)
					for i, text := range s.events {
						e := corev1.Event{Type: "Warning", LastTimestamp: meta.Time{Time: time.Unix(int64(i), 0)}}
						e.InvolvedObject = corev1.ObjectReference{Kind: "Job", Name: j.Name}
						if of, found := strings.CutPrefix(text, "pod "); found {
							text, e.InvolvedObject = of, corev1.ObjectReference{Kind: "Pod", Name: p.Name}
						}
						e.Reason, e.Message, _ = strings.Cut(text, " ")
						c.mu.Lock()
						c.events = append(c.events, e)
						c.mu.Unlock()
					}
					if s.log != "" {
						c.logs[p.Name] = s.log
					}
					if s.pod != nil {
						c.set(s.pod(p))
					}
				}
				o, err := Options{Image: "registry.example/aiperf-worker:v9"}.complete()
				require.NoError(t, err)
				f := newFleet(c.client(), o, 2, "TestCap of process 1 on ci")
				f.id, f.name = "x7k2p9b", "aiperf-cap-x7k2p9b"
				var said []string
				f.waiting = func(err error) { said = append(said, err.Error()) }
				ctx, cancel := context.WithTimeout(t.Context(), o.StartTimeout)
				defer cancel()
				began := time.Now()
				require.NoError(t, f.start(ctx))
				synctest.Wait() // so that what the cluster says is known, as it is after a moment
				_, err = f.Dial(ctx, 1)
				took := time.Since(began)
				require.NoError(t, f.stop())
				var start *StartError
				require.ErrorAs(t, err, &start)
				assert.True(t, start.Final())
				if s.final {
					assert.LessOrEqual(t, took, 4*time.Second)
				} else {
					assert.GreaterOrEqual(t, took, o.StartTimeout-5*time.Second)
					assert.Less(t, took, o.StartTimeout)
				}
				if s.said != "" {
					assert.Equal(t, []string{s.said}, said)
				}
				assert.Equal(t, s.final, said == nil, "%v", said)
				golden(t, "start/"+s.name+".txt", err.Error()+"\n")
			})
		})
	}
}

// TestEachReasonHasAWayOut checks that no start error of the table above leaves its reader alone.
func TestEachReasonHasAWayOut(t *testing.T) {
	b, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	page := strings.Join(strings.Fields(string(b)), " ")
	seen := map[string]bool{}
	for _, r := range reasons {
		first, _, _ := strings.Cut(r.remedy, ",")
		first, _, _ = strings.Cut(first, ";")
		assert.Contains(t, page, first, r.reason)
		assert.False(t, seen[r.reason+r.message], "duplicate %s %s", r.reason, r.message)
		seen[r.reason+r.message] = true
		assert.Equal(t, r.remedy, remedy(r.reason, "so: "+r.message+" it is"))
	}
}

// TestTold checks that events come once each, in their order, the latest of them.
func TestTold(t *testing.T) {
	event := func(at int64, kind, reason string) corev1.Event {
		return corev1.Event{Type: kind, Reason: reason, Message: "m\n  n", LastTimestamp: meta.Time{Time: time.Unix(at, 0)}}
	}
	assert.Equal(t, []string{"B: m n", "C: m n"}, told([]corev1.Event{
		event(3, "Warning", "C"), event(1, "Warning", "A"), event(2, "Warning", "B"), event(2, "Normal", "Pulled"), event(4, "Warning", "C")}, 2))
}
