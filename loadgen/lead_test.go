package loadgen

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// pretender tells a lead a part of what one generator has measured, as if it had sent it.
type pretender struct {
	behind  time.Duration // of its clock
	opened  time.Duration // when its window opened, and shut when it closed
	shut    time.Duration
	own     []Request // in the order of starts
	tickets int       // that were told
	told    map[int]bool
}

// report says what had happened up to a time.
func (w *pretender) report(upTo time.Duration, run uint64) share.Report {
	r := share.Report{At: upTo - w.behind, Run: run}
	place := 0
	for i, q := range w.own {
		inside := q.at >= w.opened && q.at < w.shut
		if inside && q.at <= upTo {
			if place >= w.tickets {
				r.Tickets = append(r.Tickets, q.at-w.behind)
				w.tickets++
			}
			q.Index = place
			place++
		} else {
			q.Index = -1
		}
		if q.EOF > upTo || w.told[i] {
			continue
		}
		w.told[i] = true
		for _, at := range []*time.Duration{&q.at, &q.Start, &q.Scheduled, &q.End, &q.EOF} {
			*at -= w.behind
		}
		q.Chunks = slices.Clone(q.Chunks)
		for k := range q.Chunks {
			q.Chunks[k] -= w.behind
		}
		if q.FirstOutput != 0 {
			q.FirstOutput -= w.behind
		}
		r.Requests = appendRequest(r.Requests, &q, true)
	}
	return r
}

// TestExpect: a request is expected to take no longer than at a larger load, and longer in proportion to
// the load at most, by all levels so far whose lengths were the same.
func TestExpect(t *testing.T) {
	var l level
	measured := func(size int, mean time.Duration) {
		l.size, l.times = size, share.Tempo{Sum: 10 * mean, N: 10}
	}
	load := func(c, osl int) *probe { return &probe{load: Load{Concurrency: c, ISL: 550, OSL: osl}} }
	const idle = time.Second
	assert.Equal(t, idle, l.expect(load(8, 128), idle), "nothing is known")
	measured(8, 1500*time.Millisecond)
	assert.Equal(t, 6*time.Second, l.expect(load(32, 128), idle), "in proportion")
	measured(32, 3*time.Second)
	assert.Equal(t, 1500*time.Millisecond, l.expect(load(1, 128), idle), "8 took no longer")
	measured(1, idle)
	assert.Equal(t, 3*time.Second, l.expect(load(30, 128), idle), "32 took no longer, whatever 1 says")
	measured(30, 3*time.Second)
	assert.Equal(t, 6*time.Second, l.expect(load(60, 1024), idle), "of other lengths the last is known")
}

// TestPartition: what one generator has measured is dealt out to several at random, and told in
// any order. What is put together again has the same statistics, bit for bit.
func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{Jitter: 0.2, Seed: 1})
		defer srv.Close()
		target := Target{URL: srv.URL, Dial: srv.Dial, Metrics: []string{}}
		g, err := New(target)
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		load := Load{Rate: 30, Arrival: "poisson", ISL: 60, OSL: 12, Requests: 150, SLO: map[Tag]float64{TagTTFT: 20}}
		want, err := g.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		all := append(slices.Clone(want.Requests), want.Others...)
		slices.SortFunc(all, func(a, b Request) int { return cmp.Compare(a.serial, b.serial) })
		first := want.Requests[0].at
		closed := first + want.Window
		// The start that closed the window may still have been in flight at the end.
		if !slices.ContainsFunc(all, func(q Request) bool { return q.at == closed }) {
			all = append(all, Request{at: closed, EOF: 1 << 60})
		}
		before := time.Duration(0)
		for _, q := range all {
			if q.at < first {
				before = max(before, q.at)
			}
		}
		leader, err := New(target)
		require.NoError(t, err)
		defer leader.Close()
		leader.Adopt(t.Context(), g.Facts(), true)
		for seed := range uint64(30) {
			rng := rand.New(rand.NewPCG(seed, 1))
			n := 2 + rng.IntN(6)
			ld, err := leader.Lead(load, nil, n)
			require.NoError(t, err)
			require.Len(t, ld.Parts(), n)
			hands := make([]*pretender, n)
			say := func(rank int, r share.Report) { require.NoError(t, ld.Told(rank, r, hands[rank].behind)) }
			mark := func(rank int, state share.State, at time.Duration) {
				r := hands[rank].report(at, uint64(rank+1))
				r.Marks = []share.Mark{{State: state, At: at - hands[rank].behind}}
				say(rank, r)
			}
			did := func(what share.What) {
				for rank := range n {
					orders := ld.Orders(rank)
					require.Len(t, orders, 1)
					assert.Equal(t, what, orders[0].Do)
				}
			}
			latest := before + 1 + time.Duration(rng.Int64N(int64(first-before)))
			for i := range hands {
				hands[i] = &pretender{behind: time.Duration(rng.Int64N(1e12)), opened: latest - time.Duration(rng.Int64N(1000)),
					shut: closed + 1 + time.Duration(rng.Int64N(5e7)), told: map[int]bool{}}
			}
			hands[rng.IntN(n)].opened = latest
			for _, q := range all {
				w := hands[rng.IntN(n)]
				w.own = append(w.own, q)
			}
			for rank := range n {
				mark(rank, share.Prepared, 1)
			}
			did(share.Begin)
			for rank := range n {
				mark(rank, share.Settled, 2)
			}
			did(share.Open)
			for rank := range n {
				mark(rank, share.Opened, hands[rank].opened)
			}
			at := make([]time.Duration, n)
			for rank := range n {
				at[rank] = hands[rank].opened
			}
			for slices.Min(at) <= closed {
				rank := rng.IntN(n)
				at[rank] = min(at[rank]+time.Duration(rng.Int64N(1e8)), hands[rank].shut)
				say(rank, hands[rank].report(at[rank], uint64(rank+1)))
			}
			did(share.Shut)
			over := closed + time.Hour
			for _, rank := range rng.Perm(n) {
				w := hands[rank]
				r := w.report(over, uint64(rank+1))
				r.End = &share.End{Spans: [][2]time.Duration{{w.opened - w.behind, w.shut - w.behind}}, Over: over - w.behind}
				say(rank, r)
			}
			require.True(t, ld.Done())
			got, err := ld.Measurement(make([]string, n))
			require.NoError(t, err)
			ld.Stop()
			assert.Equal(t, want.Ended, got.Ended)
			assert.Equal(t, want.Window, got.Window)
			require.Len(t, got.Requests, len(want.Requests))
			for i := range got.Requests {
				require.Equal(t, want.Requests[i].serial, got.Requests[i].serial, "the order of request %d", i)
				require.Equal(t, want.Requests[i].Chunks, got.Requests[i].Chunks)
			}
			require.Len(t, got.Metrics, len(want.Metrics))
			for tag, metric := range want.Metrics {
				for name, v := range metric.Stats {
					require.Equal(t, math.Float64bits(v), math.Float64bits(got.Metrics[tag].Stats[name]), "%s %s", tag, name)
				}
				for name, v := range metric.SE {
					require.Equal(t, math.Float64bits(v), math.Float64bits(got.Metrics[tag].SE[name]), "standard error of %s %s", tag, name)
				}
			}
		}
	})
}

// everything is a request that uses every part of a parcel.
func everything() Request {
	q := Request{Index: 3, at: 7, Start: 10, Scheduled: 9,
		Chunks: []time.Duration{20, 25, 25}, End: 26, EOF: 30, ISL: 1, OSL: 2,
		Estimated: true, FirstTokens: 3, Cached: 4, Reasoning: 5, FirstOutput: 22, Dial: 6, Replays: 7, Endpoint: 8, Bytes: 9,
		Usage:  codec.Usage{Prompt: 1, Completion: 2, Total: 3, Reasoning: 4, CacheRead: 5, CacheKnown: true, CacheWrite: 6},
		Values: map[Tag]float64{"a": 0.1, "b": math.Inf(1)}, Conversation: 11, Turn: 2, Cancelled: true, Streamed: true,
		Failure: &Failure{Kind: FailedShed, Status: 429, Message: "no"}, run: 5, serial: 12, item: 13, inputs: 14, outputs: 15,
		cacheKnown: true, finished: true, tokenless: true, asked: 16, late: true, paused: 17, thought: 18, said: []byte("x")}
	q.guessed.isl = true
	return q
}

// TestParcel: a request is the same behind the wire, and is as small as is said of it.
func TestParcel(t *testing.T) {
	for _, q := range []Request{everything(), {}, {Index: -1, Chunks: []time.Duration{5}, End: 5, EOF: 5, run: 5}} {
		q.run = 5
		b := appendRequest(nil, &q, true)
		n := 0
		require.NoError(t, new(slab).read(append(b, b...), 5, 0, func(got *Request, own bool) error {
			n++
			assert.Equal(t, q, *got)
			assert.True(t, own)
			return nil
		}))
		assert.Equal(t, 2, n)
		for cut := 1; cut < len(b); cut++ {
			_ = new(slab).read(b[:cut], 5, 0, func(*Request, bool) error { return nil })
		}
	}
	ms := time.Millisecond
	q := Request{Index: 250, at: time.Hour, Start: time.Hour + 20000, Scheduled: time.Hour - 5000, EOF: time.Hour + 900*ms,
		ISL: 550, OSL: 128,
		FirstTokens: 1, Bytes: 30000, FirstOutput: time.Hour + 200*ms,
		serial: 5000, item: 20003, asked: 128, Usage: codec.Usage{Prompt: 550, Completion: 128, Total: 678}}
	for k := range 128 {
		q.Chunks = append(q.Chunks, time.Hour+200*ms+time.Duration(k)*7*ms+time.Duration(k*k%1000))
	}
	q.End = q.Chunks[127]
	b := len(appendRequest(nil, &q, true))
	q.Chunks, q.FirstOutput = nil, 0
	own := len(appendRequest(nil, &q, true))
	t.Logf("%d bytes a request, and %.2f for each of 128 events", own, float64(b-own)/128)
	assert.LessOrEqual(t, own, 60)
	assert.LessOrEqual(t, b-own, 5*128)
}

// FuzzParcel: no bytes make the reader fail otherwise than by an error.
func FuzzParcel(f *testing.F) {
	q := everything()
	f.Add(appendRequest(nil, &q, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = new(slab).read(b, 1, 2, func(*Request, bool) error {
			n++
			return nil
		})
		assert.LessOrEqual(t, n, len(b))
	})
}

// BenchmarkTold measures what a request costs whoever leads, from the bytes of a report to its
// place in the cohort.
func BenchmarkTold(b *testing.B) {
	for _, events := range []int{1, 128} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			g, err := New(Target{URL: "http://h", Metrics: []string{}})
			require.NoError(b, err)
			defer g.Close()
			const lot = 50
			q := Request{Start: time.Second, End: 2 * time.Second, EOF: 2 * time.Second, ISL: 550, OSL: events, FirstTokens: 1, Streamed: true,
				Usage: codec.Usage{Prompt: 550, Completion: events}}
			for k := range events {
				q.Chunks = append(q.Chunks, time.Second+time.Duration(k)*7*time.Millisecond)
			}
			ld, err := g.Lead(Load{Concurrency: 1, Requests: 5000}, nil, 1)
			require.NoError(b, err)
			defer ld.Stop()
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				var r share.Report
				for range lot {
					q.Index = n % 5000
					r.Requests = appendRequest(r.Requests, &q, true)
					n++
				}
				require.NoError(b, ld.Told(0, r, 0))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/req")
		})
	}
}

// BenchmarkMeasure measures what the statistics of a probe cost a request, which they do in one
// process as well.
func BenchmarkMeasure(b *testing.B) {
	const n = 3000
	for _, events := range []int{1, 128} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			g, err := New(Target{URL: "http://h", Metrics: []string{}})
			require.NoError(b, err)
			defer g.Close()
			p, err := g.newProbe(Load{Concurrency: 128, ISL: 550, OSL: events, Requests: n}, share.Whole)
			require.NoError(b, err)
			rng := rand.New(rand.NewPCG(1, 1))
			varied := func(ms float64) time.Duration {
				return time.Duration(ms * math.Exp(rng.NormFloat64()/5) * float64(time.Millisecond))
			}
			took := varied(200) + time.Duration(events)*varied(7)
			for _, i := range rng.Perm(n) {
				start := time.Duration(i/128) * took
				q := Request{Index: i, Start: start + varied(1), Scheduled: start, ISL: 550, OSL: events, FirstTokens: 1, Streamed: true,
					asked: events, Usage: codec.Usage{Prompt: 550, Completion: events, Total: 550 + events}}
				at := q.Start + varied(200)
				for range events {
					q.Chunks = append(q.Chunks, at)
					at += varied(7)
				}
				q.FirstOutput, q.End = q.Chunks[0], q.Chunks[events-1]
				q.EOF = q.End + varied(1)
				p.keep(&q, true)
			}
			for i := range time.Duration(5) {
				part := n / 128 * took / 5
				p.window.spans = append(p.window.spans, span{i * part, (i+1)*part - 1})
			}
			b.ReportAllocs()
			for b.Loop() {
				m := p.measure(EndedRequests, time.Time{}, 0, n*took, Health{})
				require.Len(b, m.Requests, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/req")
		})
	}
}
