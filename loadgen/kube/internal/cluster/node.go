//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	agent "github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// node is a node of the cluster whose pods are local processes. The agent of virtual-kubelet
// speaks with the API server; node starts and ends what the agent is told of.
//
// What a pod has: the first container of its spec; an image, which is a name in images.json
// for a command; environment, also from Secrets, ConfigMaps, fields and $(NAME); volumes of
// Secrets, ConfigMaps, projections, empty directories, directories of the host and claims of
// them; a restart policy with the kubelet's back-off; a readiness probe by TCP; logs, exec,
// attach, and port-forward.
//
// What it has not: namespaces of the kernel, but those of process numbers and, for a pod with a
// token of the API, of mounts, and both only if the node runs as root. In the place of a network
// of its own, a pod has
// an address of 127.0.0.0/8 of its own, to which ":7070" in its arguments is bound (see bind).
// In the place of mounts, a mount path in its arguments becomes the directory (see pod.path).
// Users, capabilities and limits of resources are checked by the API server and scheduler,
// and not enforced.
type node struct {
	name   string
	dir    string
	images string
	// server is the API server's host and port.
	server [2]string
	client kubernetes.Interface
	events record.EventRecorder
	// net are the first three octets of the addresses of pods. They are made of the node's port,
	// which no other node of this machine has.
	net [3]byte

	mu     sync.Mutex
	pods   map[string]*pod
	last   byte
	notify func(*v1.Pod)
}

// runNode is a node until SIGTERM.
func runNode(args []string) error {
	flags := flag.NewFlagSet("node", flag.ExitOnError)
	name := flags.String("name", "proc-0", "the node's name")
	config := flags.String("kubeconfig", "", "the API server and its user")
	listen := flags.String("listen", "", "the address that the API server reaches the node by")
	keys := flags.String("keys", "", "the directory of ca.pem, server.pem and server.key")
	dir := flags.String("dir", "", "the directory of the pods' files")
	images := flags.String("images", "", "the file of images: a JSON object from names to commands")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Processes of pods are killed when the thread that made them ends, and the runtime ends no
	// thread that it does not have to; this one is kept for what follows.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	user, err := clientcmd.BuildConfigFromFlags("", *config)
	if err != nil {
		return err
	}
	user.QPS, user.Burst = 200, 400
	client, err := kubernetes.NewForConfig(user)
	if err != nil {
		return err
	}
	secure, err := nodeTLS(*keys)
	if err != nil {
		return err
	}
	host, text, err := net.SplitHostPort(*listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	broadcast := record.NewBroadcaster()
	broadcast.StartRecordingToSink(&corev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	defer broadcast.Shutdown()
	server, err := url.Parse(user.Host)
	if err != nil {
		return err
	}
	n := &node{name: *name, server: [2]string{server.Hostname(), server.Port()},
		dir: *dir, images: *images, client: client, pods: map[string]*pod{},
		events: broadcast.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: *name}),
		net:    [3]byte{127, byte(port >> 8), byte(port)}}
	defer n.stop()

	mux := http.NewServeMux()
	a, err := nodeutil.NewNode(*name, func(pc nodeutil.ProviderConfig) (nodeutil.Provider, agent.NodeProvider, error) {
		pc.Node.Labels["kubernetes.io/os"], pc.Node.Labels["kubernetes.io/arch"] = runtime.GOOS, runtime.GOARCH
		room := v1.ResourceList{
			v1.ResourceCPU:    resource.MustParse("64"),
			v1.ResourceMemory: resource.MustParse("64Gi"),
			v1.ResourcePods:   resource.MustParse("110"),
		}
		pc.Node.Status.Capacity, pc.Node.Status.Allocatable = room, room
		pc.Node.Status.Addresses = []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: host}, {Type: v1.NodeHostName, Address: *name}}
		pc.Node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
		pc.Node.Status.NodeInfo.OperatingSystem, pc.Node.Status.NodeInfo.Architecture = runtime.GOOS, runtime.GOARCH
		return n, nil, nil
	}, nodeutil.WithClient(client), func(c *nodeutil.NodeConfig) error {
		c.HTTPListenAddr, c.TLSConfig, c.Handler, c.NumWorkers = *listen, secure, mux, 10
		c.StreamIdleTimeout, c.StreamCreationTimeout = 4*time.Hour, 30*time.Second
		// The agent cannot know the address of a pod, which some environments name.
		c.SkipDownwardAPIResolution = true
		return nil
	}, nodeutil.AttachProviderRoutes(mux))
	if err != nil {
		return err
	}
	if err := a.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// nodeTLS lets in whoever has a certificate of the cluster, which only the API server has.
func nodeTLS(dir string) (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("ca.pem has no certificate")
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}, nil
}

// stop kills the processes of all pods.
func (n *node) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		p.kill()
	}
}

// NotifyPods keeps the function that is to hear of every change of a pod's status.
func (n *node) NotifyPods(_ context.Context, f func(*v1.Pod)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notify = f
}

// CreatePod gives a pod an address, and starts it.
func (n *node) CreatePod(_ context.Context, spec *v1.Pod) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	used := map[byte]bool{}
	for _, p := range n.pods {
		used[p.last] = true
	}
	for n.last++; n.last == 0 || n.last == 255 || used[n.last]; n.last++ {
	}
	p := newPod(n, spec.DeepCopy(), n.last)
	n.pods[key(spec.Namespace, spec.Name)] = p
	go p.live()
	return nil
}

// UpdatePod changes nothing: what may be changed of a pod does not concern its process.
func (n *node) UpdatePod(context.Context, *v1.Pod) error { return nil }

// DeletePod begins the end of a pod: SIGTERM, and SIGKILL behind its grace.
func (n *node) DeletePod(_ context.Context, spec *v1.Pod) error {
	p, err := n.find(spec.Namespace, spec.Name)
	if err != nil {
		return err
	}
	// Why it is deleted, for example an eviction, is a condition that others have set; it must
	// outlive the status that this node writes last.
	p.keep(spec.Status.Conditions)
	grace := 30 * time.Second
	if s := spec.DeletionGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	go func() {
		p.end(grace)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.pods[key(spec.Namespace, spec.Name)] == p {
			delete(n.pods, key(spec.Namespace, spec.Name))
		}
	}()
	return nil
}

// GetPod returns a pod with its status.
func (n *node) GetPod(_ context.Context, namespace, name string) (*v1.Pod, error) {
	p, err := n.find(namespace, name)
	if err != nil {
		return nil, err
	}
	return p.snapshot(), nil
}

// GetPodStatus returns a pod's status.
func (n *node) GetPodStatus(ctx context.Context, namespace, name string) (*v1.PodStatus, error) {
	p, err := n.GetPod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return &p.Status, nil
}

// GetPods returns all pods of the node.
func (n *node) GetPods(context.Context) ([]*v1.Pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*v1.Pod
	for _, p := range n.pods {
		all = append(all, p.snapshot())
	}
	return all, nil
}

// GetStatsSummary and GetMetricsResource are asked for by nothing in this cluster.
func (n *node) GetStatsSummary(context.Context) (*stats.Summary, error) { return &stats.Summary{}, nil }

// GetMetricsResource is as GetStatsSummary.
func (n *node) GetMetricsResource(context.Context) ([]*dto.MetricFamily, error) { return nil, nil }

// find returns a pod of the node.
func (n *node) find(namespace, name string) (*pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pods[key(namespace, name)]; p != nil {
		return p, nil
	}
	return nil, errdefs.NotFoundf("no pod %s/%s on this node", namespace, name)
}

// tell hands a pod's status to the agent.
func (n *node) tell(p *v1.Pod) {
	n.mu.Lock()
	f := n.notify
	n.mu.Unlock()
	if f != nil {
		f(p)
	}
}

// key names a pod within a node.
func key(namespace, name string) string { return namespace + "/" + name }
