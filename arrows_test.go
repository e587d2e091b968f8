package aiperf_test

import (
	"go/build"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/aiperf-go/aiperf"

// arrows lists which packages of ours a package may import, outside of its
// tests. The program is one sentence, and the packages are its words.
var arrows = map[string][]string{
	".": {},
	"recipes/plan": {"recipes/plan/internal/bootstrap", "recipes/plan/internal/boundary", "recipes/plan/internal/front",
		"recipes/plan/internal/gp", "recipes/plan/internal/halton", "recipes/plan/internal/isotonic", "recipes/plan/internal/normal",
		"recipes/plan/internal/parzen", "recipes/plan/internal/pchip", "recipes/plan/internal/root"},
	"recipes/plan/internal/bootstrap": {},
	"recipes/plan/internal/boundary":  {},
	"recipes/plan/internal/front":     {},
	"recipes/plan/internal/gp":        {"recipes/plan/internal/normal"},
	"recipes/plan/internal/halton":    {},
	"recipes/plan/internal/isotonic":  {"recipes/plan/internal/pchip"},
	"recipes/plan/internal/normal":    {},
	"recipes/plan/internal/parzen":    {"recipes/plan/internal/normal"},
	"recipes/plan/internal/pchip":     {"recipes/plan/internal/root"},
	"recipes/plan/internal/root":      {},
	"loadgen/internal/sse":            {},
	"loadgen/internal/bpe":            {},
	"loadgen":                         {"loadgen/internal/sse", "loadgen/internal/bpe"},
	"loadgen/simserver":               {},
	"recipes":                         {"recipes/plan", "loadgen"},
	"report/plot":                     {},
	"report":                          {"recipes", "report/plot"},
	"aiperftest":                      {"report", "recipes", "loadgen/simserver"},
	"aiperftest/matchers":             {"report", "recipes"},
	"aiperftest/ginkgoaiperf":         {"report", "recipes"},
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
		allowed, known := arrows[filepath.ToSlash(path)]
		assert.True(t, known, "package %s has no place in the house", path)
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
				assert.Contains(t, allowed, ours, "%s imports %s", path, ours)
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
	for _, heavy := range []string{"github.com/onsi", "github.com/stretchr", "net/http/httptest", "go.uber.org/goleak"} {
		assert.NotContains(t, string(out), heavy)
	}
	out, err = exec.Command("go", "list", "-deps", "./recipes", "./report").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, strings.Split(string(out), "\n"), "testing", "the engine never sees a test")
}
