package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
)

// startStamped starts the stamping server as a process of its own.
func startStamped(b *testing.B, every time.Duration) (addr string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AIPERF_TEST_BIAS_SERVER="+every.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// added collects what the client adds: the time of each event as the client has
// it, less the time that the server wrote into it.
type added struct {
	mu           sync.Mutex
	first, later []time.Duration
	events       int
}

func (a *added) see(rec *record, epoch time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	pos, n := 0, 0
	for {
		ev, next, ok := sse.Next(rec.body, pos)
		if !ok {
			return
		}
		pos = next
		stamp, ok := stampOf(ev.Data)
		if !ok {
			continue
		}
		d := time.Duration(epoch.UnixNano() + int64(rec.timeOf(ev.End)) - stamp)
		if n == 0 {
			a.first = append(a.first, d)
		} else {
			a.later = append(a.later, d)
		}
		n++
		a.events++
	}
}

func stampOf(data []byte) (int64, bool) {
	const key = `"content":" `
	i := bytes.Index(data, []byte(key))
	if i < 0 {
		return 0, false
	}
	rest := data[i+len(key):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	return n, err == nil
}

func at(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[min(int(q*float64(len(d))), len(d)-1)])
}

// sent asks the stamping server how many events it has sent. What is in flight
// when a measurement ends was read, too, and cost its share.
func sent(b *testing.B, addr string) int {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /sent HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cost is what reading events takes: CPU and allocations of this process.
type cost struct {
	events int
	cpu    time.Duration
	allocs uint64
}

func costs(b *testing.B, addr string) cost {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{sent(b, addr), cpuTime(), m.Mallocs}
}

func (c cost) since(before cost) cost {
	return cost{c.events - before.events, c.cpu - before.cpu, c.allocs - before.allocs}
}

func (c cost) perCPU() float64 { return float64(c.events) / c.cpu.Seconds() }

// BenchmarkBias measures what the client adds to the server's times, closed and
// open loop, beside a raw-socket reader of the same bytes in the same run, with
// the server a process of its own on the same machine:
// go test -run '^$' -bench Bias -benchtime 1x ./loadgen
func BenchmarkBias(b *testing.B) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		streams int
		every   time.Duration
		tokens  int
		open    bool
	}{
		{1, 20 * ms, 64, false},
		{16, 20 * ms, 64, false},
		{128, 20 * ms, 64, false},
		{128, 20 * ms, 64, true},
		{128, 20 * ms, 512, false},
		{500, 20 * ms, 64, false},
		{1000, 50 * ms, 64, false},
		{4000, 200 * ms, 64, false},
	} {
		loop := "closed"
		if tt.open {
			loop = "open"
		}
		b.Run(fmt.Sprintf("streams=%d/every=%v/tokens=%d/loop=%s", tt.streams, tt.every, tt.tokens, loop), func(b *testing.B) {
			addr := startStamped(b, tt.every)
			const turns = 4
			for b.Loop() {
				before := costs(b, addr)
				rawReader(b, addr, tt.streams, tt.tokens, turns, tt.every)
				raw := costs(b, addr).since(before)

				g, a := watched(b, Target{URL: "http://" + addr, Metrics: []string{}})
				l := Load{Concurrency: tt.streams, ISL: 20, OSL: tt.tokens, Requests: turns * tt.streams}
				if tt.open {
					l.Concurrency, l.Rate = 0, float64(tt.streams)/(float64(tt.tokens)*tt.every.Seconds())
				}
				before = costs(b, addr)
				m, err := g.Probe(b.Context(), l, nil)
				if err != nil {
					b.Fatal(err)
				}
				used := costs(b, addr).since(before)
				g.Close()
				for _, w := range m.Warnings {
					b.Log(w)
				}
				ttft, _ := m.Stat(TagTTFT, "p95")
				b.ReportMetric(at(a.first, 0.5), "first-p50-ns")
				b.ReportMetric(at(a.first, 0.99), "first-p99-ns")
				b.ReportMetric(at(a.later, 0.5), "later-p50-ns")
				b.ReportMetric(at(a.later, 0.99), "later-p99-ns")
				b.ReportMetric(at(a.later, 1), "later-max-ns")
				b.ReportMetric(ttft*1e6, "ttft-p95-ns")
				b.ReportMetric(float64(m.Health.SendLagP99), "send-lag-p99-ns")
				b.ReportMetric(used.perCPU(), "events/cpu-s")
				b.ReportMetric(used.perCPU()/raw.perCPU(), "of-raw-reader")
				b.ReportMetric(float64(used.allocs)/float64(used.events), "allocs/event")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// watched returns a generator whose target is ready, and what it adds.
func watched(b *testing.B, t Target) (*Generator, *added) {
	b.Helper()
	g, err := New(t)
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	a := &added{}
	g.inspect = func(rec *record) { a.see(rec, g.epoch) }
	return g, a
}

// BenchmarkBiasScraped measures in turns, with and without reading the server's metrics once
// a second, what the client adds to the server's times, and prints the medians of both:
// go test -run '^$' -bench BiasScraped -benchtime 7x ./loadgen
func BenchmarkBiasScraped(b *testing.B) {
	for _, streams := range []int{16, 128} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			addr := startStamped(b, 20*time.Millisecond)
			figures := map[string][]float64{}
			for b.Loop() {
				for how, pages := range map[string][]string{"plain": {}, "scraped": nil} {
					g, a := watched(b, Target{URL: "http://" + addr, Metrics: pages})
					m, err := g.Probe(b.Context(), Load{Concurrency: streams, ISL: 20, OSL: 64, Requests: 4 * streams}, nil)
					if err != nil {
						b.Fatal(err)
					}
					if read := len(m.Server.Series) > 0; read != (how == "scraped") {
						b.Fatalf("%s: the server's page was read: %v", how, read)
					}
					g.Close()
					for name, v := range map[string]float64{"first-p50": at(a.first, 0.5), "first-p99": at(a.first, 0.99),
						"later-p50": at(a.later, 0.5), "later-p99": at(a.later, 0.99)} {
						figures[name+"-"+how+"-ns"] = append(figures[name+"-"+how+"-ns"], v)
					}
				}
			}
			for name, v := range figures {
				slices.Sort(v)
				b.ReportMetric(v[len(v)/2], name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkIdleStreams holds 10 000 streams open that say nothing after their
// headers, and reports the memory that the process has of the system:
// go test -run '^$' -bench IdleStreams -benchtime 1x ./loadgen
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 10_000
	for b.Loop() {
		addr := startStamped(b, time.Hour) // the first event never comes: the headers have
		g, err := New(Target{URL: "http://" + addr})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = g.Probe(ctx, Load{Concurrency: streams, ISL: 20, OSL: 2, Requests: streams}, nil)
		}()
		for g.inFlight() < streams {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ended:
				b.Fatal("the probe ended before all streams were open")
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/streams, "B/stream")
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
		b.ReportMetric(0, "ns/op")
		cancel()
		<-ended
		g.Close()
	}
}

// inFlight counts the requests that are under way.
func (g *Generator) inFlight() int {
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	return len(g.books.flying)
}

// rawReader reads the same streams from bare sockets, a clock reading a read and
// nothing else. They start at random within the time of a request, as slots do:
// streams in step would be woken together, at half the cost.
func rawReader(b *testing.B, addr string, streams, tokens, turns int, every time.Duration) {
	b.Helper()
	body := fmt.Sprintf(`{"max_tokens":%d}`, tokens)
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			time.Sleep(rand.N(time.Duration(tokens) * every))
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			buf := make([]byte, 4096)
			var last time.Time
			for range turns {
				if _, err := c.Write([]byte(request)); err != nil {
					b.Error(err)
					return
				}
				for {
					n, err := c.Read(buf)
					last = time.Now()
					if err != nil {
						b.Error(err)
						return
					}
					if bytes.HasSuffix(buf[:n], []byte("\r\n0\r\n\r\n")) {
						break
					}
				}
			}
			_ = last
		})
	}
	wg.Wait()
}
