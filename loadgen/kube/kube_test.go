package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// yardOf is the yard of an option whose clients talk to a fake cluster.
func yardOf(c *cluster, o Options) *yard {
	return &yard{fleets: map[string]*fleet{}, made: func([]Options) (Options, *client, error) {
		o, err := o.complete()
		return o, c.client(), err
	}}
}

// of is the outcome of a run on a target, before anything is measured.
func of(t loadgen.Target, who string) *recipes.Outcome {
	return &recipes.Outcome{Spec: recipes.Spec{Target: t, Who: who}}
}

const who = "TestCapacity/fp8 of process 7 on ci"

// TestRun measures with pods that are workers of this process: what is made, where the load comes
// from, a pod that is lost, and what is left.
func TestRun(t *testing.T) {
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()
	c := newCluster(t)
	reach, end := c.workers("n1", "n2")
	y := yardOf(c, Options{Image: "w"})
	var said []string
	target := loadgen.Target{URL: s.URL, Waiting: func(err error) { said = append(said, err.Error()) }}
	k, err := y.carrier(2, nil, of(target, who))
	require.NoError(t, err)
	k.fleet.reach = reach
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, k.Ready(ctx))

	j, secret := c.jobs[k.fleet.name], c.secrets[k.fleet.name]
	assert.Regexp(t, `^aiperf-capacity-fp8-[a-z0-9]{7}$`, j.Name)
	assert.Equal(t, who, j.Annotations[annotationTest])
	assert.Equal(t, j.UID, secret.OwnerReferences[0].UID, "the Secret goes with the Job")
	worker := &remote.Keys{CA: secret.Data["ca.pem"], Cert: secret.Data["cert.pem"], Key: secret.Data["key.pem"]}
	assert.True(t, pairs(k.fleet.keys, worker))
	assert.NotContains(t, object(t, secret), string(k.fleet.keys.Key), "the test's own key stays here")
	assert.InDelta(t, 330, *j.Spec.ActiveDeadlineSeconds, 2, "five minutes longer than the test")
	assert.Equal(t, "2 pods on 2 nodes", k.Where())
	assert.Empty(t, k.Server().Notes)
	var l *coordinationv1.Lease
	for _, l = range c.leases {
	}
	assert.Equal(t, who+" (run "+k.fleet.id+")", *l.Spec.HolderIdentity)
	assert.Equal(t, strings.TrimPrefix(s.URL, "http://"), l.Annotations[annotationEndpoint])

	load := loadgen.Load{Concurrency: 4, ISL: 8, OSL: 4, Requests: 40, Seed: 1}
	m, err := k.Probe(ctx, load, nil)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(m.Requests), 40)

	// A pod is lost, and another takes its place: the probe is void, and the next one measures.
	time.AfterFunc(50*time.Millisecond, func() {
		end(1)
		time.AfterFunc(50*time.Millisecond, func() { c.created(j.DeepCopy()) })
	})
	long := load
	long.Requests = 100_000
	_, err = k.Probe(ctx, long, nil)
	var lost *remote.WorkerError
	require.ErrorAs(t, err, &lost)
	assert.Equal(t, j.Name+"-1-abcde", lost.Worker)
	assert.Equal(t, "n2", lost.Node)
	_, err = k.Probe(ctx, load, nil)
	require.NoError(t, err)

	require.NoError(t, k.Close())
	require.NoError(t, k.Close())
	assert.Empty(t, c.jobs, "the Job is deleted")
	assert.Empty(t, y.fleets)
	for _, l = range c.leases {
	}
	assert.Nil(t, l.Spec.HolderIdentity, "the Lease is given back")
	assert.Empty(t, said)
	for _, verb := range []string{"get secrets", "list secrets", "list pods", "get jobs", "list jobs", "patch jobs"} {
		assert.NotContains(t, c.asked, verb)
	}
}

// TestAPIKeySecret checks that the pods use their own key of the endpoint, and that the test's is not
// sent to them.
func TestAPIKeySecret(t *testing.T) {
	s := simserver.New(simserver.Model{Step: time.Millisecond, APIKey: "of the pods"})
	defer s.Close()
	c := newCluster(t)
	c.key = "of the pods"
	reach, _ := c.workers("n1")
	o := Options{Image: "w", APIKeySecret: &corev1.SecretKeySelector{Key: "token"}}
	k, err := yardOf(c, o).carrier(1, nil, of(loadgen.Target{URL: s.URL, APIKey: "of the test"}, who))
	require.NoError(t, err)
	k.fleet.reach = reach
	require.NoError(t, k.Ready(t.Context()))
	_, err = k.Probe(t.Context(), loadgen.Load{Concurrency: 2, ISL: 8, OSL: 4, Requests: 10, Seed: 1}, nil)
	require.NoError(t, err)
	require.NoError(t, k.Close())
}

// TestComparison checks that two endpoints of one test share pods, and that two tests that share
// the option do not.
func TestComparison(t *testing.T) {
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()
	c := newCluster(t)
	reach, _ := c.workers("n1")
	y := yardOf(c, Options{Image: "w"})
	var ks []*carrier
	for i, who := range []string{"TestA of process 7", "TestA of process 7", "TestB of process 7"} {
		// Two names of one machine in one test are one Lease.
		url := s.URL
		if i == 2 {
			url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
		}
		k, err := y.carrier(2, nil, of(loadgen.Target{URL: url}, who))
		require.NoError(t, err)
		k.fleet.reach = reach
		require.NoError(t, k.Ready(t.Context()))
		ks = append(ks, k)
	}
	assert.Same(t, ks[0].fleet, ks[1].fleet)
	assert.NotSame(t, ks[0].fleet, ks[2].fleet)
	assert.Len(t, c.jobs, 2)
	require.Len(t, ks[0].Server().Notes, 1)
	assert.EqualError(t, ks[0].Server().Notes[0],
		"all 2 pods are on node n1, whose CPUs and network they share; use kube.Options.OnePerNode, or NodeSelector")
	require.NoError(t, ks[0].Close())
	assert.Len(t, c.jobs, 2, "the other endpoint still needs the pods")
	for _, k := range ks {
		require.NoError(t, k.Close())
	}
	assert.Empty(t, c.jobs)
}

// TestHowManyPods checks the number that 0 stands for, and which number is too small.
func TestHowManyPods(t *testing.T) {
	search := func(hi float64) *recipes.Outcome {
		r, err := recipes.Lookup("max-concurrency-under-sla")
		require.NoError(t, err)
		lo, most, ttft := 1, int(hi), 100.0
		p, err := r.Expand(recipes.Inputs{TTFT: &ttft, Concurrency: recipes.Bounds{Min: &lo, Max: &most}})
		require.NoError(t, err)
		o := of(loadgen.Target{URL: "http://llm:8000"}, "TestX")
		o.Plan = p
		return o
	}
	for _, c := range []struct {
		n    int
		most float64
		want int
		err  string
	}{
		{0, 1000, 1, ""},
		{0, 10_001, 2, ""},
		{0, 80_000, 8, ""},
		{3, 80_000, 3, ""},
		{2, 80_000, 0, "80000 requests in flight on 2 pods: each pod has 28232 ports to one address; use kube.Pods(8)"},
	} {
		k, err := yardOf(newCluster(t), Options{Image: "w"}).carrier(c.n, nil, search(c.most))
		if c.err != "" {
			assert.EqualError(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, k.Pool.N)
	}
}

// TestObjects holds the Job of each kind to what it was, as a user reads it.
func TestObjects(t *testing.T) {
	for name, o := range map[string]Options{
		"shipped": {},
		"image": {Image: "registry.example/aiperf-worker:v1", CPU: "4", Memory: "2Gi", OnePerNode: true, PullSecret: "pull",
			ServiceAccount: "load", NodeSelector: map[string]string{"pool": "load"},
			Tolerations:  []corev1.Toleration{{Key: "load", Operator: corev1.TolerationOpExists}},
			APIKeySecret: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "llm"}, Key: "token"},
			Template:     func(p *corev1.PodTemplateSpec) { p.Spec.PriorityClassName = "load" }},
	} {
		o, err := o.complete()
		require.NoError(t, err)
		golden(t, name+".json", object(t, job(o, jobName(who, "x7k2p9b"), "x7k2p9b", who, 8, time.Hour)))
	}
	assert.Equal(t, "aiperf-x7k2p9b", jobName("", "x7k2p9b"))
	assert.Equal(t, "aiperf-ofallthelengths-that-a-test-can-x7k2p9b",
		jobName("TestOfAllTheLengths/that-a-test-can-have/this-is-one", "x7k2p9b"))
}

// TestMistakes holds what is wrong with options to its text.
func TestMistakes(t *testing.T) {
	t.Setenv("KUBECONFIG", "testdata/none")
	for _, c := range []struct {
		how  []Options
		want string
	}{
		{[]Options{{}, {}}, "use kube.Pods(n, kube.Options{…}): give Options once"},
		{[]Options{{Image: "a", Shipped: "b"}},
			"use kube.Options.Image without Shipped and Worker: an image that has the worker needs none"},
		{[]Options{{CPU: "many"}}, `use kube.Options.CPU: "many" is not a quantity above 0, for example 2 or 2Gi`},
		{[]Options{{Memory: "0"}}, `use kube.Options.Memory: "0" is not a quantity above 0, for example 2 or 2Gi`},
		{[]Options{{StartTimeout: -time.Second}}, "use kube.Options.StartTimeout: -1s is negative"},
		{nil, "find the cluster: invalid configuration: no configuration has been provided, " +
			"try setting KUBERNETES_MASTER environment variable; kubectl must work here, or name a file by KUBECONFIG or kube.Options.Kubeconfig"},
	} {
		_, _, err := prepared(c.how)
		assert.EqualError(t, err, c.want)
	}
}

// recorder is a test that is told what a run says.
type recorder struct {
	testing.TB
	errors, logs []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}
func (r *recorder) FailNow() { panic(r) }

// TestEnvironment checks that the variable alone spreads a run that has an endpoint, and that a
// wrong one says so.
func TestEnvironment(t *testing.T) {
	t.Setenv("KUBECONFIG", "testdata/none")
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()
	r, err := recipes.Lookup("concurrency-ramp")
	require.NoError(t, err)
	run := func(opts ...aiperftest.Option) string {
		rec := &recorder{TB: t}
		func() {
			defer func() { _ = recover() }()
			aiperftest.Run(rec, r, append(opts, aiperftest.Endpoint(s.URL), aiperftest.Artifacts(t.TempDir()))...)
		}()
		return strings.Join(strings.Fields(strings.Join(rec.errors, "\n")), " ")
	}
	t.Setenv(envPods, "some")
	assert.Contains(t, run(), `read AIPERF_KUBE_PODS="some": it must be a number of pods, or 0 for as many as are needed`)
	t.Setenv(envPods, "8")
	assert.Contains(t, run(), "find the cluster: ")
	t.Setenv(envPods, "")
	assert.Contains(t, run(Pods(-1)), "use kube.Pods(-1): a number of pods is not negative")
	assert.Contains(t, run(Pods(2)), "find the cluster: ")
}

// TestRights takes each verb of the Role away: what a run needs is named, and nothing is made.
func TestRights(t *testing.T) {
	c := newCluster(t)
	o, err := Options{}.complete()
	require.NoError(t, err)
	table, err := c.client().permitted(t.Context(), o)
	require.NoError(t, err)
	text := table
	for _, r := range rights() {
		c := newCluster(t)
		c.denied[r.verb+" "+r.resource] = true
		f := newFleet(c.client(), o, 2, who)
		err := f.permitted(t.Context())
		if r.use == useExplain {
			require.NoError(t, err, "a run goes on without %s", r)
			continue
		}
		var missing *RightsError
		require.ErrorAs(t, err, &missing)
		text += err.Error() + "\n"
		assert.Empty(t, c.asked, "nothing else is asked for")
	}
	// What is not needed by the way in which the pods are reached and made is no obstacle.
	c.denied = map[string]bool{"create pods/portforward": true, "get pods/portforward": true,
		"create pods/attach": true, "get pods/attach": true}
	o.Image, o.Direct = "w", true
	table, err = c.client().permitted(t.Context(), o)
	require.NoError(t, err)
	text += table
	o.Direct = false
	table, err = c.client().permitted(t.Context(), o)
	text += table + err.Error() + "\n"
	rec := &recorder{TB: t}
	check(rec, o, c.client())
	assert.Equal(t, []string{"kube.Check: " + err.Error()}, rec.errors)
	o.SPDY, c.denied = true, map[string]bool{"get pods/portforward": true}
	_, err = c.client().permitted(t.Context(), o)
	require.NoError(t, err, "SPDY is no get")
	golden(t, "rights.txt", text)
}

// TestRefused checks what is said when the cluster refuses a request for all that, and that
// whatever was made by then is deleted.
func TestRefused(t *testing.T) {
	for what, want := range map[string]string{
		"create jobs":    `create Job NAME in namespace bench: jobs.batch is forbidden: user "ci" may not create jobs`,
		"create secrets": `create Secret NAME in namespace bench: secrets is forbidden: user "ci" may not create secrets`,
		"create leases": `take Lease aiperf-454f59676f6609f6 of endpoint llm:8000 in namespace bench: leases.coordination.k8s.io is forbidden: ` +
			`user "ci" may not create leases`,
		"watch pods": `worker NAME-0: watch the pods of Job NAME: pods is forbidden: user "ci" may not watch pods`,
	} {
		c := newCluster(t)
		k, err := yardOf(c, Options{Image: "w"}).carrier(1, nil, of(loadgen.Target{URL: "http://llm:8000/v1"}, who))
		require.NoError(t, err)
		k.fleet.once.permitted = true // as it may be by the time of asking
		c.denied[what] = true
		err = k.Ready(t.Context())
		require.Error(t, err)
		assert.Equal(t, want, strings.ReplaceAll(err.Error(), k.fleet.name, "NAME"))
		require.NoError(t, k.Close())
		assert.Empty(t, c.jobs)
	}

	c := newCluster(t)
	var said []string
	k, err := yardOf(c, Options{Image: "w"}).carrier(1, nil,
		of(loadgen.Target{URL: "http://llm:8000/v1", Waiting: func(err error) { said = append(said, err.Error()) }}, who))
	require.NoError(t, err)
	require.NoError(t, k.fleet.start(t.Context()))
	c.denied["delete jobs"] = true
	require.NoError(t, k.Close())
	require.Len(t, said, 1)
	assert.Equal(t, `delete Job NAME in namespace bench: jobs.batch is forbidden: user "ci" may not delete jobs; `+
		"its workers end after 2m0s without a test, and it is deleted 10m0s later", strings.ReplaceAll(said[0], k.fleet.name, "NAME"))
}

// TestKeep leaves the Job.
func TestKeep(t *testing.T) {
	c := newCluster(t)
	f := newFleet(c.client(), Options{Image: "w", Keep: true, CPU: "1", Memory: "1Gi"}, 1, who)
	require.NoError(t, f.start(t.Context()))
	require.NoError(t, f.stop())
	assert.Len(t, c.jobs, 1)
}

// TestLimitedPods warns of a CPU limit that somebody else has set.
func TestLimitedPods(t *testing.T) {
	c := newCluster(t)
	f := newFleet(c.client(), Options{Image: "w", CPU: "1", Memory: "1Gi"}, 1, who)
	p := running(pod(job(f.o, "j", "x", who, 1, time.Hour), 0), "n1")
	p.Spec.Containers[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("500m")
	f.pods[0], f.last[0] = p, p
	require.Len(t, f.notes(), 1)
	assert.EqualError(t, f.notes()[0], "pod j-0-abcde has a CPU limit of 500m, which kube does not set, perhaps by a LimitRange; "+
		"a worker that is throttled measures its own pauses")
}

// TestWatchEnds checks that a watch that ends is begun again, and that pods which ended meanwhile
// are forgotten.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.created = func(j *batchv1.Job) {
			c.set(running(pod(j, 0), "n1"))
			c.set(running(pod(j, 1), "n1"))
		}
		f := newFleet(c.client(), Options{Image: "w", CPU: "1", Memory: "1Gi"}, 2, who)
		require.NoError(t, f.start(t.Context()))
		time.Sleep(time.Second)
		assert.Equal(t, 1, f.missing(), "none, but an error has at least one")
		c.mu.Lock()
		delete(c.pods, f.name+"-1-abcde")
		for _, w := range c.watchers {
			w.Stop()
		}
		c.mu.Unlock()
		time.Sleep(time.Second)
		current, _, _, _ := f.known(0)
		assert.NotNil(t, current)
		current, _, _, _ = f.known(1)
		assert.Nil(t, current)
		name, node := f.called(1)
		assert.Equal(t, f.name+"-1-abcde on n1", name+" on "+node, "what it was called is still known")
		require.NoError(t, f.stop())
	})
}

// leases are two fleets on one cluster, in virtual time.
func leases(t *testing.T, test func(t *testing.T, c *cluster, a, b *fleet)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		o := Options{Image: "w", CPU: "1", Memory: "1Gi"}
		test(t, c, newFleet(c.client(), o, 1, "TestA of process 7 on ci"), newFleet(c.client(), o, 1, "TestB of process 8 on laptop"))
	})
}

// TestLease: the second run waits, names the first, and has the Lease when that gives it back.
func TestLease(t *testing.T) {
	leases(t, func(t *testing.T, c *cluster, a, b *fleet) {
		a.id = "x7k2p9b"
		l, err := a.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		again, err := a.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		assert.Same(t, l, again)
		time.AfterFunc(5*time.Minute, l.release)
		time.AfterFunc(10*time.Minute, l.release)
		var said []string
		began := time.Now()
		m, err := b.lease(t.Context(), "llm:8000", func(err error) { said = append(said, err.Error()) })
		require.NoError(t, err)
		assert.InDelta(t, 600, time.Since(began).Seconds(), 3, "renewed for as long as it was needed")
		assert.Equal(t, []string{"waiting for TestA of process 7 on ci (run x7k2p9b), which measures the same endpoint llm:8000 " +
			"(Lease aiperf-454f59676f6609f6)"}, said)
		other, err := a.lease(t.Context(), "llm:9000", nil)
		require.NoError(t, err, "another endpoint is another Lease")
		other.release()

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = a.lease(ctx, "llm:8000", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.EqualError(t, err, "take Lease aiperf-454f59676f6609f6 of endpoint llm:8000 in namespace bench: "+
			"TestB of process 8 on laptop (run "+b.id+") has it: context deadline exceeded")
		m.release()
	})
}

// TestLeaseOfTheDead is taken over 40 s after the last renewal, and at once if that is long ago.
func TestLeaseOfTheDead(t *testing.T) {
	leases(t, func(t *testing.T, c *cluster, a, b *fleet) {
		l, err := a.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		time.Sleep(25 * time.Second)
		l.stop() // as SIGKILL does
		began := time.Now()
		m, err := b.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		assert.InDelta(t, 40, time.Since(began).Seconds(), 3)
		m.stop()
		time.Sleep(time.Hour)
		began = time.Now()
		n, err := newFleet(c.client(), a.o, 1, "TestC").lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		assert.Less(t, time.Since(began), time.Second)
		n.release()
	})
}

// TestLeaseLost ends the run: when somebody takes the Lease, and when it cannot be renewed.
func TestLeaseLost(t *testing.T) {
	leases(t, func(t *testing.T, c *cluster, a, b *fleet) {
		l, err := a.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		c.mu.Lock()
		taken := c.leases[l.name].DeepCopy()
		taken.ResourceVersion, taken.Spec.HolderIdentity = "other", new("TestB of process 8 on laptop (run q)")
		c.leases[l.name] = taken
		c.mu.Unlock()
		<-a.held.Done()
		var lost *LeaseError
		require.ErrorAs(t, context.Cause(a.held), &lost)
		assert.EqualError(t, lost, "TestB of process 8 on laptop (run q) has taken Lease aiperf-454f59676f6609f6 of endpoint llm:8000, "+
			"so that both measure each other; run the test again")
		l.release()
		assert.Equal(t, taken, c.leases[l.name], "another's Lease is not given back")

		m, err := b.lease(t.Context(), "llm:9000", nil)
		require.NoError(t, err)
		began := time.Now()
		c.mu.Lock()
		c.denied["update leases"] = true
		c.mu.Unlock()
		<-b.held.Done()
		assert.InDelta(t, 40, time.Since(began).Seconds(), 10.1)
		assert.ErrorContains(t, context.Cause(b.held), "renew Lease "+m.name+" of endpoint llm:9000: not possible for 40s, "+
			"so that another test may have taken it: leases.coordination.k8s.io is forbidden")
		m.release()
	})
	// A Lease that was only touched stays.
	leases(t, func(t *testing.T, c *cluster, a, _ *fleet) {
		l, err := a.lease(t.Context(), "llm:8000", nil)
		require.NoError(t, err)
		c.mu.Lock()
		c.leases[l.name].ResourceVersion = "touched"
		c.mu.Unlock()
		time.Sleep(time.Minute)
		assert.NoError(t, a.held.Err())
		l.release()
	})
}

// TestLostLeaseEndsTheProbe checks the way from the Lease to the probe.
func TestLostLeaseEndsTheProbe(t *testing.T) {
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()
	c := newCluster(t)
	reach, _ := c.workers("n1")
	k, err := yardOf(c, Options{Image: "w"}).carrier(1, nil, of(loadgen.Target{URL: s.URL}, who))
	require.NoError(t, err)
	k.fleet.reach = reach
	require.NoError(t, k.Ready(t.Context()))
	time.AfterFunc(50*time.Millisecond, func() { k.fleet.lose(&LeaseError{Name: "l", Endpoint: "e", Holder: "TestB"}) })
	_, err = k.Probe(t.Context(), loadgen.Load{Concurrency: 2, ISL: 8, OSL: 4, Requests: 1_000_000, Seed: 1}, nil)
	require.ErrorAs(t, err, new(*LeaseError))
	require.NoError(t, k.Close())
}

// TestShipping runs the script of a pod with a shell of this machine: it asks for the worker,
// becomes it, and has it when it is started again.
func TestShipping(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	worker := filepath.Join(dir, "built")
	require.NoError(t, os.WriteFile(worker, []byte("#!"+sh+"\n"+
		"echo started \"$@\" >>"+dir+"/started\necho worker: listening on 7070 >&2\n"), 0o600))
	script := strings.ReplaceAll(shipping, binDir, dir)
	c := newCluster(t)
	f := newFleet(c.client(), Options{Worker: worker, CPU: "1", Memory: "1Gi"}, 1, who)
	s := newShipper(f)
	attach := func(ctx context.Context, p *corev1.Pod, in io.Reader, out io.Writer) error {
		cmd := exec.Command(sh, "-c", script, "worker", "-listen", ":7070") // it goes on when nobody is attached
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(stdin, in) }()
		cmd.Stdout, cmd.Stderr = out, out
		ended := make(chan error, 1)
		go func() { ended <- cmd.Run() }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p := &corev1.Pod{ObjectMeta: meta.ObjectMeta{Name: "p"}}
	// A connection that is lost in the middle: the next one finds a script that wants the rest, and
	// ends it, so that its container starts again.
	s.patience = 100 * time.Millisecond
	s.attach = func(ctx context.Context, p *corev1.Pod, in io.Reader, out io.Writer) error {
		first := io.MultiReader(strings.NewReader("go\n100000\nhalf of it"), in)
		return attach(ctx, p, first, struct{ io.Writer }{io.Discard})
	}
	assert.EqualError(t, s.ship(ctx, p), "ship the worker to pod p: exit status 1")
	assert.NoFileExists(t, filepath.Join(dir, "worker"))
	s.attach, s.patience = attach, asking
	require.NoError(t, s.ship(ctx, p))
	started := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "started"))
		return string(b)
	}
	assert.Equal(t, "started -listen :7070\n", started())
	out, err := exec.CommandContext(ctx, sh, "-c", script, "worker", "again").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "started -listen :7070\nstarted again\n", started())

	// A container that ends in between, and a machine that no worker is built for.
	s.attach = func(_ context.Context, _ *corev1.Pod, in io.Reader, out io.Writer) error { return nil }
	assert.EqualError(t, s.ship(ctx, p), "ship the worker to pod p: the container has ended")
	s.attach = func(_ context.Context, _ *corev1.Pod, in io.Reader, out io.Writer) error {
		_, _ = io.ReadFull(in, make([]byte, len("go\n")))
		_, _ = io.WriteString(out, "x86_64\n")
		lines := bufio.NewReader(in)
		size, _ := lines.ReadString('\n')
		n, _ := strconv.Atoi(strings.TrimSpace(size))
		_, _ = io.CopyN(io.Discard, lines, int64(n))
		_, _ = io.WriteString(out, "received\n")
		_, _ = lines.ReadString('\n')
		_, _ = io.WriteString(out, "worker: line 8: exec format error\n")
		return nil
	}
	assert.EqualError(t, s.ship(ctx, p), `ship the worker to pod p: the container has ended, and said "worker: line 8: exec format error"`)
	s.attach = func(ctx context.Context, _ *corev1.Pod, in io.Reader, out io.Writer) error {
		_, _ = io.ReadFull(in, make([]byte, 3))
		_, _ = io.WriteString(out, "vax\n")
		<-ctx.Done()
		return ctx.Err()
	}
	f.o.Worker = ""
	err = s.ship(ctx, p)
	var final interface{ Final() bool }
	require.True(t, errors.As(err, &final) && final.Final())
	assert.EqualError(t, err,
		`ship the worker to pod p: its node is a "vax", for which no worker is built; give its file by kube.Options.Worker`)
}

// TestRole checks that the Role is what the code asks for and no more.
func TestRole(t *testing.T) {
	var verbs []string
	for _, r := range rights() {
		r.use = ""
		verbs = append(verbs, r.String())
	}
	slices.Sort(verbs)
	assert.Equal(t, []string{"create jobs.batch", "create leases.coordination.k8s.io", "create pods/attach", "create pods/portforward",
		"create secrets", "delete jobs.batch", "get leases.coordination.k8s.io", "get pods/attach", "get pods/log", "get pods/portforward",
		"list events", "update leases.coordination.k8s.io", "watch pods"}, verbs)
}

// example are the objects of examples/in-cluster.yaml, in its order.
func example(t *testing.T) (all []any) {
	t.Helper()
	b, err := os.ReadFile("examples/in-cluster.yaml")
	require.NoError(t, err)
	for doc := range strings.SplitSeq(string(b), "\n---\n") {
		var kind meta.TypeMeta
		require.NoError(t, yaml.Unmarshal([]byte(doc), &kind))
		into := map[string]any{"ServiceAccount": &corev1.ServiceAccount{}, "RoleBinding": &rbac.RoleBinding{},
			"PersistentVolumeClaim": &corev1.PersistentVolumeClaim{}, "Job": &batchv1.Job{}, "CronJob": &batchv1.CronJob{}}[kind.Kind]
		require.NotNil(t, into, kind.Kind)
		require.NoError(t, yaml.UnmarshalStrict([]byte(doc), into))
		all = append(all, into)
	}
	return all
}

// TestExampleInCluster reads the example as the API server would, and holds its pods to the Pod
// Security standard "restricted", as those of the load are.
func TestExampleInCluster(t *testing.T) {
	pods := map[string]corev1.PodSpec{"the load": job(Options{CPU: "1", Memory: "1Gi"}, "n", "x", who, 1, time.Hour).Spec.Template.Spec}
	kinds := map[string]int{}
	for _, into := range example(t) {
		kinds[reflect.TypeOf(into).Elem().Name()]++
		switch o := into.(type) {
		case *batchv1.Job:
			pods[o.Name] = o.Spec.Template.Spec
		case *batchv1.CronJob:
			pods[o.Name] = o.Spec.JobTemplate.Spec.Template.Spec
		case *rbac.RoleBinding:
			var r rbac.Role
			require.NoError(t, yaml.UnmarshalStrict(role, &r))
			assert.Equal(t, r.Name, o.RoleRef.Name)
		}
	}
	assert.Equal(t, map[string]int{"ServiceAccount": 1, "RoleBinding": 1, "PersistentVolumeClaim": 1, "Job": 1, "CronJob": 1}, kinds)
	for name, p := range pods {
		assert.True(t, *p.SecurityContext.RunAsNonRoot, name)
		assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, p.SecurityContext.SeccompProfile.Type, name)
		assert.False(t, p.HostNetwork || p.HostPID || p.HostIPC, name)
		for _, v := range p.Volumes {
			assert.True(t, v.EmptyDir != nil || v.Secret != nil || v.PersistentVolumeClaim != nil, "%s: volume %s", name, v.Name)
		}
		for _, c := range p.Containers {
			assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, name)
			assert.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
			for _, port := range c.Ports {
				assert.Zero(t, port.HostPort, name)
			}
		}
	}
}

// TestPage checks that the test of docs/kube.md is the file of testdata/page, and that it compiles.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/kube.md")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(b), "```go\n")
	block, _, _ := strings.Cut(rest, "```")
	golden(t, "page/serving_test.go", block)
	out, err := exec.CommandContext(t.Context(), "go", "vet", "./testdata/page").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// TestFinding holds what a test says of its pods to its text: where the load came from, with a
// warning, and a start and a right that are missing. What differs from run to run is left out.
func TestFinding(t *testing.T) {
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()
	var text strings.Builder
	for _, x := range []struct {
		name string
		set  func(*cluster)
	}{
		{"measured", func(*cluster) {}},
		{"a quota", func(c *cluster) {
			c.created = func(j *batchv1.Job) {
				e := corev1.Event{Type: "Warning", Reason: "FailedCreate", Message: `Error creating: pods "` + j.Name + `-0-x2x4z" is forbidden: ` +
					"exceeded quota: load, requested: requests.cpu=1, used: requests.cpu=0, limited: requests.cpu=0"}
				e.InvolvedObject = corev1.ObjectReference{Kind: "Job", Name: j.Name}
				c.mu.Lock()
				c.events = append(c.events, e)
				c.mu.Unlock()
			}
		}},
		{"no right", func(c *cluster) { c.denied["create jobs"], c.denied["get leases"] = true, true }},
	} {
		c := newCluster(t)
		reach, _ := c.workers("n1")
		x.set(c)
		y := yardOf(c, Options{Image: "w"})
		name := ""
		rec := &recorder{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != any(rec) {
					panic(r)
				}
			}()
			aiperftest.Run(rec, recipes.Fixed(4), aiperftest.Endpoint(s.URL), aiperftest.Tokens(8, 4), aiperftest.Requests(20),
				aiperftest.ReportOnly(), aiperftest.Charts(false), aiperftest.Artifacts(t.TempDir()),
				aiperftest.Spread(func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) {
					k, err := y.carrier(2, nil, o)
					k.fleet.reach, name = reach, k.fleet.name
					return k, err
				}))
		}()
		fmt.Fprintf(&text, "== %s\n", x.name)
		for _, said := range append(rec.logs, rec.errors...) {
			for paragraph := range strings.SplitSeq(strings.ReplaceAll(said, "\n        ", " "), "\n") {
				if x.name != "measured" || strings.Contains(paragraph, "pods") {
					fmt.Fprintln(&text, strings.TrimSpace(strings.ReplaceAll(paragraph, name, "NAME")))
				}
			}
		}
		assert.Empty(t, c.jobs)
	}
	golden(t, "finding.txt", strings.ReplaceAll(text.String(), s.URL, "URL"))
}
