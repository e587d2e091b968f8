// Package turn keeps the tests of this module that hold real times against bounds, or that
// load the machine, from running at the same time, also when go test runs the binaries of
// several packages at once: a load test that shares its two cores with another one
// measures that one. Such a test says so in its first lines:
//
//	turn.Take(t)
//
// All others run beside: those that only compute, live in virtual time, wait, or judge what
// they measure by the client's own report of how late it was. A package of which no test
// measures, and that computes for long, runs at a low priority (M.Aside), so that it
// does not keep a processor from one that measures.
package turn

import (
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"
)

// held is an environment variable that, set by hand, lets tests run without waiting for those of
// another go test.
const held = "AIPERF_TEST_TURN"

// M runs a package's tests.
type M struct {
	*testing.M
	// Parallel is how many of the package's parallel tests run at once, if that is more
	// than go test's -parallel, which is the number of cores. Tests of real time mostly
	// wait, so that more of them than cores do not disturb each other.
	Parallel int
	// Aside says that the package measures nothing: it runs at a low priority.
	Aside bool
	// Memory says that the package measures memory. The others collect garbage less often,
	// which is a tenth of what they compute.
	Memory bool
}

// Run runs the tests and returns their exit code.
func (m M) Run() int {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); m.Parallel > p.Value.(flag.Getter).Get().(int) {
		_ = p.Value.Set(strconv.Itoa(m.Parallel))
	}
	if m.Aside {
		giveWay()
	}
	if !m.Memory {
		debug.SetGCPercent(400)
	}
	return m.M.Run()
}

// patience is how long a test waits for its turn. Go test ends a binary that takes longer
// than its -timeout of ten minutes, and counts the waiting.
const patience = 5 * time.Minute

// mine is this process's turn: its own tests share it.
var mine struct {
	sync.Mutex
	holders int
	file    *os.File
	release func()
}

// Take waits until no other process of the module's tests has the turn, and takes it for the
// rest of the test, its subtests included. Tests of one process do not exclude each other;
// that is what t.Parallel is for. Where no lock can be had within five minutes the test runs all
// the same.
func Take(t testing.TB) {
	t.Helper()
	if os.Getenv(held) != "" {
		return
	}
	mine.Lock()
	defer mine.Unlock()
	if mine.holders == 0 {
		f, err := os.OpenFile(filepath.Join(os.TempDir(), "aiperf-tests.lock"), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return
		}
		mine.file, mine.release = f, lock(f)
	}
	mine.holders++
	t.Cleanup(func() {
		mine.Lock()
		defer mine.Unlock()
		if mine.holders--; mine.holders == 0 {
			mine.release()
			mine.file.Close()
		}
	})
}
