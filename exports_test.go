package aiperf_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExports keeps packages small for their readers: it counts the exported names of
// the packages in a row and the share of lines that are comments. Types, functions and
// variables count one each, the constants of one type count once, and methods and
// fields belong to their type. With -v it prints the counts.
func TestExports(t *testing.T) {
	for _, tt := range []struct {
		packages []string
		names    int // at most, together
	}{
		{[]string{"recipes"}, 45},
		{[]string{"recipes/sla", "recipes/sweep"}, 35},
	} {
		sum := 0
		for _, dir := range tt.packages {
			files, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
			require.NoError(t, err)
			names := map[string]bool{}
			comments, lines := 0, 0
			for _, file := range files {
				if !strings.HasSuffix(file, "_test.go") {
					exported(t, file, names)
					c, n := commentLines(t, file)
					comments, lines = comments+c, lines+n
				}
			}
			share := 100 * float64(comments) / float64(lines)
			t.Logf("%s: %d names, %.1f%% of %d lines are comments", dir, len(names), share, lines)
			assert.GreaterOrEqual(t, share, 18.0, "%s: lines that are comments", dir)
			sum += len(names)
		}
		assert.LessOrEqual(t, sum, tt.names, "%v: exported names", tt.packages)
	}
}

// exported adds the exported names of a file; the constants of a type go by its name.
func exported(t *testing.T, file string, names map[string]bool) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				names[d.Name.Name] = true
			}
		case *ast.GenDecl:
			kind := "" // of constants: that of the line before holds on, as with iota
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						names[s.Name.Name] = true
					}
				case *ast.ValueSpec:
					if id, ok := s.Type.(*ast.Ident); ok {
						kind = "constants of " + id.Name
					} else if len(s.Values) > 0 {
						kind = ""
					}
					for _, n := range s.Names {
						switch {
						case !n.IsExported():
						case d.Tok == token.CONST && kind != "":
							names[kind] = true
						default:
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
}

// commentLines counts the lines of a file that are nothing but a comment, and all.
func commentLines(t *testing.T, file string) (comments, lines int) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		if strings.HasPrefix(strings.TrimSpace(s.Text()), "//") {
			comments++
		}
	}
	return comments, lines
}
