//go:build linux

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestCapacity is the test of examples/in-cluster.yaml, as TestE2EInCluster runs it in a pod: its
// options are those of ExamplePods_inCluster, with a search that is short. It is for a pod alone.
func TestCapacity(t *testing.T) {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" || os.Getenv(envPods) == "" {
		t.Skip("not in a pod")
	}
	dir := filepath.Join(os.Getenv("AIPERF_ARTIFACTS"), "capacity")
	aiperftest.RunRecipe(t, "max-concurrency-under-sla", aiperftest.E2E(time.Second), aiperftest.Concurrency(1, 16),
		aiperftest.Tokens(16, 4), aiperftest.Requests(60), aiperftest.Charts(false),
		aiperftest.Artifacts(dir), aiperftest.Resume(filepath.Join(dir, "search_history.json")))
}

// TestE2EInCluster applies examples/in-cluster.yaml with this binary as the tests. The search
// reaches its pods by their addresses. In its middle the pod that searches is evicted: the Job's
// next pod goes on from the volume, and what was measured before is not measured again.
func TestE2EInCluster(t *testing.T) {
	s := onCluster(t)
	if !s.Containers() && !mayMount() {
		t.Skip("a process node gives a pod the token of its account only where it may mount, mostly as root")
	}
	ctx := t.Context()
	// One prompt is computed at a time, so that latency grows with the requests in flight.
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond, PerPromptToken: 60 * time.Microsecond, Chunk: 16})
	defer srv.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	s.Image(t, "registry.example/serving-tests:v1", self)
	s.Image(t, "registry.example/aiperf-worker:v1", workerFile(t, s.Dir))
	var r rbac.Role
	require.NoError(t, yaml.UnmarshalStrict(role, &r))
	_, err = s.RBAC.Roles(s.ns).Create(ctx, &r, meta.CreateOptions{})
	require.NoError(t, err)
	volume := filepath.Join(s.Dir, "volume-"+s.ns)
	require.NoError(t, os.Mkdir(volume, 0o755))
	require.NoError(t, os.Chmod(volume, 0o777)) // a directory of the host has no owner among the pods' users
	_, err = s.Core.PersistentVolumes().Create(ctx, &corev1.PersistentVolume{ObjectMeta: meta.ObjectMeta{Name: s.ns},
		Spec: corev1.PersistentVolumeSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: volume}},
			ClaimRef:               &corev1.ObjectReference{Namespace: s.ns, Name: "aiperf"},
		}}, meta.CreateOptions{})
	require.NoError(t, err)

	for _, o := range example(t) {
		switch o := o.(type) {
		case *corev1.ServiceAccount:
			o.Namespace = s.ns
			_, err = s.Core.ServiceAccounts(s.ns).Create(ctx, o, meta.CreateOptions{})
		case *rbac.RoleBinding:
			o.Namespace, o.Subjects[0].Namespace = s.ns, s.ns
			_, err = s.RBAC.RoleBindings(s.ns).Create(ctx, o, meta.CreateOptions{})
		case *corev1.PersistentVolumeClaim:
			o.Namespace = s.ns
			_, err = s.Core.PersistentVolumeClaims(s.ns).Create(ctx, o, meta.CreateOptions{})
		case *batchv1.Job:
			o.Namespace = s.ns
			// Only the endpoint and the number of pods are other ones.
			c := &o.Spec.Template.Spec.Containers[0]
			for i, e := range c.Env {
				switch e.Name {
				case "AIPERF_URL":
					c.Env[i].Value = s.Reach(t, srv.URL)
				case "AIPERF_KUBE_PODS":
					c.Env[i].Value = "2"
				}
			}
			if s.Containers() { // This cluster has no proxy for its API server's address, and perhaps two processors.
				c.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("0")
				host, port, err := net.SplitHostPort(strings.TrimPrefix(s.Reach(t, s.Config.Host), "http://"))
				require.NoError(t, err)
				c.Env = append(c.Env, corev1.EnvVar{Name: "KUBERNETES_SERVICE_HOST", Value: host},
					corev1.EnvVar{Name: "KUBERNETES_SERVICE_PORT", Value: port})
			}
			_, err = s.Batch.Jobs(s.ns).Create(ctx, o, meta.CreateOptions{})
		case *batchv1.CronJob: // has its own test, with the same pod
			err = nil
		}
		require.NoError(t, err, "%T", o)
	}

	began := time.Now()
	first := ""
	searching := func() string { // the name of the pod that searches
		l, err := s.Core.Pods(s.ns).List(ctx, meta.ListOptions{LabelSelector: "job-name=capacity"})
		require.NoError(t, err)
		for _, p := range l.Items {
			if p.Name != first && p.DeletionTimestamp == nil {
				return p.Name
			}
		}
		return ""
	}
	t.Cleanup(func() {
		if t.Failed() {
			l, err := s.Core.Pods(s.ns).List(context.Background(), meta.ListOptions{})
			require.NoError(t, err)
			for _, p := range l.Items {
				text, _ := s.Core.Pods(s.ns).GetLogs(p.Name, &corev1.PodLogOptions{}).DoRaw(context.Background())
				t.Logf("pod %s: %+v says:\n%s", p.Name, p.Status, text)
			}
		}
	})
	s.Eventually(t, "two probes are measured", func() bool { return len(probesIn(t, volume)) >= 2 })
	first = searching()
	require.NotEmpty(t, first)
	t.Logf("two probes are measured after %v", time.Since(began))
	require.NoError(t, s.Core.Pods(s.ns).EvictV1(ctx, &policy.Eviction{ObjectMeta: meta.ObjectMeta{Name: first, Namespace: s.ns}}))
	s.Eventually(t, "the evicted pod has ended", func() bool {
		p, err := s.Core.Pods(s.ns).Get(ctx, first, meta.GetOptions{})
		return err != nil || p.Status.Phase == corev1.PodFailed
	})
	before, sent := probesIn(t, volume), srv.Stats().Started
	t.Logf("%s has ended after %v; it has measured %d probes", first, time.Since(began), len(before))

	// The log is asked for while the pod is there.
	log := ""
	s.Within(t, 2*time.Minute, "the Job has ended", func() bool {
		if next := searching(); next != "" {
			if b, err := s.Core.Pods(s.ns).GetLogs(next, &corev1.PodLogOptions{}).DoRaw(ctx); err == nil {
				log = string(b)
			}
		}
		j, err := s.Batch.Jobs(s.ns).Get(ctx, "capacity", meta.GetOptions{})
		require.NoError(t, err)
		return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
		})
	})
	t.Logf("the Job has ended after %v; its second pod says:\n%s", time.Since(began), log)
	j, err := s.Batch.Jobs(s.ns).Get(ctx, "capacity", meta.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, int32(1), j.Status.Succeeded, "%+v", j.Status)
	after := probesIn(t, volume)
	require.Greater(t, len(after), len(before), "the second pod has measured, too")
	assert.Equal(t, before, after[:len(before)], "and nothing of it again")
	assert.Greater(t, srv.Stats().Started, sent)
	assert.Contains(t, log, "the load comes from 2 pods")

	used, denied := s.Account(s.ns, "aiperf").Used(t)
	assert.Empty(t, denied)
	assert.Contains(t, used, "create jobs")
	for _, what := range used {
		assert.False(t, strings.HasPrefix(what, "create pods/") || strings.HasPrefix(what, "get pods/"),
			"the pods are reached by their addresses, and not by %q", what)
	}
}

// mayMount reports whether this process may mount, which not even root may in some containers.
func mayMount() bool {
	cmd := exec.Command("mount", "-t", "tmpfs", "tmpfs", "/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // no one else sees it
	return cmd.Run() == nil
}

// probesIn are the probes of the only search below a directory: what each has taken, and what the
// planner has seen of it, to the last digit.
func probesIn(t *testing.T, dir string) (probes []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "search_history.json" {
			return nil // it may come, and a directory may go
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var h struct {
			Iterations []struct {
				Took        float64         `json:"wall_seconds"`
				Observation json.RawMessage `json:"observation"`
			} `json:"iterations"`
		}
		require.NoError(t, json.Unmarshal(text, &h))
		for _, i := range h.Iterations {
			probes = append(probes, fmt.Sprintf("in %v s: %s", i.Took, i.Observation))
		}
		return nil
	})
	return probes
}
