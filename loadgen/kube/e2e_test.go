//go:build linux

package kube

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/kube/internal/kubetest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// The tests of this file run on a cluster: etcd, the API server, the controllers and the
// scheduler of Kubernetes, with nodes whose pods are local processes. They are skipped unless
// AIPERF_KUBE_TEST is set:
//
//	AIPERF_KUBE_TEST=1 go test -count=1 -run E2E .
//
// The user of each test has the Role of rbac.yaml in one namespace, which Pod Security holds to
// "restricted", and nothing else.
//
// If AIPERF_KUBE_TEST is kubelet, the pods are containers of Kubernetes' own kubelet, for which
// the script internal/cluster/real prepares the machine. What a kubelet and containerd say of a
// start that fails is other text, in testdata/e2e-kubelet.

var updateE2E = flag.Bool("update-e2e", false, "write the messages of the tests on a cluster to testdata/e2e")

// site is where a test of this file runs.
type site struct {
	*kubetest.Cluster
	user *kubetest.User
	ns   string
	// how are the options that reach it.
	how Options
}

// onCluster returns a namespace of the cluster, and who has the Role in it.
func onCluster(t *testing.T) *site {
	t.Helper()
	c := kubetest.Start(t)
	ns := c.Namespace(t)
	c.Image(t, "aiperf-worker:test", workerFile(t, c.Dir))
	u := c.User(t, ns, roleRules(t))
	return &site{c, u, ns, Options{Kubeconfig: u.Kubeconfig, Image: "aiperf-worker:test", CPU: "100m", Memory: "256Mi",
		StartTimeout: 30 * time.Second}}
}

// built is the worker of this binary's tests.
var built struct {
	sync.Once
	path string
	err  error
}

// workerFile builds the worker as a user's test would.
func workerFile(t *testing.T, dir string) string {
	t.Helper()
	built.Do(func() {
		built.path = filepath.Join(dir, "aiperf-worker")
		out, err := exec.Command("go", "build", "-o", built.path, "github.com/aiperf-go/aiperf/loadgen/remote/aiperf-worker").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// roleRules are those of rbac.yaml.
func roleRules(t testing.TB) []rbac.PolicyRule {
	t.Helper()
	var r rbac.Role
	require.NoError(t, yaml.Unmarshal(role, &r))
	return r.Rules
}

// fakeT is a test whose end is no end of this one's.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	logs     []string
	errs     []string
	out      *recipes.Outcome
	skipped  string
	cleanups []func()
}

func (f *fakeT) Attach(o *recipes.Outcome, _ string) { f.out = o }
func (f *fakeT) Failed() bool                        { return len(f.errs) > 0 }
func (f *fakeT) Log(a ...any)                        { f.Logf("%s", fmt.Sprint(a...)) }
func (f *fakeT) Cleanup(c func())                    { f.cleanups = append(f.cleanups, c) }
func (f *fakeT) FailNow()                            { runtime.Goexit() }
func (f *fakeT) Logf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, a...))
}

func (f *fakeT) Errorf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, fmt.Sprintf(format, a...))
}

func (f *fakeT) Skipf(format string, a ...any) {
	f.skipped = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// said is everything that the test has said.
func (f *fakeT) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(append(slices.Clone(f.logs), f.errs...), "\n")
}

// asTest runs a body as a test of its own, to its end.
func asTest(t *testing.T, body func(aiperftest.T)) *fakeT {
	t.Helper()
	f := &fakeT{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, c := range slices.Backward(f.cleanups) {
				c()
			}
		}()
		body(f)
	}()
	<-done
	return f
}

// goldenE2E compares a message with a file, with names, ids and times replaced by words.
func goldenE2E(t *testing.T, name, text string) {
	t.Helper()
	for _, r := range replaced {
		text = r.is.ReplaceAllString(text, r.by)
	}
	text = strings.TrimSpace(text) + "\n"
	dir := "e2e"
	if kubetest.Kubelet() {
		dir = "e2e-kubelet"
	}
	path := filepath.Join("testdata", dir, name+".golden")
	if *updateE2E {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}

// replaced are what differs from run to run.
var replaced = []struct {
	is *regexp.Regexp
	by string
}{
	// Which of the pods it is found on, how many others are not there yet, and which events have
	// come meanwhile: the tests with a fake cluster hold the message to these, too.
	{regexp.MustCompile(`aiperf-[a-z0-9-]+-[bcdfghjklmnpqrstvwxz2456789]{7}-\d(-[a-z0-9]{5})?\b`), "POD"},
	{regexp.MustCompile(`\b[12] of 2 pods`), "N of 2 pods"},
	{regexp.MustCompile(`(?m)^  event: .*\n?`), ""},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "TIME"},
	{regexp.MustCompile(`\(run [a-z0-9]{7}\)`), "(run ID)"},
	{regexp.MustCompile(`aiperf-[a-z0-9-]+-[bcdfghjklmnpqrstvwxz2456789]{7}\b`), "JOB"},
	{regexp.MustCompile(`aiperf-[0-9a-f]{8,}\b`), "LEASE"},
	{regexp.MustCompile(`\bt-[a-z0-9]{5}\b`), "NAMESPACE"},
	{regexp.MustCompile(`user-[a-z0-9]{5}\b`), "USER"},
	{regexp.MustCompile(`dial tcp: lookup registry\.example[^;]*`), "NETWORK"}, // how there is no such registry
	{regexp.MustCompile(`(127|198)\.\d+\.\d+\.\d+:(\d{5})`), "HOST:PORT"},
	{regexp.MustCompile(`(127|198)\.\d+\.\d+\.\d+`), "ADDRESS"},
	{regexp.MustCompile(`(proc|real)-\d`), "NODE"},
	{regexp.MustCompile(`(?m)^  log:   .*\n?`), ""},
	{regexp.MustCompile(`process \d+ on [^ ,;:)]+`), "process PID on MACHINE"},
}

// light is a server whose answers take a while and cost next to nothing.
var light = simserver.Model{Step: 5 * time.Millisecond}

// TestE2ERecipes runs every recipe on one process, twice, and on four pods, and holds the
// pods' answer to the range of the two: widened on either side by its own width, and by no less
// than 5%, which is what the recipes' answers are within of the servers' closed forms. It takes
// a quarter of an hour and two free cores, and runs when AIPERF_KUBE_TEST is all:
//
//	AIPERF_KUBE_TEST=all go test -count=1 -timeout 30m -run TestE2ERecipes -v .
func TestE2ERecipes(t *testing.T) {
	if os.Getenv(kubetest.Enabled) != "all" {
		t.Skipf("%s is not all", kubetest.Enabled)
	}
	s := onCluster(t)
	for _, c := range cases {
		t.Run(c.recipe, func(t *testing.T) {
			one := map[string][]float64{}
			for seed := range uint64(2) {
				for name, v := range c.run(t, s, seed) {
					one[name] = append(one[name], v)
				}
			}
			four := c.run(t, s, 7, Pods(4, s.how))
			for _, name := range slices.Sorted(maps.Keys(four)) {
				lo, hi := slices.Min(one[name]), slices.Max(one[name])
				if math.IsNaN(lo + hi + four[name]) {
					t.Errorf("%s is not known, as on a machine that is too busy to measure: one process %v, four pods %v",
						name, one[name], four[name])
					continue
				}
				slack := max(hi-lo, 0.05*math.Abs(hi))
				t.Logf("%-24s one process %.5g to %.5g, four pods %.5g", name, lo, hi, four[name])
				assert.GreaterOrEqual(t, four[name], lo-slack, name)
				assert.LessOrEqual(t, four[name], hi+slack, name)
			}
			assert.ElementsMatch(t, slices.Collect(maps.Keys(one)), slices.Collect(maps.Keys(four)))
		})
	}
}

// recipeCase is a recipe with a server that it has a plain answer on.
type recipeCase struct {
	recipe string
	model  simserver.Model
	how    aiperftest.Options
	// answer are the numbers of an outcome by their names.
	answer func(*recipes.Outcome) map[string]float64
}

// queue prefills one prompt of 200 tokens a step, so that TTFT grows with the queue. steady
// prefills at next to no cost, so that ITL grows with the batch.
var (
	queue  = simserver.Model{Step: 6 * time.Millisecond, PerSeq: 100 * time.Microsecond, PerPromptToken: 10 * time.Microsecond, Chunk: 200}
	steady = simserver.Model{Step: 6 * time.Millisecond, PerSeq: 200 * time.Microsecond, PerPromptToken: time.Nanosecond, Chunk: 4096}
)

// boundary is the answer of a search.
func boundary(o *recipes.Outcome) map[string]float64 {
	return map[string]float64{"safe": o.Boundary.Safe, "objective": o.Best.Objective}
}

var cases = []recipeCase{
	{"max-throughput-ttft-sla", queue, aiperftest.Options{aiperftest.TTFT(150 * time.Millisecond),
		aiperftest.Concurrency(8, 40), aiperftest.Tokens(200, 8)}, boundary},
	{"max-throughput-itl-sla", steady, aiperftest.Options{aiperftest.ITL(10 * time.Millisecond),
		aiperftest.Concurrency(8, 40), aiperftest.Tokens(16, 16)}, boundary},
	{"max-concurrency-under-sla", queue, aiperftest.Options{aiperftest.TTFT(150 * time.Millisecond), aiperftest.E2E(300 * time.Millisecond),
		aiperftest.Concurrency(8, 40), aiperftest.Tokens(200, 8)},
		func(o *recipes.Outcome) map[string]float64 {
			return map[string]float64{"concurrency": float64(o.Best.Concurrency())}
		}},
	{"max-goodput-under-slo", queue, aiperftest.Options{aiperftest.TTFT(150 * time.Millisecond), aiperftest.ITL(40 * time.Millisecond),
		aiperftest.E2E(600 * time.Millisecond), aiperftest.Concurrency(8, 40), aiperftest.Tokens(200, 8)}, boundary},
	{"concurrency-ramp", steady, aiperftest.Options{aiperftest.Concurrency(1, 32), aiperftest.Steps(3), aiperftest.Degradation(0.4),
		aiperftest.Tokens(16, 16)},
		func(o *recipes.Outcome) map[string]float64 {
			k, ok := o.Knee()
			if !ok {
				return nil
			}
			return map[string]float64{"baseline": k.Baseline, "knee": float64(k.Concurrency), "value": k.Value}
		}},
	{"prefill-ttft-curve", simserver.Model{Step: 30 * time.Millisecond, PerPromptToken: 100 * time.Microsecond, Chunk: 4096},
		aiperftest.Options{aiperftest.ISL(64, 1024), aiperftest.Steps(4), aiperftest.Tokens(64, 2), aiperftest.Requests(8)},
		func(o *recipes.Outcome) map[string]float64 {
			fit, ok := o.TTFTFit()
			if !ok || len(fit.Coefficients) != 2 {
				return nil
			}
			return map[string]float64{"ms a prompt token": fit.Coefficients[0], "constant": fit.Coefficients[1]}
		}},
	{"decode-itl-curve", steady, aiperftest.Options{aiperftest.Concurrency(4, 24), aiperftest.Steps(2), aiperftest.OSL(16, 32),
		aiperftest.OSLSteps(2), aiperftest.Tokens(16, 16), aiperftest.Requests(40)},
		func(o *recipes.Outcome) map[string]float64 {
			all := map[string]float64{}
			s, _ := o.ITLSurface()
			for i, c := range s.Concurrency {
				for j, n := range s.OSL {
					all[fmt.Sprintf("itl at c=%v osl=%v", c, n)] = s.ITL[i][j]
				}
			}
			return all
		}},
	{"pareto-sweep",
		simserver.Model{Step: 16 * time.Millisecond, PerSeq: 200 * time.Microsecond, PerPromptToken: 20 * time.Microsecond, Chunk: 200},
		aiperftest.Options{aiperftest.Pairs("200/4,400/4"), aiperftest.ConcurrencyList(4, 16), aiperftest.Requests(48)},
		func(o *recipes.Outcome) map[string]float64 {
			all := map[string]float64{}
			p, _ := o.Frontier()
			for i, c := range p.Cells {
				all[fmt.Sprintf("ttft of cell %d", i)], all[fmt.Sprintf("rate of cell %d", i)] = c.X, c.Y
			}
			return all
		}},
}

// run returns the answer of the recipe on a server of its own.
func (c *recipeCase) run(t *testing.T, s *site, seed uint64, more ...aiperftest.Option) map[string]float64 {
	t.Helper()
	srv := simserver.New(c.model)
	defer srv.Close()
	f := asTest(t, func(ft aiperftest.T) {
		aiperftest.RunRecipe(ft, c.recipe, aiperftest.Requests(80), c.how, aiperftest.Endpoint(s.Reach(t, srv.URL)), aiperftest.Seed(seed),
			aiperftest.Charts(false), aiperftest.Artifacts(t.TempDir()), aiperftest.ReportOnly(), aiperftest.Options(more))
	})
	require.NotNil(t, f.out, f.said())
	require.NoError(t, f.out.Err, f.said())
	if len(more) > 0 {
		for _, p := range f.out.Probes {
			for _, m := range p.Trials {
				assert.Equal(t, min(4, max(1, int(p.Load.Concurrency))), m.Health.Workers, "all workers that have a share were heard of")
			}
		}
	}
	all := c.answer(f.out)
	require.NotEmpty(t, all, f.said())
	return all
}

// TestE2ERole takes each verb from the Role in turn: the error names it, and nothing is left
// behind. What the tests of this file use of the Role is all of it, which the API server's log says.
func TestE2ERole(t *testing.T) {
	s := onCluster(t)
	srv := simserver.New(light)
	defer srv.Close()
	url := s.Reach(t, srv.URL) // one, so that its Lease is there already for all runs but the first
	measured := func(how Options) (*fakeT, error) {
		f := asTest(t, func(ft aiperftest.T) {
			aiperftest.Run(ft, recipes.Fixed(4), aiperftest.Endpoint(url), aiperftest.Requests(20), aiperftest.Tokens(8, 4),
				aiperftest.Artifacts(t.TempDir()), aiperftest.Charts(false), aiperftest.ReportOnly(), Pods(2, how))
		})
		require.NotNil(t, f.out, f.said())
		return f, f.out.Err
	}

	_, err := measured(s.how)
	require.NoError(t, err, "the Role is sufficient, by WebSocket")
	spdy := s.how
	spdy.SPDY = true
	_, err = measured(spdy)
	require.NoError(t, err, "and by SPDY")
	shipped := s.how
	shipped.Image, shipped.Shipped, shipped.Worker = "", "busybox:test", workerFile(t, s.Dir)
	s.Image(t, "busybox:test", "sh")
	_, err = measured(shipped)
	require.NoError(t, err, "and to ship the worker")
	byPost := shipped
	byPost.SPDY = true
	_, err = measured(byPost)
	require.NoError(t, err, "by SPDY as well")
	wrong := s.how
	wrong.Template = func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Args = []string{"-no-such-flag"} }
	_, err = measured(wrong)
	require.ErrorAs(t, err, new(*StartError), "and to explain a start that fails")

	var text strings.Builder
	for i, rule := range roleRules(t) {
		for j, verb := range rule.Verbs {
			name := verb + " " + rule.Resources[0]
			less := roleRules(t)
			less[i].Verbs = slices.Delete(less[i].Verbs, j, j+1)
			less = slices.DeleteFunc(less, func(r rbac.PolicyRule) bool { return len(r.Verbs) == 0 })
			how := s.how
			u := s.User(t, s.ns, less)
			how.Kubeconfig = u.Kubeconfig
			if rule.Resources[0] == "pods/attach" {
				how.Image, how.Shipped, how.Worker = "", shipped.Shipped, shipped.Worker
			}
			_, err := measured(how)
			switch rule.Resources[0] {
			case "events", "pods/log":
				// A run does not need it, and only says less of a start that fails.
				require.NoError(t, err, name)
				how.Template = wrong.Template
				_, err = measured(how)
				require.ErrorAs(t, err, new(*StartError), name)
				assert.ErrorContains(t, err, "cannot be read", name)
			default:
				require.ErrorAs(t, err, new(*RightsError), name)
			}
			fmt.Fprintf(&text, "without %s:\n%v\n\n", name, err)
		}
	}
	goldenE2E(t, "role", text.String())

	var all []string
	for _, rule := range roleRules(t) {
		for _, verb := range rule.Verbs {
			all = append(all, verb+" "+rule.Resources[0])
		}
	}
	slices.Sort(all)
	s.Eventually(t, "every verb of the Role is used", func() bool {
		used, denied := s.user.Used(t)
		used = slices.DeleteFunc(used, func(what string) bool { return what == "create selfsubjectaccessreviews" })
		if !slices.Equal(all, used) || denied != nil {
			t.Logf("used %q, denied %q", used, denied)
			return false
		}
		return true
	})
}

// TestE2ELoss kills a worker, and then deletes a pod, while a probe is measured: the probe is
// measured again with all of them, and the report says so. The pod that was deleted takes some
// ten seconds: the Job's back-off of pods that end.
func TestE2ELoss(t *testing.T) {
	s := onCluster(t)
	for _, c := range []struct {
		name string
		hurt func(pod string)
	}{
		{"killed", func(pod string) { s.Kill(t, pod) }},
		{"deleted", func(pod string) {
			require.NoError(t, s.Core.Pods(s.ns).Delete(t.Context(), pod, meta.DeleteOptions{}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := simserver.New(light)
			defer srv.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				s.Eventually(t, "the probe is under way", func() bool { return srv.Stats().Started > 200 })
				l, err := s.Core.Pods(s.ns).List(t.Context(), meta.ListOptions{LabelSelector: "app.kubernetes.io/name=aiperf-worker"})
				require.NoError(t, err)
				for _, p := range l.Items {
					if p.DeletionTimestamp == nil && p.Annotations[indexOf] == "1" {
						c.hurt(p.Name)
						return
					}
				}
			}()
			f := asTest(t, func(ft aiperftest.T) {
				aiperftest.Run(ft, recipes.Fixed(8), aiperftest.Endpoint(s.Reach(t, srv.URL)), aiperftest.Requests(400), aiperftest.Tokens(8, 4),
					aiperftest.Artifacts(t.TempDir()), aiperftest.Charts(false), aiperftest.ReportOnly(), Pods(4, s.how))
			})
			<-ended
			require.NotNil(t, f.out, f.said())
			require.NoError(t, f.out.Err, f.said())
			require.NotEmpty(t, f.out.Probes)
			assert.Equal(t, 400, f.out.Probes[0].Requests())
			assert.Greater(t, srv.Stats().Started, int64(600), "the probe was measured again")
			var said []string
			for _, w := range f.out.Warnings {
				if strings.Contains(w.Error(), "repeated a probe") {
					said = append(said, w.Error())
				}
			}
			goldenE2E(t, "loss-"+c.name, strings.Join(said, "\n"))
		})
	}
}

// TestE2ENoStart is about pods that do not start: the run ends with an error that says why.
func TestE2ENoStart(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*site) Options
	}{
		{"unschedulable", func(s *site) Options {
			s.how.CPU, s.how.StartTimeout = "1000", 4*time.Second
			return s.how
		}},
		{"quota", func(s *site) Options {
			_, err := s.Core.ResourceQuotas(s.ns).Create(t.Context(), &corev1.ResourceQuota{ObjectMeta: meta.ObjectMeta{Name: "team"},
				Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}}}, meta.CreateOptions{})
			require.NoError(t, err)
			s.Eventually(t, "the quota is known", func() bool {
				q, err := s.Core.ResourceQuotas(s.ns).Get(t.Context(), "team", meta.GetOptions{})
				return err == nil && len(q.Status.Hard) > 0
			})
			return s.how
		}},
		{"image", func(s *site) Options {
			s.how.Image = "registry.example/aiperf-worker:v0"
			return s.how
		}},
		{"security", func(s *site) Options {
			s.how.Template = func(p *corev1.PodTemplateSpec) { p.Spec.HostNetwork = true }
			return s.how
		}},
		{"crash", func(s *site) Options {
			s.how.Template = func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Args = []string{"-keys", "/nowhere"} }
			return s.how
		}},
		{"command", func(s *site) Options {
			s.how.Template = func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Command = []string{"/no/such/program"} }
			return s.how
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := onCluster(t)
			srv := simserver.New(light)
			defer srv.Close()
			how := c.make(s)
			began := time.Now()
			f := asTest(t, func(ft aiperftest.T) {
				aiperftest.Run(ft, recipes.Fixed(4), aiperftest.Endpoint(s.Reach(t, srv.URL)), aiperftest.Requests(20), aiperftest.Tokens(8, 4),
					aiperftest.Artifacts(t.TempDir()), aiperftest.Charts(false), Pods(2, how))
			})
			t.Logf("said after %v", time.Since(began))
			require.NotNil(t, f.out, f.said())
			require.ErrorAs(t, f.out.Err, new(*StartError), f.said())
			goldenE2E(t, "start-"+c.name, f.out.Err.Error())
			s.Eventually(t, "the Job is gone", func() bool {
				l, err := s.Batch.Jobs(s.ns).List(t.Context(), meta.ListOptions{})
				return err == nil && len(l.Items) == 0
			})
		})
	}
}

// TestE2ELease has two tests want one endpoint: the second waits, says for whom, and goes on
// when the first is over.
func TestE2ELease(t *testing.T) {
	s := onCluster(t)
	srv := simserver.New(light)
	defer srv.Close()
	url := s.Reach(t, srv.URL)
	ready := func(ctx context.Context, who string, waiting func(error)) (*carrier, error) {
		y := &yard{fleets: map[string]*fleet{}, made: prepared}
		k, err := y.carrier(1, []Options{s.how}, &recipes.Outcome{Spec: recipes.Spec{Who: who,
			Target: loadgen.Target{URL: url, Waiting: waiting, Metrics: []string{}}}})
		require.NoError(t, err)
		return k, k.Ready(ctx)
	}
	first, err := ready(t.Context(), "TestFirst of process 1 on ci-1", nil)
	require.NoError(t, err)
	leases, err := s.Coordination.Leases(s.ns).List(t.Context(), meta.ListOptions{})
	require.NoError(t, err)
	require.Len(t, leases.Items, 1)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var heard []string
	second, err := ready(ctx, "TestSecond of process 2 on ci-2", func(err error) { heard = append(heard, err.Error()) })
	require.Error(t, err)
	goldenE2E(t, "lease", fmt.Sprintf("waiting: %s\nin vain: %v", strings.Join(slices.Compact(heard), "\n"), err))
	require.NoError(t, second.Close())

	go func() {
		time.Sleep(time.Second)
		first.Close()
	}()
	began := time.Now()
	second, err = ready(t.Context(), "TestSecond of process 2 on ci-2", func(error) {})
	require.NoError(t, err)
	t.Logf("the second test has the endpoint %v after the first let go of it", time.Since(began)-time.Second)
	require.NoError(t, second.Close())
}

// TestE2EKilled kills a test that measures: its load ends at once, its pods end without it, and
// everything that it has made is deleted by the cluster.
func TestE2EKilled(t *testing.T) {
	if config := os.Getenv("AIPERF_TEST_KILLED"); config != "" {
		how := Options{Kubeconfig: config, Image: "aiperf-worker:test", CPU: "100m", Memory: "256Mi",
			Template: func(p *corev1.PodTemplateSpec) {
				args := p.Spec.Containers[0].Args
				args[slices.Index(args, "-orphan")+1] = "2s"
			}}
		aiperftest.Run(t, recipes.Fixed(8), aiperftest.Endpoint(os.Getenv("AIPERF_TEST_URL")), aiperftest.Requests(1_000_000),
			aiperftest.Tokens(8, 4), aiperftest.Artifacts(t.TempDir()), Pods(2, how))
		return
	}
	s := onCluster(t)
	srv := simserver.New(light)
	defer srv.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestE2EKilled$", "-test.count=1", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "AIPERF_TEST_KILLED="+s.user.Kubeconfig, "AIPERF_TEST_URL="+s.Reach(t, srv.URL))
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	s.Within(t, 30*time.Second, "the load is there", func() bool { return srv.Stats().Started > 100 })
	require.NoError(t, cmd.Process.Kill())
	killed := time.Now()
	cmd.Wait()
	var at int64
	s.Within(t, 10*time.Second, "the load is over", func() bool {
		before := at
		at = srv.Stats().Started
		time.Sleep(200 * time.Millisecond)
		return before == at
	})
	t.Logf("the load has ended within %v", time.Since(killed))

	// Its workers end when nobody comes for them, and so does the Job.
	jobs, err := s.Batch.Jobs(s.ns).List(t.Context(), meta.ListOptions{})
	require.NoError(t, err)
	require.Len(t, jobs.Items, 1, said.String())
	j := jobs.Items[0]
	assert.Equal(t, int32(600), *j.Spec.TTLSecondsAfterFinished)
	assert.NotNil(t, j.Spec.ActiveDeadlineSeconds)
	s.Within(t, 20*time.Second, "the Job has ended", func() bool {
		j, err := s.Batch.Jobs(s.ns).Get(t.Context(), j.Name, meta.GetOptions{})
		return err == nil && j.Status.CompletionTime != nil
	})
	t.Logf("the Job has ended %v after the kill, 2 s of which its workers wait", time.Since(killed))
	// Ten minutes later it is deleted with all that it owns; here, a second later.
	_, err = s.Batch.Jobs(s.ns).Patch(t.Context(), j.Name, "application/merge-patch+json",
		[]byte(`{"spec":{"ttlSecondsAfterFinished":1}}`), meta.PatchOptions{})
	require.NoError(t, err)
	s.Within(t, 30*time.Second, "the Job, its pods and its Secret are gone", func() bool {
		jobs, err1 := s.Batch.Jobs(s.ns).List(t.Context(), meta.ListOptions{})
		pods, err2 := s.Core.Pods(s.ns).List(t.Context(), meta.ListOptions{})
		secrets, err3 := s.Core.Secrets(s.ns).List(t.Context(), meta.ListOptions{})
		require.NoError(t, errors.Join(err1, err2, err3))
		return len(jobs.Items)+len(pods.Items)+len(secrets.Items) == 0
	})
}
