package report_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

var (
	updateTree = flag.Bool("update-tree", false, "rewrite testdata/house/trees.txt")
	keepTree   = flag.String("tree", "", "keep the files of TestArtifactTree in this folder")
)

// treeRuns are the runs whose artifacts are held byte for byte: every recipe
// and every style, what changes a page, tiers and a search over two dimensions.
func treeRuns() []modelRun {
	all := runs
	for _, style := range []recipes.Style{recipes.Monotonic, recipes.SmoothIsotonic, recipes.BO, recipes.Optuna, recipes.Sequential,
		recipes.Grid} {
		// The last of a name is the one whose files are held.
		all = slices.DeleteFunc(slices.Clone(all), func(r modelRun) bool { return r.name == "style "+string(style) })
		all = append(all, modelRun{"style " + string(style), "max-concurrency-under-sla",
			recipes.Inputs{TTFT: new(200.0), E2E: new(4000.0), Style: style}, model{}})
	}
	return all
}

// TestArtifactTree holds every file of those runs against testdata/house/trees.txt,
// which has the sum of each. In virtual time the same run writes the same bytes,
// times included. A change on purpose is written by -update-tree; -tree names a
// folder to keep the files in, so that two versions can be compared by diff -r.
func TestArtifactTree(t *testing.T) {
	slow.Test(t, slow.Covered) // TestTree
	t.Parallel()
	const file = "../testdata/house/trees.txt"
	var lines []string
	root := *keepTree
	if root == "" {
		root = t.TempDir()
	}
	t.Run("runs", func(t *testing.T) {
		for _, r := range treeRuns() {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(root, strings.ReplaceAll(r.name, " ", "-"))
				synctest.Test(t, func(t *testing.T) {
					recipe, spec := r.question(t)
					d := &report.Dir{Path: dir, Again: "AIPERF_SEED=7 go test"}
					d.NoCharts = strings.HasPrefix(r.name, "style ") // they are those of the recipe, and drawing takes half of the time
					spec.Observe = d.Update
					_, err := recipes.Run(t.Context(), recipe, spec)
					require.NoError(t, err)
				})
			})
		}
	})
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		lines = append(lines, fmt.Sprintf("%x  %s", sha256.Sum256(b), filepath.ToSlash(rel)))
		return err
	}))
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	got := strings.Join(lines, "\n") + "\n"
	if *updateTree {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}
