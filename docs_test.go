package aiperf_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aiperf-go/aiperf/internal/slow"
)

func page(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// sources parses the non-test Go files below a folder.
func sources(t *testing.T, root string) []*ast.File {
	t.Helper()
	var files []*ast.File
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		files = append(files, f)
		return err
	}))
	return files
}

// TestFromAIPerf checks that every flag on AIPerf's page about search recipes is on
// ours, and that every option that our page names exists.
func TestFromAIPerf(t *testing.T) {
	text := page(t, "docs/from-aiperf.md")
	for _, flag := range strings.Fields(page(t, "testdata/aiperf-flags.txt")) {
		assert.Regexp(t, "(?m)^\\|[^|]*"+regexp.QuoteMeta(flag)+"[`\\s,\\\\]", text, "no row has %s", flag)
	}
	exported := map[string]bool{}
	for _, dir := range []string{"aiperftest", "recipes", "loadgen", "loadgen/workload"} {
		for _, f := range sources(t, dir) {
			for name := range f.Scope.Objects { //nolint:staticcheck // names alone are wanted
				exported[name] = true
			}
		}
	}
	rows := 0
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, " "), "|")
		if len(cells) != 4 {
			continue
		}
		rows++
		for _, m := range regexp.MustCompile("`(?:aiperftest\\.|recipes\\.)?([A-Z][A-Za-z0-9]+)[({]").FindAllStringSubmatch(cells[2], -1) {
			assert.True(t, exported[m[1]], "there is no %s: %s", m[1], line)
		}
	}
	assert.Greater(t, rows, 30)
}

// TestTroubleshooting checks that the code prints every message that opens an entry
// of the page.
func TestTroubleshooting(t *testing.T) {
	var printed strings.Builder
	for _, f := range sources(t, ".") {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				printed.WriteString(text + "\x00")
			}
			return true
		})
	}
	// A message is cut at a verb, at a colon (another message may follow it), and at
	// the … that the page has in place of a verb.
	said := regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`).ReplaceAllString(printed.String(), "\x00")
	messages := 0
	for _, line := range strings.Split(page(t, "docs/troubleshooting.md"), "\n") {
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			messages++
			// The … of aiperftest.Endpoint(…) is part of the printed message.
			for _, part := range regexp.MustCompile(`[^(]…[^)]?|…$|: `).Split(m[1], -1) {
				part = strings.Trim(part, " :;,…")
				part = strings.TrimPrefix(part, "inconclusive: ")
				if len(part) > 2 {
					assert.True(t, strings.Contains(said, part), "nothing prints %q of %q", part, m[1])
				}
			}
		}
	}
	assert.Greater(t, messages, 30)
}

// TestMessages checks the other way round: that every message about a server that the load
// generator has, an error's problem and its way out, a failure, a warning, or a note, stands
// on the page. A part of it is enough that no verb or name of an option interrupts.
func TestMessages(t *testing.T) {
	text := strings.Join(strings.Fields(strings.NewReplacer("`", "", "- ", "").Replace(page(t, "docs/troubleshooting.md"))), " ")
	var messages []string
	var literals func(n ast.Node)
	literals = func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr: // a literal over several lines is one message
				from := len(messages)
				literals(n.X)
				literals(n.Y)
				messages = append(messages[:from], strings.Join(messages[from:], ""))
				return false
			case *ast.CallExpr:
				if fun, ok := n.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "Contains" { // what others say
					return false
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					messages = append(messages, s)
				}
			}
			return true
		})
	}
	files, err := filepath.Glob("loadgen/*.go")
	require.NoError(t, err)
	for _, path := range files {
		// What a program can get wrong in a Load is not about servers.
		if base := filepath.Base(path); strings.HasSuffix(base, "_test.go") || base == "load.go" || base == "pacer.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && (id.Name == "Remedy" || id.Name == "Problem" || id.Name == "Message") {
					literals(n.Value)
				}
			case *ast.AssignStmt:
				if sel, ok := n.Lhs[0].(*ast.SelectorExpr); ok && (sel.Sel.Name == "Remedy" || sel.Sel.Name == "Problem") {
					literals(n.Rhs[0])
				}
			case *ast.CallExpr:
				switch fun := n.Fun.(type) {
				case *ast.SelectorExpr:
					if fun.Sel.Name == "note" {
						literals(n)
					}
				case *ast.Ident:
					if fun.Name == "fail" {
						literals(n.Args[1])
					}
				}
			case *ast.FuncDecl:
				if n.Name.Name == "remedy" || n.Name.Name == "distrusted" {
					literals(n.Body)
				}
			case *ast.ValueSpec:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Warning" {
					literals(n)
				}
			}
			return true
		})
	}
	assert.Greater(t, len(messages), 60)
	cut := regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]|; |: |, (?:and|or|nor|since|such as|for example) |\(|\)|(?: (?:in|with|set))? Target\.\w+`)
	for _, m := range messages {
		var parts []string
		found := false
		for _, part := range cut.Split(m, -1) {
			if part = strings.Trim(part, " ,;:."); len(part) >= 12 {
				parts = append(parts, part)
				found = found || strings.Contains(text, part)
			}
		}
		assert.True(t, found || len(parts) == 0, "the page has none of %q", parts)
	}
}

// TestLines checks that no line of a page is longer than 120 columns, so that it can
// be read in an editor.
func TestLines(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, p := range append(pages, "README.md", "CONTRIBUTING.md") {
		for i, line := range strings.Split(page(t, p), "\n") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 120, "%s:%d: %s", p, i+1, line)
		}
	}
}

// TestLinks checks that the files that the pages link to exist.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, p := range append(pages, "README.md", "CONTRIBUTING.md") {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(page(t, p), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(p), m[1]))
			assert.NoError(t, err, "%s links to %s", p, m[1])
		}
	}
}

// TestYAML checks that the workflows parse and that they run the gate as the page
// says it must be run.
func TestYAML(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t, "docs/ci.md"), -1)
	require.Len(t, blocks, 2, "a workflow and a job")
	for _, b := range blocks {
		var doc map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(b[1]), &doc))
		assert.True(t, doc["jobs"] != nil || doc["spec"] != nil)
		for _, must := range []string{"AIPERF_URL", "AIPERF_REQUIRE", "AIPERF_ARTIFACTS", "AIPERF_API_KEY", "count=1", "timeout"} {
			assert.Contains(t, b[1], must)
		}
	}
}

// TestPages checks that each page for a first use begins with a whole file, that the file is
// the one in testdata/pages, byte for byte, that it compiles, that the page has at most two
// screens, and that it ends with what goes wrong first.
func TestPages(t *testing.T) {
	slow.Test(t, slow.Processes)
	vet := exec.Command("go", "vet", "./testdata/pages/...")
	out, err := vet.CombinedOutput()
	assert.NoError(t, err, "%s", out)
	const twoScreens = 80
	files, err := filepath.Glob("testdata/pages/*/*_test.go")
	require.NoError(t, err)
	assert.Len(t, files, 5)
	for _, file := range files {
		name := filepath.Join("docs", filepath.Base(filepath.Dir(file))+".md")
		text := page(t, name)
		_, rest, found := strings.Cut(text, "```")
		require.True(t, found, name)
		block, _, _ := strings.Cut(rest, "```")
		assert.Equal(t, "go\n"+page(t, file), block, "the first code block of %s and %s differ", name, file)
		assert.LessOrEqual(t, strings.Count(text, "\n"), twoScreens, name)
		sections := strings.Split(text, "\n## ")
		assert.True(t, strings.HasPrefix(sections[len(sections)-1], "What goes wrong first\n"), name)
	}
}

// TestEveryMessage lists the messages of the packages above the load generator that stand
// neither on the page nor in a golden or a test's table, where somebody has read them: those of errors and
// warnings that recipes, its limits, aiperftest, its matchers and report make. It is enough
// that one part of a message is there that no verb interrupts.
func TestEveryMessage(t *testing.T) {
	var said strings.Builder
	for _, pattern := range []string{"docs/troubleshooting.md", "docs/verdicts.md", "docs/gate.md", "aiperftest/testdata/text/*.txt",
		"aiperftest/matchers/testdata/*.txt", "testdata/script/*.txt", "report/testdata/*/*.txt", "aiperftest/*_test.go",
		"aiperftest/matchers/*_test.go", "recipes/*_test.go", "recipes/*/*_test.go", "report/*_test.go", "report/bench/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			said.WriteString(strings.NewReplacer("`", "", "- ", "", `\"`, `"`, `" +`, "", `"`, "").Replace(page(t, f)) + "\n")
		}
	}
	text := strings.Join(strings.Fields(said.String()), " ")
	makers := map[string]bool{"Errorf": true, "New": true, "inputError": true, "wrong": true, "missing": true, "fatal": true, "leave": true,
		"bad": true, "fail": true, "warn": true, "note": true}
	cut := regexp.MustCompile(`%[-+# 0-9.*]*[a-zA-Z]|; |: |, (?:and|or|nor|since|such as|for example) |\(|\)|"`)
	total, unsaid := 0, map[string]bool{}
	for _, dir := range []string{"recipes", "recipes/sla", "recipes/sweep", "aiperftest", "aiperftest/matchers", "report", "report/bench"} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			check := func(e ast.Expr) {
				m := whole(e)
				var parts []string
				found := false
				for _, part := range cut.Split(m, -1) {
					if part = strings.Trim(part, " ,;:.…\n\t"); len(part) >= 12 {
						parts = append(parts, part)
						found = found || strings.Contains(text, part)
					}
				}
				if len(parts) > 0 {
					total++
					if !found {
						unsaid[path+": "+strings.Join(parts, " | ")] = true
					}
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					name := ""
					switch fun := n.Fun.(type) {
					case *ast.SelectorExpr:
						name = fun.Sel.Name
					case *ast.Ident:
						name = fun.Name
					}
					if makers[name] {
						for _, a := range n.Args {
							check(a)
						}
						return true
					}
				case *ast.KeyValueExpr:
					if id, ok := n.Key.(*ast.Ident); ok && (id.Name == "Problem" || id.Name == "Warning") {
						check(n.Value)
					}
				}
				return true
			})
		}
	}
	assert.Greater(t, total, 150)
	for m := range unsaid {
		t.Errorf("neither on docs/troubleshooting.md nor in a golden: %s", m)
	}
	t.Logf("%d messages", total)
}

// whole is the text of a literal, over several lines; empty for what is none.
func whole(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr: // what is no literal stands for itself, as a verb does
		return cmp.Or(whole(e.X), "%s") + cmp.Or(whole(e.Y), "%s")
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	}
	return ""
}
