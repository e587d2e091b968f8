package recipes_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// host is a server made up of formulas, which may fail, and die. Its requests have TTFTs
// within 20% of ttft, evenly, and 10 ms a token.
type host struct {
	ttft   func(c, visit int) float64 // ms
	rate   func(c int) float64        // tok/s
	fail   func(c int) float64        // the share of failing requests; nil for none
	whole  bool                       // answers are not streamed
	burst  bool                       // all tokens come in one read
	alive  error                      // what Alive says
	asked  int                        // how often Alive was called
	visits map[int]int
	took   time.Duration // of a probe
}

func (h *host) Wait(context.Context, time.Duration) bool { return true }
func (h *host) Alive(context.Context) error              { h.asked++; return h.alive }

func (h *host) Probe(ctx context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	if h.visits == nil {
		h.visits = map[int]int{}
	}
	c := l.Concurrency
	h.visits[c]++
	if h.took > 0 {
		select {
		case <-time.After(h.took):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	n := max(l.Requests, 2*c)
	bad := 0
	if h.fail != nil {
		bad = int(math.Round(h.fail(c) * float64(n)))
	}
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{}}
	boom := loadgen.Failure{Kind: loadgen.FailedStatus, Status: 500, Message: "boom"}
	mid := 20.0
	if h.ttft != nil {
		mid = h.ttft(c, h.visits[c])
	}
	for i := range n {
		u := float64((i*7919)%n) / float64(max(n-1, 1))
		first := time.Duration(mid * (0.8 + 0.4*u) * 1e6)
		q := loadgen.Request{Index: i, ISL: l.ISL, OSL: l.OSL, Streamed: !h.whole}
		q.End = first
		if !h.burst {
			q.End += time.Duration(l.OSL-1) * 10 * time.Millisecond
		}
		if !h.whole {
			q.Chunks = []time.Duration{first, q.End}
		}
		q.EOF = q.End
		if (i+1)*bad/n > i*bad/n {
			q.Failure = &boom
		}
		m.Requests = append(m.Requests, q)
	}
	one := func(tag, stat string, v, se float64) {
		k, ok := m.Metrics[tag]
		if !ok {
			k = loadgen.Metric{Stats: map[string]float64{}, SE: map[string]float64{}}
		}
		k.Stats[stat], k.SE[stat] = v, se
		m.Metrics[tag] = k
	}
	if bad > 0 {
		m.Failures = []loadgen.FailureCount{{Failure: boom, Count: bad}}
	}
	one(loadgen.TagCompleted, "avg", float64(n), 0)
	one(loadgen.TagErrors, "avg", float64(bad), 0)
	one(loadgen.TagErrorRate, "avg", 100*float64(bad)/float64(n), 0)
	if bad == n {
		return m, nil
	}
	if !h.whole {
		for stat, x := range map[string]float64{"avg": 1, "p50": 1, "p95": 1.18, "p99": 1.196} {
			one(loadgen.TagTTFT, stat, mid*x, 0.01*mid*x)
		}
		itl := 10.0
		if h.burst {
			itl = 0
		}
		one(loadgen.TagITL, "p95", itl, 0)
		one(loadgen.TagITL, "avg", itl, 0)
		one(loadgen.TagICL, "p95", itl*float64(l.OSL-1), 0)
	}
	for stat, x := range map[string]float64{"avg": 1, "p95": 1.18, "p99": 1.196} {
		one(loadgen.TagLatency, stat, mid*x+10*float64(l.OSL-1), 0.01*mid)
	}
	rate := 100 * float64(c)
	if h.rate != nil {
		rate = h.rate(c)
	}
	one(loadgen.TagTokenRate, "avg", rate, 0.01*rate)
	one(loadgen.TagReqRate, "avg", rate/float64(l.OSL), 0.01*rate/float64(l.OSL))
	return m, nil
}

// always is a share at any load.
func always(v float64) func(int) float64 { return func(int) float64 { return v } }

// ask runs a recipe against a host.
func ask(t *testing.T, r *recipes.Recipe, h *host, s recipes.Spec) (*recipes.Outcome, error) {
	t.Helper()
	s.Prober = h
	if s.Workload.OSL == 0 {
		s.Workload.ISL, s.Workload.OSL = 64, 8
	}
	return recipes.Run(t.Context(), r, s)
}

func named(t *testing.T, name string) *recipes.Recipe {
	t.Helper()
	r, err := recipes.Lookup(name)
	require.NoError(t, err)
	return r
}

func limits(t *testing.T, texts ...string) (ls []sla.Limit) {
	t.Helper()
	for _, text := range texts {
		l, err := sla.ParseLimit(text)
		require.NoError(t, err)
		ls = append(ls, l)
	}
	return ls
}

// TestNoRequestSucceeds: a server that fails every request after readiness is an error,
// whatever the recipe and the style.
func TestNoRequestSucceeds(t *testing.T) {
	dead := func() *host { return &host{fail: always(1)} }
	trace := filepath.Join(t.TempDir(), "trace.jsonl")
	require.NoError(t, os.WriteFile(trace, []byte("{\"text\":\"a\",\"timestamp\":0}\n{\"text\":\"b\",\"timestamp\":50}\n"), 0o666))
	try := func(name string, r *recipes.Recipe, in recipes.Inputs) {
		t.Run(name, func(t *testing.T) {
			s := recipes.Spec{Inputs: in}
			switch name {
			case "replay":
				s.Workload.Workload = loadgen.Workload{File: trace, Replay: 1}
			case "soak":
				s.Workload.Workload = soaking
			}
			out, err := ask(t, r, dead(), s)
			require.ErrorContains(t, err, "no request succeeded at")
			assert.ErrorContains(t, err, "status 500: boom")
			assert.Equal(t, recipes.Inconclusive, out.Verdict)
			assert.NotEmpty(t, out.Probes, "what was learnt stays")
		})
	}
	ttft := 200.0
	all := recipes.Inputs{TTFT: &ttft, ITL: new(50.0), E2E: new(9000.0)}
	for _, r := range recipes.All() {
		in := recipes.Inputs{}
		switch r.Name {
		case "max-throughput-ttft-sla", "max-concurrency-under-sla", "max-request-rate-under-sla":
			in.TTFT = &ttft
		case "max-throughput-itl-sla":
			in.ITL = new(50.0)
		case "max-goodput-under-slo", "max-goodput-rate-under-slo":
			in = all
		case "pareto-sweep":
			in.Pairs = new("64/8")
		}
		if r.Doc == "a question of one's own" {
			continue
		}
		try(r.Name, r, in)
	}
	for _, style := range everyStyle {
		try(string(style), named(t, "max-concurrency-under-sla"), recipes.Inputs{TTFT: &ttft, Style: style})
	}
	try("fixed", recipes.Fixed(2), recipes.Inputs{})
	try("fixed with a limit", recipes.Fixed(2), recipes.Inputs{TTFT: &ttft})
}

// TestFailuresWithoutLimits: a share of failures that no limit is on is told from 1% and an
// error from 50%.
func TestFailuresWithoutLimits(t *testing.T) {
	for _, tt := range []struct {
		share    float64
		warnings int
		err      bool
	}{{0, 0, false}, {0.003, 0, false}, {0.02, 1, false}, {0.45, 1, false}, {0.77, 0, true}} {
		for _, r := range []*recipes.Recipe{recipes.Fixed(2), named(t, "concurrency-ramp")} {
			out, err := ask(t, r, &host{fail: always(tt.share)}, recipes.Spec{Inputs: recipes.Inputs{}})
			if tt.err {
				assert.ErrorContains(t, err, "77% of the requests at concurrency")
				assert.Equal(t, recipes.Inconclusive, out.Verdict)
				continue
			}
			require.NoError(t, err)
			assert.Equal(t, recipes.Met, out.Verdict)
			if r.Name == "fixed-concurrency-2" {
				assert.Len(t, out.Warnings, tt.warnings, "%v: %v", tt.share, out.Warnings)
			}
		}
	}
}

// TestFailuresCount: failures count in limits on averages, on inter-chunk latency and on
// rates; a few do not, in any.
func TestFailuresCount(t *testing.T) {
	for _, limit := range []string{"ttft avg < 200ms", "icl p95 < 200ms", "throughput > 10 tok/s", "req-rate > 1 req/s", "e2e avg < 9s"} {
		for share, want := range map[float64]recipes.Verdict{0: recipes.Met, 0.004: recipes.Met, 0.9: recipes.Missed} {
			out, err := ask(t, recipes.Fixed(4), &host{fail: always(share)}, recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, limit)}})
			require.NoError(t, err)
			assert.Equal(t, want, out.Verdict, "%s with %v of the requests failing: %+v", limit, share, out.Probes[0].Readings)
		}
	}
	out, err := ask(t, recipes.Fixed(4), &host{fail: always(0.03)},
		recipes.Spec{Workload: loadgen.Load{Requests: 2000}, Inputs: recipes.Inputs{Limits: limits(t, "ttft avg < 200ms", "errors < 10%")}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict, "what a limit on errors allows is allowed")
}

// TestFailuresCountInGoodput: a failed request is not good, and a floor on goodput breaks with
// too many failures as one on any rate does, however many good requests a second are left.
func TestFailuresCountInGoodput(t *testing.T) {
	for _, tt := range []struct {
		limit string
		share float64 // of the requests that break off
		want  recipes.Verdict
	}{
		{"goodput > 50 req/s", 0, recipes.Met}, {"goodput > 50 req/s", 0.6, recipes.Missed},
		{"good >= 70%", 0, recipes.Met}, {"good >= 70%", 0.6, recipes.Missed}, {"good >= 10%", 0.6, recipes.Met},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(simserver.Model{Step: 10 * time.Millisecond,
				Faults: simserver.Faults{ErrorEvent: tt.share, After: 1}})
			ctx, cancel := context.WithCancel(t.Context())
			out, err := recipes.Run(ctx, recipes.Fixed(4), recipes.Spec{
				Target:   loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
				Workload: loadgen.Load{ISL: 20, OSL: 2, Requests: 100, Seed: 1},
				Inputs:   recipes.Inputs{SLO: map[string]float64{loadgen.TagLatency: 9000}, Limits: limits(t, tt.limit)}})
			cancel()
			srv.Close()
			require.NoError(t, err)
			good, _ := out.Probes[0].Stat(loadgen.TagGoodShare, "avg")
			assert.InDelta(t, 1-tt.share, good, 0.1)
			rate, _ := out.Probes[0].Stat(loadgen.TagGoodput, "avg")
			assert.Greater(t, rate, 50.0)
			assert.Equal(t, tt.want, out.Verdict, "%s with %v of the requests failing", tt.limit, tt.share)
		})
	}
}

// TestLimitWithoutValue: a limit that no request has a value of is an error at the first
// probe, and never missed.
func TestLimitWithoutValue(t *testing.T) {
	for _, tt := range []struct {
		host  host
		limit string
		want  string
	}{
		{host{whole: true}, "ttft p95 < 200ms", "were not streamed"},
		{host{whole: true}, "itl p95 < 20ms", "were not streamed"},
		{host{burst: true}, "itl p95 < 20ms", "came in one read"},
		{host{burst: true}, "icl p95 < 20ms", "came in one read"},
		{host{}, "total-throughput > 3 tok/s", "none of 300 successful requests has one"},
	} {
		for _, r := range []*recipes.Recipe{recipes.Fixed(4), named(t, "max-concurrency-under-sla")} {
			h := tt.host
			out, err := ask(t, r, &h, recipes.Spec{Inputs: recipes.Inputs{Limits: limits(t, tt.limit, "e2e p99 < 9s")}})
			require.ErrorContains(t, err, tt.want, "%s, %s", r.Name, tt.limit)
			assert.ErrorContains(t, err, "has no value at concurrency")
			assert.Len(t, out.Probes, 1, "at the first probe")
			assert.Equal(t, recipes.Inconclusive, out.Verdict)
		}
	}
	h := host{burst: true}
	_, err := ask(t, named(t, "max-goodput-under-slo"), &h,
		recipes.Spec{Inputs: recipes.Inputs{TTFT: new(200.0), ITL: new(50.0), E2E: new(9000.0)}})
	assert.ErrorContains(t, err, "came in one read", "the limits on single requests are limits, too")
}

// TestCutShort: a search that its planner did not end is met only when AtLeast was reached
// with certainty.
func TestCutShort(t *testing.T) {
	for least, want := range map[int]recipes.Verdict{0: recipes.Inconclusive, 2: recipes.Met, 900: recipes.Inconclusive} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
			defer cancel()
			h := &host{ttft: func(c, _ int) float64 { return 10 + float64(c) }, took: 10 * time.Second}
			out, err := recipes.Run(ctx, named(t, "max-concurrency-under-sla"), recipes.Spec{
				Prober: h, AtLeast: least, Inputs: recipes.Inputs{TTFT: new(200.0), Style: recipes.Monotonic},
				Workload: loadgen.Load{ISL: 64, OSL: 8},
			})
			require.NoError(t, err)
			assert.Equal(t, recipes.ReasonDeadline, out.Reason)
			require.True(t, out.Best.Found)
			assert.Equal(t, want, out.Verdict, "AtLeast(%d), best %d", least, out.Best.Concurrency())
		})
	}
}

// busyFrom is tired from a concurrency on, and rested below it.
type busyFrom struct {
	tired
	from int
}

func (p *busyFrom) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	q := p.tired
	if l.Concurrency < p.from {
		q.health = loadgen.Health{}
	}
	return q.Probe(ctx, l, d)
}

// TestCutByDoubt: a search that ends because its probes cannot be trusted knows what held below
// them, and no more.
func TestCutByDoubt(t *testing.T) {
	for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Monotonic, recipes.BO, recipes.Optuna} {
		for least, want := range map[int]recipes.Verdict{0: recipes.Inconclusive, 2: recipes.Met, 900: recipes.Inconclusive} {
			out, err := recipes.Run(t.Context(), maxConcurrency(t), recipes.Spec{
				AtLeast: least, Inputs: recipes.Inputs{TTFT: new(50.0), Style: style},
				Prober: &busyFrom{tired: tired{ttft: 48, health: loadgen.Health{BeatLagP99: 9 * time.Millisecond}}, from: 8},
			})
			require.NoError(t, err)
			assert.Equal(t, "probes that cannot be trusted", out.CutShort())
			require.True(t, out.Best.Found)
			assert.Less(t, out.Best.Concurrency(), 8)
			assert.Equal(t, want, out.Verdict, "%s, AtLeast(%d), best %d", style, least, out.Best.Concurrency())
		}
	}
}

// TestRampAtLeast: AtLeast on a ramp without limits is about its knee.
func TestRampAtLeast(t *testing.T) {
	for least, want := range map[int]recipes.Verdict{0: recipes.Met, 7: recipes.Met, 19: recipes.Missed, 64: recipes.Missed} {
		h := &host{ttft: func(c, _ int) float64 {
			if c > 10 {
				return 500
			}
			return 50
		}}
		out, err := ask(t, named(t, "concurrency-ramp"), h, recipes.Spec{AtLeast: least})
		require.NoError(t, err)
		k, ok := out.Knee()
		require.True(t, ok)
		require.Equal(t, 19, k.Concurrency)
		assert.Equal(t, want, out.Verdict, "AtLeast(%d)", least)
	}
}

// TestDiesBehindForwarder: once every request of a probe fails the endpoint is asked again;
// a dead one is an error with what was learnt.
func TestDiesBehindForwarder(t *testing.T) {
	gone := &loadgen.UnreachableError{URL: "http://127.0.0.1:1", Err: errors.New("EOF")}
	fails := func(c int) float64 {
		if c > 16 {
			return 1
		}
		return 0
	}
	for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Monotonic, recipes.Sequential, recipes.Grid} {
		h := &host{fail: fails, alive: gone}
		out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
			Inputs: recipes.Inputs{TTFT: new(200.0), Style: style}})
		require.ErrorAs(t, err, new(*loadgen.UnreachableError), style)
		assert.ErrorContains(t, err, "every request at concurrency")
		assert.Equal(t, recipes.Inconclusive, out.Verdict)
		assert.Equal(t, recipes.ReasonAborted, out.Reason)
		assert.Equal(t, 1, h.asked)
		assert.True(t, out.Best.Found, "what was learnt stays")
	}
	// One that answers again was only asked too much.
	h := &host{fail: fails}
	out, err := ask(t, named(t, "max-concurrency-under-sla"), h, recipes.Spec{
		Inputs: recipes.Inputs{TTFT: new(200.0), Style: recipes.Monotonic}})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict)
	assert.Equal(t, 16, out.Best.Concurrency())
	assert.Positive(t, h.asked)
}

// TestCurveWithoutResult: a curve whose metric the server does not give is not met because
// its points were measured.
func TestCurveWithoutResult(t *testing.T) {
	out, err := ask(t, named(t, "prefill-ttft-curve"), &host{whole: true}, recipes.Spec{})
	require.NoError(t, err)
	assert.Equal(t, recipes.Inconclusive, out.Verdict)
	assert.NotEmpty(t, out.Warnings)
}

// TestPairWithoutSuccess: an endpoint of two that fails every request is an error.
func TestPairWithoutSuccess(t *testing.T) {
	w := loadgen.Load{ISL: 64, OSL: 8}
	for _, bad := range []int{0, 1} {
		specs := [2]recipes.Spec{{Prober: &host{}, Workload: w}, {Prober: &host{}, Workload: w}}
		specs[bad].Prober = &host{fail: always(1)}
		old, now, err := recipes.RunPair(t.Context(), recipes.Fixed(2), specs[0], specs[1])
		require.ErrorContains(t, err, []string{"old", "new"}[bad]+" endpoint: no request succeeded at concurrency 2")
		assert.Equal(t, recipes.Inconclusive, old.Verdict)
		assert.Equal(t, recipes.Inconclusive, now.Verdict)
	}
}
