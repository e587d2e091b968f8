package aiperftest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// again is the command that does the run of that seed once more.
func again(t T, n uint64) string {
	seed := fmt.Sprintf("%s=%d ", envSeed, n)
	name := t.Name()
	if strings.ContainsAny(name, " '") {
		return seed + "ginkgo --focus=" + quote(regexp.QuoteMeta(name))
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	pattern := quote(strings.Join(parts, "/"))
	if _, ok := t.(*testing.B); ok {
		return seed + "go test -run='^$' -bench=" + pattern + " -count=1"
	}
	return seed + "go test -run=" + pattern + " -count=1"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
