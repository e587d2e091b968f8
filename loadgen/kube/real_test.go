//go:build linux

package kube

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// onContainers is onCluster for tests of what only containers have.
func onContainers(t *testing.T) *site {
	t.Helper()
	s := onCluster(t)
	if !s.Containers() {
		t.Skip("pods are processes; see internal/cluster/real")
	}
	return s
}

// TestE2EOutOfMemory has workers that take more than their limit: the kernel ends them, and the
// run ends with the limit that is to be raised.
func TestE2EOutOfMemory(t *testing.T) {
	s := onContainers(t)
	srv := simserver.New(light)
	defer srv.Close()
	s.Image(t, "busybox:test", "sh")
	s.how.Image, s.how.Memory = "busybox:test", "64Mi"
	s.how.Template = func(p *corev1.PodTemplateSpec) {
		// A last line without an end is kept whole.
		p.Spec.Containers[0].Command, p.Spec.Containers[0].Args = []string{"tail", "/dev/zero"}, nil
	}
	began := time.Now()
	f := asTest(t, func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(4), aiperftest.Endpoint(s.Reach(t, srv.URL)), aiperftest.Requests(20), aiperftest.Tokens(8, 4),
			aiperftest.Artifacts(t.TempDir()), aiperftest.Charts(false), Pods(2, s.how))
	})
	t.Logf("said after %v", time.Since(began))
	require.NotNil(t, f.out, f.said())
	require.ErrorAs(t, f.out.Err, new(*StartError), f.said())
	goldenE2E(t, "start-oom", f.out.Err.Error())
}

// TestE2ERestricted looks at the process of a pod: what the pod's spec takes from it, the kernel
// has taken. The spec is that of every run.
func TestE2ERestricted(t *testing.T) {
	s := onContainers(t)
	srv := simserver.New(light)
	defer srv.Close()
	k, _ := fleetOf(t, s, s.Reach(t, srv.URL), 1, s.how)
	require.NoError(t, k.Ready(t.Context()))
	defer k.Close()
	t.Logf("API server ready after %v, node after %v", s.API, s.Nodes)
	name, _ := k.fleet.called(0)
	dir := fmt.Sprintf("/proc/%d", s.Process(t, name))
	text, err := os.ReadFile(dir + "/status")
	require.NoError(t, err)
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		status[key] = strings.Join(strings.Fields(value), " ")
	}
	assert.Equal(t, "65532 65532 65532 65532", status["Uid"])
	assert.Equal(t, "65532 65532 65532 65532", status["Gid"])
	assert.Equal(t, "0000000000000000", status["CapBnd"], "no capability, and no way to one")
	assert.Equal(t, "1", status["NoNewPrivs"])
	assert.Equal(t, "2", status["Seccomp"], "a filter of system calls")
	mounts, err := os.ReadFile(dir + "/mounts")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^\S+ / \S+ ro,`, string(mounts), "a root that cannot be written")
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	its, err := os.Readlink(dir + "/ns/net")
	require.NoError(t, err)
	assert.NotEqual(t, own, its, "a network of its own")
}
