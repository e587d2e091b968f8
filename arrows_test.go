package aiperf_test

import (
	"go/build"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/aiperf-go/aiperf"

// arrows lists which packages of ours a package may import, outside of its
// tests. The program is one sentence, and the packages are its words.
var arrows = map[string][]string{
	".":                   {},
	"internal/golden":     {},
	"internal/slow":       {},
	"internal/turn":       {},
	"internal/surfaces":   {"recipes", "recipes/sla", "recipes/plan", "loadgen", "report/bench"},
	"internal/boundaries": {"recipes", "loadgen", "loadgen/simserver"},
	"internal/scenes":     {"internal/surfaces", "loadgen"},
	"internal/causes":     {"recipes/cause", "loadgen", "loadgen/servermetrics", "loadgen/simserver"},
	"internal/repeats":    {"internal/boundaries", "recipes", "loadgen", "loadgen/simserver", "loadgen/workload"},

	"internal/experiments/causes":     {"internal/causes"},
	"internal/experiments/accuracy":   {"internal/surfaces", "report/plot"},
	"internal/experiments/boundaries": {"internal/boundaries"},
	"internal/experiments/gaterates":  {"internal/surfaces"},
	"internal/experiments/scenes":     {"internal/scenes", "recipes", "loadgen"},
	"internal/experiments/repeats":    {"internal/repeats", "recipes"},
	"internal/experiments/rates":      {"internal/boundaries", "loadgen/simserver", "recipes"},
	"internal/experiments/aiperf": {"report", "recipes", "recipes/sla", "recipes/plan", "loadgen", "loadgen/simserver",
		"loadgen/workload"},

	"recipes/plan":         {"recipes/plan/internal/..."},
	"loadgen/internal/sse": {},
	"loadgen/internal/bpe": {},

	"loadgen/internal/dataset": {},
	"loadgen/internal/lenient": {},
	"loadgen/codec":            {"loadgen/internal/lenient"},
	"loadgen/workload":         {},
	"loadgen/servermetrics":    {},

	"loadgen":           {"loadgen/internal/...", "loadgen/codec", "loadgen/workload", "loadgen/servermetrics"},
	"loadgen/simserver": {"loadgen/workload", "loadgen/internal/memory"},
	"loadgen/remote":    {"loadgen", "loadgen/codec", "loadgen/internal/share"},

	// Modules of their own, which no user's build sees.
	"loadgen/kube/internal/kubetest": {},
	"loadgen/kube/internal/cluster":  {},
	// Kubernetes' own programs.
	"loadgen/kube/internal/cluster/cmd/kubectl": {},
	"loadgen/kube/internal/cluster/cmd/kubelet": {},

	"loadgen/internal/memory":      {},
	"loadgen/internal/share":       {},
	"loadgen/remote/aiperf-worker": {"loadgen/remote"},
	// A module of its own, and one more front door: it has an option.
	"loadgen/kube":   {"aiperftest", "loadgen", "loadgen/remote", "recipes"},
	"recipes/sla":    {"loadgen"},
	"recipes/sweep":  {"recipes/sla", "loadgen"},
	"recipes/cause":  {"loadgen"},
	"recipes":        {"recipes/sla", "recipes/sweep", "recipes/plan", "recipes/cause", "loadgen"},
	"report/plot":    {},
	"report/bench":   {"recipes", "recipes/sla", "recipes/sweep", "loadgen"},
	"report/history": {"recipes", "report/bench"},
	"report/llmd":    {"recipes", "loadgen", "loadgen/workload"},
	"report": {"recipes", "recipes/sla", "recipes/sweep", "recipes/plan", "recipes/cause", "loadgen", "loadgen/workload",
		"loadgen/servermetrics", "report/plot", "report/bench", "report/history", "report/llmd"},
	"aiperftest": {"report", "report/bench", "report/history", "recipes", "recipes/sla", "recipes/sweep", "recipes/plan", "loadgen",
		"loadgen/simserver", "loadgen/remote"},
	"aiperftest/matchers":     {"report", "recipes", "recipes/sla", "loadgen"},
	"aiperftest/ginkgoaiperf": {"report", "recipes", "recipes/sla", "loadgen"},
}

// allowed reports whether the package may import another of ours. A pattern that
// ends in /... stands for every package below.
func allowed(from, to string) bool {
	return slices.ContainsFunc(arrows[from], func(pattern string) bool {
		below, all := strings.CutSuffix(pattern, "...")
		return pattern == to || all && strings.HasPrefix(to, below)
	})
}

// known reports whether a package has a place in the house; the mathematics below
// plan needs none of its own, and imports nothing of ours but itself.
func known(path string) bool {
	_, ok := arrows[path]
	return ok || strings.HasPrefix(path, "recipes/plan/internal/")
}

// TestArrows reads the imports of every package and allows the arrows above,
// and no others.
func TestArrows(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name != "." && strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		require.NoError(t, err)
		seen++
		from := filepath.ToSlash(path)
		assert.True(t, known(from), "package %s has no place in the house", path)
		for _, imp := range p.Imports {
			ours, ok := strings.CutPrefix(imp, module+"/")
			math := strings.HasPrefix(from, "recipes/plan/internal/") && strings.HasPrefix(ours, "recipes/plan/internal/")
			if ok && !math {
				assert.True(t, allowed(from, ours), "%s imports %s", path, ours)
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, seen, 6)
}

// TestLightFrontDoor: a user's build of aiperftest gets no test framework of
// somebody else's choice, and no flag of httptest's.
func TestLightFrontDoor(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./aiperftest").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, heavy := range []string{"github.com/onsi", "github.com/stretchr", "net/http/httptest", "go.uber.org/goleak", "k8s.io/"} {
		assert.NotContains(t, string(out), heavy)
	}
	out, err = exec.Command("go", "list", "-deps", "./recipes/sla").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, line := range strings.Split(string(out), "\n") {
		if ours, ok := strings.CutPrefix(line, module+"/"); ok && ours != "recipes/sla" {
			assert.True(t, strings.HasPrefix(ours, "loadgen"), "decisions know measurements alone, and not %s", ours)
		}
	}
	out, err = exec.Command("go", "list", "-deps", "./recipes", "./report").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, strings.Split(string(out), "\n"), "testing", "the engine never sees a test")
}

// TestNoKubernetes: a user who has no cluster gets nothing of Kubernetes into a go.sum, and one who
// has pinned another client-go keeps it, since no module of Kubernetes is in this module's graph.
// It is in that of loadgen/kube, which is a module of its own.
func TestNoKubernetes(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "all").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, modules := range []string{string(out), page(t, "go.mod"), page(t, "go.sum")} {
		assert.Contains(t, modules, "gonum.org/v1/gonum")
		assert.NotContains(t, modules, "k8s.io/")
	}
	assert.Contains(t, page(t, "loadgen/kube/go.mod"), "k8s.io/client-go ")
}
