package aiperf_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goFile is one parsed file of the repository.
type goFile struct {
	path  string // with slashes, from the root
	lines []string
	ast   *ast.File
	set   *token.FileSet
}

func (f goFile) pkg() string { return path.Dir(f.path) }
func (f goFile) test() bool  { return strings.HasSuffix(f.path, "_test.go") }

// at is where a node stands, as file:line.
func (f goFile) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(n.Pos()).Line)
}

// house is every Go file of the repository but those in testdata.
type house []goFile

func readHouse(t *testing.T) house {
	t.Helper()
	var files house
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, b, parser.ParseComments)
		files = append(files, goFile{filepath.ToSlash(name), strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), parsed, set})
		return err
	}))
	return files
}

// code returns the non-test files of the packages. A name that ends in /... also
// stands for every package below.
func (h house) code(packages ...string) house {
	return slices.DeleteFunc(slices.Clone(h), func(f goFile) bool {
		return f.test() || !slices.ContainsFunc(packages, func(p string) bool {
			top, all := strings.CutSuffix(p, "/...")
			return f.pkg() == top || all && strings.HasPrefix(f.pkg(), top+"/")
		})
	})
}

// inspect visits the nodes of every file.
func (h house) inspect(visit func(goFile, ast.Node)) {
	for _, f := range h {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if n != nil {
				visit(f, n)
			}
			return true
		})
	}
}

// literals visits every string literal that is neither an import nor a field's tag.
func (h house) literals(visit func(f goFile, lit *ast.BasicLit, value string)) {
	for _, f := range h {
		skip := map[*ast.BasicLit]bool{}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				skip[n.Path] = true
			case *ast.Field:
				skip[n.Tag] = true
			case *ast.BasicLit:
				if n.Kind == token.STRING && !skip[n] {
					if value, err := strconv.Unquote(n.Value); err == nil {
						visit(f, n, value)
					}
				}
			}
			return true
		})
	}
}

// exported returns the names that a package exports at its top level. Functions,
// types and variables count once each; constants count once a type, and once a block
// if they have none. Methods and fields do not count.
func (h house) exported(pkg string) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, f := range h.code(pkg) {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() {
					add(d.Name.Name)
				}
			case *ast.GenDecl:
				block, kind := "", "" // an iota block's later constants have the type of its first
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							add(s.Name.Name)
						}
					case *ast.ValueSpec:
						if s.Type != nil {
							kind = source(s.Type)
						} else if len(s.Values) > 0 {
							kind = ""
						}
						for _, name := range s.Names {
							switch {
							case !name.IsExported():
							case d.Tok == token.VAR:
								add(name.Name)
							case kind != "":
								add("constants of " + kind)
							default:
								if block == "" {
									block = "constants like " + name.Name
								}
								add(block)
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// source is a type as it is written, for example []plan.Observation.
func source(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return source(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + source(e.X)
	case *ast.ArrayType:
		return "[]" + source(e.Elt)
	case *ast.Ellipsis:
		return "[]" + source(e.Elt)
	}
	return fmt.Sprintf("%T", e)
}

// wholeHouse are the patterns of the packages that make up the library.
var wholeHouse = []string{"recipes/...", "loadgen/...", "report/...", "aiperftest/..."}

// frontDoorAllowed are the files outside of aiperftest that may name the front door in
// one text each, with the reason.
var frontDoorAllowed = map[string]string{
	"report/html_page.go": "the curl command of a failed run takes the key from the environment, so that the page does not hold it",

	"loadgen/remote/aiperf-worker/main.go": "it says in which variable tests look for the keys that it has made",

	"report/summary.go": "a summary that is written without aiperftest still says how to run the test again",
}

// TestHouse holds the tree to what CONTRIBUTING.md says of it. Each subtest logs its
// figure, so that -v prints them all.
func TestHouse(t *testing.T) {
	h := readHouse(t)

	t.Run("Outcome is data", func(t *testing.T) {
		var methods []string
		for _, f := range h.code("recipes") {
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if ok && fn.Recv != nil && strings.TrimPrefix(source(fn.Recv.List[0].Type), "*") == "Outcome" && !fn.Name.IsExported() {
					methods = append(methods, fn.Name.Name)
				}
			}
		}
		t.Logf("recipes.Outcome has %d unexported methods, at most 3: %v", len(methods), methods)
		assert.LessOrEqual(t, len(methods), 3, "what runs belongs to the run, not to its outcome: %v", methods)
	})

	t.Run("planner, problem and history travel together", func(t *testing.T) {
		found := 0
		h.code(wholeHouse...).inspect(func(f goFile, n ast.Node) {
			fn, ok := n.(*ast.FuncType)
			if !ok {
				return
			}
			has := map[string]bool{}
			for _, p := range fn.Params.List {
				has[strings.ReplaceAll(strings.TrimPrefix(source(p.Type), "*"), "plan.", "")] = true
			}
			if has["Planner"] && has["Problem"] && has["[]Observation"] {
				found++
				t.Errorf("%s: a function takes a planner, its problem and its history; give it the one value that holds them", f.at(n))
			}
		})
		t.Logf("%d functions take all three", found)
	})

	t.Run("metric tags have one table", func(t *testing.T) {
		tags := map[string]bool{}
		h.code("loadgen").inspect(func(f goFile, n ast.Node) {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || f.path != "loadgen/metric.go" || !strings.HasPrefix(spec.Names[0].Name, "Tag") {
				return
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					tags[strings.Trim(lit.Value, `"`)] = true
				}
			}
		})
		require.Greater(t, len(tags), 15, "the table of loadgen/metric.go is not where it was")
		found := 0
		h.code("recipes/...", "report/...", "aiperftest/...", "loadgen").literals(func(f goFile, lit *ast.BasicLit, value string) {
			if tags[value] && f.path != "loadgen/metric.go" {
				found++
				t.Errorf("%s: %s is spelled out; use the constant of loadgen/metric.go", f.at(lit), lit.Value)
			}
		})
		t.Logf("%d tags in the table, %d literals outside it", len(tags), found)
	})

	t.Run("only aiperftest names the front door", func(t *testing.T) {
		found, reasons := map[string]int{}, 0
		door := regexp.MustCompile(`aiperftest\.|AIPERF_|go test`)
		h.code("recipes/...", "loadgen/...", "report/...").literals(func(f goFile, lit *ast.BasicLit, value string) {
			name := door.FindString(value)
			if name == "" || strings.HasPrefix(f.pkg(), "loadgen/kube") { // it has an option of its own, and variables for it
				return
			}
			if found[f.path]++; frontDoorAllowed[f.path] != "" && found[f.path] == 1 {
				reasons++
				t.Logf("%s names %q: %s", f.at(lit), name, frontDoorAllowed[f.path])
				return
			}
			t.Errorf("%s: the text names %q; aiperftest hands it over, or turns an input's name into it", f.at(lit), name)
		})
		t.Logf("%d files name it, %d of them with a reason", len(found), reasons)
	})

	t.Run("results are typed", func(t *testing.T) {
		var at []string
		for _, f := range h.code("recipes/...") {
			for i, line := range f.lines {
				if strings.Contains(line, "map[string]any") {
					at = append(at, fmt.Sprintf("%s:%d", f.path, i+1))
				}
			}
		}
		t.Logf("%d lines of recipes have a map[string]any, at most 8: %v", len(at), at)
		assert.LessOrEqual(t, len(at), 8, "a map[string]any is for JSON of others: %v", at)
	})

	t.Run("a recipe is no string", func(t *testing.T) {
		found := 0
		h.code("recipes/...", "loadgen/...", "report/...").inspect(func(f goFile, n ast.Node) {
			fn, ok := n.(*ast.FuncType)
			if !ok {
				return
			}
			for _, p := range fn.Params.List {
				for _, name := range p.Names {
					if name.Name == "recipe" && source(p.Type) == "string" {
						found++
						t.Errorf("%s: a parameter recipe is a string; errors get the recipe's name in one place", f.at(p))
					}
				}
			}
		})
		t.Logf("%d parameters named recipe are strings", found)
	})

	t.Run("plan is policy", func(t *testing.T) {
		n := len(h.code("recipes/plan"))
		t.Logf("recipes/plan has %d files at its top, at most 32", n)
		assert.LessOrEqual(t, n, 32, "mathematics belongs below recipes/plan/internal")
	})

	t.Run("exported names", func(t *testing.T) {
		for _, c := range []struct {
			packages []string
			most     int
		}{
			{[]string{"recipes"}, 45},
			{[]string{"recipes/sla", "recipes/sweep"}, 35},
			{[]string{"loadgen"}, 40},
			{[]string{"recipes/plan"}, 30},
		} {
			var names []string
			for _, p := range c.packages {
				names = append(names, h.exported(p)...)
			}
			what := strings.Join(c.packages, " and ")
			t.Logf("%s: %d, at most %d", what, len(names), c.most)
			assert.LessOrEqual(t, len(names), c.most, "%s: %v", what, names)
		}
	})

	t.Run("comments", func(t *testing.T) {
		for _, pkg := range []string{"recipes", "recipes/sla", "recipes/sweep", "recipes/plan", "report", "loadgen"} {
			comments, all := 0, 0
			for _, f := range h.code(pkg) {
				for _, line := range f.lines {
					all++
					if strings.HasPrefix(strings.TrimSpace(line), "//") {
						comments++
					}
				}
			}
			share := 100 * float64(comments) / float64(max(all, 1))
			t.Logf("%s: %.1f%% of %d lines are comments, at least 18%%", pkg, share, all)
			assert.GreaterOrEqual(t, share, 18.0, "%s: say what units, errors and zero values are, and why", pkg)
		}
	})

	t.Run("lines", func(t *testing.T) {
		found := 0
		for _, f := range h {
			for i, line := range f.lines {
				if n := utf8.RuneCountInString(line); n > 140 {
					found++
					t.Errorf("%s:%d has %d columns, more than 140", f.path, i+1, n)
				}
			}
		}
		t.Logf("%d lines are longer than 140 columns", found)
	})

	t.Run("English", func(t *testing.T) {
		odd := regexp.MustCompile("there " + "twice|no positive " + "whole|, as " + "http")
		found := 0
		require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
				return filepath.SkipDir
			case d.IsDir() || !slices.Contains([]string{".go", ".md", ".txt", ".txtar", ".golden"}, filepath.Ext(name)):
				return nil
			}
			b, err := os.ReadFile(name)
			for i, line := range strings.Split(string(b), "\n") {
				if m := odd.FindString(line); m != "" {
					found++
					t.Errorf("%s:%d: %q; write \"duplicate X\", \"not a positive integer\", \"for example\"", name, i+1, m)
				}
			}
			return err
		}))
		t.Logf("%d lines", found)
	})
}
