package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// order is the package's files from the ground up: each uses what stands before it,
// and nothing that stands after it.
var order = strings.Fields(`
	doc.go version.go entry.go
	number.go json.go csv.go table.go text.go
	metric.go reading.go standing.go probe.go view.go layout.go
	line.go servermetrics.go gpu.go probes.go expansion.go compared.go trend.go front.go derived.go cause.go finding.go
	chart.go charts_curve.go charts_distribution.go charts_search.go charts_trade.go charts_trend.go charts_gpu.go charts.go
	gpuexport.go aiperfload.go inputconfig.go profile.go records.go inputs.go profilecsv.go slices.go serverexport.go aggregate.go sweep.go
	history_file.go history.go read.go
	summary.go html_page.go html.go history_page.go
	file.go dir.go`)

// nothing stands for every package that is imported: what matters is which names of
// this package its files use.
type nothing struct{}

func (nothing) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

// TestFileOrder resolves every name of the package to the file that declares it.
func TestFileOrder(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		require.Contains(t, order, name, "the file has no place in the order")
		f, err := parser.ParseFile(set, name, nil, 0)
		require.NoError(t, err)
		files = append(files, f)
	}
	require.Len(t, files, len(order))
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	// Without the imports' names not all of it is typed, which is said, and no matter.
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := config.Check("report", set, files, info)
	arrows := map[string]bool{}
	for id, obj := range info.Uses {
		_, method := obj.(*types.Func)
		if obj.Pkg() != pkg || !method && obj.Parent() != pkg.Scope() {
			continue
		}
		from, to := set.Position(id.Pos()), set.Position(obj.Pos())
		if from.Filename != to.Filename {
			arrows[from.Filename+to.Filename] = true
			assert.Greater(t, slices.Index(order, from.Filename), slices.Index(order, to.Filename), "%s uses %s of %s", from, id.Name, to.Filename)
		}
	}
	t.Logf("%d arrows between %d files, none of them back", len(arrows), len(files))
	assert.Greater(t, len(arrows), 100, "else this test sees nothing")
}
