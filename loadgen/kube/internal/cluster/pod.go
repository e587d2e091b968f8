//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is one pod: a directory, and a process that is started again as its policy says.
type pod struct {
	node *node
	dir  string
	// last is the last octet of ip.
	last byte
	ip   string
	// ending is closed when the pod is to end, and over when it has ended.
	ending chan struct{}
	over   chan struct{}
	once   sync.Once

	mu sync.Mutex
	// spec is the pod as the API server has it, with the status that this node gives it.
	spec *v1.Pod
	run  *run
	// before is the log of the process before this one, empty if there was none.
	before string
	// dirs are the directories of the volumes by their mount paths. The map is not changed.
	dirs map[string]string
}

// newPod makes a pod that has not been started.
func newPod(n *node, spec *v1.Pod, last byte) *pod {
	now := metav1.Now()
	p := &pod{node: n, dir: filepath.Join(n.dir, string(spec.UID)), last: last, spec: spec,
		ip:     net.IPv4(n.net[0], n.net[1], n.net[2], last).String(),
		ending: make(chan struct{}), over: make(chan struct{})}
	s := &spec.Status
	s.Phase, s.StartTime = v1.PodPending, &now
	s.HostIP, s.HostIPs = "127.0.0.1", []v1.HostIP{{IP: "127.0.0.1"}}
	s.PodIP, s.PodIPs = p.ip, []v1.PodIP{{IP: p.ip}}
	c := spec.Spec.Containers[0]
	s.ContainerStatuses = []v1.ContainerStatus{{Name: c.Name, Image: c.Image, Started: new(bool)}}
	p.conditions(false)
	return p
}

// live is the pod's life, from its image to its end.
func (p *pod) live() {
	defer close(p.over)
	defer os.RemoveAll(p.dir)
	c := p.spec.Spec.Containers[0]
	entry, ok := p.image(c.Image)
	if !ok {
		p.pull(c.Image)
		p.terminal(v1.PodFailed, nil)
		return
	}
	for n := 0; ; n++ {
		if n > 0 && !p.backOff(n) {
			p.terminal(v1.PodFailed, nil)
			return
		}
		r := p.prepare(c, entry, n)
		if r == nil {
			p.terminal(v1.PodFailed, nil)
			return
		}
		if err := r.cmd.Start(); err != nil {
			r.close()
			p.change(func(s *v1.PodStatus) {
				s.ContainerStatuses[0].State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
					ExitCode: 128, Reason: "StartError", Message: err.Error(), FinishedAt: metav1.Now()}}
			})
			p.event(v1.EventTypeWarning, "Failed", "Error: "+err.Error())
			if p.again(128) {
				continue
			}
			p.terminal(v1.PodFailed, nil)
			return
		}
		if n == 0 {
			p.event(v1.EventTypeNormal, "Started", "Container started")
		}
		started := metav1.Now()
		p.mu.Lock()
		p.run = r
		p.mu.Unlock()
		p.change(func(s *v1.PodStatus) {
			s.Phase = v1.PodRunning
			yes := true
			s.ContainerStatuses[0].Started = &yes
			s.ContainerStatuses[0].State = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: started}}
		})
		go p.probe(c, r)
		r.wait()
		end := r.ended(started)
		p.change(func(s *v1.PodStatus) {
			s.ContainerStatuses[0].State = v1.ContainerState{Terminated: end}
			p.setReady(s, false)
		})
		if !p.again(end.ExitCode) {
			phase := v1.PodSucceeded
			if end.ExitCode != 0 {
				phase = v1.PodFailed
			}
			p.terminal(phase, end)
			return
		}
	}
}

// again reports whether a process that has ended with a code is started once more.
func (p *pod) again(code int32) bool {
	select {
	case <-p.ending:
		return false
	default:
	}
	switch p.spec.Spec.RestartPolicy {
	case v1.RestartPolicyNever:
		return false
	case v1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// backOff waits before start n of a process, from 1, as a kubelet does: not before the first
// one, and 10 s, doubled up to 5 min, before those behind it. It reports false if the pod is to
// end meanwhile.
func (p *pod) backOff(n int) bool {
	var wait time.Duration
	if n > 1 {
		wait = min(10*time.Second<<min(n-2, 10), 5*time.Minute)
	}
	p.change(func(s *v1.PodStatus) {
		c := &s.ContainerStatuses[0]
		c.LastTerminationState, c.RestartCount = c.State, int32(n)
		if wait > 0 {
			c.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff",
				Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s", wait, c.Name, p.spec.Name, p.spec.Namespace)}}
		}
	})
	if wait > 0 {
		p.event(v1.EventTypeWarning, "BackOff", "Back-off restarting failed container")
	}
	return p.sleep(wait)
}

// sleep reports false if the pod is to end before d is over.
func (p *pod) sleep(d time.Duration) bool {
	select {
	case <-p.ending:
		return false
	case <-time.After(d):
		return true
	}
}

// image returns the command of an image.
func (p *pod) image(name string) ([]string, bool) {
	text, err := os.ReadFile(p.node.images)
	if err != nil {
		return nil, false
	}
	var all map[string][]string
	if json.Unmarshal(text, &all) != nil {
		return nil, false
	}
	entry, ok := all[name]
	return entry, ok
}

// pull is what becomes of a pod whose image there is not, until the pod is deleted.
func (p *pod) pull(image string) {
	text := fmt.Sprintf("failed to pull and unpack image %q: not found", image)
	p.event(v1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", image))
	p.waiting("ErrImagePull", text)
	p.event(v1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", image, text))
	p.event(v1.EventTypeWarning, "Failed", "Error: ErrImagePull")
	if !p.sleep(500 * time.Millisecond) {
		return
	}
	p.waiting("ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", image, text))
	p.event(v1.EventTypeNormal, "BackOff", fmt.Sprintf("Back-off pulling image %q", image))
	<-p.ending
}

// waiting sets why the container has not been started.
func (p *pod) waiting(reason, text string) {
	p.change(func(s *v1.PodStatus) {
		s.ContainerStatuses[0].State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: text}}
	})
}

// terminal is the pod's last status.
func (p *pod) terminal(phase v1.PodPhase, end *v1.ContainerStateTerminated) {
	if end == nil {
		end = &v1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown", FinishedAt: metav1.Now()}
	}
	p.change(func(s *v1.PodStatus) {
		s.Phase = phase
		if s.ContainerStatuses[0].State.Terminated == nil {
			s.ContainerStatuses[0].State = v1.ContainerState{Terminated: end}
		}
		p.setReady(s, false)
	})
}

// change changes the status under the lock, and tells the agent of it.
func (p *pod) change(f func(*v1.PodStatus)) {
	p.mu.Lock()
	f(&p.spec.Status)
	q := p.spec.DeepCopy()
	p.mu.Unlock()
	p.node.tell(q)
}

// snapshot is a copy of the pod with its status.
func (p *pod) snapshot() *v1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spec.DeepCopy()
}

// conditions are those of a pod that is scheduled and initialized.
func (p *pod) conditions(ready bool) {
	now := metav1.Now()
	yes := v1.ConditionTrue
	p.spec.Status.Conditions = []v1.PodCondition{
		{Type: v1.PodScheduled, Status: yes, LastTransitionTime: now},
		{Type: v1.PodInitialized, Status: yes, LastTransitionTime: now},
		{Type: v1.PodReady, LastTransitionTime: now},
		{Type: v1.ContainersReady, LastTransitionTime: now},
	}
	p.setReady(&p.spec.Status, ready)
}

// keep adds the conditions that are not this node's own.
func (p *pod) keep(conditions []v1.PodCondition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.spec.Status
	for _, c := range conditions {
		if !slices.ContainsFunc(s.Conditions, func(own v1.PodCondition) bool { return own.Type == c.Type }) {
			s.Conditions = append(s.Conditions, c)
		}
	}
}

// setReady sets both conditions and the container's own.
func (p *pod) setReady(s *v1.PodStatus, ready bool) {
	is := v1.ConditionFalse
	if ready {
		is = v1.ConditionTrue
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if (c.Type == v1.PodReady || c.Type == v1.ContainersReady) && c.Status != is {
			c.Status, c.LastTransitionTime = is, metav1.Now()
		}
	}
	s.ContainerStatuses[0].Ready = ready
}

// probe says that a process is ready once its probe by TCP succeeds, or at once if it has no
// probe. Probes of another kind count as none.
func (p *pod) probe(c v1.Container, r *run) {
	if c.ReadinessProbe != nil && c.ReadinessProbe.TCPSocket != nil {
		port := c.ReadinessProbe.TCPSocket.Port.IntValue()
		for _, named := range c.Ports {
			if named.Name == c.ReadinessProbe.TCPSocket.Port.StrVal && named.Name != "" {
				port = int(named.ContainerPort)
			}
		}
		for {
			conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", fmt.Sprintf("%s:%d", p.ip, port))
			if err == nil {
				conn.Close()
				break
			}
			select {
			case <-r.done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	p.change(func(s *v1.PodStatus) {
		if s.ContainerStatuses[0].State.Running != nil {
			p.setReady(s, true)
		}
	})
}

// end ends the pod and waits for it.
func (p *pod) end(grace time.Duration) {
	p.once.Do(func() { close(p.ending) })
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r != nil {
		r.signal(syscall.SIGTERM)
	}
	select {
	case <-p.over:
		return
	case <-time.After(grace):
	}
	p.kill()
	<-p.over
}

// kill ends the pod's process without its consent, and lets none follow.
func (p *pod) kill() {
	p.once.Do(func() { close(p.ending) })
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r != nil {
		r.signal(syscall.SIGKILL)
	}
}

// event records an event of the pod.
func (p *pod) event(kind, reason, text string) {
	p.node.events.Event(p.snapshot(), kind, reason, text)
}

// prepare makes the process of start n, from 0, of a container. As with a kubelet, what it
// needs may still come: it tries again until then, and returns nil if the pod is to end.
func (p *pod) prepare(c v1.Container, entry []string, n int) *run {
	wait := 100 * time.Millisecond
	for ; ; wait = min(2*wait, 2*time.Second) {
		err := p.mount(c)
		if err != nil {
			p.waiting("ContainerCreating", "")
			p.event(v1.EventTypeWarning, "FailedMount", "MountVolume.SetUp failed: "+err.Error())
		} else {
			var r *run
			if r, err = p.process(c, entry, n); err == nil {
				return r
			}
			p.waiting("CreateContainerConfigError", err.Error())
			p.event(v1.EventTypeWarning, "Failed", "Error: "+err.Error())
		}
		if !p.sleep(wait) {
			return nil
		}
	}
}

// process makes the process of start n, from 0, of a container whose volumes are there.
func (p *pod) process(c v1.Container, entry []string, n int) (*run, error) {
	env, err := p.environment(c)
	if err != nil {
		return nil, err
	}
	argv := append(slices.Clone(c.Command), c.Args...)
	if len(c.Command) == 0 {
		argv = append(slices.Clone(entry), c.Args...)
	}
	if len(argv) == 0 {
		return nil, errors.New("no command specified")
	}
	// In a root of its own, volumes are where the spec has them.
	own, placed := rooted(c), p.path
	if own {
		placed = func(text string) string { return text }
	}
	for i := range argv {
		argv[i] = p.bind(placed(expand(argv[i], env)))
	}
	// The image has its command at another path than this machine.
	if len(entry) > 0 && filepath.Base(entry[0]) == filepath.Base(argv[0]) {
		argv[0] = entry[0]
	}
	if own {
		if argv, err = p.entered(entry, argv); err != nil {
			return nil, err
		}
	}
	r, err := newRun(filepath.Join(p.dir, fmt.Sprintf("%d.log", n)), argv, c.Stdin)
	if err != nil {
		return nil, err
	}
	if own {
		r.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS
	}
	r.cmd.Dir = p.dir
	r.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOSTNAME=" + p.spec.Name}
	for _, e := range env {
		r.cmd.Env = append(r.cmd.Env, e[0]+"="+p.bind(placed(e[1])))
	}
	p.mu.Lock()
	if p.run != nil {
		p.before = p.run.log
	}
	p.mu.Unlock()
	return r, nil
}

// bind is an argument with its address to listen on, if it is one, on the pod's own address.
func (p *pod) bind(arg string) string {
	flag, addr, ok := strings.Cut(arg, "=")
	if !ok {
		flag, addr = "", arg
	} else {
		flag += "="
	}
	for _, all := range []string{"", "0.0.0.0", "[::]"} {
		port, ok := strings.CutPrefix(addr, all+":")
		if ok && port != "" && strings.Trim(port, "0123456789") == "" {
			return flag + p.ip + ":" + port
		}
	}
	return arg
}
