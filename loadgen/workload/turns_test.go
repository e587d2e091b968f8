package workload

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// talking is a workload of conversations of which one in five has several turns.
var talking = Workload{
	ISL: LogNormal(64, 32).Between(4, 512), OSL: Normal(16, 4).Between(1, 64), System: 20,
	Prefixes: []Prefix{{Groups: 3, Tokens: 64, Share: 0.6}},
	Turns:    Turns{Count: Uniform(2, 6), Share: 0.2, Think: Normal(2000, 500)},
	Cancel:   Cancel{Share: 0.1, After: time.Second},
}

// TestTurns checks that 10,000 conversations have the turns that were asked for, and that
// each turn has all that was said before it.
func TestTurns(t *testing.T) {
	require.NoError(t, talking.Validate())
	s := talking.Source(1, 1, 5)
	require.True(t, s.Talks())
	turns, groups, requests := map[int]int{}, map[int]int{}, 0
	var thought []int
	for k := range uint64(10_000) {
		n := s.Turns(k)
		turns[n]++
		requests += n
		said := 0
		for turn := range n {
			i := s.Number(k, turn)
			at, which := s.Place(i)
			assert.Equal(t, k, at)
			assert.Equal(t, turn, which)
			r := s.Request(i)
			assert.Equal(t, [3]int{turn, n, said}, [3]int{r.Turn, r.Turns, r.Said})
			assert.Equal(t, k, r.Conversation)
			assert.Equal(t, 20+r.Shared+said+r.ISL, r.Prompt())
			said += r.ISL + r.OSL
			if turn == 0 {
				groups[r.Group]++
				assert.Zero(t, r.Think, "nobody thinks before the first turn")
			} else {
				thought = append(thought, int(r.Think/time.Millisecond))
			}
		}
	}
	// A deck of 100 has 20 conversations of several turns, four of each number from 2 to 6.
	assert.Equal(t, map[int]int{1: 8000, 2: 400, 3: 400, 4: 400, 5: 400, 6: 400}, turns)
	assert.Equal(t, map[int]int{0: 2000, 1: 2000, 2: 2000, -1: 4000}, groups, "shares are those of conversations")
	assert.Equal(t, 16_000, requests)
	mean, stddev := moments(thought)
	assert.InDelta(t, 2000, mean, 15)
	assert.InDelta(t, 500, stddev, 15)

	// Of 100 conversations, 20 have 80 turns: 60 later ones behind 100 first ones.
	assert.InDelta(t, 6000.0/16_000*2000, float64(talking.ThinkMean())/float64(time.Millisecond), 2)
	assert.InDelta(t, (0.8+0.2*18)/1.6, talking.Length(), 1e-9)
	assert.Equal(t, 1.0, Workload{}.Length())
}

// TestTurnMeans checks the means of prompts and of what a cache can have of them against
// 20,000 requests, and the share of those that are given up.
func TestTurnMeans(t *testing.T) {
	s := talking.Source(1, 1, 3)
	var prompt, answer, known float64
	n, cancelled := 0.0, 0
	for r := range s.All() {
		if n < 500 {
			assert.Equal(t, s.Request(s.Number(r.Conversation, r.Turn)), r)
		}
		prompt, answer, known = prompt+float64(r.Prompt()), answer+float64(r.OSL), known+float64(r.Known())
		if r.Cancelled {
			cancelled++
			assert.Equal(t, time.Second, r.After)
		}
		if n++; r.Conversation == 12_499 && r.Turn == r.Turns-1 {
			break
		}
	}
	require.Equal(t, 20_000.0, n)
	wantPrompt, wantAnswer, wantKnown := talking.Means(1, 1)
	assert.InEpsilon(t, wantPrompt, prompt/n, 0.005)
	assert.InEpsilon(t, wantAnswer, answer/n, 0.005)
	assert.InEpsilon(t, wantKnown, known/n, 0.005)
	assert.InEpsilon(t, talking.Cached(1, 1), known/prompt, 0.005)
	// 100 first turns are a deck, and of 60 later ones each tenth is given up on average.
	assert.InDelta(t, 2000, cancelled, 40)
	// Without conversations, the share is exact.
	w := Workload{Cancel: Cancel{Share: 0.07}}
	cancelled = 0
	for i := range uint64(10_000) {
		if w.Source(1, 1, 8).Request(i).Cancelled {
			cancelled++
		}
	}
	assert.Equal(t, 700, cancelled)
}

// TestSameConversations checks that conversations are the same for any number of processes,
// which share them in any way.
func TestSameConversations(t *testing.T) {
	const n = 300
	want := map[uint64]Request{}
	all := func(s *Source, from, step uint64, got map[uint64]Request, mu *sync.Mutex) {
		for k := from; k < n; k += step {
			for turn := s.Turns(k) - 1; turn >= 0; turn-- {
				i := s.Number(k, turn)
				mu.Lock()
				got[i] = s.Request(i)
				mu.Unlock()
			}
		}
	}
	all(talking.Source(1, 1, 3), 0, 1, want, new(sync.Mutex))
	for _, processes := range []uint64{2, 7} {
		var mu sync.Mutex
		var running sync.WaitGroup
		got := map[uint64]Request{}
		for p := range processes {
			running.Go(func() {
				b, err := json.Marshal(talking) // as another process gets it
				assert.NoError(t, err)
				var sent Workload
				assert.NoError(t, json.Unmarshal(b, &sent))
				all(sent.Source(1, 1, 3), p, processes, got, &mu)
			})
		}
		running.Wait()
		assert.True(t, maps.Equal(want, got), "%d processes", processes)
	}
}

// TestTurnKinds checks that a kind of a mix has conversations of its own, and what a file's
// turns are worth.
func TestTurnKinds(t *testing.T) {
	w := Workload{Turns: Turns{Think: Constant(500)}, Mix: []Workload{{Weight: 4}, {Weight: 1, Turns: Turns{Count: Constant(3)}}}}
	require.NoError(t, w.Validate())
	s := w.Source(1, 1, 2)
	turns := map[[2]int]int{}
	for k := range uint64(1000) {
		r := s.Request(s.Number(k, 0))
		turns[[2]int{r.Kind, s.Turns(k)}]++
	}
	assert.Equal(t, map[[2]int]int{{0, 1}: 800, {1, 3}: 200}, turns)

	filed := Workload{File: "x", Turns: Turns{Count: Constant(2)}}
	require.NoError(t, filed.Validate())
	s = filed.Source(1, 1, 2)
	assert.False(t, s.Talks(), "the file may have no turns")
	s.Filed(func(k uint64) int { return []int{1, 2, 9}[k%3] })
	assert.Equal(t, []int{1, 2, 2, 1}, []int{s.Turns(0), s.Turns(1), s.Turns(2), s.Turns(3)})
	assert.Equal(t, "prompts of x, conversations of 2 turns", filed.String())
	assert.Equal(t, "64/16 tokens in/out, 20% of conversations of uniform 2 to 6 turns, think time normal 2000±500 ms, "+
		"scripted answers, 10% cancelled after 1s", Workload{Turns: Turns{Count: Uniform(2, 6), Share: 0.2, Think: Normal(2000, 500),
		Scripted: true}, Cancel: talking.Cancel}.Describe(64, 16))

	for says, w := range map[string]Workload{
		"Turns.Count reaches to 2000 turns":                      {Turns: Turns{Count: Uniform(1, 2000)}},
		"Turns.Count is 0.5 turns":                               {Turns: Turns{Count: Lengths{Law: LawConstant, Mean: 0.5}}},
		"Turns.Think has a standard deviation of 0 ms":           {Turns: Turns{Think: Normal(500, 0)}},
		"Turns.Share is 2":                                       {Turns: Turns{Count: Constant(2), Share: 2}},
		"Turns.Share is 0.5, and there is no Count of turns":     {Turns: Turns{Share: 0.5}},
		"Turns.Share is 0.5, and the turns are those of File":    {File: "x", Turns: Turns{Count: Constant(2), Share: 0.5}},
		"Cancel.Share is -1":                                     {Cancel: Cancel{Share: -1}},
		"Cancel.After is -1s; give a time that is not negative":  {Cancel: Cancel{Share: 0.1, After: -time.Second}},
		"Cancel.After is 1s, and Share is 0":                     {Cancel: Cancel{After: time.Second}},
		"Mix[0].Cancel.Share is 3":                               {Mix: []Workload{{Cancel: Cancel{Share: 3}}}},
		"Turns has a law with a weight, which only the parts of": {Turns: Turns{Count: Constant(5).Weighing(2)}},
	} {
		assert.ErrorContains(t, w.Validate(), says)
	}
}

// TestNumbers checks that each turn has a number of its own, first turns those of a deck, and
// that numbers between stretches are of some request.
func TestNumbers(t *testing.T) {
	n := &numbering{turns: func(k uint64) int { return 1 + int(k%4) }}
	var numbers []uint64
	for k := range uint64(250) {
		for turn := range n.turns(k) {
			i := n.number(k, turn)
			numbers = append(numbers, i)
			if turn == 0 {
				assert.Less(t, i%stretch, uint64(deckSize))
			}
			at, which := n.place(i)
			assert.Equal(t, [2]uint64{k, uint64(turn)}, [2]uint64{at, uint64(which)})
		}
	}
	slices.Sort(numbers)
	assert.Len(t, slices.Compact(slices.Clone(numbers)), len(numbers))
	assert.Equal(t, uint64(249), numbers[249], "of 100 conversations with 150 later turns, the numbers have no gaps")
	k, turn := n.place(stretch - 1)
	assert.Less(t, k, uint64(deckSize))
	assert.Zero(t, turn)
}
