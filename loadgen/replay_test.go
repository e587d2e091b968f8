package loadgen

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// mooncake is a trace of n requests with answers of 1 to 5 tokens, of which the i-th is due
// at the sum of i gaps of 5, 10, 5, 10 … ms. Its lines are out of order.
func mooncake(n int) string {
	var lines []string
	at := 0
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"timestamp": %d, "input_length": %d, "output_length": %d, "hash_ids": [%d, %d]}`,
			1000+at, 600+i%100, 1+i%5, i%7, 1000+i))
		at += 5 + 5*(i%2)
	}
	if n > 3 {
		lines[1], lines[2] = lines[2], lines[1]
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestReplay checks that a trace is sent at its times, each of its requests once, to the
// nanosecond: as recorded, faster, and at a rate.
func TestReplay(t *testing.T) {
	const n = 200
	path := promptFile(t, "trace.jsonl", mooncake(n))
	for _, tt := range []struct {
		why    string
		load   Load
		scale  float64 // of the recorded gaps
		rate   float64 // that the measurement reports
		probes int
	}{
		// 200 requests in 1,490 ms, and the mean gap once more.
		{"as recorded", Load{Workload: Workload{Replay: 1}}, 1, 133.56, 1},
		{"twice as fast", Load{Workload: Workload{Replay: 2}}, 0.5, 267.11, 2},
		{"at a rate", Load{Rate: 10, Workload: Workload{Replay: 1}}, 13.3557, 10, 1},
	} {
		load := tt.load
		load.Workload.File, load.Requests, load.Window = path, n, time.Hour
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(simserver.Model{})
			defer srv.Close()
			g, err := New(Target{URL: srv.URL, Dial: srv.Dial}.For(load.Workload))
			require.NoError(t, err)
			defer g.Close()
			assert.Empty(t, g.Server().Notes, "timestamps are used")
			require.NoError(t, g.Ready(t.Context()))
			bodies := map[string]bool{}
			for range tt.probes {
				m, err := g.Probe(t.Context(), load, nil)
				require.NoError(t, err)
				require.Len(t, m.Requests, n)
				assert.InDelta(t, tt.rate, m.Load.Rate, 0.01*tt.rate, tt.why)
				for i, q := range m.Requests {
					require.Nil(t, q.Failure)
					assert.Equal(t, q.Scheduled, q.Start, "request %d is sent when it is due", i)
					assert.EqualValues(t, i, q.item%n, "%s: the window has each request once, in the order of their times", tt.why)
					assert.Equal(t, 1+i%5, q.OSL)
					if i > 0 {
						gap := float64(5+5*((i-1)%2)) * tt.scale
						assert.InDelta(t, gap, millis(q.Start-m.Requests[i-1].Start), 0.001*gap, "%s, request %d", tt.why, i)
					}
					bodies[string(m.Body(&q))] = true
				}
				lag, _ := m.Stat(TagLag, "max")
				assert.Zero(t, lag)
			}
			assert.Len(t, bodies, n, "blocks are the same text in each pass")
		})
	}
}

// shareGPT is a file of n recorded conversations.
func shareGPT(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"id": "c%d", "conversations": [{"from": "human", "value": %q}, {"from": "gpt", "value": "Yes."}]}`,
			i, strings.Repeat("why ", 20+i%300)))
	}
	return "[" + strings.Join(list, ",\n") + "]\n"
}

// BenchmarkReplay replays a trace of 1,000 requests, and sends 1,000 of a ShareGPT file, at 200
// requests a second over loopback, and reports how late requests are sent.
func BenchmarkReplay(b *testing.B) {
	for name, w := range map[string]Workload{
		"mooncake": {File: promptFile(b, "trace.jsonl", mooncake(1000)), Replay: 1},
		"sharegpt": {File: promptFile(b, "sharegpt.json", shareGPT(500)), OSL: laws.Uniform(2, 10)},
	} {
		b.Run(name, func(b *testing.B) {
			srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond, PrefixCache: 1 << 20})
			defer srv.Close()
			g, err := New(Target{URL: srv.URL}.For(w))
			require.NoError(b, err)
			defer g.Close()
			require.NoError(b, g.Ready(b.Context()))
			for b.Loop() {
				m, err := g.Probe(b.Context(), Load{Rate: 200, Arrival: "poisson", OSL: 8, Requests: 1000, Workload: w}, nil)
				require.NoError(b, err)
				require.Len(b, m.Requests, 1000)
				require.Empty(b, m.Failures)
				for _, stat := range []string{"p50", "p99", "max"} {
					lag, _ := m.Stat(TagLag, stat)
					b.ReportMetric(lag, "lag-"+stat+"-ms")
				}
			}
		})
	}
}

// TestReplayPasses checks that behind its end a trace begins anew, a mean gap later, and that
// prompts which share nothing then begin with other words.
func TestReplayPasses(t *testing.T) {
	prompts := []prompt{{length: 9}, {length: 9, at: 10 * time.Millisecond}, {length: 9, at: 40 * time.Millisecond}}
	r, rate, err := newReplay(Load{Workload: Workload{Replay: 1}}, prompts)
	require.NoError(t, err)
	assert.InDelta(t, 50, rate, 1e-9, "three requests in 60 ms")
	r.begin(4, 7)
	var due []int
	var items []uint64
	for range 10 {
		at, turn := r.next()
		due, items = append(due, int(at/time.Millisecond)), append(items, turn.item)
		assert.Equal(t, len(due) > 4, turn.opens)
	}
	// The window opens with request 0 of the third pass.
	assert.Equal(t, []int{0, 20, 30, 60, 80, 90, 120, 140, 150, 180}, due)
	assert.Equal(t, []uint64{8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, items)
	assert.Equal(t, uint64(0), items[4]%3)

	for _, tt := range []struct {
		file, says string
	}{
		{`{"text":"a"}`, "prompt 1 has no timestamp"},
		{"{\"text\":\"a\",\"timestamp\":5}\n{\"text\":\"b\",\"timestamp\":5}", "all of its timestamps are the same"},
	} {
		w := Workload{File: promptFile(t, "x.jsonl", tt.file), Replay: 1}
		_, err := New(Target{URL: "http://h"}.For(w))
		assert.ErrorContains(t, err, tt.says)
		_, _, err = Target{}.For(w).Recorded()
		assert.ErrorContains(t, err, "x.jsonl cannot be replayed: ")
	}
	n, took, err := Target{}.For(Workload{File: promptFile(t, "x.jsonl", mooncake(4)), Replay: 2}).Recorded()
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	assert.Equal(t, 20*time.Millisecond*4/3/2, took, "5 + 10 + 5 ms, and the mean gap")
}

// TestReplayRefused checks that a replay is not sent in another way.
func TestReplayRefused(t *testing.T) {
	w := Workload{File: promptFile(t, "x.jsonl", mooncake(4)), Replay: 1}
	g, err := New(Target{URL: "http://h"}.For(w))
	require.NoError(t, err)
	defer g.Close()
	_, err = g.Probe(t.Context(), Load{Concurrency: 3, Workload: w}, nil)
	assert.ErrorContains(t, err, "Load.Concurrency is set for a replay")
	other, err := New(Target{URL: "http://h", Prompts: w.File})
	require.NoError(t, err)
	defer other.Close()
	_, err = other.Probe(t.Context(), Load{Workload: w}, nil)
	assert.ErrorContains(t, err, "which the generator was not made for; make it with New(target.For(workload))")
}

// TestFileOrder checks that a file's requests are sent in the order asked for, and that what a
// workload says of answers, models and fields holds where the file says nothing.
func TestFileOrder(t *testing.T) {
	file := promptFile(t, "x.jsonl", `{"text":"a","output_length":7}
{"text":"b","extra":{"temperature":1}}
{"text":"c"}
`)
	kinds := []Workload{{Model: "one", Body: map[string]any{"temperature": 0, "top_p": 0.5, "alpha": 1}}}
	for order, each := range map[laws.Order]bool{"": true, laws.Shuffled: true, laws.Sampled: false} {
		l := Load{Seed: 4, Workload: Workload{File: file, Order: order, OSL: laws.Uniform(20, 30), Mix: kinds}}
		body := mixedBodies(t, Target{}.For(l.Workload), l)
		var texts strings.Builder
		for i := range uint64(300) {
			b, w := body(i)
			text := b.text("user")
			texts.WriteString(text)
			isl, osl := w.lengths(i)
			assert.Zero(t, isl)
			assert.Equal(t, b.Max, osl)
			assert.Equal(t, "one", b.Model)
			want := 0.0
			if text == "b" {
				want = 1
			}
			assert.Equal(t, want, *b.Temperature, "the file's field stays")
			if text == "a" {
				assert.Equal(t, 7, osl)
			} else {
				assert.True(t, osl >= 20 && osl <= 30, "%d", osl)
			}
			assert.True(t, json.Valid(w.body(i)))
		}
		counts := map[rune]int{}
		for i, c := range texts.String() {
			if order == "" {
				assert.Equal(t, 'a'+rune(i%3), c)
			}
			counts[c]++
		}
		if each {
			assert.Equal(t, map[rune]int{'a': 100, 'b': 100, 'c': 100}, counts, order)
		}
		assert.Equal(t, order != "", strings.Contains(texts.String(), "aa") || strings.Contains(texts.String(), "ba"), order)
	}
}

// TestSkipUnread checks that the lines of a file that cannot be read are named, and that the
// rest is sent.
func TestSkipUnread(t *testing.T) {
	file := "{\"text\":\"a\"}\n" + strings.Repeat("{\"txt\":1}\n", 12) + "{\"text\":\"b\",\"timestamp\":5}\n"
	path := promptFile(t, "x.jsonl", file)
	_, err := New(Target{URL: "http://h", Prompts: path})
	assert.ErrorContains(t, err, `line 2: unknown key "txt"`)
	g, err := New(Target{URL: "http://h"}.For(Workload{File: path, SkipUnread: true}))
	require.NoError(t, err)
	defer g.Close()
	assert.Len(t, g.prompts, 2)
	require.Len(t, g.Server().Notes, 2)
	said := g.Server().Notes[0].Error()
	assert.Contains(t, said, `12 of the lines of the file of prompts cannot be read, and the rest is sent: `+path+`:2: unknown key "txt"`)
	assert.True(t, strings.HasSuffix(said, "; and lines 12, 13"), said)
	assert.ErrorContains(t, g.Server().Notes[1], "1 timestamp; ")
}
