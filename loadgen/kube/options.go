package kube

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Environment variables that fill in what the code leaves out.
const (
	envPods      = "AIPERF_KUBE_PODS"
	envImage     = "AIPERF_KUBE_IMAGE"
	envNamespace = "AIPERF_KUBE_NAMESPACE"
)

// Options say how the pods of a run are made and reached. The zero value of each field is a
// default that fits most clusters.
type Options struct {
	// Image is an image with the command aiperf-worker in its path, of the version of the test.
	// If it is empty, AIPERF_KUBE_IMAGE is used or, without that, the worker is shipped.
	Image string
	// Shipped is any image with a shell, head and chmod, into whose containers the test streams
	// the worker. It needs no registry of one's own, and the version always fits; each pod costs
	// 10 MB through the API server, so that it is for some 20 pods. Default without an Image:
	// busybox:stable.
	Shipped string
	// Worker is the file of the worker to ship, built for the nodes. If it is empty, the test
	// builds it by the go command, from the version of this module that the test itself has.
	Worker string

	// Kubeconfig and Context name the configuration and the context in it. Without them it is
	// that of kubectl or, inside of a cluster, that of the pod. Namespace is where the pods run;
	// default AIPERF_KUBE_NAMESPACE, then the context's own.
	Kubeconfig, Context, Namespace string
	// Direct reaches the pods by their addresses, as is the default inside of the cluster, instead
	// of through the API server. SPDY forwards ports by SPDY alone; otherwise WebSocket is tried
	// first.
	Direct, SPDY bool

	// CPU is what each pod requests; default 1. It has no CPU limit, since being throttled is a
	// latency that the server does not have. Memory is what it requests and may use at most;
	// default 1Gi.
	CPU, Memory string
	// NodeSelector and Tolerations are those of the pods.
	NodeSelector map[string]string
	Tolerations  []corev1.Toleration
	// OnePerNode keeps a pod from running where another of the run does. If it is false, pods are
	// spread over the nodes as well as these allow.
	OnePerNode bool
	// PullSecret names the Secret that the image is pulled with, and ServiceAccount that of the
	// pods, whose token they do not get.
	PullSecret, ServiceAccount string
	// APIKeySecret is where the pods have the endpoint's API key from. If it is nil, the key of
	// the test travels to them over the encrypted connection, and is in no object of the cluster.
	APIKeySecret *corev1.SecretKeySelector
	// Template, if not nil, changes anything else of the pods, after all of the above.
	Template func(*corev1.PodTemplateSpec)

	// StartTimeout is how long pods may take to start, and to be there again after a loss;
	// default 5m.
	StartTimeout time.Duration
	// Keep leaves the Job behind, to be looked at. Its workers end after two minutes and it ends
	// ten minutes later.
	Keep bool
}

// complete returns the options with their defaults, or what is wrong with them.
func (o Options) complete() (Options, error) {
	if o.Image != "" && (o.Shipped != "" || o.Worker != "") {
		return o, errors.New("use kube.Options.Image without Shipped and Worker: an image that has the worker needs none")
	}
	if o.Shipped == "" {
		o.Image = cmp.Or(o.Image, os.Getenv(envImage))
	}
	if o.Image == "" {
		o.Shipped = cmp.Or(o.Shipped, "busybox:stable")
	}
	o.Namespace = cmp.Or(o.Namespace, os.Getenv(envNamespace))
	o.CPU, o.Memory = cmp.Or(o.CPU, "1"), cmp.Or(o.Memory, "1Gi")
	for _, q := range [][2]string{{"CPU", o.CPU}, {"Memory", o.Memory}} {
		if v, err := resource.ParseQuantity(q[1]); err != nil || v.Sign() <= 0 {
			return o, fmt.Errorf("use kube.Options.%s: %q is not a quantity above 0, for example 2 or 2Gi", q[0], q[1])
		}
	}
	if o.StartTimeout < 0 {
		return o, fmt.Errorf("use kube.Options.StartTimeout: %v is negative", o.StartTimeout)
	}
	o.StartTimeout = cmp.Or(o.StartTimeout, 5*time.Minute)
	return o, nil
}
