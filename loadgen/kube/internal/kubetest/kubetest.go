//go:build linux

// Package kubetest starts a Kubernetes cluster for tests, in seconds and without root: the
// program of ../cluster, which the script ../cluster/build builds.
//
//	func TestStart(t *testing.T) {
//		c := kubetest.Start(t)              // skips t unless AIPERF_KUBE_TEST is set
//		ns := c.Namespace(t)
//		c.Image(t, "worker", "/tmp/worker") // what "image: worker" runs
//		t.Setenv("KUBECONFIG", c.User(t, ns, rules).Kubeconfig)
//		…
//	}
//
// All tests of a binary share one cluster. It is stopped and removed when the test binary
// ends, whatever ends it: the cluster ends with its standard input.
//
// Pods are processes or, if AIPERF_KUBE_TEST is "kubelet", containers of Kubernetes' own kubelet,
// which needs root; the script ../cluster/real sees to it.
package kubetest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchclient "k8s.io/client-go/kubernetes/typed/batch/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Enabled is the variable without which tests that need a cluster are skipped.
const Enabled = "AIPERF_KUBE_TEST"

// Cluster is a cluster that runs. Its clients are those of its administrator.
type Cluster struct {
	// Dir has the cluster's logs, and Kubeconfig is its administrator's.
	Dir, Kubeconfig string
	// API and Nodes are how long the start took until the API server, and all nodes, were ready.
	API, Nodes time.Duration
	// Host is the address at which containers reach this machine; empty if pods are processes.
	Host string

	Config       *rest.Config
	Core         *coreclient.CoreV1Client
	Batch        *batchclient.BatchV1Client
	Coordination *coordinationclient.CoordinationV1Client
	RBAC         *rbacclient.RbacV1Client

	// PID is that of the process whose end is the cluster's.
	PID int
	// stdin is open as long as the cluster is to run.
	stdin io.Closer
	// images guards the file of images and what containerd has, by names and commands.
	images sync.Mutex
	has    map[string]bool
}

// Kubelet reports whether the tests want a cluster whose pods are containers.
func Kubelet() bool { return os.Getenv(Enabled) == "kubelet" }

// Containers reports whether pods are containers, and not processes.
func (c *Cluster) Containers() bool { return c.Host != "" }

var shared = sync.OnceValues(start)

// Start returns the cluster of this test binary, which it starts if no other test has. It
// skips the test unless AIPERF_KUBE_TEST is set.
func Start(t testing.TB) *Cluster {
	t.Helper()
	if os.Getenv(Enabled) == "" {
		t.Skipf("needs a test cluster: set %s=1, which builds it once (some minutes)", Enabled)
	}
	c, err := shared()
	if err != nil {
		t.Fatalf("start a test cluster: %v", err)
	}
	return c
}

// Program returns the path of a program of the cluster, which is built if it is not there yet:
// "cluster", "kubectl" or "kubelet". That of the cluster is AIPERF_KUBE_CLUSTER if that is set.
func Program(name string) (string, error) {
	if path := os.Getenv("AIPERF_KUBE_CLUSTER"); path != "" && name == "cluster" {
		return path, nil
	}
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("this binary does not know its sources")
	}
	out, err := exec.Command(filepath.Join(filepath.Dir(here), "..", "cluster", "build"), name).Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w%s", name, err, stderr(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// start starts a cluster in a directory of its own.
func start() (*Cluster, error) {
	program, err := Program("cluster")
	if err != nil {
		return nil, err
	}
	var more []string
	if Kubelet() {
		kubelet, err := Program("kubelet")
		if err != nil {
			return nil, err
		}
		more = []string{"-kubelet", kubelet}
	}
	dir, err := os.MkdirTemp("", "aiperf-kube-")
	if err != nil {
		return nil, err
	}
	// The file outlives the directory that the cluster removes at its end.
	var said strings.Builder
	cmd := exec.Command(program, append([]string{"up", "-dir", dir}, more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		stdin.Close()
		return nil, fmt.Errorf("%w: %s", cmd.Wait(), said.String())
	}
	go cmd.Wait()
	var r struct {
		Kubeconfig string        `json:"kubeconfig"`
		API        time.Duration `json:"api_ns"`
		Nodes      time.Duration `json:"nodes_ns"`
		Host       string        `json:"host"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("%w: %s", err, line)
	}
	c := &Cluster{Dir: dir, Kubeconfig: r.Kubeconfig, API: r.API, Nodes: r.Nodes, Host: r.Host, PID: cmd.Process.Pid, stdin: stdin,
		has: map[string]bool{}}
	if c.Containers() {
		if err := c.load(pause, []string{"sh"}); err != nil {
			return nil, err
		}
	}
	return c, c.connect()
}

// connect makes the administrator's clients.
func (c *Cluster) connect() (err error) {
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	c.Config.QPS, c.Config.Burst = 200, 400
	if c.Core, err = coreclient.NewForConfig(c.Config); err != nil {
		return err
	}
	if c.Batch, err = batchclient.NewForConfig(c.Config); err != nil {
		return err
	}
	if c.Coordination, err = coordinationclient.NewForConfig(c.Config); err != nil {
		return err
	}
	c.RBAC, err = rbacclient.NewForConfig(c.Config)
	return err
}

// Stop ends the cluster before the test binary does.
func (c *Cluster) Stop() { c.stdin.Close() }

// Image makes an image: pods that name it run the command, or the file of the same base name
// if the pod names its command by another path. Containers need a command that is linked
// statically, or "sh".
func (c *Cluster) Image(t testing.TB, name string, command ...string) {
	t.Helper()
	if c.Containers() {
		c.loaded(t, name, command)
		return
	}
	c.images.Lock()
	defer c.images.Unlock()
	path := filepath.Join(c.Dir, "images.json")
	all := map[string][]string{}
	text, err := os.ReadFile(path)
	check(t, err)
	check(t, json.Unmarshal(text, &all))
	all[name] = command
	text, err = json.Marshal(all)
	check(t, err)
	// A node must not read half of it.
	check(t, os.WriteFile(path+".new", text, 0o600))
	check(t, os.Rename(path+".new", path))
}

// Namespace makes a namespace that Pod Security holds to "restricted". It is removed with the test.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	ns, err := c.Core.Namespaces().Create(t.Context(), &v1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "t-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		c.Core.Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	// Pods need the service account, which a controller makes.
	c.Eventually(t, "the namespace has its service account", func() bool {
		_, err := c.Core.ServiceAccounts(ns.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	return ns.Name
}

// Reach returns the URL of a server of this process as pods reach it. Containers have a network
// of their own, in which a relay stands for the server until the end of the test.
func (c *Cluster) Reach(t testing.TB, server string) string {
	t.Helper()
	if !c.Containers() {
		return server
	}
	to, err := url.Parse(server)
	check(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", c.Host+":0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go relay(in, to.Host)
		}
	}()
	return "http://" + l.Addr().String()
}

// relay connects a connection with an address until either end closes it.
func relay(in net.Conn, addr string) {
	defer in.Close()
	out, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(in, out)
}

// Account is a service account that is there already, so that Used says what it has asked for.
func (c *Cluster) Account(namespace, name string) *User {
	return &User{Name: fmt.Sprintf("system:serviceaccount:%s:%s", namespace, name), cluster: c}
}

// User is a service account.
type User struct {
	// Kubeconfig is a file with its token, and Name what the API server calls it.
	Kubeconfig, Name string
	cluster          *Cluster
}

// User makes a service account that has the rules in a namespace and nothing else.
func (c *Cluster) User(t testing.TB, namespace string, rules []rbac.PolicyRule) *User {
	t.Helper()
	ctx := t.Context()
	meta := metav1.ObjectMeta{GenerateName: "user-"}
	account, err := c.Core.ServiceAccounts(namespace).Create(ctx, &v1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	check(t, err)
	meta = metav1.ObjectMeta{Name: account.Name}
	_, err = c.RBAC.Roles(namespace).Create(ctx, &rbac.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	check(t, err)
	_, err = c.RBAC.RoleBindings(namespace).Create(ctx, &rbac.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: account.Name},
		Subjects:   []rbac.Subject{{Kind: rbac.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
	}, metav1.CreateOptions{})
	check(t, err)
	token, err := c.Core.ServiceAccounts(namespace).CreateToken(ctx, account.Name, &authentication.TokenRequest{}, metav1.CreateOptions{})
	check(t, err)
	path := filepath.Join(t.TempDir(), account.Name+".conf")
	text := fmt.Sprintf(kubeconfig, c.Config.Host, filepath.Join(c.Dir, "ca.pem"), token.Status.Token, namespace)
	check(t, os.WriteFile(path, []byte(text), 0o600))
	return &User{path, fmt.Sprintf("system:serviceaccount:%s:%s", namespace, account.Name), c}
}

// Used returns what the user has been allowed and what it has been denied so far, each as
// "create pods/portforward", in order and without duplicates. It is what the API server's audit log says.
func (u *User) Used(t testing.TB) (allowed, denied []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(u.cluster.Dir, "audit.log"))
	check(t, err)
	defer f.Close()
	seen := [2]map[string]bool{{}, {}}
	for lines := json.NewDecoder(f); lines.More(); {
		var e struct {
			User        struct{ Username string }
			Verb        string
			ObjectRef   struct{ Resource, Subresource string }
			Annotations map[string]string
		}
		// The last line may be half written.
		if lines.Decode(&e) != nil {
			break
		}
		if e.User.Username != u.Name || e.ObjectRef.Resource == "" {
			continue
		}
		what := e.Verb + " " + e.ObjectRef.Resource
		if e.ObjectRef.Subresource != "" {
			what += "/" + e.ObjectRef.Subresource
		}
		if e.Annotations["authorization.k8s.io/decision"] == "allow" {
			seen[0][what] = true
		} else {
			seen[1][what] = true
		}
	}
	return slices.Sorted(maps.Keys(seen[0])), slices.Sorted(maps.Keys(seen[1]))
}

// kubeconfig is the file of a user: server, authority, token, namespace.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: user, user: {token: %q}}]
contexts: [{name: user, context: {cluster: cluster, user: user, namespace: %q}}]
current-context: user
`

// Kill kills the process of a pod, without the node having anything to do with it.
func (c *Cluster) Kill(t testing.TB, pod string) {
	t.Helper()
	check(t, syscall.Kill(c.Process(t, pod), syscall.SIGKILL))
}

// Process is the number of a pod's process on this machine.
func (c *Cluster) Process(t testing.TB, pod string) int {
	t.Helper()
	host := pod
	if c.Containers() {
		// Pods of an Indexed Job have the name of their index, without what makes it theirs alone.
		host = pod[:strings.LastIndexByte(pod, '-')]
	}
	all, err := os.ReadDir("/proc")
	check(t, err)
	for _, e := range all {
		id, err := strconv.Atoi(e.Name())
		// Number 1 is never a pod's, as this process sees it.
		if err != nil || id <= 1 {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && strings.Contains("\x00"+string(env), "\x00HOSTNAME="+host+"\x00") {
			return id
		}
	}
	t.Fatalf("pod %s has no process", pod)
	return 0
}

// Eventually waits up to a minute until a condition holds.
func (c *Cluster) Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	c.Within(t, time.Minute, what, holds)
}

// Within waits until a condition holds, and fails the test if it does not in time.
func (c *Cluster) Within(t testing.TB, wait time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > wait {
			t.Fatalf("not within %v: %s", wait, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// check ends the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stderr is what a command has said, as the end of a message.
func stderr(err error) string {
	if e, ok := err.(*exec.ExitError); ok && len(e.Stderr) > 0 {
		return ":\n" + string(e.Stderr)
	}
	return ""
}
