package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// envWorker makes a process of the test binary a worker, with the keys in the directory that it
// names.
const envWorker = "AIPERF_TEST_WORKER_KEYS"

// serving is a worker, if this process is to be one.
func serving() bool {
	dir := os.Getenv(envWorker)
	if dir == "" {
		return false
	}
	keys, err := ReadKeys(dir)
	if err == nil {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			fmt.Println(l.Addr())
			err = Serve(context.Background(), l, Options{Keys: keys, Orphan: time.Minute})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return true
}

// process starts a worker and returns where it listens.
func process(t testing.TB, keys string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envWorker+"="+keys)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd, strings.TrimSpace(line)
}

// processes starts n workers and returns a pool of them.
func processes(t testing.TB, n int, target loadgen.Target) (*Pool, []*exec.Cmd) {
	t.Helper()
	client, worker, err := NewKeys(time.Hour)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, worker.Write(dir))
	cmds, addrs := make([]*exec.Cmd, n), make([]string, n)
	for i := range n {
		cmds[i], addrs[i] = process(t, dir)
	}
	p := &Pool{
		Target: target, N: n, Keys: client, beat: 100 * time.Millisecond, StartTimeout: 10 * time.Second,
		Dial: func(ctx context.Context, i int) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addrs[i])
		},
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, cmds
}

// TestProcesses: workers that are killed or stopped are noticed, and the next probe measures
// with others.
func TestProcesses(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	p, cmds := processes(t, 4, loadgen.Target{URL: srv.URL, Metrics: []string{}})
	require.NoError(t, p.Ready(t.Context()))
	load := loadgen.Load{Concurrency: 8, ISL: 20, OSL: 8, Requests: 80}
	m, err := p.Probe(t.Context(), load, nil)
	require.NoError(t, err)
	assert.Len(t, m.Requests, 80)
	assert.Empty(t, m.Failures)
	assert.Contains(t, p.Where(), "4 workers on 1 host")
	t.Logf("opening skew %v", p.skew)

	for _, hurt := range []struct {
		signal syscall.Signal
		says   string
	}{
		{syscall.SIGSTOP, "has not answered for too long"},
		{syscall.SIGKILL, "was killed"},
	} {
		hurtAt := make(chan time.Time, 1)
		go func() {
			time.Sleep(200 * time.Millisecond)
			hurtAt <- time.Now()
			_ = cmds[1].Process.Signal(hurt.signal)
		}()
		_, err = p.Probe(t.Context(), loadgen.Load{Concurrency: 8, ISL: 20, OSL: 8, Requests: 100_000}, nil)
		noticed := time.Since(<-hurtAt)
		lost := (*WorkerError)(nil)
		require.ErrorAs(t, err, &lost)
		assert.ErrorContains(t, err, hurt.says)
		t.Logf("%v noticed after %v: %v", hurt.signal, noticed, err)
		if hurt.signal == syscall.SIGSTOP {
			require.NoError(t, cmds[1].Process.Signal(syscall.SIGCONT))
			m, err = p.Probe(t.Context(), load, nil)
			require.NoError(t, err)
			assert.Len(t, m.Requests, 80)
		}
	}
	p.StartTimeout = 500 * time.Millisecond
	_, err = p.Probe(t.Context(), load, nil)
	require.ErrorAs(t, err, new(*WorkerError), "nobody takes the place of the one that was killed")
	assert.ErrorContains(t, err, "not there after 500ms")
	assert.False(t, errors.As(err, new(*loadgen.UnreachableError)), "it is not the endpoint that is gone")
}
