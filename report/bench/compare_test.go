package bench_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// spread are n values around v, a percent apart.
func spread(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v * (1 + 0.01*(float64(i)-float64(n-1)/2)/float64(n))
	}
	return out
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		why      string
		old, new bench.Series
		verdict  recipes.Verdict
		worse    float64
	}{
		{"the same", bench.Series{Values: spread(100, 8)}, bench.Series{Values: spread(100, 8)}, recipes.Met, 0},
		{"slower, and by more than is tolerated", bench.Series{Values: spread(100, 8)}, bench.Series{Values: spread(112, 8)},
			recipes.Missed, 0.12},
		{"slower for certain, and tolerated", bench.Series{Values: spread(100, 8)}, bench.Series{Values: spread(103, 8)}, recipes.Met, 0.03},
		{"faster", bench.Series{Values: spread(100, 8)}, bench.Series{Values: spread(80, 8)}, recipes.Met, -0.2},
		{"less where more is better", bench.Series{Higher: true, Values: spread(100, 8)},
			bench.Series{Higher: true, Values: spread(88, 8)}, recipes.Missed, 0.12},
		{"more where more is better", bench.Series{Higher: true, Values: spread(100, 8)},
			bench.Series{Higher: true, Values: spread(130, 8)}, recipes.Met, -0.3},
		{"errors where there were none", bench.Series{Values: make([]float64, 8)}, bench.Series{Values: spread(0.4, 8)}, recipes.Missed,
			math.Inf(1)},
		{"none now and none then", bench.Series{Values: make([]float64, 8)}, bench.Series{Values: make([]float64, 8)}, recipes.Met, 0},
		{"half as fast, by one measurement of each", bench.Series{Values: spread(100, 1)}, bench.Series{Values: spread(200, 1)},
			recipes.Inconclusive, 1},
		{"by three", bench.Series{Values: spread(100, 3)}, bench.Series{Values: spread(200, 3)}, recipes.Inconclusive, 1},
		{"by as many as the answer says", bench.Series{Values: spread(100, 6)}, bench.Series{Values: spread(200, 6)}, recipes.Missed, 1},
	} {
		t.Run(tt.why, func(t *testing.T) {
			c := bench.Compare([]bench.Series{tt.old}, []bench.Series{tt.new}, 0.05)
			assert.Equal(t, tt.verdict, c.Verdict())
			require.Len(t, c.Changes, 1)
			if math.IsInf(tt.worse, 1) {
				assert.Equal(t, tt.worse, c.Changes[0].Worse)
			} else {
				assert.InDelta(t, tt.worse, c.Changes[0].Worse, 1e-9)
			}
			if tt.verdict == recipes.Inconclusive {
				enough := bench.Compare([]bench.Series{{Values: spread(100, c.Need)}}, []bench.Series{{Values: spread(200, c.Need)}}, 0.05)
				assert.Equal(t, recipes.Missed, enough.Verdict(), "%d measurements of each were said to do", c.Need)
			}
		})
	}
	other := bench.Compare([]bench.Series{{Unit: "a", Values: spread(1, 8)}}, []bench.Series{{Unit: "b", Values: spread(1, 8)}}, 0.05)
	assert.Equal(t, recipes.Inconclusive, other.Verdict(), "nothing in common")
}

// The more metrics are compared, the more each must show, and the more
// measurements that takes.
func TestCompareTogether(t *testing.T) {
	last := 0
	for _, k := range []int{1, 2, 6, 12, 40} {
		var old []bench.Series
		for i := range k {
			old = append(old, bench.Series{Unit: string(rune('a' + i)), Values: spread(100, 10)})
		}
		c := bench.Compare(old, old, 0.05)
		assert.InDelta(t, 0.02/float64(k), c.Alpha, 1e-12)
		n := bench.TrialsFor(10, k)
		assert.GreaterOrEqual(t, n, last)
		assert.LessOrEqual(t, n, 10)
		last = n
	}
	assert.Zero(t, bench.TrialsFor(1, 1), "one measurement is nothing to compare with")
	assert.Zero(t, bench.TrialsFor(2, 1))
}

// drifting is a server that gets slower with every block that any arm measures,
// as a machine that warms up.
type drifting struct {
	rng    *rand.Rand
	drift  float64 // a block
	slower float64 // of the new arm
	order  []string
}

func (d *drifting) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	v := 100 * math.Exp(d.drift*float64(len(d.order))+0.02*d.rng.NormFloat64())
	if l.Target == "new" {
		v *= 1 + d.slower
	}
	d.order = append(d.order, l.Target)
	m := &loadgen.Measurement{Load: l, Metrics: map[string]loadgen.Metric{}}
	set := func(tag, stat string, v float64) {
		m.Metrics[tag] = loadgen.Metric{Unit: "ms", Stats: map[string]float64{stat: v}}
	}
	set(loadgen.TagTTFT, "p95", v)
	set(loadgen.TagCompleted, "avg", 300)
	set(loadgen.TagErrors, "avg", 0)
	return m, nil
}

// compareArms is the comparison of an A/B run, and of the same blocks had the old
// arm come first and the new one after it.
func compareArms(t *testing.T, d *drifting, seed uint64) (turns, blocks recipes.Verdict) {
	t.Helper()
	spec := recipes.Spec{Prober: d, Trials: 8, Workload: loadgen.Load{Seed: seed}}
	a, b, err := recipes.RunPair(context.Background(), recipes.Fixed(16), spec, spec)
	require.NoError(t, err)
	series := func(o *recipes.Outcome) []bench.Series {
		s := bench.Series{Unit: "ttft"}
		for _, m := range o.Probes[0].Trials {
			v, _ := m.Stat(loadgen.TagTTFT, "p95")
			s.Values = append(s.Values, v)
		}
		return []bench.Series{s}
	}
	turns = bench.Compare(series(a), series(b), 0.05).Verdict()
	after := &drifting{rng: d.rng, drift: d.drift, slower: d.slower}
	var sides [2][]bench.Series
	for i, target := range []string{"old", "new"} {
		out, err := recipes.Run(context.Background(), recipes.Fixed(16),
			recipes.Spec{Prober: after, Trials: 8, Workload: loadgen.Load{Target: target}})
		require.NoError(t, err)
		sides[i] = series(out)
	}
	return turns, bench.Compare(sides[0], sides[1], 0.05).Verdict()
}

// TestTurnsCancelDrift: on a machine that gets a percent slower with every block
// two equal endpoints stay equal when they take turns, and do not when one comes
// after the other; a loss is found all the same.
func TestTurnsCancelDrift(t *testing.T) {
	const runs = 1000
	var alarms, alarmsAfter, found int
	for seed := range uint64(runs) {
		turns, after := compareArms(t, &drifting{rng: rand.New(rand.NewPCG(seed, 1)), drift: 0.01}, seed)
		if turns == recipes.Missed {
			alarms++
		}
		if after == recipes.Missed {
			alarmsAfter++
		}
		if turns, _ := compareArms(t, &drifting{rng: rand.New(rand.NewPCG(seed, 2)), drift: 0.01, slower: 0.15}, seed); turns == recipes.Missed {
			found++
		}
	}
	t.Logf("1%% slower a block, %d runs: equal endpoints told apart %.1f%% in turns, %.1f%% one after the other; "+
		"15%% slower found %.1f%%",
		runs, 100*float64(alarms)/runs, 100*float64(alarmsAfter)/runs, 100*float64(found)/runs)
	assert.LessOrEqual(t, alarms, runs/100)
	assert.GreaterOrEqual(t, alarmsAfter, runs*9/10, "else this test shows nothing")
	assert.GreaterOrEqual(t, found, runs*95/100)
}

// The order is in mirrored pairs, and the seed's.
func TestTurns(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(20) {
		d := &drifting{rng: rand.New(rand.NewPCG(seed, 1))}
		compareArms(t, d, seed)
		require.Len(t, d.order, 16)
		text := ""
		for i := 0; i < 16; i += 4 {
			q := d.order[i : i+4]
			assert.NotEqual(t, q[0], q[1])
			assert.Equal(t, []string{q[1], q[0]}, q[2:], "the second pair mirrors the first")
		}
		for _, arm := range d.order {
			text += arm[:1]
		}
		orders[text] = true
		again := &drifting{rng: rand.New(rand.NewPCG(seed, 9))}
		compareArms(t, again, seed)
		assert.Equal(t, d.order, again.order)
	}
	assert.Greater(t, len(orders), 3)
}
