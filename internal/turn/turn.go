// Package turn lets the test binaries of this module run one after another, also when go
// test starts several at once: a load test that shares its two cores with another
// package's measures that package. It is for TestMain alone:
//
//	func TestMain(m *testing.M) { os.Exit(turn.M{M: m}.Run()) }
//
// go test -p 1 does the same, and also builds one package at a time; with turns the
// command that everybody types, go test ./..., gives the same results. Packages whose
// tests only compute, or live in virtual time, take no turn: they run beside, and those
// that compute for long say so (M.Aside), so that they do not keep a processor from a
// package that measures.
package turn

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Held is the environment variable that tells the processes which a test starts that it is
// their turn, too. A test that clears its child's environment has to keep it.
const Held = "AIPERF_TEST_TURN"

// M runs a package's tests in its turn.
type M struct {
	*testing.M
	// Parallel is how many of the package's parallel tests run at once, if that is more
	// than go test's -parallel, which is the number of cores. Tests of real time mostly
	// wait, so that more of them than cores do not disturb each other.
	Parallel int
	// Aside says that the package measures nothing: it waits for no turn, and runs at the
	// least priority that the system has.
	Aside bool
}

// patience is how long a package waits for its turn. Go test ends a binary that takes a
// minute more than its -timeout of ten, and counts the waiting.
const patience = 5 * time.Minute

// Run runs the tests once no other package of the module is running its own, and returns
// their exit code. Where no lock can be had within five minutes it runs them all the same.
func (m M) Run() int {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); m.Parallel > p.Value.(flag.Getter).Get().(int) {
		_ = p.Value.Set(strconv.Itoa(m.Parallel))
	}
	if m.Aside {
		giveWay()
		return m.M.Run()
	}
	if os.Getenv(Held) != "" {
		return m.M.Run()
	}
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "aiperf-tests.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return m.M.Run()
	}
	defer f.Close()
	defer lock(f)()
	os.Setenv(Held, "1")
	return m.M.Run()
}
