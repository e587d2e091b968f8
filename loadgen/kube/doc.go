// Package kube lets the pods of a Kubernetes cluster carry the load of a test:
//
//	func TestCapacity(t *testing.T) {
//		aiperftest.RunRecipe(t, "max-throughput-ttft-sla", aiperftest.TTFT(200*time.Millisecond),
//			kube.Pods(8))
//	}
//
// A blank import of the package and AIPERF_KUBE_PODS=8 do the same without a line in the test.
// AIPERF_KUBE_IMAGE and AIPERF_KUBE_NAMESPACE are the defaults of Options.Image and
// Options.Namespace.
//
// What decides stays in the test's process: the search, the verdict, the files. The pods are
// workers of package loadgen/remote, one Indexed Job of them for the whole run, and are gone
// after it. A run takes these steps:
//
//  1. It asks the API server for the rights that it needs, and ends with a *[RightsError] that
//     names those that are missing. The Role is rbac.yaml; [Check] is this step alone.
//  2. It takes the Lease of the endpoint, so that two tests of a cluster do not measure each
//     other, and says for whom it waits.
//  3. It creates a Job, and a Secret with the keys of the run, which the Job owns.
//  4. It reaches each pod by a forwarded port through the API server or, inside of the cluster,
//     by the pod's address. A start that cannot succeed ends at once with a *[StartError],
//     which says why, and any other after Options.StartTimeout.
//  5. At the end it deletes the Job, and gives the Lease back. What a killed test leaves goes by
//     itself: workers that nobody calls end after two minutes, their Job ten minutes later and
//     the Secret with it, and the Lease can be taken over after 40 s.
//
// This package is a module of its own, so that a user of aiperftest without a cluster gets
// nothing of Kubernetes into a go.sum, and keeps the client-go that they have.
package kube
