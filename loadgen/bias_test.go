package loadgen

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
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

// BenchmarkBias measures what the client adds to the server's times, beside a
// raw-socket reader of the same bytes in the same run, with the server a process
// of its own on the same machine: go test -run '^$' -bench Bias -benchtime 1x ./loadgen
func BenchmarkBias(b *testing.B) {
	for _, tt := range []struct {
		streams int
		every   time.Duration
	}{{1, 20 * time.Millisecond}, {16, 20 * time.Millisecond}, {128, 20 * time.Millisecond}, {500, 20 * time.Millisecond}, {1000, 50 * time.Millisecond}, {4000, 200 * time.Millisecond}} {
		b.Run(fmt.Sprintf("streams=%d/every=%v", tt.streams, tt.every), func(b *testing.B) {
			addr := startStamped(b, tt.every)
			const tokens = 64
			for b.Loop() {
				raw := rawReader(b, addr, tt.streams, tokens, 3)
				g, err := New(Target{URL: "http://" + addr})
				if err != nil {
					b.Fatal(err)
				}
				if err := g.Ready(b.Context()); err != nil {
					b.Fatal(err)
				}
				a := &added{}
				g.inspect = func(rec *record) { a.see(rec, g.epoch) }
				cpu := cpuTime()
				m, err := g.Probe(b.Context(), Load{Concurrency: tt.streams, ISL: 20, OSL: tokens, Requests: 3 * tt.streams}, nil)
				if err != nil {
					b.Fatal(err)
				}
				used := cpuTime() - cpu
				g.Close()
				for _, w := range m.Warnings {
					b.Log(w)
				}
				ttft, _ := m.Stat(TagTTFT, "p95")
				perCPU := float64(a.events) / used.Seconds()
				b.ReportMetric(at(a.first, 0.5), "first-p50-ns")
				b.ReportMetric(at(a.first, 0.99), "first-p99-ns")
				b.ReportMetric(at(a.later, 0.5), "later-p50-ns")
				b.ReportMetric(at(a.later, 0.99), "later-p99-ns")
				b.ReportMetric(at(a.later, 1), "later-max-ns")
				b.ReportMetric(ttft*1e6, "ttft-p95-ns")
				b.ReportMetric(float64(m.Health.SendLagP99), "send-lag-p99-ns")
				b.ReportMetric(perCPU, "events/cpu-s")
				b.ReportMetric(perCPU/raw, "of-raw-reader")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// rawReader reads the same streams from bare sockets, a clock reading a read and
// nothing else, and returns events per CPU-second.
func rawReader(b *testing.B, addr string, streams, tokens, turns int) float64 {
	b.Helper()
	body := fmt.Sprintf(`{"max_tokens":%d}`, tokens)
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	cpu := cpuTime()
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
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
	return float64(streams*tokens*turns) / (cpuTime() - cpu).Seconds()
}
