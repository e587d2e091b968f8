//go:build linux

package kubetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batch "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
)

// TestMain is also the program of the pods of these tests, and that of a test that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("KUBETEST_ROLE") {
	case "pod":
		inPod()
	case "killed":
		beKilled()
	default:
		os.Exit(m.Run())
	}
}

// inPod says who it is to each connection, and says what it is told on its standard input.
func inPod() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if os.Getenv("FAIL") != "" {
		fmt.Println("I am to fail")
		os.Exit(3)
	}
	if os.Getenv("FINISH") != "" {
		return
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	secret, err := os.ReadFile(os.Args[2])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening on", l.Addr())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println("told:", lines.Text())
		}
	}()
	go func() {
		<-ctx.Done()
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			// A Job that looks at a deleted pod only once it has ended takes 0 for success, and
			// replaces nothing.
			os.Exit(128 + int(syscall.SIGTERM))
		}
		fmt.Fprintf(c, "%s %s %s\n", os.Getenv("JOB_COMPLETION_INDEX"), os.Getenv("NODE"), secret)
		c.Close()
	}
}

// beKilled starts a cluster, says which processes it has, and waits.
func beKilled() {
	c, err := start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.PID, c.Dir)
	select {}
}

// job is an Indexed Job whose pods answer on port 7070.
func job(n int32) *batch.Job {
	indexed, no, yes := batch.IndexedCompletion, false, true
	return &batch.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "job-"},
		Spec: batch.JobSpec{
			Completions: &n, Parallelism: &n, CompletionMode: &indexed,
			Template: v1.PodTemplateSpec{Spec: v1.PodSpec{
				RestartPolicy: v1.RestartPolicyOnFailure, AutomountServiceAccountToken: &no,
				TerminationGracePeriodSeconds: new(int64),
				SecurityContext: &v1.PodSecurityContext{RunAsNonRoot: &yes,
					SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}},
				Volumes: []v1.Volume{{Name: "keys", VolumeSource: v1.VolumeSource{
					Secret: &v1.SecretVolumeSource{SecretName: "word"}}}},
				Containers: []v1.Container{{
					Name: "worker", Image: "worker", Args: []string{":7070", "/keys/word"}, Stdin: true,
					SecurityContext: &v1.SecurityContext{AllowPrivilegeEscalation: &no,
						Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}}},
					Env: []v1.EnvVar{{Name: "KUBETEST_ROLE", Value: "pod"}, {Name: "NODE", ValueFrom: &v1.EnvVarSource{
						FieldRef: &v1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}},
					VolumeMounts: []v1.VolumeMount{{Name: "keys", MountPath: "/keys"}},
					ReadinessProbe: &v1.Probe{ProbeHandler: v1.ProbeHandler{
						TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(7070)}}},
				}},
				TopologySpreadConstraints: []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "kubernetes.io/hostname",
					WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"of": "job"}}}},
			}, ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"of": "job"}}},
		},
	}
}

// setUp makes a namespace with the Secret that the pods of job have.
func setUp(t *testing.T) (*Cluster, string) {
	c := Start(t)
	ns := c.Namespace(t)
	self, err := os.Executable()
	require.NoError(t, err)
	c.Image(t, "worker", self)
	_, err = c.Core.Secrets(ns).Create(t.Context(), &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "word"},
		StringData: map[string]string{"word": "swordfish"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	return c, ns
}

// create creates a Job.
func create(t *testing.T, c *Cluster, ns string, j *batch.Job) *batch.Job {
	t.Helper()
	j, err := c.Batch.Jobs(ns).Create(t.Context(), j, metav1.CreateOptions{})
	require.NoError(t, err)
	return j
}

// pods are those of a Job.
func pods(t *testing.T, c *Cluster, j *batch.Job) []v1.Pod {
	t.Helper()
	l, err := c.Core.Pods(j.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + j.Name})
	require.NoError(t, err)
	return l.Items
}

// readyPods waits for n ready pods of a Job.
func readyPods(t *testing.T, c *Cluster, j *batch.Job, n int) []v1.Pod {
	t.Helper()
	defer func() {
		if !t.Failed() {
			return
		}
		for _, p := range pods(t, c, j) {
			t.Logf("pod %s, deleted %v: %+v", p.Name, p.DeletionTimestamp, p.Status)
		}
	}()
	var all []v1.Pod
	c.Eventually(t, fmt.Sprintf("%d pods of the Job are ready", n), func() bool {
		all = nil
		for _, p := range pods(t, c, j) {
			if s := p.Status.ContainerStatuses; len(s) == 1 && s[0].Ready && p.DeletionTimestamp == nil {
				all = append(all, p)
			}
		}
		return len(all) == n
	})
	return all
}

// ask returns what a pod answers through a port-forward.
func ask(t *testing.T, config *rest.Config, c *Cluster, p v1.Pod) (string, error) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	require.NoError(t, err)
	url := c.Core.RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("portforward").URL()
	stop, ready := make(chan struct{}), make(chan struct{})
	defer close(stop)
	f, err := portforward.NewOnAddresses(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url),
		[]string{"127.0.0.1"}, []string{"0:7070"}, stop, ready, io.Discard, io.Discard)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() { failed <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return "", err
	}
	ports, err := f.GetPorts()
	require.NoError(t, err)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
	require.NoError(t, err)
	defer conn.Close()
	text, err := io.ReadAll(conn)
	return string(text), err
}

// TestJob runs a Job of four pods: they are spread over the nodes, each has its index and the
// Secret, all listen on one port, and logs, exec, attach and port-forward reach them.
func TestJob(t *testing.T) {
	c, ns := setUp(t)
	began := time.Now()
	j := create(t, c, ns, job(4))
	all := readyPods(t, c, j, 4)
	t.Logf("API server ready after %v, nodes after %v, four pods of a Job after %v", c.API, c.Nodes, time.Since(began))
	nodes, indices := map[string]int{}, map[string]bool{}
	for _, p := range all {
		said, err := ask(t, c.Config, c, p)
		require.NoError(t, err)
		words := strings.Fields(said)
		require.Len(t, words, 3, said)
		indices[words[0]] = true
		nodes[words[1]]++
		assert.Equal(t, "swordfish", words[2])
	}
	assert.Equal(t, map[string]int{"proc-0": 2, "proc-1": 2}, nodes)
	assert.Len(t, indices, 4)

	p := all[0]
	log, err := c.Core.Pods(ns).GetLogs(p.Name, &v1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "listening on "+p.Status.PodIP+":7070\n", string(log))

	began = time.Now()
	out, err := stream(t, c, p, "exec", &v1.PodExecOptions{Container: "worker", Command: []string{"cat", "/keys/word"}, Stdout: true}, nil)
	require.NoError(t, err)
	assert.Equal(t, "swordfish", out)

	attached, err := stream(t, c, p, "attach", &v1.PodAttachOptions{Container: "worker", Stdin: true, Stdout: true},
		strings.NewReader("hello\n"))
	require.NoError(t, err)
	assert.Equal(t, "told: hello\n", attached)
	t.Logf("exec and attach took %v", time.Since(began))
}

// stream runs exec or attach, for as long as it takes or, with input, until the answer is there.
func stream(t *testing.T, c *Cluster, p v1.Pod, verb string, options kruntime.Object, in io.Reader) (string, error) {
	t.Helper()
	url := c.Core.RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource(verb).
		VersionedParams(options, scheme.ParameterCodec).URL()
	e, err := remotecommand.NewSPDYExecutor(c.Config, http.MethodPost, url)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out := &answer{cancel: func() {}}
	if in != nil {
		out.cancel = cancel
	}
	err = e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out})
	if in != nil && ctx.Err() != nil {
		err = nil
	}
	return out.String(), err
}

// answer is told of the first line.
type answer struct {
	bytes.Buffer
	cancel func()
}

func (a *answer) Write(b []byte) (int, error) {
	n, err := a.Buffer.Write(b)
	if bytes.HasSuffix(b, []byte("\n")) {
		a.cancel()
	}
	return n, err
}

// TestLoss kills the process of a pod, which starts again in its place, and deletes the
// other one, which the Job replaces.
func TestLoss(t *testing.T) {
	c, ns := setUp(t)
	j := create(t, c, ns, job(2))
	all := readyPods(t, c, j, 2)
	c.Kill(t, all[0].Name)
	took := c.Within(t, 10*time.Second, "the killed process is back in its pod", func() bool {
		p, err := c.Core.Pods(ns).Get(t.Context(), all[0].Name, metav1.GetOptions{})
		require.NoError(t, err)
		s := p.Status.ContainerStatuses[0]
		return s.RestartCount == 1 && s.Ready && s.LastTerminationState.Terminated.ExitCode == 137
	})
	t.Logf("a killed process is back after %v", took)
	require.NoError(t, c.Core.Pods(ns).Delete(t.Context(), all[1].Name, metav1.DeleteOptions{}))
	took = c.Within(t, 30*time.Second, "the deleted pod is replaced", func() bool {
		for _, p := range readyPods(t, c, j, 2) {
			if p.Name == all[1].Name {
				return false
			}
		}
		return true
	})
	t.Logf("a deleted pod is replaced after %v", took)
}

// TestNoStart is about pods that do not start, each for its own reason.
func TestNoStart(t *testing.T) {
	c, ns := setUp(t)
	waiting := func(j *batch.Job) string {
		for _, p := range pods(t, c, j) {
			if s := p.Status.ContainerStatuses; len(s) == 1 && s[0].State.Waiting != nil {
				return s[0].State.Waiting.Reason
			}
		}
		return ""
	}
	wrong := job(1)
	wrong.Spec.Template.Spec.Containers[0].Image = "nobody/knows:1"
	j := create(t, c, ns, wrong)
	c.Eventually(t, "the image is reported", func() bool { return waiting(j) == "ImagePullBackOff" })

	fails := job(1)
	fails.Spec.Template.Spec.Containers[0].Env = append(fails.Spec.Template.Spec.Containers[0].Env, v1.EnvVar{Name: "FAIL", Value: "1"})
	j = create(t, c, ns, fails)
	c.Eventually(t, "the crashes are reported", func() bool { return waiting(j) == "CrashLoopBackOff" })

	large := job(1)
	large.Spec.Template.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1000")}
	j = create(t, c, ns, large)
	c.Eventually(t, "the scheduler's verdict is reported", func() bool {
		for _, p := range pods(t, c, j) {
			for _, is := range p.Status.Conditions {
				if is.Type == v1.PodScheduled && is.Status == v1.ConditionFalse {
					return is.Reason == "Unschedulable" && strings.Contains(is.Message, "Insufficient cpu")
				}
			}
		}
		return false
	})

	_, err := c.Core.ResourceQuotas(ns).Create(t.Context(), &v1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec: v1.ResourceQuotaSpec{Hard: v1.ResourceList{v1.ResourcePods: resource.MustParse("0")}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.Eventually(t, "the quota holds", func() bool {
		q, err := c.Core.ResourceQuotas(ns).Get(t.Context(), "none", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
	j = create(t, c, ns, job(1))
	c.Eventually(t, "the quota is reported", func() bool {
		events, err := c.Core.Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + j.Name})
		require.NoError(t, err)
		for _, e := range events.Items {
			if e.Reason == "FailedCreate" && strings.Contains(e.Message, "exceeded quota: none") {
				return true
			}
		}
		return false
	})
}

// TestTTL sees a Job that has finished go with its pods.
func TestTTL(t *testing.T) {
	c, ns := setUp(t)
	short := job(1)
	one := int32(1)
	short.Spec.TTLSecondsAfterFinished = &one
	short.Spec.Template.Spec.Containers[0].Env = append(short.Spec.Template.Spec.Containers[0].Env, v1.EnvVar{Name: "FINISH", Value: "1"})
	j := create(t, c, ns, short)
	c.Eventually(t, "the Job and its pod are gone", func() bool {
		_, err := c.Batch.Jobs(ns).Get(t.Context(), j.Name, metav1.GetOptions{})
		return err != nil && len(pods(t, c, j)) == 0
	})
}

// TestUser sees that a user has the rights that it was given and no others.
func TestUser(t *testing.T) {
	c, ns := setUp(t)
	j := create(t, c, ns, job(1))
	p := readyPods(t, c, j, 1)[0]
	may := c.User(t, ns, []rbac.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods/portforward"}, Verbs: []string{"create"}}})
	with, err := clientcmd.BuildConfigFromFlags("", may.Kubeconfig)
	require.NoError(t, err)
	said, err := ask(t, with, c, p)
	require.NoError(t, err)
	assert.Contains(t, said, "swordfish")
	mayNot := c.User(t, ns, nil)
	without, err := clientcmd.BuildConfigFromFlags("", mayNot.Kubeconfig)
	require.NoError(t, err)
	_, err = ask(t, without, c, p)
	assert.ErrorContains(t, err, "cannot create resource \"pods/portforward\"")
	c.Eventually(t, "both are in the audit log", func() bool {
		allowed, denied := may.Used(t)
		no, yes := mayNot.Used(t)
		return slices.Equal(allowed, []string{"create pods/portforward"}) && slices.Equal(yes, allowed) && denied == nil && no == nil
	})
}

// TestKilled kills a test that has a cluster, and sees all of the cluster go.
func TestKilled(t *testing.T) {
	Start(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "KUBETEST_ROLE=killed")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pid int
	var dir string
	_, err = fmt.Sscan(line, &pid, &dir)
	require.NoError(t, err, line)
	require.DirExists(t, dir)
	children := below(t, pid)
	require.Len(t, children, 6, "etcd, API server, controllers, scheduler, and two nodes")
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	began := time.Now()
	for _, id := range append(children, pid) {
		for syscall.Kill(id, 0) == nil && !zombie(id) {
			require.Less(t, time.Since(began), 20*time.Second, "process %d is still there", id)
			time.Sleep(5 * time.Millisecond)
		}
	}
	assert.NoDirExists(t, dir)
	t.Logf("all is gone %v after the kill", time.Since(began))
}

// below are the children of a process.
func below(t *testing.T, pid int) []int {
	t.Helper()
	all, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var ids []int
	for _, e := range all {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := stat(id); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			ids = append(ids, id)
		}
	}
	return ids
}

// zombie reports whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && fields[0] == "Z"
}

// stat are the fields of a process from its state on; the next one is its parent.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
