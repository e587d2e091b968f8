//go:build unix

package aiperf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// interrupts runs a program as a shell runs a job, in a process group of its own, and
// sends SIGINT to the whole group, as Ctrl-C does, when a file exists. The program
// must fail. Its output is written to the file out.
func interrupts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupts out file program [args…]")
	}
	var out bytes.Buffer
	program, err := ts.MkAbs(args[2]), error(nil)
	if !strings.Contains(args[2], "/") {
		program, err = lookIn(ts.Getenv("PATH"), args[2])
	}
	ts.Check(err)
	cmd := exec.Command(program, args[3:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, k := range []string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOWORK"} {
		cmd.Env = append(cmd.Env, k+"="+ts.Getenv(k))
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	group := -cmd.Process.Pid
	ts.Defer(func() { _ = syscall.Kill(group, syscall.SIGKILL) }) // in case it still runs
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(2 * time.Minute)
	pressed := false
	for {
		select {
		case err := <-ended:
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o666))
			ts.Logf("[%s]\n%s", strings.Join(args[2:], " "), out.String())
			if !pressed {
				ts.Fatalf("it ended before %s was there", args[1])
			}
			if err == nil {
				ts.Fatalf("it succeeded, although it was interrupted")
			}
			return
		case <-look.C:
			if _, err := os.Stat(ts.MkAbs(args[1])); err == nil && !pressed {
				pressed = true
				ts.Check(syscall.Kill(group, syscall.SIGINT))
			}
		case <-late:
			ts.Fatalf("neither %s nor an end after two minutes:\n%s", args[1], out.String())
		}
	}
}

// lookIn finds a program in the script's PATH, which differs from the test's own.
func lookIn(path, program string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("find %s in %s: %w", program, path, exec.ErrNotFound)
}
