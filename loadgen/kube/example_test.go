package kube_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/kube"
)

// Eight pods carry the load of a capacity test. With a blank import of the package and
// AIPERF_KUBE_PODS=8 the last line is not needed.
func ExamplePods() {
	test := func(t *testing.T) {
		aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
			aiperftest.Endpoint("http://llm.serving:8000"),
			aiperftest.TTFT(200*time.Millisecond),
			kube.Pods(8))
	}
	_ = test // go test calls it
}

// Pods of an image from a registry, each on a node of its own in a pool for load, with the
// endpoint's key from a Secret that the test cannot read.
func ExamplePods_options() {
	test := func(t *testing.T) {
		aiperftest.RunRecipe(t, "max-concurrency-under-sla",
			aiperftest.TTFT(200*time.Millisecond),
			aiperftest.Concurrency(1, 80_000),
			kube.Pods(0, kube.Options{ // 0 is as many as 80,000 requests in flight need
				Image: "registry.example/aiperf-worker:v1.4.0", PullSecret: "registry", Namespace: "bench",
				CPU: "4", Memory: "2Gi", OnePerNode: true,
				NodeSelector: map[string]string{"pool": "load"},
				Tolerations:  []corev1.Toleration{{Key: "load", Operator: corev1.TolerationOpExists}},
				APIKeySecret: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: "llm"}, Key: "token",
				},
				Template: func(p *corev1.PodTemplateSpec) { p.Spec.PriorityClassName = "load" },
			}))
	}
	_ = test
}

// A test that runs in a pod of the cluster, as examples/in-cluster.yaml has it, and keeps its files
// on a volume: after an eviction the Job's next pod goes on where this one was.
func ExamplePods_inCluster() {
	test := func(t *testing.T) {
		dir := filepath.Join(os.Getenv("AIPERF_ARTIFACTS"), "capacity")
		aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
			aiperftest.TTFT(200*time.Millisecond),
			aiperftest.Artifacts(dir), aiperftest.Resume(filepath.Join(dir, "search_history.json")),
			kube.Pods(8)) // or AIPERF_KUBE_PODS
	}
	_ = test
}

// Check fails a test of its own as long as rights are missing, and logs which.
func ExampleCheck() {
	test := func(t *testing.T) { kube.Check(t, kube.Options{Namespace: "bench"}) }
	_ = test
}
