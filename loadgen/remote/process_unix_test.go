//go:build unix

package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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

// asServer in place of a directory makes it a simulated server.
const asServer = "server"

// serving is a worker, or a simulated server, if this process is to be one.
func serving() bool {
	dir := os.Getenv(envWorker)
	if dir == asServer {
		srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond, MaxBatch: 1024})
		fmt.Println(srv.URL)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
		srv.Close()
		return true
	}
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

// process starts a worker, or a server, and returns where it listens.
func process(t testing.TB, keys string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
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
	p, cmds := processes(t, 4, loadgen.Target{URL: srv.URL})
	require.NoError(t, p.Ready(t.Context()))
	load := loadgen.Load{Concurrency: 8, ISL: 20, OSL: 8, Requests: 80}
	m, err := p.Probe(t.Context(), load, nil)
	require.NoError(t, err)
	assert.Len(t, m.Requests, 80)
	assert.Empty(t, m.Failures)
	assert.Len(t, m.Server.Series, 1, "the server's metrics are read here, once")
	assert.Positive(t, m.Server.Received)
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

// timed ends a probe at so many requests, and notes when.
type timed struct {
	until, seen int
	at          time.Time
}

func (d *timed) Seen(loadgen.Request) bool {
	if d.seen++; d.seen == d.until {
		d.at = time.Now()
	}
	return d.seen >= d.until
}

// cpu is the processor time of this process so far.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPool measures what four workers cost the test, with the server in a process of its
// own: bytes and processor time a request, how far apart the windows open, and how long an end
// takes that the Decider wants. stats-µs is the part of that processor time which one process
// would have taken, too: what the statistics of the same requests take when they are made once
// more. docs/workers.md has the figures.
func BenchmarkPool(b *testing.B) {
	_, url := process(b, asServer)
	for _, tt := range []struct {
		osl, concurrency int
	}{{1, 8}, {1, 128}, {128, 128}} {
		b.Run(fmt.Sprintf("osl=%d/c=%d", tt.osl, tt.concurrency), func(b *testing.B) {
			p, _ := processes(b, 4, loadgen.Target{URL: url, Metrics: []string{}})
			p.beat = beat
			require.NoError(b, p.Ready(b.Context()))
			load := loadgen.Load{Concurrency: tt.concurrency, ISL: 20, OSL: tt.osl, Requests: 3000}
			var used, stats, skew, stop time.Duration
			var sent int64
			read := func() (n int64) {
				for _, m := range p.members {
					n += m.read.Load()
				}
				return n
			}
			n, probes := 0, 0
			for b.Loop() {
				at, got := cpu(b), read()
				m, err := p.Probe(b.Context(), load, nil)
				require.NoError(b, err)
				used, sent, skew = used+cpu(b)-at, sent+read()-got, max(skew, p.skew)
				n += len(m.Requests) + len(m.Others)
				at = cpu(b)
				require.Len(b, m.Slices(m.Wall), 1)
				stats += cpu(b) - at
				d := &timed{until: 500}
				_, err = p.Probe(b.Context(), load, d)
				require.NoError(b, err)
				stop = max(stop, time.Since(d.at))
				probes++
			}
			b.ReportMetric(float64(sent)/float64(n), "B/req")
			b.ReportMetric(float64(used)/float64(n)/1000, "cpu-µs/req")
			b.ReportMetric(float64(stats)/float64(n)/1000, "stats-µs/req")
			b.ReportMetric(float64(skew)/1000, "skew-µs")
			b.ReportMetric(float64(stop)/1e6, "stop-ms")
		})
	}
}
