package aiperftest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aiperf-go/aiperf/report"
)

// artifactDir chooses where a run's files go: the option, a folder of the test
// under AIPERF_ARTIFACTS, the test's own artifact directory. shown is the path
// to print; it is empty for a directory that is deleted after the test.
func artifactDir(t T, option string) (dir, shown string) {
	if option != "" {
		return option, option
	}
	if root := os.Getenv(envArtifacts); root != "" {
		dir := vacant(filepath.Join(root, packageName(), testPath(t.Name())))
		return dir, dir
	}
	// Without -artifacts the test's own directory is deleted after the test, like
	// TempDir's; Ginkgo's is not, and nobody would know of it.
	if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
		if a, ok := t.(interface{ ArtifactDir() string }); ok {
			dir := a.ArtifactDir() // once: under Ginkgo each call makes another
			return dir, dir
		}
	}
	return t.TempDir(), ""
}

// testPath makes a path of a test's name; the parts of a subtest are folders.
func testPath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = report.Safe(p)
	}
	return filepath.Join(parts...)
}

// packageName names the package under test: go test runs it in its folder.
func packageName() string {
	wd, err := os.Getwd()
	if err != nil {
		return "package"
	}
	return report.Safe(filepath.Base(wd))
}

// vacant creates path, or path_2 … when it is taken, so that no run writes over
// another's files.
func vacant(path string) string {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return path // the first write says what is wrong
	}
	name := path
	for n := 2; n < 10000; n++ {
		if err := os.Mkdir(name, 0o777); err == nil || !os.IsExist(err) {
			return name
		}
		name = fmt.Sprintf("%s_%d", path, n)
	}
	return name
}

// again is the command that does the run once more, from any folder of the module, with
// what the environment filled in, but for keys.
func (c *config) again(t T) string {
	command := fmt.Sprintf("%s=%d go test -v -count=1 ", envSeed, c.spec.Workload.Seed)
	for _, v := range slices.Backward(c.filled) {
		command = v[0] + "=" + plain(v[1]) + " " + command
	}
	where := ""
	if p := packagePath(); p != "" {
		where = " " + p
	}
	name := t.Name()
	if ginkgoOf(t) != nil || strings.ContainsAny(name, " '") {
		return command + "-ginkgo.focus=" + quote(regexp.QuoteMeta(name)) + where
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	pattern := quote(strings.Join(parts, "/"))
	if _, ok := t.(*testing.B); ok {
		return command + "-run='^$' -bench=" + pattern + where
	}
	return command + "-run=" + pattern + where
}

// packagePath is the import path of the package under test; empty where the binary does not
// know.
var packagePath = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	path, ok := strings.CutSuffix(info.Path, ".test")
	if !ok {
		return ""
	}
	return path
})

// typed folds a command for a log of so many columns (0 for 100) where it is long, so that a shell takes it as it stands.
func typed(command string, columns int) string {
	room := cmp.Or(columns, 100) - 8 - len("    again:     ")
	if at := strings.Index(command, "-count=1 "); len(command) > room && at > 0 {
		at += len("-count=1 ")
		command = command[:at] + "\\\n               " + command[at:]
	}
	if at := strings.Index(command, envSeed+"="); strings.IndexByte(command, '\n') > room && at > 0 {
		command = command[:at] + "\\\n               " + command[at:]
	}
	return command
}

// plain quotes a word of a command where a shell would not take it as it is.
func plain(s string) string {
	if regexp.MustCompile(`^[\w@%+=:,./-]+$`).MatchString(s) {
		return s
	}
	return quote(s)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
