package kube

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aiperf-go/aiperf/loadgen/remote"
)

const (
	// port is that of the worker in each pod.
	port = 7070
	// labelRun is on every object of a run and has its id; annotationTest is on the Job and has
	// what the run says of itself.
	labelRun       = "aiperf.dev/run"
	annotationTest = "aiperf.dev/test"
	// indexOf is where the Job controller writes which of the pods a pod is.
	indexOf = "batch.kubernetes.io/job-completion-index"
	// container is the name of the worker's container.
	container = "worker"
	// nobody is the user and the group of the worker, which needs none of its own.
	nobody = 65532

	keysDir, keyDir, binDir = "/aiperf/keys", "/aiperf/key", "/aiperf/bin"
	// orphaned is how long a worker waits for a test. It is longer than any pause of a run.
	orphaned = 2 * time.Minute
	// kept is how long a Job is there after its end.
	kept = 10 * time.Minute
	// graceful is how much longer than the test a Job may be there.
	graceful = 5 * time.Minute
)

// shipping waits for the test to attach, says what it runs on, and becomes the worker that it
// is sent, once the test is sure that it has sent the whole of it. A container that starts again
// in its pod has the worker already. As process 1 it must ask for the signal that ends it when
// nobody comes.
const shipping = `cd ` + binDir + ` || exit 1
if [ ! -x worker ]; then
  trap 'exit 0' TERM
  (sleep 600; kill $$) </dev/null >/dev/null 2>&1 & guard=$!
  read -r go && uname -m && read -r size && head -c "$size" >part && echo received || exit 1
  read -r sure && [ "$sure" = sure ] && chmod 755 part && mv part worker || exit 1
  kill $guard
fi
exec ./worker "$@"`

// unfit are the characters that the name of an object cannot have.
var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// jobName is the name of a run's Job and its Secret, from the test's name and the id of the run.
// It is short enough for those of the pods, which are longer.
func jobName(who, id string) string {
	test, _, _ := strings.Cut(who, " ")
	test = strings.TrimPrefix(unfit.ReplaceAllString(strings.ToLower(test), "-"), "test")
	test = strings.Trim(test[:min(len(test), 32)], "-")
	return strings.Join(slices.DeleteFunc([]string{"aiperf", test, id}, func(s string) bool { return s == "" }), "-")
}

// job is the Job of n workers, for as long as the test may run.
func job(o Options, name, id, who string, n int, lasts time.Duration) *batchv1.Job {
	labels := map[string]string{labelRun: id, "app.kubernetes.io/name": "aiperf-worker"}
	j := &batchv1.Job{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{annotationTest: who}},
		Spec: batchv1.JobSpec{
			CompletionMode: new(batchv1.IndexedCompletion),
			Completions:    new(int32(n)),
			Parallelism:    new(int32(n)),
			// A worker that crashed is started again in its pod, within about a second. With a
			// back-off for each index the Job would make a new pod instead, 10 s and more later.
			BackoffLimit:            new(int32(3 * n)),
			TTLSecondsAfterFinished: new(int32(kept.Seconds())),
			ActiveDeadlineSeconds:   new(int64(math.Ceil((lasts + graceful).Seconds()))),
			Template:                template(o, name, id, labels),
		},
	}
	if o.Template != nil {
		o.Template(&j.Spec.Template)
	}
	return j
}

// template is the pod of a worker. It meets the Pod Security standard "restricted".
func template(o Options, name, id string, labels map[string]string) corev1.PodTemplateSpec {
	memory := resource.MustParse(o.Memory)
	args := []string{"-listen", ":" + strconv.Itoa(port), "-keys", keysDir, "-orphan", orphaned.String()}
	c := corev1.Container{
		Name: container, Image: o.Image, Command: []string{"aiperf-worker"}, Args: args,
		Ports: []corev1.ContainerPort{{Name: "aiperf", ContainerPort: port}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(o.CPU), corev1.ResourceMemory: memory},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: memory},
		},
		// The collector works harder before the kernel ends the worker.
		Env: []corev1.EnvVar{{Name: "GOMEMLIMIT", Value: strconv.FormatInt(memory.Value()/10*9, 10)}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "keys", MountPath: keysDir, ReadOnly: true}},
		// There is no readiness probe: it would be a connection that is no test's, and nothing is
		// sent to a pod because it is ready.
	}
	volumes := []corev1.Volume{{Name: "keys", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: name, DefaultMode: new(int32(0o440))},
	}}}
	if o.APIKeySecret != nil {
		c.Args = append(c.Args, "-api-key-file", keyDir+"/key")
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "key", MountPath: keyDir, ReadOnly: true})
		volumes = append(volumes, corev1.Volume{Name: "key", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: o.APIKeySecret.Name, DefaultMode: new(int32(0o440)), Optional: o.APIKeySecret.Optional,
			Items: []corev1.KeyToPath{{Key: o.APIKeySecret.Key, Path: "key"}},
		}}})
	}
	if o.Image == "" {
		c.Image, c.Stdin = o.Shipped, true
		c.Command = []string{"sh", "-c", shipping, "worker"} // the arguments are those of the script
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "bin", MountPath: binDir})
		volumes = append(volumes, corev1.Volume{Name: "bin", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	t := corev1.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: labels, Annotations: map[string]string{
			"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
			"karpenter.sh/do-not-disrupt":                    "true",
			// A proxy in each pod would be measured, too, and would stand in the test's way.
			"sidecar.istio.io/inject": "false",
		}},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{c},
			Volumes:                       volumes,
			RestartPolicy:                 corev1.RestartPolicyOnFailure,
			NodeSelector:                  o.NodeSelector,
			Tolerations:                   o.Tolerations,
			ServiceAccountName:            o.ServiceAccount,
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			TerminationGracePeriodSeconds: new(int64(5)),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(nobody)), RunAsGroup: new(int64(nobody)), FSGroup: new(int64(nobody)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	others := &meta.LabelSelector{MatchLabels: map[string]string{labelRun: id}}
	if o.OnePerNode {
		t.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: others, TopologyKey: corev1.LabelHostname}},
		}}
	} else {
		t.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: others,
		}}
	}
	if o.PullSecret != "" {
		t.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: o.PullSecret}}
	}
	return t
}

// secret has the workers' half of the keys of the run. It goes with its Job.
func secret(j *batchv1.Job, keys *remote.Keys) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: meta.ObjectMeta{Name: j.Name, Labels: j.Labels, OwnerReferences: []meta.OwnerReference{{
			APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID,
		}}},
		Immutable: new(true),
		Data:      map[string][]byte{"ca.pem": keys.CA, "cert.pem": keys.Cert, "key.pem": keys.Key},
	}
}

// indexed returns which of the run's pods a pod is.
func indexed(p *corev1.Pod) (int, error) {
	i, err := strconv.Atoi(p.Annotations[indexOf])
	if err != nil {
		return 0, fmt.Errorf("pod %s has no %s", p.Name, indexOf)
	}
	return i, nil
}
