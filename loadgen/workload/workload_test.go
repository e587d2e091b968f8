package workload

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moments returns the mean and the standard deviation of numbers.
func moments(values []int) (mean, stddev float64) {
	for _, v := range values {
		mean += float64(v)
	}
	mean /= float64(len(values))
	for _, v := range values {
		stddev += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, math.Sqrt(stddev / float64(len(values)))
}

// TestMoments checks that 10,000 requests have the lengths that were asked for: the mean and
// the standard deviation of each law, its bounds, and the moments that it says it has.
func TestMoments(t *testing.T) {
	for _, tt := range []struct {
		why          string
		law          Lengths
		mean, stddev float64
		least, most  int
		within       float64 // of the moments, as a share
	}{
		{"a constant", Constant(550), 550, 0, 550, 550, 0},
		{"normal", Normal(550, 80), 550, 80, 150, 950, 0.003},
		{"log-normal", LogNormal(550, 300), 550, 300, 1, 10_000, 0.02},
		{"uniform: (b+a)/2 and √((n²−1)/12)", Uniform(100, 299), 199.5, 57.73, 100, 299, 0.003},
		// Half of a normal law has its mean at σ·√(2/π) and σ²·(1−2/π) for variance.
		{"normal, of which one half is cut off", Normal(500, 100).Between(500, 5000), 500 + 79.79, 60.28, 500, 1000, 0.01},
		{"a mixture", Mixture(Constant(100).Weighing(3), Constant(500).Weighing(1)), 200, 173.2, 100, 500, 1e-4},
		{"a mixture of laws", Mixture(Normal(300, 30), Normal(900, 30)), 600, math.Hypot(300, 30), 100, 1100, 0.003},
		{"a table", Table([]int{10, 20, 40}, []float64{5, 3, 2}), 19, 11.36, 10, 40, 1e-3},
		{"a table without weights", Table([]int{10, 20, 30, 40}, nil), 25, 11.18, 10, 40, 1e-3},
	} {
		require.NoError(t, tt.law.Validate(), tt.why)
		s := Workload{ISL: tt.law}.Source(1, 1, 7)
		var got []int
		for i := range uint64(10_000) {
			got = append(got, s.Request(i).ISL)
		}
		mean, stddev := moments(got)
		assert.InDelta(t, tt.mean, mean, tt.within*tt.mean, tt.why)
		assert.InDelta(t, tt.stddev, stddev, 2*tt.within*tt.stddev, tt.why)
		assert.GreaterOrEqual(t, slices.Min(got), tt.least, tt.why)
		assert.LessOrEqual(t, slices.Max(got), tt.most, tt.why)
		said, spread := tt.law.Moments()
		assert.InDelta(t, tt.mean, said, max(tt.within, 1e-4)*tt.mean, tt.why)
		assert.InDelta(t, tt.stddev, spread, 2*max(tt.within, 1e-4)*max(tt.stddev, 1), tt.why)
	}
}

// TestExactCounts checks that shares are exact where they are whole hundredths: of the
// kinds of a mix, the parts of a mixture, a table and the groups of prefixes.
func TestExactCounts(t *testing.T) {
	w := Workload{
		Mix: []Workload{{Weight: 7, Model: "a"}, {Weight: 2, Model: "b"}, {Weight: 1}},
		ISL: Mixture(Constant(10).Weighing(0.3), Table([]int{20, 30}, []float64{1, 6}).Weighing(0.7)),
		// The sum of these shares is not 0.9 in binary.
		Prefixes: []Prefix{{Groups: 3, Tokens: 64, Share: 0.3}, {Tokens: 128, Share: 0.6}},
	}
	require.NoError(t, w.Validate())
	for seed := range uint64(5) {
		s := w.Source(1, 1, seed)
		kinds, lengths, groups := map[int]int{}, map[int]int{}, map[int]int{}
		for i := range uint64(10_000) {
			r := s.Request(i)
			kinds[r.Kind]++
			lengths[r.ISL]++
			groups[r.Group]++
		}
		assert.Equal(t, map[int]int{0: 7000, 1: 2000, 2: 1000}, kinds)
		assert.Equal(t, map[int]int{10: 3000, 20: 1000, 30: 6000}, lengths)
		assert.Equal(t, map[int]int{0: 1000, 1: 1000, 2: 1000, 3: 6000, -1: 1000}, groups, "groups from outside are those of every kind")
	}
}

// TestSameRequests checks that the requests are the same for any number of processes, which
// share them in any way, and differ from seed to seed.
func TestSameRequests(t *testing.T) {
	w := Workload{ISL: LogNormal(550, 300), OSL: Normal(128, 40), System: 20, Images: Images{Count: 1},
		Prefixes: []Prefix{{Groups: 50, Tokens: 64, Share: 0.5}}, Mix: []Workload{{Weight: 1}, {Weight: 2, OSL: Uniform(1, 9)}}}
	const n = 1000
	want := map[uint64]Request{}
	for i := range uint64(n) {
		want[i] = w.Source(1, 1, 3).Request(i)
	}
	for _, processes := range []uint64{1, 2, 7} {
		var mu sync.Mutex
		var running sync.WaitGroup
		got := map[uint64]Request{}
		for p := range processes {
			running.Go(func() {
				b, err := json.Marshal(w) // as another process gets it
				assert.NoError(t, err)
				var sent Workload
				assert.NoError(t, json.Unmarshal(b, &sent))
				assert.True(t, sent.Same(w))
				s := sent.Source(1, 1, 3)
				for i := n - 1 - p; i < n; i -= processes { // ends below 0, which is above n
					mu.Lock()
					got[i] = s.Request(i)
					mu.Unlock()
				}
			})
		}
		running.Wait()
		assert.True(t, maps.Equal(want, got), "%d processes", processes)
	}
	other, same := w.Source(1, 1, 4), 0
	for i := range uint64(n) {
		if other.Request(i) == want[i] {
			same++
		}
	}
	assert.Less(t, same, n/20)
}

// TestNeighbors checks that decks leave the order to chance: a long prompt follows a long one
// as often as not, and one deck says nothing of another.
func TestNeighbors(t *testing.T) {
	s := Workload{ISL: Uniform(1, 1000), OSL: Uniform(1, 1000)}.Source(1, 1, 11)
	var serial, cross float64
	const n = 20_000
	for i := range uint64(n) {
		a, b := s.Request(i), s.Request(i+1)
		serial += (float64(a.ISL) - 500.5) * (float64(b.ISL) - 500.5)
		cross += (float64(a.ISL) - 500.5) * (float64(a.OSL) - 500.5)
	}
	variance := 1e6 / 12.0
	// A deck of 100 has a correlation of −1/99 between neighbors.
	assert.InDelta(t, -0.01, serial/n/variance, 0.025)
	assert.InDelta(t, 0, cross/n/variance, 0.025)
}

// TestMix checks what a kind takes from outside of the mix.
func TestMix(t *testing.T) {
	w := Workload{
		ISL: Constant(100), System: 10, Body: map[string]any{"a": 1, "b": 2}, Prefixes: []Prefix{{Tokens: 8, Share: 0.5}},
		Mix: []Workload{
			{Weight: 3, OSL: Constant(7)},
			{Weight: 1, Model: "m", System: 10, Body: map[string]any{"b": 3}, Prefixes: []Prefix{{Tokens: 4, Share: 0.5}}},
		},
	}
	require.NoError(t, w.Validate())
	kinds := w.Lengths(550, 128).Kinds()
	require.Len(t, kinds, 2)
	assert.Equal(t, []float64{0.75, 0.25}, []float64{kinds[0].Weight, kinds[1].Weight})
	assert.Equal(t, []Lengths{Constant(7), Constant(128)}, []Lengths{kinds[0].OSL, kinds[1].OSL})
	assert.Equal(t, map[string]any{"a": 1, "b": 3}, kinds[1].Body)
	assert.Len(t, kinds[1].Prefixes, 2)
	texts := map[int]bool{}
	s := w.Source(550, 128, 1)
	for i := range uint64(100) {
		texts[s.Request(i).Text] = true
	}
	assert.Len(t, texts, 2, "a kind's own system prompt is another text")

	prompt, answer, cached := w.Means(550, 128)
	assert.InDelta(t, 100+10+0.75*4+0.25*(4+2), prompt, 1e-9)
	assert.InDelta(t, 0.75*7+0.25*128, answer, 1e-9)
	assert.InDelta(t, cached/prompt, w.Cached(550, 128), 1e-9)
	assert.Equal(t, "100/128 tokens in/out, a system prompt of 10 tokens, a prefix of 8 tokens for 50%, 2 body fields, "+
		"mix (75% 7 tokens out; 25% a system prompt of 10 tokens, a prefix of 4 tokens for 50%, model m, 1 body field)", w.Describe(550, 128))
	fixed := w.Fixed(0, 5)
	assert.Equal(t, "100/5 tokens in/out", Workload{ISL: fixed.ISL, Mix: fixed.Mix[:1]}.Describe(1, 5)[:19])
	assert.Equal(t, Constant(7), w.Mix[0].OSL, "the mix of w stays as it is")
}

// TestText checks how laws and workloads are named.
func TestText(t *testing.T) {
	assert.Equal(t, "550/128 tokens in/out", Workload{}.Describe(550, 128))
	assert.Equal(t, "log-normal 550±300 in [16, 4096]/normal 128±40 from 4 tokens in/out",
		Workload{ISL: LogNormal(550, 300).Between(16, 4096), OSL: Normal(128, 40).Between(4, 0)}.Describe(1, 1))
	assert.Equal(t, "mixture (75% uniform 1 to 9, 25% 100)/table of 2 lengths 15±5 tokens in/out",
		Workload{ISL: Mixture(Uniform(1, 9).Weighing(3), Constant(100)), OSL: Table([]int{10, 20}, nil)}.String())
	assert.Equal(t, "550/128 tokens in/out, 3 prefixes of 512 tokens for 60%, 2 images of 640×480",
		Workload{Prefixes: []Prefix{{Groups: 3, Tokens: 512, Share: 0.6}}, Images: Images{2, 640, 480}}.Describe(550, 128))
	assert.Equal(t, "prompts of x.jsonl, shuffled, 128 tokens out", Workload{File: "x.jsonl", Order: Shuffled}.Describe(550, 128))
	assert.Equal(t, "prompts of x.jsonl, replayed 2 times as fast, uniform 5 to 9 tokens out",
		Workload{File: "x.jsonl", Replay: 2, OSL: Uniform(5, 9)}.Describe(550, 128))
	assert.Equal(t, "mix (50% 9/9 tokens in/out; 50% as it is)", Workload{Mix: []Workload{{ISL: Constant(9), OSL: Constant(9)}, {}}}.String())
}

// TestValidate checks that what makes no sense is refused by name.
func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		w    Workload
		says string
	}{
		{Workload{ISL: Constant(0)}, "ISL is 0 tokens"},
		{Workload{ISL: Normal(0, 5)}, "ISL has a mean of 0 tokens"},
		{Workload{OSL: Normal(50, 0)}, "OSL has a standard deviation of 0 tokens"},
		{Workload{OSL: LogNormal(50, math.NaN())}, "OSL has a standard deviation of NaN"},
		{Workload{OSL: Normal(50, 5).Between(9, 3)}, "OSL has bounds from 9 to 3 tokens"},
		{Workload{OSL: Normal(50, 5).Between(500, 600)}, "which hold next to nothing of normal 50±5"},
		{Workload{ISL: Uniform(5, 0)}, "ISL is uniform up to no end"},
		{Workload{ISL: Constant(1 << 30)}, "ISL is 1.073741824e+09 tokens"},
		{Workload{ISL: Mixture()}, "ISL is a mixture of nothing"},
		{Workload{ISL: Mixture(Constant(1), Lengths{})}, "a part 2 without a law"},
		{Workload{ISL: Mixture(Constant(1), Constant(2).Weighing(-1))}, "a part 2 that has a weight of -1"},
		{Workload{ISL: Table(nil, nil)}, "ISL is a table of 0 lengths"},
		{Workload{ISL: Table([]int{1}, []float64{0})}, "whose weights are all zero"},
		{Workload{ISL: Table([]int{0}, nil)}, "a length of 0 tokens"},
		{Workload{ISL: Lengths{Law: "zipf"}}, `ISL has the unknown law "zipf"`},
		{Workload{ISL: Lengths{Mean: 5}}, "ISL has figures and no law"},
		{Workload{ISL: Constant(5).Weighing(2)}, "which only the parts of a mixture have"},
		{Workload{System: -1}, "System is -1 tokens"},
		{Workload{Prefixes: []Prefix{{Tokens: 8}}}, "Prefixes[0] has a share of 0"},
		{Workload{Prefixes: []Prefix{{Share: 1}}}, "Prefixes[0] has 0 tokens"},
		{Workload{Prefixes: []Prefix{{Tokens: 8, Share: 0.6}, {Tokens: 8, Share: 0.6}}}, "shares of 120% together"},
		{Workload{Prefixes: []Prefix{{Tokens: 8, Share: 0.6}}, Mix: []Workload{{Prefixes: []Prefix{{Tokens: 8, Share: 0.6}}}}},
			"Mix[0].Prefixes and those outside of it have shares of 120% together"},
		{Workload{Images: Images{Count: 1, Width: 1 << 20, Height: 1 << 20}}, "Images has pictures of"},
		{Workload{Body: map[string]any{"messages": 1}}, `remove the field "messages"`},
		{Workload{Body: map[string]any{"x": func() {}}}, "Body cannot be written as JSON"},
		{Workload{Weight: 1}, "Weight is 1 outside of a Mix"},
		{Workload{File: "x", Order: "random"}, `Order is "random"; use "shuffled", "sampled"`},
		{Workload{File: "x", Replay: -1}, "Replay is -1"},
		{Workload{Order: Shuffled}, "and File is empty"},
		{Workload{File: "x", Replay: 1, Order: Sampled}, "Replay has an order of its own"},
		{Workload{File: "x", System: 5}, "File has prompts of its own"},
		{Workload{File: "x", Mix: []Workload{{ISL: Constant(5)}}}, "File has prompts of its own"},
		{Workload{Mix: []Workload{{File: "x"}}}, "Mix[0].File cannot be"},
		{Workload{Mix: []Workload{{Weight: -1}}}, "Mix[0].Weight is -1"},
		{Workload{Mix: []Workload{{}, {ISL: Constant(-1)}}}, "Mix[1].ISL is -1 tokens"},
	} {
		assert.ErrorContains(t, tt.w.Validate(), tt.says)
	}
	assert.NoError(t, Workload{}.Validate())
}

// FuzzSource checks that whatever valid workload comes as JSON, its requests have lengths
// within bounds, and groups that exist.
func FuzzSource(f *testing.F) {
	f.Add([]byte(`{"isl":{"law":"log-normal","mean":50,"stddev":500},"prefixes":[{"tokens":5,"share":0.3,"groups":7}]}`), uint64(1))
	f.Add([]byte(`{"osl":{"law":"mixture","parts":[{"law":"uniform","max":9},{"law":"table","values":[1],"weights":[1]}]}}`), uint64(2))
	f.Add([]byte(`{"mix":[{"weight":0.1},{"weight":1e300,"isl":{"law":"normal","mean":1,"stddev":1e-300}}]}`), uint64(3))
	f.Add([]byte(`{"turns":{"count":{"law":"uniform","max":9},"share":0.2,"think_ms":{"law":"constant","mean":5}},`+
		`"cancel":{"share":0.1}}`), uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var w Workload
		if json.Unmarshal(data, &w) != nil || w.Validate() != nil {
			return
		}
		s := w.Source(550, 128, seed)
		for i := range uint64(20) {
			r := s.Request(seed + i)
			for _, n := range []int{r.ISL, r.OSL} {
				assert.True(t, n >= 1 && n <= MostTokens, "%d tokens", n)
			}
			assert.Less(t, r.Kind, len(s.Kinds()))
			assert.Equal(t, r.Shared > 0, r.Group >= 0)
		}
		assert.NotEmpty(t, w.Describe(550, 128))
	})
}
