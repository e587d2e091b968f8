package loadgen_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/turn"
	"github.com/aiperf-go/aiperf/loadgen"
)

// resident is the process's memory in bytes: what is resident where the system tells, and
// what the Go runtime has from the system otherwise.
func resident() int64 {
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if n, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64); err == nil {
			return n * int64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}

// TestHostileMemory loads servers at concurrency 64 that never end their answers, send
// events of 10 MB, or one byte at a time: memory stays bounded, the probe ends in time, and
// every failure has its kind.
func TestHostileMemory(t *testing.T) {
	slow.Test(t, slow.RealTime) // and its memory
	turn.Take(t)                // since it keeps the processors busy
	const timeout = time.Second
	forever := func(part string, pause time.Duration) answer {
		return func(c net.Conn) bool {
			io.WriteString(c, streamHead)
			for {
				if _, err := io.WriteString(c, part); err != nil {
					return false
				}
				time.Sleep(pause)
			}
		}
	}
	const head, tail = `data: {"choices":[{"delta":{"content":"`, "\"}}]}\n\n"
	big := head + strings.Repeat("x", 10<<20) + tail
	large := []byte(streamHead + chunked(big+"data: [DONE]\n\n") + "0\r\n\r\n") // one copy for all connections
	for _, tt := range []struct {
		why    string
		answer answer
		kinds  []loadgen.FailureKind // that may occur; "" is a valid answer
	}{
		{"endless events", forever(chunked(strings.Repeat("data: "+word+"\n\n", 1000)), 0), []loadgen.FailureKind{loadgen.FailedLarge}},
		{"events of 10 MB", func(c net.Conn) bool {
			_, err := c.Write(large)
			return err == nil
		},
			[]loadgen.FailureKind{loadgen.FailedLarge, loadgen.FailedTimeout, ""}},
		{"bodies that blow up", text(streamHead[:len(streamHead)-2]+"Content-Encoding: gzip\r\n\r\n",
			chunked(gzipped(strings.Repeat(" ", 64<<20))), "0\r\n\r\n"), []loadgen.FailureKind{loadgen.FailedLarge}},
		{"slow bytes", forever(chunked("x"), time.Millisecond), []loadgen.FailureKind{loadgen.FailedTimeout}},
		{"endless headers", headers("HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("x", 4000)+"\r\n"),
			[]loadgen.FailureKind{loadgen.FailedBroken, loadgen.FailedTimeout}}, // a busy machine may read them too slowly
	} {
		t.Run(tt.why, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			s := &rawServer{}
			go s.serve(l)
			g, err := loadgen.New(loadgen.Target{URL: "http://" + l.Addr().String(), Timeout: timeout})
			require.NoError(t, err)
			require.NoError(t, g.Ready(t.Context()))
			s.mu.Lock()
			s.always = tt.answer
			s.mu.Unlock()

			debug.FreeOSMemory()
			before, peak := resident(), atomic.Int64{}
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for tick := time.NewTicker(5 * time.Millisecond); ; {
					select {
					case <-tick.C:
						peak.Store(max(peak.Load(), resident()))
					case <-stop:
						return
					}
				}
			}()
			began := time.Now()
			m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 64, OSL: 2, Requests: 64, Window: time.Second}, nil)
			took := time.Since(began)
			g.Close()
			close(stop)
			<-stopped
			require.NoError(t, err)
			assert.Less(t, peak.Load(), int64(1<<30), "resident memory")
			// A quiet machine takes 2 to 6 seconds, and one with ten times its work ten times as long.
			assert.Less(t, took, 60*timeout, "the transition, the window and the drain end in time")
			require.NotEmpty(t, m.Requests)
			counts := map[loadgen.FailureKind]int{}
			for _, q := range m.Requests {
				kind := loadgen.FailureKind("")
				if q.Failure != nil {
					kind = q.Failure.Kind
				}
				counts[kind]++
				assert.Contains(t, tt.kinds, kind, "%v", q.Failure)
			}
			t.Logf("%d MiB before, %d MiB at most; %v; %v", before>>20, peak.Load()>>20, took.Round(10*time.Millisecond), counts)
		})
	}
}

// headers writes a beginning, and then the same part again and again.
func headers(begin, part string) answer {
	return func(c net.Conn) bool {
		io.WriteString(c, begin)
		for {
			if _, err := io.WriteString(c, part); err != nil {
				return false
			}
		}
	}
}
