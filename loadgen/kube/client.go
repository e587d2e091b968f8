package kube

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	batch "k8s.io/client-go/kubernetes/typed/batch/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// client is what the package uses of a cluster, in one namespace. Four typed clients save the 98
// packages of Kubernetes that only the whole clientset has.
type client struct {
	core   core.CoreV1Interface
	batch  batch.BatchV1Interface
	leases coordination.CoordinationV1Interface
	rights authorization.AuthorizationV1Interface

	config    *rest.Config
	namespace string
	// within says that this process is a pod of the cluster.
	within bool
}

// serviceAccount is where a pod has its namespace from.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// connect reads the configuration and makes the clients. Nothing is sent.
func connect(o Options) (*client, error) {
	c := &client{namespace: o.Namespace}
	inside, err := rest.InClusterConfig()
	if err == nil && o.Kubeconfig == "" && o.Context == "" && os.Getenv("KUBECONFIG") == "" {
		c.config, c.within = inside, true
		b, _ := os.ReadFile(serviceAccount)
		c.namespace = cmp.Or(c.namespace, strings.TrimSpace(string(b)), "default")
	} else {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath = o.Kubeconfig
		loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
		if c.config, err = loaded.ClientConfig(); err != nil {
			return nil, fmt.Errorf("find the cluster: %w; kubectl must work here, or name a file by KUBECONFIG or kube.Options.Kubeconfig", err)
		}
		if c.namespace == "" {
			if c.namespace, _, err = loaded.Namespace(); err != nil {
				return nil, fmt.Errorf("find the namespace: %w", err)
			}
		}
	}
	c.config.QPS, c.config.Burst = 50, 100 // a start of many pods is one burst
	c.config.UserAgent = "aiperf"
	c.config.WarningHandler = rest.NoWarnings{} // the test's output is the test's
	if c.core, err = core.NewForConfig(c.config); err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	shared, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	if c.batch, err = batch.NewForConfigAndClient(c.config, shared); err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	if c.leases, err = coordination.NewForConfigAndClient(c.config, shared); err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	if c.rights, err = authorization.NewForConfigAndClient(c.config, shared); err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return c, nil
}
