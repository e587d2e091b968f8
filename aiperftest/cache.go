package aiperftest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// go test serves a passing test from its cache as long as the code, the files
// and the environment variables that it read are the same. An endpoint is none of
// these: yesterday's capacity would be reported as today's. -count=1 turns the
// cache off, and who forgets it is to get a measurement, too.
//
// There is no call for that. What cmd/go has is a list of the files that the test
// opened (-test.testlogfile, which it passes only when the result may be cached),
// and a rule: a file inside the module that is younger than two seconds makes the
// result no input of the cache, since its content cannot be told from its time
// (cmd/go/internal/test, hashOpen). So a file dated in the future is opened.
// It lies in the user's cache directory, not in the module; the path to it begins
// in the module, and goes up from there, since cmd/go compares the words of a
// path. A script test runs go test twice, to notice when that changes.

// workDir is where go test started the test binary: inside the module, also when
// the test has since changed its directory.
var workDir, _ = os.Getwd()

// uncached keeps the result of this process out of the test cache, and tells the
// test's log when there was one to keep it out of.
func uncached(s talk) {
	s.t.Helper()
	log := flag.Lookup("test.testlogfile")
	if log == nil || log.Value.String() == "" {
		return
	}
	if err := openFuture(); err != nil {
		s.t.Logf("run with -count=1: go test may answer from its cache next time, without measuring (%v)", err)
		return
	}
	s.progress("a live endpoint is measured: go test will not answer from its cache next time")
}

// openFuture opens a file that is dated in the future by a path that begins in
// the package's directory.
func openFuture() error {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "uncached")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	f.Close()
	future := time.Now().AddDate(1, 0, 0)
	if err := os.Chtimes(path, future, future); err != nil {
		return err
	}
	// As many steps up as the directory may be deep, links resolved; the root's
	// parent is the root.
	const sep = string(filepath.Separator)
	real, err := filepath.EvalSymlinks(workDir)
	if err != nil {
		return err
	}
	up := strings.Repeat(sep+"..", strings.Count(real, sep)+1)
	f, err = os.Open(workDir + up + strings.TrimPrefix(path, filepath.VolumeName(path)))
	if err != nil {
		return err
	}
	return f.Close()
}

// cacheDir returns the directory of what outlives a test, made.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "aiperf")
	return dir, os.MkdirAll(dir, 0o777)
}
