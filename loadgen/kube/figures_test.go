//go:build linux

package kube

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

var figuresIn = flag.String("figures", "", "measure the figures of this document, and write them into it")

// TestFigures measures what pods cost, and writes a table into a document between the lines
// <!-- figures --> and <!-- /figures -->:
//
//	AIPERF_KUBE_TEST=1 go test -count=1 -run TestFigures . -figures ../../docs/kube.md
//
// It asserts no figure, since a machine that does other work at the same time has other ones.
func TestFigures(t *testing.T) {
	if addr := os.Getenv("AIPERF_TEST_SERVE"); addr != "" {
		serveFigures()
		return
	}
	if *figuresIn == "" {
		t.Skip("give -figures FILE")
	}
	s := onCluster(t)
	through := s.how
	direct := s.how
	direct.Direct = true
	spdy := s.how
	spdy.SPDY = true
	srv := simserver.New(light)
	defer srv.Close()
	b := &strings.Builder{}
	fmt.Fprintf(b, "| what | goal | measured |\n| --- | --- | --- |\n")
	row := func(what, goal, format string, a ...any) {
		text := fmt.Sprintf(format, a...)
		t.Logf("%s (%s): %s", what, goal, text)
		fmt.Fprintf(b, "| %s | %s | %s |\n", what, goal, text)
	}
	row("cluster: API server ready, nodes ready", "some seconds", "%v, %v", round(s.API), round(s.Nodes))

	load := loadgen.Load{Concurrency: 32, ISL: 16, OSL: 8, Requests: 400}
	var start []time.Duration
	for _, way := range []struct {
		name, skew, lost string
		how              Options
	}{
		{"by pod address", "≤ 1 ms", "≤ 1.1 s", direct},
		{"port-forward by WebSocket", "≤ 5 ms", "≤ 1.1 s", through},
		{"port-forward by SPDY", "≤ 5 ms", "≤ 1.1 s", spdy},
	} {
		began := time.Now()
		k, _ := fleetOf(t, s, s.Reach(t, srv.URL), 4, way.how)
		require.NoError(t, k.Ready(t.Context()))
		var skews, stops []time.Duration
		for i := range 10 {
			m, err := k.Probe(t.Context(), load, nil)
			require.NoError(t, err)
			if i == 0 {
				start = append(start, m.Epoch.Add(m.Requests[0].Start).Sub(began))
			}
			skews = append(skews, k.Skew())
		}
		for range 10 {
			d := &decider{at: 150}
			long := load
			long.Requests = 100_000
			_, err := k.Probe(t.Context(), long, d)
			require.NoError(t, err)
			stops = append(stops, time.Since(d.decided))
		}
		row("opening skew of 4 pods, "+way.name, way.skew, "%v median, %v worst of %d", median(skews), round(slices.Max(skews)), len(skews))
		row("decided to stop, all merged, "+way.name, "≤ 50 ms + RTT", "%v median, %v worst of %d",
			median(stops), round(slices.Max(stops)), len(stops))

		var killed time.Time
		name, _ := k.fleet.called(2)
		time.AfterFunc(300*time.Millisecond, func() {
			killed = time.Now()
			s.Kill(t, name)
		})
		long := load
		long.Requests = 100_000
		_, err := k.Probe(t.Context(), long, nil)
		noticed := time.Since(killed)
		require.ErrorAs(t, err, new(*remote.WorkerError))
		began = time.Now()
		_, err = k.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		row("killed worker noticed, "+way.name, way.lost, "%v; all 4 again after %v", round(noticed), round(time.Since(began)))
		require.NoError(t, k.Close())
	}
	row("4 pods measure after, by address, WebSocket, SPDY", "≤ 2 s", "%v, %v, %v (with a ramp)",
		round(start[0]), round(start[1]), round(start[2]))

	// A whole recipe: what of its time is neither measured nor a ramp.
	c := cases[slices.IndexFunc(cases, func(c recipeCase) bool { return c.recipe == "max-concurrency-under-sla" })]
	spent := func(more ...aiperftest.Option) string {
		srv := simserver.New(c.model)
		defer srv.Close()
		f := asTest(t, func(ft aiperftest.T) {
			aiperftest.RunRecipe(ft, c.recipe, aiperftest.Requests(80), c.how, aiperftest.Endpoint(s.Reach(t, srv.URL)), aiperftest.Seed(1),
				aiperftest.Charts(false), aiperftest.Artifacts(t.TempDir()), aiperftest.ReportOnly(), aiperftest.Options(more))
		})
		require.NotNil(t, f.out)
		require.NoError(t, f.out.Err, f.said())
		measuring, ramps := f.out.Spent()
		return fmt.Sprintf("%v of %v, %d probes, up to %d", round(f.out.Wall-measuring-ramps), round(f.out.Wall),
			len(f.out.Probes), f.out.Best.Concurrency())
	}
	row(c.recipe+" beside measuring and ramps: one process", "", "%s", spent())
	row(c.recipe+" beside measuring and ramps: 4 pods", "≤ 5 s more", "%s", spent(Pods(4, through)))

	// What requests cost the test, whose process has no server then.
	far := s.Reach(t, serverProcess(t))
	for _, way := range []struct {
		name string
		how  Options
	}{{"by pod address", direct}, {"by WebSocket", through}} {
		k, wire := fleetOf(t, s, far, 4, way.how)
		require.NoError(t, k.Ready(t.Context()))
		// cost is over all requests that came, those of ramps included. What connections cost by
		// themselves is told apart by a load of one request a pod.
		cost := func(osl, c, n int) (bytes, cpu, rate, second float64) {
			began, before, used := time.Now(), wire.Load(), processor()
			m, err := k.Probe(t.Context(), loadgen.Load{Concurrency: c, ISL: 16, OSL: osl, Requests: n}, nil)
			require.NoError(t, err)
			took, count := time.Since(began).Seconds(), float64(len(m.Requests)+len(m.Others))
			cpu = float64(processor() - used)
			return float64(wire.Load()-before) / count, cpu / count / 1e3, count / took, cpu / took / 1e6
		}
		bytes1, cpu1, rate1, _ := cost(1, 32, 8000)
		bytes128, cpu128, rate128, _ := cost(128, 32, 1000)
		_, _, rate4, idle := cost(128, 4, 150)
		token := (bytes128 - bytes1) / 127
		row("wire both ways, "+way.name+": a request, a token", "≤ 60 B, ≤ 5 B", "%.0f B, %.1f B (%.0f B for 1 token, %.0f B for 128)",
			bytes1-token, token, bytes1, bytes128)
		row("CPU of the test a request of 1 token, "+way.name, "≤ 5 µs", "%.1f µs at %.0f requests/s", cpu1, rate1)
		row("CPU of the test with 128 tokens a request, "+way.name, "", "%.1f ms a second at %.0f requests/s, %.1f ms at %.0f",
			cpu128*rate128/1e3, rate128, idle, rate4)
		require.NoError(t, k.Close())
	}

	text, err := os.ReadFile(*figuresIn)
	require.NoError(t, err)
	between := regexp.MustCompile(`(?s)(<!-- figures -->\n).*(<!-- /figures -->)`)
	require.Regexp(t, between, string(text), "the document has no place for the figures")
	note := fmt.Sprintf("\nMeasured on %d shared cores (%s/%s, %s), everything on one machine: server, workers, control plane and test.\n\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	require.NoError(t, os.WriteFile(*figuresIn, []byte(between.ReplaceAllString(string(text), "${1}"+note+b.String()+"\n${2}")), 0o644))
}

// fleetOf is a run's pool on n pods, and counts the bytes that the test reads and writes.
func fleetOf(t *testing.T, s *site, url string, n int, how Options) (*carrier, *atomic.Int64) {
	t.Helper()
	y := &yard{fleets: map[string]*fleet{}, made: prepared}
	k, err := y.carrier(n, []Options{how}, &recipes.Outcome{Spec: recipes.Spec{Who: t.Name(),
		Target: loadgen.Target{URL: url, Metrics: []string{}}}})
	require.NoError(t, err)
	wire, dial := new(atomic.Int64), k.Dial
	k.Dial = func(ctx context.Context, i int) (net.Conn, error) {
		c, err := dial(ctx, i)
		if err != nil {
			return nil, err
		}
		return &counted{c, wire}, nil
	}
	return k, wire
}

// counted counts the bytes of a connection.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// decider stops a probe at its n-th request.
type decider struct {
	at, seen int
	decided  time.Time
}

func (d *decider) Seen(loadgen.Request) bool {
	if d.seen++; d.seen == d.at {
		d.decided = time.Now()
	}
	return d.seen >= d.at
}

// processor is the processor time of this process so far.
func processor() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// serverProcess starts a server in a process of its own, and returns its URL.
func serverProcess(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFigures$", "-test.count=1")
	cmd.Env = append(os.Environ(), "AIPERF_TEST_SERVE=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// serveFigures serves until its standard input ends.
func serveFigures() {
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	fmt.Println(srv.URL)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// median is that of durations, round as round is.
func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return round(d[len(d)/2])
}

// round leaves two or three digits.
func round(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond} {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(10 * time.Millisecond)
}
