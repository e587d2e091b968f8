package aiperf_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestScript runs go test on whole modules of a user and compares what the user sees
// with what the script expects. A script is written in testscript's language, with
// these additional commands:
//
//	reads stdout|stderr file   compares the output with the file line by line; … in
//	                           a line stands for what differs from run to run, and
//	                           a line of … for any number of lines; lines may be
//	                           folded
//	first stdout|file pattern  checks that the first line of an output, but for the frame
//	                           that its writer puts around it, matches; with -at, the first
//	                           line that names a file and a line, which CI systems annotate
//	served max                 checks that the server at $SERVER had between one and
//	                           max requests in flight at once
//	interrupts out file prog…  runs a program, presses Ctrl-C once file exists, and
//	                           keeps the output in out
//
// Each script has a module that requires this checkout and a simulated server of its
// own at $SERVER. A script that wants its tests to use the server sets AIPERF_URL.
func TestScript(t *testing.T) {
	slow.Test(t, slow.Processes)
	t.Parallel()
	root, err := os.Getwd()
	require.NoError(t, err)
	mod, sums := fetched(t, root)
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	require.NoError(t, err)
	caches := strings.Fields(string(out))
	tools := t.TempDir() // built once for all scripts
	ginkgo, err := exec.Command("go", "build", "-o", tools+string(filepath.Separator), "github.com/onsi/ginkgo/v2/ginkgo").CombinedOutput()
	require.NoError(t, err, "%s", ginkgo)
	// No part of the module: without it, and without a network, its lines of the scripts are left out.
	gotestsum := exec.Command("go", "install", "gotest.tools/gotestsum@v1.13.0")
	gotestsum.Env = append(os.Environ(), "GOBIN="+tools, "GOFLAGS=")
	if out, err := gotestsum.CombinedOutput(); err != nil {
		t.Logf("go install gotestsum: %v\n%s", err, out)
	}
	params := testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			srv := simserver.New(simserver.Model{Step: 4 * time.Millisecond, MaxBatch: 8})
			env.Defer(srv.Close)
			env.Values["server"] = srv
			home, tmp := t.TempDir(), t.TempDir() // outside of the module, as they usually are
			for k, v := range map[string]string{
				"PATH":   tools + string(filepath.ListSeparator) + env.Getenv("PATH"),
				"SERVER": srv.URL, "ROOT": root, "HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": tmp,
				"GOCACHE": caches[0], "GOMODCACHE": caches[1], "GOPROXY": "off", "GOWORK": "off",
				"GOFLAGS": "-mod=mod -vet=off -ldflags=-w", // nothing here is about vet, and a linker that writes no debugger's tables is faster
			} {
				env.Setenv(k, v)
			}
			return firstError(
				os.WriteFile(filepath.Join(env.WorkDir, "go.mod"), mod, 0o666),
				os.WriteFile(filepath.Join(env.WorkDir, "go.sum"), sums, 0o666),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"reads": reads, "first": first, "served": served, "interrupts": interrupts},
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	// Two of them mostly wait for their searches, and come first, so that none is waited for in the end.
	waits := regexp.MustCompile(`(missed|update_baseline)\.txt$`)
	slices.SortStableFunc(scripts, func(a, b string) int {
		return strings.Compare(waits.FindString(b), waits.FindString(a))
	})
	places := make(chan struct{}, 4)
	var all sync.WaitGroup
	for _, script := range scripts {
		params := params
		params.Files = []string{script}
		places <- struct{}{}
		all.Go(func() { // t.Parallel would take them in any order
			defer func() { <-places }()
			t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
				for last := range 3 {
					a := &attempt{}
					a.Run("", func(a testscript.T) { testscript.RunT(a, params) })
					if !a.failed {
						t.Log(a.log.String())
						return
					}
					if last == 2 || !hurried.MatchString(a.log.String()) {
						t.Fatal(a.log.String())
					}
					t.Logf("the machine was too busy; once more after\n%s", a.log.String())
				}
			})
		})
	}
	all.Wait()
}

// hurried matches what a run says on a busy machine alone. A script that fails without it is
// not tried again.
var hurried = regexp.MustCompile(`client\s+not\s+healthy|not trusted|open \(likely|the probe was not steady`)

// An attempt at a script is a testscript.T that fails by itself, so that a script can be
// tried again.
type attempt struct {
	log    strings.Builder
	failed bool
}

func (a *attempt) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine that it is called on
		defer close(done)
		f(a)
	}()
	<-done
}
func (a *attempt) Log(args ...any)   { fmt.Fprintln(&a.log, args...) }
func (a *attempt) Fatal(args ...any) { a.Log(args...); a.FailNow() }
func (a *attempt) FailNow()          { a.failed = true; runtime.Goexit() }
func (a *attempt) Skip(args ...any)  { a.Log(args...); runtime.Goexit() }
func (a *attempt) Parallel()         {}
func (a *attempt) Verbose() bool     { return true }

// fetched returns the go.mod and go.sum of a user's module that requires this
// checkout, and downloads what that module needs with the environment's own GOPROXY.
// The scripts themselves run with GOPROXY=off, and the module cache may be empty.
//
// The user's module names one requirement only, so go has to load the whole module
// graph, and needs the go.mod files of modules that this checkout never loads.
// Therefore go mod download in this checkout is not enough. A user's go mod tidy wants the
// tests of what this module imports as well, with the modules that they import.
//
// A machine without a network may have all of it already, so a failed download is
// only logged here; a script fails if something is really missing.
func fetched(t *testing.T, root string) (mod, sums []byte) {
	t.Helper()
	dir := t.TempDir()
	mod = fmt.Appendf(nil, "module example.com/serving\n\ngo 1.26.0\n\nrequire github.com/aiperf-go/aiperf v0.0.0\n\n"+
		"replace github.com/aiperf-go/aiperf => %s\n", root)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666))
	tidied := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(tidied, "go.mod"), mod, 0o666))
	require.NoError(t, os.CopyFS(tidied, os.DirFS(filepath.Join(root, "testdata", "missed"))))
	flags, err := exec.Command("go", "env", "GOFLAGS").Output()
	require.NoError(t, err)
	for _, c := range []struct {
		dir, flags string
		args       []string
	}{
		{root, "", []string{"mod", "download"}},
		{dir, " -mod=mod", []string{"mod", "graph"}},
		{tidied, " -mod=mod", []string{"mod", "tidy"}},
	} {
		cmd := exec.Command("go", c.args...)
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS="+strings.TrimSpace(string(flags))+c.flags)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			t.Logf("go %s: %v\n%s", strings.Join(c.args, " "), err, stderr.String())
		}
	}
	sums, err = os.ReadFile(filepath.Join(dir, "go.sum")) // with what go mod graph added
	require.NoError(t, err)
	return mod, sums
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// reads compares an output with a file in which … stands for anything. A space
// matches any white space, including a fold, because where a line is folded depends
// on the numbers in it.
func reads(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: reads stdout|stderr file")
	}
	got, want := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	var pattern strings.Builder
	for _, line := range strings.SplitAfter(want, "\n") {
		if line == "…\n" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		text := strings.TrimLeft(line, " ")
		pattern.WriteString(line[:len(line)-len(text)])
		text = regexp.QuoteMeta(text)
		text = regexp.MustCompile(` +`).ReplaceAllString(text, `(?:[ \t]+|\n +)`)
		pattern.WriteString(strings.ReplaceAll(text, "…", `.*?`))
	}
	if !regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(got) {
		ts.Fatalf("%s does not read as %s does:\n%s", args[0], args[1], got)
	}
}

// frame matches what go test, gotestsum and Ginkgo print around the log of a test.
var frame = regexp.MustCompile(`^(\s*$|=== |--- |FAIL|PASS|goos: |goarch: |pkg: |cpu: |` +
	`Running Suite|Random Seed|Will run|\s*[=-]{5,}|[•S.]|::group::)`)

// annotated matches a line that CI systems show beside the code, as the problem matcher of
// GitHub's setup-go reads it.
var annotated = regexp.MustCompile(`^\s*\S+_test\.go:\d+: `)

// first checks what somebody sees who sees one line only.
func first(ts *testscript.TestScript, neg bool, args []string) {
	at := len(args) == 3 && args[0] == "-at"
	if at {
		args = args[1:]
	}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: first [-at] stdout|file pattern")
	}
	got := ts.ReadFile(args[0])
	for line := range strings.Lines(got) {
		line = strings.TrimRight(line, "\r\n")
		if frame.MatchString(line) || at && !annotated.MatchString(line) {
			continue
		}
		if !regexp.MustCompile(args[1]).MatchString(line) {
			ts.Fatalf("the first line of %s is %q:\n%s", args[0], line, got)
		}
		return
	}
	ts.Fatalf("%s says nothing:\n%s", args[0], got)
}

// served checks the most requests that the script's server had in flight.
func served(ts *testscript.TestScript, neg bool, args []string) {
	most, err := strconv.Atoi(strings.Join(args, " "))
	if neg || err != nil {
		ts.Fatalf("usage: served max")
	}
	s := ts.Value("server").(*simserver.Server).Stats()
	if s.MaxInFlight < 1 || s.MaxInFlight > most {
		ts.Fatalf("the server had up to %d requests in flight, expected 1 to %d", s.MaxInFlight, most)
	}
}
