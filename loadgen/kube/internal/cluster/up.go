//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ready is the line that up prints once every node is ready.
type ready struct {
	// Server is the address of the API server, and Kubeconfig the file of its administrator.
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	// API and Nodes are how long it took until the API server, and all nodes, were ready.
	API   time.Duration `json:"api_ns"`
	Nodes time.Duration `json:"nodes_ns"`
	// Host is the address at which containers reach this machine; empty if pods are processes.
	Host string `json:"host"`
}

// machine is a cluster while it runs.
type machine struct {
	dir      string
	self     string
	children []*child
	// ended is told of each child that ends by itself.
	ended chan *child
	// node is the node with containers; nil if pods are processes.
	node *realNode
}

// child is one component's process.
type child struct {
	name string
	cmd  *exec.Cmd
	// gone is closed behind the end of the process.
	gone chan struct{}
}

// up starts a cluster and keeps it until stdin ends, which it also does when the process at its
// other end is killed, or until SIGTERM; then it stops all of it and removes its directory.
func up(args []string) error {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	dir := flags.String("dir", "", "the directory of all files, which is removed at the end")
	nodes := flags.Int("nodes", 2, "how many nodes")
	kubelet := flags.String("kubelet", "", "the path of kubelet: one node with containers, in place of those with processes (see real.go)")
	wait := flags.Duration("timeout", 2*time.Minute, "how long the start may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("up: -dir is missing")
	}
	// A child is killed when the thread that made it ends; this goroutine keeps its own.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	root, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m := &machine{dir: root, self: self, ended: make(chan *child, 16)}
	defer os.RemoveAll(root)
	defer m.stop()
	starting, over := context.WithTimeout(ctx, *wait)
	defer over()
	if *kubelet != "" {
		*nodes = 0
	}
	r, err := m.start(starting, *nodes, *kubelet)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", line)
	select {
	case <-ctx.Done():
		return nil
	case c := <-m.ended:
		return m.failed(c)
	}
}

// start starts the components in the order in which they need each other.
func (m *machine) start(ctx context.Context, nodes int, kubelet string) (*ready, error) {
	began := time.Now()
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(4 + nodes)
	if err != nil {
		return nil, err
	}
	etcd, peer, api := ports[0], ports[1], ports[2]
	server := fmt.Sprintf("https://127.0.0.1:%d", api)
	hosts := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
	if kubelet != "" {
		if m.node, err = newRealNode(kubelet, api, ports[3]); err != nil {
			return nil, err
		}
		hosts = append(hosts, m.node.ip)
	}
	c, err := writeFiles(m.dir, server, hosts)
	if err != nil {
		return nil, err
	}
	store, peers := fmt.Sprintf("http://127.0.0.1:%d", etcd), fmt.Sprintf("http://127.0.0.1:%d", peer)
	if err := m.child("etcd", "--data-dir", m.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", store, "--advertise-client-urls", store,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers,
	); err != nil {
		return nil, err
	}
	if err := m.child("apiserver", "--etcd-servers="+store,
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(api), "--endpoint-reconciler-type=none",
		"--tls-cert-file="+m.file("server.pem"), "--tls-private-key-file="+m.file("server.key"),
		"--kubelet-client-certificate="+m.file("server.pem"), "--kubelet-client-key="+m.file("server.key"),
		"--kubelet-certificate-authority="+m.file("ca.pem"),
		"--service-account-issuer=https://kubernetes.default", "--service-account-key-file="+m.file("accounts.pem"),
		"--service-account-signing-key-file="+m.file("accounts.key"), "--token-auth-file="+m.file("tokens.csv"),
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=true",
		"--kubelet-preferred-address-types=InternalIP",
		"--audit-policy-file="+m.file("audit.yaml"), "--audit-log-path="+m.file("audit.log"),
	); err != nil {
		return nil, err
	}
	client := c.client()
	if err := m.until(ctx, "the API server is ready", func() bool {
		return strings.HasPrefix(get(ctx, client, server+"/readyz", c.token), "ok")
	}); err != nil {
		return nil, err
	}
	r := &ready{Server: server, Kubeconfig: m.file("admin.conf"), API: time.Since(began)}

	// node-lifecycle takes the taint from new nodes that admission puts there; without it no
	// pod is ever scheduled.
	controllers := []string{"job", "serviceaccount", "garbage-collector", "ttl-after-finished", "namespace",
		"root-ca-certificate-publisher", "pod-garbage-collector", "node-lifecycle", "resourcequota", "disruption",
		"persistentvolume-binder", "persistentvolumeclaim-protection"}
	for i := range controllers {
		controllers[i] += "-controller"
	}
	if err := m.child("controllers", "--kubeconfig="+r.Kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--controllers="+strings.Join(controllers, ","), "--use-service-account-credentials=false",
		"--service-account-private-key-file="+m.file("accounts.key"), "--root-ca-file="+m.file("ca.pem"),
	); err != nil {
		return nil, err
	}
	if err := m.child("scheduler", "--kubeconfig="+r.Kubeconfig, "--leader-elect=false", "--secure-port=0"); err != nil {
		return nil, err
	}
	var names []string
	if m.node != nil {
		names, r.Host = []string{m.node.name}, m.node.ip.String()
		if err := m.real(m.node); err != nil {
			return nil, err
		}
	}
	for i, port := range ports[4:] {
		name := fmt.Sprintf("proc-%d", i)
		names = append(names, name)
		if err := m.child("node", "-name", name, "-kubeconfig", r.Kubeconfig, "-listen", fmt.Sprintf("127.0.0.1:%d", port),
			"-keys", m.dir, "-dir", m.file(name), "-images", m.file("images.json")); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		url := server + "/api/v1/nodes/" + name
		if err := m.until(ctx, "every node is ready", func() bool { return nodeReady(get(ctx, client, url, c.token)) }); err != nil {
			return nil, err
		}
	}
	r.Nodes = time.Since(began)
	return r, nil
}

// file is a path in the cluster's directory.
func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }

// child starts a component, whose output goes to a file in the cluster's directory. The
// kernel kills it when this process ends, whatever ends it.
func (m *machine) child(part string, args ...string) error {
	name := part
	if part == "node" {
		name = args[1]
	}
	cmd := exec.Command(m.self, append([]string{part}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return m.begin(name, cmd)
}

// begin starts the process of a component.
func (m *machine) begin(name string, cmd *exec.Cmd) error {
	log, err := os.Create(m.file(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.dir, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, gone: make(chan struct{})}
	m.children = append(m.children, c)
	go func() {
		cmd.Wait()
		close(c.gone)
		m.ended <- c
	}()
	return nil
}

// until waits until done says so, a component ends, or ctx does.
func (m *machine) until(ctx context.Context, what string, done func() bool) error {
	for !done() {
		select {
		case c := <-m.ended:
			return m.failed(c)
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// failed reports a component that has ended, with the last lines that it wrote.
func (m *machine) failed(c *child) error {
	text, _ := os.ReadFile(m.file(c.name + ".log"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("%s has ended (%v):\n%s", c.name, c.cmd.ProcessState, strings.Join(lines[max(0, len(lines)-10):], "\n"))
}

// stop ends all components, nodes first: each of them ends its pods.
func (m *machine) stop() {
	slices.Reverse(m.children)
	for _, c := range m.children {
		if strings.HasPrefix(c.name, "proc-") {
			c.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	for _, c := range m.children {
		if strings.HasPrefix(c.name, "proc-") {
			select {
			case <-c.gone:
			case <-time.After(3 * time.Second):
			}
		}
		// Nothing of the data is kept, so that nothing needs a planned end.
		c.cmd.Process.Kill()
		<-c.gone
	}
	if m.node != nil {
		if err := m.node.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "cluster:", err)
		}
	}
}

// freePorts returns n ports of 127.0.0.1 that nothing listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// All are held until the last one is known, so that none comes twice.
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// get returns the body of an answer, empty if there is none.
func get(ctx context.Context, c *http.Client, url, token string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// nodeReady reports whether a node, as JSON, is ready and has no taint any more.
func nodeReady(text string) bool {
	var n struct {
		Spec struct {
			Taints []struct{ Key string }
		}
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if json.Unmarshal([]byte(text), &n) != nil || len(n.Spec.Taints) > 0 {
		return false
	}
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// client speaks to the API server alone: its root is the cluster's own authority.
func (c *credentials) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.ca)
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}
