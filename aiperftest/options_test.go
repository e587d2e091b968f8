package aiperftest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOptionTable: the table of the package comment names every option once, and
// nothing that is none, and fits on a screen.
func TestOptionTable(t *testing.T) {
	set := token.NewFileSet()
	parse := func(name string) *ast.File {
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		require.NoError(t, err)
		return f
	}
	text := parse("doc.go").Doc.Text()
	start := strings.Index(text, "\tendpoint ")
	require.Positive(t, start)
	table, _, found := strings.Cut(text[start:], "\n\n")
	require.True(t, found)
	lines := strings.Split(table, "\n")
	assert.LessOrEqual(t, len(lines), 45)
	var listed []string
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 88, line)
		// A tab and the group, then the names, then what they are.
		listed = append(listed, strings.Split(strings.TrimSpace(line[len("\tendpoint  "):][:len("ConcurrencyList ")]), ", ")...)
	}
	var options []string
	for _, d := range parse("options.go").Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !f.Name.IsExported() {
			continue
		}
		if r, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && r.Name == "Option" {
			options = append(options, f.Name.Name)
		}
	}
	assert.ElementsMatch(t, options, listed)
}
