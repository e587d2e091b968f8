package aiperftest_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// fakeT records what a run says to its test.
type fakeT struct {
	testing.TB // for TempDir and Cleanup; nil elsewhere
	name       string
	mu         sync.Mutex
	logs       []string
	errs       []string
	skipped    string
	failed     bool // FailNow was called
	helpers    int
	cleanups   []func()
	out        *recipes.Outcome // what the run attached, also when it ends the test
}

func (f *fakeT) Attach(o *recipes.Outcome, _ string) { f.out = o }

func (f *fakeT) Helper()          { f.helpers++ }
func (f *fakeT) Name() string     { return f.name }
func (f *fakeT) Failed() bool     { return len(f.errs) > 0 }
func (f *fakeT) Log(a ...any)     { f.Logf("%s", fmt.Sprint(a...)) }
func (f *fakeT) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *fakeT) Logf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, a...))
}
func (f *fakeT) Errorf(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, fmt.Sprintf(format, a...))
}
func (f *fakeT) FailNow() { f.failed = true; runtime.Goexit() }
func (f *fakeT) Skipf(format string, a ...any) {
	f.skipped = fmt.Sprintf(format, a...)
	runtime.Goexit()
}
func (f *fakeT) TempDir() string { return f.TB.TempDir() }

var _ aiperftest.T = (*fakeT)(nil)

// run calls body with a fake test, to its end or until it gives up, and returns
// what was said.
func run(t *testing.T, name string, body func(aiperftest.T)) *fakeT {
	t.Helper()
	f := &fakeT{TB: t, name: name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, c := range f.cleanups {
				c()
			}
		}()
		body(f)
	}()
	<-done
	return f
}

// transcript is everything said, in the order log, error, skip.
func (f *fakeT) transcript() string {
	var b strings.Builder
	for _, l := range f.logs {
		fmt.Fprintf(&b, "log: %s\n", l)
	}
	for _, e := range f.errs {
		fmt.Fprintf(&b, "error: %s\n", e)
	}
	if f.skipped != "" {
		fmt.Fprintf(&b, "skip: %s\n", f.skipped)
	}
	if f.failed {
		b.WriteString("the test ended here\n")
	}
	return b.String()
}

// curve is a prober with a known TTFT curve: at concurrency c the requests have
// TTFTs spread ±20 % around ttft(c), evenly, so that p95 is 1.18 of it. At a rate, c is the
// requests a second, of which the server answers so many at most.
type curve struct {
	most   float64             // requests a second; 0: any
	ttft   func(c int) float64 // ms
	fail   func(c int) float64 // share of failing requests; nil: none
	lag    time.Duration
	err    func(c int) error
	closed bool
	timed  bool // a probe ends with its window
}

func (p *curve) Close() error { p.closed = true; return nil }

func (p *curve) Probe(ctx context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	if p.err != nil {
		if err := p.err(l.Concurrency); err != nil {
			return nil, err
		}
	}
	const itl = 10.0
	n, ended := max(l.Requests, 2*l.Concurrency), loadgen.EndedRequests
	e2e := (p.ttft(int(l.Level())) + itl*float64(l.OSL-1)) / 1000
	most := int(float64(l.Concurrency) * l.Window.Seconds() / e2e)
	if l.Rate > 0 {
		most = int(l.Rate * l.Window.Seconds())
	}
	if p.timed && most < n {
		n, ended = max(most, 1), loadgen.EndedTime
	}
	bad := 0
	if p.fail != nil {
		bad = int(p.fail(l.Concurrency) * float64(n))
	}
	m := &loadgen.Measurement{Load: l, Ended: ended, Metrics: map[string]loadgen.Metric{},
		Health: loadgen.Health{SendLagP99: p.lag, CPU: 0.11}, Epoch: time.Now()}
	level := int(l.Level())
	mid, good := p.ttft(level), 0
	if p.most > 0 && l.Rate > p.most {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %.4g requests/s were offered and %.3g served", loadgen.ErrUnstable, l.Rate, p.most))
	}
	for i := range n {
		// Visit the quantiles in an order that hides them from block statistics.
		u := float64((i*7919)%n) / float64(max(n-1, 1))
		ttft := mid * (0.8 + 0.4*u)
		first := time.Duration(ttft * float64(time.Millisecond))
		last := first + time.Duration(float64(l.OSL-1)*itl*float64(time.Millisecond))
		q := loadgen.Request{Index: i, Chunks: []time.Duration{first, last}, End: last, EOF: last, ISL: l.ISL, OSL: l.OSL, Streamed: true}
		if i < bad {
			q.Failure = &loadgen.Failure{Kind: loadgen.FailedStatus, Status: 503, Message: "overloaded"}
		}
		if q.Good = q.Failure == nil && ttft <= l.SLO[loadgen.TagTTFT]; q.Good {
			good++
		}
		m.Requests = append(m.Requests, q)
	}
	if bad > 0 {
		m.Failures = []loadgen.FailureCount{{Failure: *m.Requests[0].Failure, Count: bad}}
	}
	p95 := mid * (0.8 + 0.4*0.95)
	stats := map[string]float64{"avg": mid, "p95": p95}
	m.Metrics[loadgen.TagTTFT] = loadgen.Metric{Unit: "ms", Stats: stats, SE: map[string]float64{"p95": 0.02 * p95}}
	m.Metrics[loadgen.TagITL] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{"p95": itl}}
	m.Metrics[loadgen.TagLatency] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{"p99": mid*(0.8+0.4*0.99) + itl*float64(l.OSL-1)}}
	set := func(tag, unit string, v float64) {
		m.Metrics[tag] = loadgen.Metric{Unit: unit, Stats: map[string]float64{"avg": v}}
	}
	served := float64(l.Concurrency) / e2e
	if l.Rate > 0 {
		served = min(l.Rate, cmp.Or(p.most, l.Rate))
	}
	set(loadgen.TagReqRate, "requests/sec", served)
	set(loadgen.TagTokenRate, "tokens/sec", served*float64(l.OSL))
	if l.SLO != nil {
		set(loadgen.TagGoodShare, "ratio", float64(good)/float64(n))
		set(loadgen.TagGoodput, "requests/sec", served*float64(good)/float64(n))
	}
	set(loadgen.TagErrorRate, "%", 100*float64(bad)/float64(n))
	set(loadgen.TagCompleted, "requests", float64(n))
	set(loadgen.TagErrors, "requests", float64(bad))
	wait := time.Duration(math.Ceil(float64(n)/served)) * time.Second
	select {
	case <-time.After(wait):
		m.Window, m.Wall = wait, wait
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
