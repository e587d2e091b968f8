package kube

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	fakeauthorization "k8s.io/client-go/kubernetes/typed/authorization/v1/fake"
	fakebatch "k8s.io/client-go/kubernetes/typed/batch/v1/fake"
	fakecoordination "k8s.io/client-go/kubernetes/typed/coordination/v1/fake"
	fakecore "k8s.io/client-go/kubernetes/typed/core/v1/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/aiperf-go/aiperf/loadgen/remote"
)

var update = flag.Bool("update", false, "write the golden files")

// cluster is a fake API server: reactors of a fake clientset that keep what they are given. It
// has no controllers, so that a test says by created what becomes of a Job.
type cluster struct {
	t    *testing.T
	fake *clienttesting.Fake

	mu      sync.Mutex
	jobs    map[string]*batchv1.Job
	secrets map[string]*corev1.Secret
	leases  map[string]*coordinationv1.Lease
	pods    map[string]*corev1.Pod
	events  []corev1.Event
	logs    map[string]string
	denied  map[string]bool // "verb resource", or "verb resource/sub"
	// asked are verbs and resources, in their order.
	asked    []string
	version  int
	watchers []*watch.FakeWatcher
	// key is the API key that the workers have.
	key string
	// created is called when a Job is.
	created func(*batchv1.Job)
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, fake: &clienttesting.Fake{}, jobs: map[string]*batchv1.Job{}, secrets: map[string]*corev1.Secret{},
		leases: map[string]*coordinationv1.Lease{}, pods: map[string]*corev1.Pod{}, logs: map[string]string{}, denied: map[string]bool{}}
	c.fake.AddReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		o, err := c.react(a)
		return true, o, err
	})
	c.fake.AddWatchReactor("pods", func(a clienttesting.Action) (bool, watch.Interface, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.ask(a); err != nil {
			return true, nil, err
		}
		w := watch.NewFakeWithChanSize(1000, false)
		for _, p := range c.pods {
			w.Add(p.DeepCopy())
		}
		c.watchers = append(c.watchers, w)
		return true, w, nil
	})
	return c
}

// client is one that talks to the cluster.
func (c *cluster) client() *client {
	return &client{
		core: &fakecore.FakeCoreV1{Fake: c.fake}, batch: &fakebatch.FakeBatchV1{Fake: c.fake},
		leases: &fakecoordination.FakeCoordinationV1{Fake: c.fake}, rights: &fakeauthorization.FakeAuthorizationV1{Fake: c.fake},
		namespace: "bench",
	}
}

// ask notes a request, and refuses what is denied.
func (c *cluster) ask(a clienttesting.Action) error {
	what := a.GetVerb() + " " + a.GetResource().Resource
	if s := a.GetSubresource(); s != "" {
		what += "/" + s
	}
	c.asked = append(c.asked, what)
	if c.denied[what] {
		return apierrors.NewForbidden(schema.GroupResource{Group: a.GetResource().Group, Resource: a.GetResource().Resource}, "",
			fmt.Errorf("user %q may not %s", "ci", what))
	}
	return nil
}

// react answers one request.
func (c *cluster) react(a clienttesting.Action) (runtime.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	group := schema.GroupResource{Resource: a.GetResource().Resource}
	if review, ok := a.(clienttesting.CreateAction); ok && group.Resource == "selfsubjectaccessreviews" {
		r := review.GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		at := r.Spec.ResourceAttributes
		what := at.Verb + " " + at.Resource
		if at.Subresource != "" {
			what += "/" + at.Subresource
		}
		r.Status.Allowed = !c.denied[what]
		return r, nil
	}
	if err := c.ask(a); err != nil {
		return nil, err
	}
	c.version++
	version := strconv.Itoa(c.version)
	switch a := a.(type) {
	case clienttesting.CreateActionImpl:
		switch o := a.GetObject().DeepCopyObject().(type) {
		case *batchv1.Job:
			o.UID = types.UID("uid-of-" + o.Name)
			c.jobs[o.Name] = o
			if c.created != nil {
				go c.created(o.DeepCopy())
			}
			return o, nil
		case *corev1.Secret:
			c.secrets[o.Name] = o
			return o, nil
		case *coordinationv1.Lease:
			if c.leases[o.Name] != nil {
				return nil, apierrors.NewAlreadyExists(group, o.Name)
			}
			o.ResourceVersion = version
			c.leases[o.Name] = o
			return o.DeepCopy(), nil
		}
	case clienttesting.UpdateActionImpl:
		o := a.GetObject().(*coordinationv1.Lease).DeepCopy()
		if was := c.leases[o.Name]; was == nil {
			return nil, apierrors.NewNotFound(group, o.Name)
		} else if was.ResourceVersion != o.ResourceVersion {
			return nil, apierrors.NewConflict(group, o.Name, fmt.Errorf("it has been modified"))
		}
		o.ResourceVersion = version
		c.leases[o.Name] = o
		return o.DeepCopy(), nil
	case clienttesting.DeleteActionImpl:
		if c.jobs[a.GetName()] == nil {
			return nil, apierrors.NewNotFound(group, a.GetName())
		}
		delete(c.jobs, a.GetName())
		return nil, nil
	case clienttesting.GetActionImpl:
		if l := c.leases[a.GetName()]; l != nil {
			return l.DeepCopy(), nil
		}
		return nil, apierrors.NewNotFound(group, a.GetName())
	case clienttesting.ListActionImpl:
		return &corev1.EventList{Items: slices.Clone(c.events)}, nil
	case clienttesting.GenericActionImpl: // the log of the only pod that has one
		for _, text := range c.logs {
			return &runtime.Unknown{Raw: []byte(text)}, nil
		}
		return &runtime.Unknown{}, nil
	}
	return nil, fmt.Errorf("the fake cluster cannot %s %s", a.GetVerb(), group.Resource)
}

// set makes or changes a pod, and tells those that watch.
func (c *cluster) set(p *corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, was := c.pods[p.Name]
	c.pods[p.Name] = p
	for _, w := range c.watchers {
		switch {
		case w.IsStopped():
		case was:
			w.Modify(p.DeepCopy())
		default:
			w.Add(p.DeepCopy())
		}
	}
}

// remove deletes a pod, and tells those that watch.
func (c *cluster) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pods[name]
	delete(c.pods, name)
	for _, w := range c.watchers {
		if !w.IsStopped() {
			w.Delete(p.DeepCopy())
		}
	}
}

// pod is pod i of a Job, pending.
func pod(j *batchv1.Job, i int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: *j.Spec.Template.ObjectMeta.DeepCopy(), Spec: *j.Spec.Template.Spec.DeepCopy()}
	p.Name, p.Namespace = fmt.Sprintf("%s-%d-abcde", j.Name, i), "bench"
	p.UID = types.UID(p.Name)
	p.Annotations[indexOf] = strconv.Itoa(i)
	p.Status.Phase = corev1.PodPending
	return p
}

// running is a pod whose worker runs on a node.
func running(p *corev1.Pod, node string) *corev1.Pod {
	p.Spec.NodeName, p.Status.Phase, p.Status.PodIP = node, corev1.PodRunning, "127.0.0.1"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

// workers lets the pods of each Job run on nodes, in turns, and be workers of this process, with
// the keys of the Job's Secret. It returns how a fleet reaches them, and what ends one of them.
func (c *cluster) workers(nodes ...string) (reach func(context.Context, *corev1.Pod) (net.Conn, error), end func(i int)) {
	c.t.Helper()
	var mu sync.Mutex
	addrs, ends := map[string]string{}, map[int]func(){}
	c.created = func(j *batchv1.Job) {
		var s *corev1.Secret
		for s == nil { // the kubelet tries the mount again, too
			time.Sleep(time.Millisecond)
			c.mu.Lock()
			s = c.secrets[j.Name]
			c.mu.Unlock()
		}
		keys := &remote.Keys{CA: s.Data["ca.pem"], Cert: s.Data["cert.pem"], Key: s.Data["key.pem"]}
		for i := range int(*j.Spec.Parallelism) {
			ctx, cancel := context.WithCancel(context.Background())
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				c.t.Error(err)
				cancel()
				return
			}
			p := running(pod(j, i), nodes[i%len(nodes)])
			go remote.Serve(ctx, l, remote.Options{Keys: keys, Name: p.Name, APIKey: c.key})
			mu.Lock()
			addrs[p.Name], ends[i] = l.Addr().String(), func() { cancel(); c.remove(p.Name) }
			mu.Unlock()
			c.t.Cleanup(cancel)
			c.set(p)
		}
	}
	reach = func(ctx context.Context, p *corev1.Pod) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		return new(net.Dialer).DialContext(ctx, "tcp", addrs[p.Name])
	}
	return reach, func(i int) { mu.Lock(); defer mu.Unlock(); ends[i]() }
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}

// object is an object as JSON that a person can read.
func object(t *testing.T, o any) string {
	t.Helper()
	b, err := json.MarshalIndent(o, "", "  ")
	require.NoError(t, err)
	return string(b) + "\n"
}

// pairs reports whether keys are the two halves of one run.
func pairs(client, worker *remote.Keys) bool {
	_, err := tls.X509KeyPair(worker.Cert, worker.Key)
	return err == nil && string(client.CA) == string(worker.CA)
}
