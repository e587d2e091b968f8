package simserver

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// arrival is a request presented to an engine: at which millisecond, how long.
type arrival struct{ at, isl, osl int }

// play runs arrivals through an engine and returns, for each, the millisecond
// of every token, or "refused". drops maps an arrival's index to the
// millisecond its client leaves.
func play(t *testing.T, m Model, list []arrival, drops map[int]int) []string {
	t.Helper()
	out := make([]string, len(list))
	index := map[*sequence]int{}
	e := newEngine(m, func(s *sequence, at time.Duration) {
		require.Zero(t, at%ms, "a token off the millisecond grid: %v", at)
		i := index[s]
		if out[i] != "" {
			out[i] += " "
		}
		out[i] += fmt.Sprint(int64(at / ms))
	})
	seqs := make([]*sequence, len(list))
	for now := range 1000 {
		at := time.Duration(now) * ms
		for i, a := range list {
			if a.at == now {
				seqs[i] = newSequence(a.isl, a.osl)
				index[seqs[i]] = i
				e.advance(at)
				if e.offer(at, seqs[i]) != nil {
					out[i] = "refused"
				}
			}
		}
		for i, when := range drops {
			if when == now {
				e.advance(at)
				e.drop(seqs[i])
			}
		}
	}
	e.advance(1000 * ms)
	require.False(t, e.stepping, "the engine still steps after a second")
	require.Zero(t, e.kv, "room in the KV cache is lost")
	require.Empty(t, append(e.waiting, e.running...))
	return out
}

func TestEngine(t *testing.T) {
	plain := Model{Step: 10 * ms}
	for _, tt := range []struct {
		why   string
		model Model
		list  []arrival
		drops map[int]int
		want  []string
	}{
		{
			why:   "the first token comes at the end of the prefill step, the others one a step",
			model: plain,
			list:  []arrival{{3, 4, 3}},
			want:  []string{"13 23 33"},
		},
		{
			why:   "steps cost by decoding sequences and prefilled tokens: 10+4, then 10+1 a decode",
			model: Model{Step: 10 * ms, PerSeq: ms, PerPromptToken: ms},
			list:  []arrival{{0, 4, 3}},
			want:  []string{"14 25 36"},
		},
		{
			why:   "an arrival in mid-step joins the next step, where one prefills 2 and one decodes: 10+2+1",
			model: Model{Step: 10 * ms, PerSeq: ms, PerPromptToken: ms},
			list:  []arrival{{0, 4, 3}, {5, 2, 2}},
			want:  []string{"14 27 39", "27 39"},
		},
		{
			why:   "an arrival at the instant a step starts is not in it",
			model: plain,
			list:  []arrival{{0, 4, 3}, {10, 4, 1}, {9, 4, 1}},
			want:  []string{"10 20 30", "30", "20"},
		},
		{
			why:   "of two that find the engine asleep the first has a step of its own",
			model: plain,
			list:  []arrival{{7, 4, 2}, {7, 4, 2}},
			want:  []string{"17 27", "27 37"},
		},
		{
			why:   "one that arrives as the last step ends finds the engine asleep",
			model: plain,
			list:  []arrival{{0, 4, 1}, {10, 4, 1}},
			want:  []string{"10", "20"},
		},
		{
			why:   "a prompt longer than the chunk takes ceil(10/4) = 3 steps",
			model: Model{Step: 10 * ms, Chunk: 4},
			list:  []arrival{{0, 10, 2}},
			want:  []string{"30 40"},
		},
		{
			why:   "a chunk is shared in order: 6 = 4+2, the second gets the 2 that are left, then 4",
			model: Model{Step: 10 * ms, Chunk: 4},
			list:  []arrival{{0, 1, 1}, {1, 6, 1}, {2, 6, 1}},
			want:  []string{"10", "30", "40"},
		},
		{
			why:   "the costs of chunks: 4 tokens, then 2, with a decode beside each",
			model: Model{Step: 10 * ms, PerSeq: ms, PerPromptToken: ms, Chunk: 4},
			list:  []arrival{{0, 1, 4}, {1, 6, 1}},
			want:  []string{"11 26 39 50", "39"},
		},
		{
			why:   "beyond the largest batch they wait in order; a place is free from the next step on",
			model: Model{Step: 10 * ms, MaxBatch: 2},
			list:  []arrival{{0, 1, 1}, {1, 1, 2}, {2, 1, 1}, {3, 1, 1}, {4, 1, 1}},
			want:  []string{"10", "20 30", "20", "30", "40"},
		},
		{
			why: "a request that does not fit beside those admitted is refused; the room of one that ends at 40 serves an arrival at " +
				"40, which the step of 50 takes up",
			model: Model{Step: 10 * ms, KVTokens: 20},
			list:  []arrival{{0, 6, 4}, {1, 6, 4}, {2, 1, 1}, {40, 1, 1}, {41, 6, 4}, {50, 10, 1}},
			want:  []string{"10 20 30 40", "20 30 40 50", "refused", "60", "refused", "70"},
		},
		{
			why:   "a request larger than the cache never fits",
			model: Model{Step: 10 * ms, KVTokens: 20},
			list:  []arrival{{0, 20, 1}, {1, 19, 1}},
			want:  []string{"refused", "11"},
		},
		{
			why:   "a full queue refuses; a step that starts empties it",
			model: Model{Step: 10 * ms, MaxQueue: 2},
			list:  []arrival{{0, 1, 2}, {1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {11, 1, 1}},
			want:  []string{"10 20", "20", "20", "refused", "30"},
		},
		{
			why:   "a client that leaves frees its sequence and its room when the next step starts, not before",
			model: Model{Step: 10 * ms, KVTokens: 10, MaxBatch: 1},
			list:  []arrival{{0, 1, 8}, {14, 1, 1}, {16, 1, 1}, {20, 1, 1}},
			drops: map[int]int{0: 15},
			want:  []string{"10 20", "refused", "refused", "30"},
		},
		{
			why:   "one that leaves while it waits is never run",
			model: Model{Step: 10 * ms, MaxBatch: 1},
			list:  []arrival{{0, 1, 2}, {1, 1, 1}, {2, 1, 1}},
			drops: map[int]int{1: 5},
			want:  []string{"10 20", "", "30"},
		},
		{
			why:   "one that leaves in its last step is complete",
			model: Model{Step: 10 * ms, KVTokens: 10},
			list:  []arrival{{0, 1, 1}, {5, 1, 1}},
			drops: map[int]int{0: 6},
			want:  []string{"10", "20"},
		},
		{
			why:   "a cold start makes the first step longer, once",
			model: Model{Step: 10 * ms, ColdStart: 100 * ms},
			list:  []arrival{{0, 1, 2}, {200, 1, 1}},
			want:  []string{"110 120", "210"},
		},
	} {
		t.Run(tt.why, func(t *testing.T) {
			assert.Equal(t, tt.want, play(t, tt.model, tt.list, tt.drops))
		})
	}
}

// A caller that looks late sees the same schedule as one that looks often.
func TestEngineKeepsItsSchedule(t *testing.T) {
	run := func(advance func(e *engine)) (at []time.Duration) {
		e := newEngine(Model{Step: 10 * ms, PerSeq: ms, Jitter: 0.3, Seed: 5}, func(_ *sequence, t time.Duration) { at = append(at, t) })
		require.NoError(t, e.offer(0, newSequence(3, 50)))
		advance(e)
		return at
	}
	often := run(func(e *engine) {
		for now := time.Duration(0); e.stepping; now += 100 * time.Microsecond {
			e.advance(now)
		}
	})
	late := run(func(e *engine) {
		for now := 137 * ms; e.stepping; now += 137 * ms {
			e.advance(now)
		}
	})
	require.Len(t, often, 50)
	assert.Equal(t, often, late)
}

func TestJitter(t *testing.T) {
	steps := func(m Model) (d []time.Duration) {
		var last time.Duration
		e := newEngine(m, func(_ *sequence, at time.Duration) { d, last = append(d, at-last), at })
		require.NoError(t, e.offer(0, newSequence(1, 4000)))
		e.advance(time.Hour)
		return d
	}
	m := Model{Step: 10 * ms, Jitter: 0.05, Seed: 1}
	a := steps(m)
	assert.Equal(t, a, steps(m), "the same seed gives the same steps")
	m.Seed = 2
	assert.NotEqual(t, a, steps(m), "another seed gives others")

	within := 0
	for _, d := range a {
		if math.Abs(math.Log(float64(d)/float64(10*ms))) < m.Jitter {
			within++
		}
	}
	// 68.27 % of a normal lie within one sd; the standard error of 4000 is 0.74 %.
	assert.InDelta(t, 0.6827, float64(within)/float64(len(a)), 4*0.0074, "ln(step) has the stated sd")
}

// A model may charge for nothing that a step does; time goes on all the same.
func TestStepsTakeTime(t *testing.T) {
	var at []time.Duration
	e := newEngine(Model{PerPromptToken: ms}, func(_ *sequence, t time.Duration) { at = append(at, t) })
	require.NoError(t, e.offer(0, newSequence(2, 3)))
	e.advance(time.Second)
	assert.Equal(t, []time.Duration{2 * ms, 2*ms + 1*us, 2*ms + 2*us}, at)
}
