package loadgen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// talkTo measures loads one after the other on a simulated server, in virtual time.
func talkTo(t *testing.T, model simserver.Model, target Target, loads []Load,
	check func(i int, g *Generator, m *Measurement),
) (stats simserver.Stats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(model)
		defer srv.Close()
		target.URL, target.Dial = srv.URL, srv.Dial
		g, err := New(target.For(loads[0].Workload))
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		for i, l := range loads {
			m, err := g.Probe(t.Context(), l, nil)
			require.NoError(t, err)
			check(i, g, m)
		}
		g.Rest()
		stats = srv.Stats()
	})
	return stats
}

// turnsOf returns the requests of each conversation of a measurement, in the order of their
// starts.
func turnsOf(m *Measurement) map[uint64][]Request {
	all := map[uint64][]Request{}
	for _, q := range m.Requests {
		all[q.Conversation] = append(all[q.Conversation], q)
	}
	return all
}

// spokenMessage is a message of a request.
type spokenMessage struct{ Content string }

// messagesOf returns the messages of the body of a request.
func messagesOf(t *testing.T, m *Measurement, q *Request) []spokenMessage {
	t.Helper()
	var body struct{ Messages []spokenMessage }
	require.NoError(t, json.Unmarshal(m.Body(q), &body), "%s", m.Body(q))
	return body.Messages
}

// told is what the simulated model answers with n tokens.
func told(n int) string {
	words := strings.Fields("the quick brown fox jumps over one lazy dog while many small birds sing at dawn")
	var out []string
	for i := range n {
		out = append(out, words[i%len(words)])
	}
	return strings.Join(out, " ")
}

// TestConversations checks a load of users to the token and to the nanosecond: turns come in
// their order, each begins when its user has thought, and its prompt has grown by the answer
// and by what the user says.
func TestConversations(t *testing.T) {
	for _, protocol := range []Protocol{Chat, Completions, "messages", "responses"} {
		load := Load{Concurrency: 6, Requests: 400, Window: time.Hour, Seed: 5, Workload: Workload{
			ISL: laws.Uniform(20, 60), OSL: laws.Uniform(2, 9), System: 16, Prefixes: []laws.Prefix{{Tokens: 32, Share: 0.5}},
			Turns: laws.Turns{Count: laws.Uniform(2, 5), Share: 0.5, Think: laws.Uniform(100, 900)},
		}}
		source := load.Workload.Source(DefaultISL, DefaultOSL, load.Seed)
		loads := []Load{load, load}
		loads[1].Concurrency = 9
		counts := map[uint64]bool{}
		model := simserver.Model{PrefixCache: 1 << 20}
		if protocol != Completions {
			model.Template = 5
		}
		talkTo(t, model, Target{Protocol: protocol}, loads, func(i int, g *Generator, m *Measurement) {
			assert.Empty(t, m.Warnings)
			require.Len(t, m.Requests, 400)
			several := 0
			for k, turns := range turnsOf(m) {
				if turns[0].Turn == 0 {
					assert.False(t, counts[k], "no conversation begins twice")
					counts[k] = true
				}
				for n, q := range turns {
					r := source.Request(q.item)
					require.Nil(t, q.Failure)
					assert.Equal(t, [2]int{q.Turn, r.OSL}, [2]int{turns[0].Turn + n, q.OSL})
					assert.Equal(t, r.Prompt(), q.ISL, "turn %d", q.Turn)
					assert.Equal(t, q.Scheduled, q.Start)
					if protocol == Chat {
						messages := messagesOf(t, m, &q)
						require.Len(t, messages, 2*q.Turn+2, "a system prompt, and a question and an answer a turn")
						assert.Len(t, strings.Fields(string(messages[2*q.Turn+1].Content)), userWords(r))
					}
					if n == 0 {
						continue
					}
					before := turns[n-1]
					several++
					assert.Equal(t, before.EOF+r.Think, q.Start, "the user thinks for %v", r.Think)
					assert.Equal(t, before.ISL+before.OSL+r.ISL, q.ISL)
					// All blocks of 16 tokens that were prompt or answer before are hits, but for
					// one with the last token of the answer, which was not computed.
					assert.Equal(t, (before.ISL+before.OSL-1)/16*16, q.Cached)
					assert.Contains(t, string(m.Body(&q)), told(before.OSL))
				}
			}
			assert.Greater(t, several, 150)
			flying, _ := m.Stat(TagInFlight, "avg")
			assert.Less(t, flying, 0.5*float64(m.Load.Concurrency), "users that think have nothing in flight")
			assert.InDelta(t, float64(m.Load.Concurrency), flying+m.thinking, 0.1*float64(m.Load.Concurrency))
			require.Len(t, m.Turns, 5)
			sum := 0.0
			for turn, metrics := range m.Turns {
				sum += metrics[TagCount].Stats["avg"]
				if turn > 0 {
					assert.Greater(t, metrics[TagISL].Stats["avg"], m.Turns[turn-1][TagISL].Stats["avg"])
				}
			}
			assert.Equal(t, 400.0, sum)
			share, ok := m.Stat(TagCached, "avg")
			require.True(t, ok)
			assert.InDelta(t, load.Workload.Cached(0, 0), share, 0.1)
		})
	}
}

// userWords returns the words of what a user says in a request to a server that adds 5 tokens to
// a prompt.
func userWords(r laws.Request) int {
	if r.Turn > 0 {
		return r.ISL
	}
	return r.Shared + r.ISL - 5
}

// TestScripted checks that recorded answers stand in the history in place of the model's own,
// also behind a request that fails, and that conversations without a script then end.
func TestScripted(t *testing.T) {
	for _, scripted := range []bool{true, false} {
		load := Load{Concurrency: 4, Requests: 200, Window: time.Hour, Workload: Workload{ISL: laws.Constant(20), OSL: laws.Constant(6),
			Turns: laws.Turns{Count: laws.Constant(3), Scripted: scripted}}}
		model := simserver.Model{Faults: simserver.Faults{Status: map[int]float64{500: 0.2}}}
		talkTo(t, model, Target{}, []Load{load}, func(_ int, _ *Generator, m *Measurement) {
			behind, answers := 0, map[string]bool{}
			for _, turns := range turnsOf(m) {
				for n, q := range turns {
					if q.Failure == nil {
						assert.Equal(t, 20+26*q.Turn, q.ISL)
					}
					if n > 0 {
						messages := messagesOf(t, m, &q)
						answers[string(messages[len(messages)-2].Content)] = true
						if turns[n-1].Failure != nil {
							behind++
						}
					}
				}
			}
			if scripted {
				assert.Greater(t, behind, 10, "a script goes on behind a failure")
				assert.Greater(t, len(answers), 100, "each answer is another")
				return
			}
			assert.Zero(t, behind)
			assert.Equal(t, map[string]bool{" " + told(6): true}, answers)
		})
	}
}

// TestTalkCounts checks that where the server does not count tokens, those of a prompt are
// counted with all that was said before.
func TestTalkCounts(t *testing.T) {
	for _, protocol := range []Protocol{Chat, Completions, "messages", "responses"} {
		load := Load{Concurrency: 2, Requests: 60, Workload: Workload{ISL: laws.Constant(20), OSL: laws.Constant(6),
			Turns: laws.Turns{Count: laws.Constant(4)}}}
		model := simserver.Model{Faults: simserver.Faults{NoUsage: true}}
		talkTo(t, model, Target{Protocol: protocol}, []Load{load}, func(_ int, _ *Generator, m *Measurement) {
			for _, q := range m.Requests {
				assert.True(t, q.Estimated)
				assert.Equal(t, 20+26*q.Turn, q.ISL, protocol)
			}
		})
	}
}

// TestTalkTruth checks that what is measured of conversations over HTTP is what the engine
// computes of the same workload. One probe is one draw of the conversations, whose TTFT p95
// lies up to 8% beside that of all draws, so four of them are pooled.
func TestTalkTruth(t *testing.T) {
	slow.Test(t, slow.Covered)
	t.Parallel()
	work := Workload{
		ISL: laws.LogNormal(80, 40).Between(8, 320), OSL: laws.LogNormal(8, 4).Between(2, 32),
		Turns: laws.Turns{Count: laws.Uniform(2, 5), Share: 0.3, Think: laws.LogNormal(60, 30)},
	}
	model := simserver.Model{Step: 4 * time.Millisecond, PerPromptToken: 40 * time.Microsecond, Chunk: 256, PrefixCache: 1 << 20}
	traces := model.Pooled(simserver.Clients{Concurrency: 16, Workload: work, Requests: 3000, Seed: 100}, 16)
	var loads []Load
	for seed := range uint64(4) {
		loads = append(loads, Load{Concurrency: 16, Requests: 3000, Window: time.Hour, Seed: seed + 1, Workload: work})
	}
	var ttft, latency []float64
	talkTo(t, model, Target{}, loads, func(_ int, _ *Generator, m *Measurement) {
		for _, q := range m.Requests {
			ttft = append(ttft, millis(q.Chunks[0]-q.Start))
			latency = append(latency, millis(q.End-q.Start))
		}
	})
	for _, tt := range []struct {
		metric   simserver.Metric
		measured []float64
		at       float64
		within   float64 // the median lies on one of the engine's steps or on the next
	}{{simserver.TTFT, ttft, 50, 0.06}, {simserver.TTFT, ttft, 95, 0.05}, {simserver.RequestLatency, latency, 95, 0.05}} {
		slices.Sort(tt.measured)
		v := stat.Quantile(tt.at/100, stat.LinInterp, tt.measured, nil)
		truth := millis(simserver.Limit{Metric: tt.metric, Percentile: tt.at}.Quantile(traces, 0))
		t.Logf("%v p%v is %.2f ms, truly %.2f ms", tt.metric, tt.at, v, truth)
		assert.InEpsilon(t, truth, v, tt.within)
	}
}

// TestCancelled checks that exactly those requests are given up that were drawn, exactly when
// they should be, and that they are neither valid nor failed.
func TestCancelled(t *testing.T) {
	for _, turns := range []laws.Turns{{}, {Count: laws.Uniform(1, 3)}} {
		load := Load{Concurrency: 5, Requests: 1000, Window: time.Hour, ISL: 30, Workload: Workload{OSL: laws.Table([]int{4, 40}, nil),
			Turns: turns, Cancel: laws.Cancel{Share: 0.2, After: 60 * time.Millisecond}}}
		source := load.Workload.Source(30, DefaultOSL, load.Seed)
		given := 0
		stats := talkTo(t, simserver.Model{Step: 5 * time.Millisecond}, Target{}, []Load{load}, func(_ int, _ *Generator, m *Measurement) {
			assert.Len(t, m.Requests, 1000-len(m.Cancelled))
			assert.Empty(t, m.Failures)
			assert.Empty(t, m.Warnings)
			given = len(m.Cancelled)
			count, _ := m.Stat(TagCancelled, "avg")
			assert.Equal(t, float64(given), count)
			for _, q := range m.Requests {
				assert.Nil(t, q.Failure)
				r := source.Request(q.item)
				assert.False(t, r.Cancelled && q.EOF-q.Start > 60*time.Millisecond, "one that ends sooner is complete")
			}
			for _, q := range m.Cancelled {
				assert.True(t, q.Cancelled && source.Request(q.item).Cancelled)
				assert.Equal(t, 60*time.Millisecond, q.EOF-q.Start)
				assert.Equal(t, &Failure{Kind: FailedCancelled, Message: errGivenUp.Error()}, q.Failure)
			}
			errors, _ := m.Stat(TagErrorRate, "avg")
			assert.Zero(t, errors)
		})
		// Half of the answers have 4 tokens, and end before.
		assert.InDelta(t, 100, given, 20)
		assert.GreaterOrEqual(t, int(stats.Cancelled), given)
	}
	// Where all would take longer, the share is exact: in each hundred one in five.
	load := Load{Concurrency: 1, Requests: 1000, Window: time.Hour, ISL: 30, OSL: 40,
		Workload: Workload{Cancel: laws.Cancel{Share: 0.2, After: 60 * time.Millisecond}}}
	talkTo(t, simserver.Model{Step: 5 * time.Millisecond}, Target{}, []Load{load}, func(_ int, _ *Generator, m *Measurement) {
		all := append(m.Requests, m.Cancelled...)
		hundreds := map[uint64][2]int{}
		for _, q := range all {
			n := hundreds[q.item/100]
			n[0]++
			if q.Cancelled {
				n[1]++
			}
			hundreds[q.item/100] = n
		}
		whole := 0
		for _, n := range hundreds {
			if n[0] == 100 {
				whole++
				assert.Equal(t, 20, n[1])
			}
		}
		assert.GreaterOrEqual(t, whole, 9)
	})
}

// TestTalkEnds checks that neither the end of a probe nor the way to the next level waits for
// users that think for an hour.
func TestTalkEnds(t *testing.T) {
	load := Load{Concurrency: 4, Requests: 50, Window: 10 * time.Second, ISL: 20, OSL: 4,
		Workload: Workload{Turns: laws.Turns{Count: laws.Table([]int{1, 2}, []float64{9, 1}), Think: laws.Constant(3_600_000)}}}
	loads := []Load{load, load}
	loads[1].Concurrency = 2
	talkTo(t, simserver.Model{}, Target{}, loads, func(i int, _ *Generator, m *Measurement) {
		t.Logf("%d requests, ramp %v, window %v, wall %v, ended by %v", len(m.Requests), m.Ramp, m.Window, m.Wall, m.Ended)
		assert.Less(t, m.Wall-m.Ramp-m.Window, time.Second)
		assert.LessOrEqual(t, m.Window, 10*time.Second)
		if i > 0 {
			assert.Less(t, m.Ramp, 20*time.Second)
		}
	})
}

// TestOpenTalk checks that an open loop keeps its rate, whatever its users do: a request that
// is due is the next turn of the user who has waited longest, or begins a conversation.
func TestOpenTalk(t *testing.T) {
	load := Load{Rate: 50, Requests: 1000, Window: time.Hour, ISL: 20, OSL: 4,
		Workload: Workload{Turns: laws.Turns{Count: laws.Constant(4), Think: laws.Uniform(100, 400)}}}
	source := load.Workload.Source(20, 4, 0)
	talkTo(t, simserver.Model{}, Target{}, []Load{load}, func(_ int, _ *Generator, m *Measurement) {
		assert.Empty(t, m.Warnings)
		later := map[int]int{}
		for i, q := range m.Requests {
			later[q.Turn]++
			if i > 0 {
				assert.Equal(t, 20*time.Millisecond, q.Start-m.Requests[i-1].Start)
			}
		}
		for turn := range 4 {
			assert.InDelta(t, 250, later[turn], 10, "turn %d", turn)
		}
		var ready time.Duration // when the user of the last later turn had thought
		before := map[uint64]Request{}
		for _, q := range m.Requests {
			if last, ok := before[q.Conversation]; ok {
				thought := last.EOF + source.Request(q.item).Think
				assert.True(t, ready <= thought && thought <= q.Start && q.Start <= thought+200*time.Millisecond,
					"users wait in the order in which they have thought, and not long")
				ready = thought
			}
			before[q.Conversation] = q
		}
	})
}

// TestFiledTalk checks that the conversations of a file are sent with their turns and delays,
// and with the model's answers or with those that were recorded.
func TestFiledTalk(t *testing.T) {
	file := promptFile(t, "x.jsonl", `{"turns":[{"text":"a b"},{"text":"c","delay":300,"output_length":3},{"text":"d","extra":{"top_p":0.5}}]}
{"conversations":[{"from":"system","value":"s"},{"from":"human","value":"e"},{"from":"gpt","value":"f g h"},{"from":"human","value":"i"}]}
{"text":"alone"}
`)
	for _, turns := range []laws.Turns{{}, {Scripted: true}, {Count: laws.Constant(1)}} {
		w := Workload{File: file, Turns: turns}
		load := Load{Concurrency: 2, Requests: 60, OSL: 2, Workload: w}
		talkTo(t, simserver.Model{}, Target{}, []Load{load}, func(_ int, g *Generator, m *Measurement) {
			assert.Empty(t, g.Server().Notes)
			seen := map[string]bool{}
			for _, q := range m.Requests {
				require.Nil(t, q.Failure)
				text := ""
				for _, message := range messagesOf(t, m, &q) {
					text += "/" + strings.TrimSpace(string(message.Content))
				}
				seen[fmt.Sprintf("%d: %s, %d", q.Turn, text, q.OSL)] = true
				assert.Equal(t, strings.HasSuffix(text, "/d"), strings.Contains(string(m.Body(&q)), "top_p"))
			}
			want := []string{"0: /a b, 2", "0: /s/e, 2", "0: /alone, 2"}
			switch {
			case !w.Turns.Count.IsZero():
			case w.Turns.Scripted:
				want = append(want, "1: /s/e/f g h/i, 2")
				assert.Len(t, seen, len(want)+2, "made-up answers, as long as those asked for")
				for text := range seen {
					if strings.HasPrefix(text, "2: /a b/") {
						assert.Len(t, strings.Fields(strings.ReplaceAll(text, "/", " ")), 1+2+2+1+3+1+1, text)
					}
				}
				for _, text := range want {
					assert.True(t, seen[text], text)
				}
				return
			default:
				want = append(want, "1: /s/e/the quick/i, 2", "1: /a b/the quick/c, 3", "2: /a b/the quick/c/the quick brown/d, 2")
			}
			assert.Len(t, seen, len(want))
			for _, text := range want {
				assert.True(t, seen[text], text)
			}
			for _, turns := range turnsOf(m) {
				if len(turns) > 1 && turns[1].Turn == 1 && turns[1].OSL == 3 {
					assert.Equal(t, 300*time.Millisecond, turns[1].Start-turns[0].EOF)
				}
			}
		})
	}
}

// TestSameTalk checks that two generators make the same conversations of one seed, word for
// word with SamePrompts and scripted answers, whichever of them sends which.
func TestSameTalk(t *testing.T) {
	l := Load{Seed: 9, Workload: Workload{ISL: laws.Uniform(10, 30), OSL: laws.Constant(5), System: 8,
		Turns: laws.Turns{Count: laws.Uniform(1, 4), Scripted: true}}}
	bodies := func() func(k uint64) []string {
		_, w := mixedBodies(t, Target{SamePrompts: true}, l)(0)
		return func(k uint64) (out []string) {
			tk := &talk{number: k}
			for range w.mixed.source.Turns(k) {
				one := ticket{work: w, talk: tk}
				out = append(out, string(one.body()))
				answer, ok := w.script(one.item)
				require.True(t, ok)
				tk.said, tk.turn = w.answered(one.said, answer), tk.turn+1
			}
			return out
		}
	}
	one, two := bodies(), bodies()
	for k := range uint64(150) {
		a := one(k)
		two(149 - k)
		assert.Equal(t, a, two(k))
	}
}

// TestSession checks that all turns of a conversation are sent with the same name, which their
// requests have, and that a request that stands alone has none.
func TestSession(t *testing.T) {
	for _, turns := range []int{1, 3} {
		var mu sync.Mutex
		sent := map[string]string{} // by request
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
				return
			}
			mu.Lock()
			sent[r.Header.Get("X-Request-ID")] = r.Header.Get("X-Correlation-ID")
			mu.Unlock()
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a b\"},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n")
		}))
		defer srv.Close()
		g, err := New(Target{URL: srv.URL, Others: []string{srv.URL}})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		m, err := g.Probe(t.Context(), Load{Concurrency: 2, Requests: 30, ISL: 10, OSL: 2,
			Workload: Workload{Turns: laws.Turns{Count: laws.Constant(turns)}}}, nil)
		require.NoError(t, err)
		require.NoError(t, g.Close())
		names, ends := map[uint64]string{}, map[[2]uint64]bool{}
		for _, q := range m.Requests {
			require.Nil(t, q.Failure)
			mu.Lock() // the server may still begin with what was given up
			name := sent[q.ID()]
			mu.Unlock()
			assert.Equal(t, q.Session(), name)
			assert.Equal(t, turns > 1, q.Session() != "")
			assert.Equal(t, q.Session(), cmp.Or(names[q.Conversation], q.Session()))
			names[q.Conversation] = q.Session()
			ends[[2]uint64{q.Conversation, uint64(q.Endpoint)}] = true
		}
		if turns > 1 {
			assert.Len(t, ends, len(names), "all turns go to one endpoint")
		}
	}
}

// TestReplayTalk checks that the conversations of a trace begin at their times, and that their
// turns follow after their delays, or at their own times, as many times as fast.
func TestReplayTalk(t *testing.T) {
	file := promptFile(t, "x.jsonl", `{"turns":[{"text":"a","timestamp":5000},{"text":"b","delay":300},{"text":"c","timestamp":6000}]}
{"turns":[{"text":"d","timestamp":5100},{"text":"e"}]}
{"text":"f","timestamp":5400}
`)
	for _, speed := range []float64{1, 2} {
		load := Load{Requests: 60, Window: time.Hour, OSL: 3, Workload: Workload{File: file, Replay: speed}}
		n, took, err := Target{}.For(load.Workload).Recorded()
		require.NoError(t, err)
		assert.Equal(t, 6, n)
		assert.Equal(t, time.Duration(float64(600*time.Millisecond)/speed), took, "400 ms, and the mean gap of three conversations")
		talkTo(t, simserver.Model{}, Target{}, []Load{load, load}, func(_ int, g *Generator, m *Measurement) {
			assert.Empty(t, g.Server().Notes)
			assert.InDelta(t, 10*speed, m.Load.Rate, 1e-9)
			ms := func(n float64) time.Duration { return time.Duration(n / speed * float64(time.Millisecond)) }
			counts, first := map[int]int{}, m.Requests[0].Start
			for _, turns := range turnsOf(m) {
				for k, q := range turns {
					require.Nil(t, q.Failure)
					assert.Equal(t, q.Scheduled, q.Start)
					counts[q.Turn]++
					text := string(messagesOf(t, m, &q)[2*q.Turn].Content)
					switch at := (q.Start - first) % ms(600); {
					case q.Turn == 0:
						assert.Contains(t, []time.Duration{0, ms(100), ms(400)}, at, text)
					case k == 0: // the window opened behind its first turn
					case text == "b":
						assert.Equal(t, turns[k-1].EOF+ms(300), q.Start)
					case text == "c" && k == 2:
						assert.Equal(t, turns[0].Start+ms(1000), q.Start)
					case text == "e":
						assert.Equal(t, turns[k-1].EOF, q.Start)
					}
				}
			}
			assert.InDelta(t, 30, counts[0], 3)
			assert.InDelta(t, 20, counts[1], 3)
			assert.InDelta(t, 10, counts[2], 3)
		})
	}
}
