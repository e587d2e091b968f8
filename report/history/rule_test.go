package history

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

var (
	many   = flag.Int("series", 0, "simulate so many histories a row in TestNightly instead of a few")
	update = flag.Bool("update", false, "rewrite the table of TestNightly in docs/gate.md")
)

// ttft is the unit that most tests judge.
const ttft = "ttft-p95-ns"

// units are those of a simulated run, as many as are judged.
var units = []string{ttft, "itl-p95-ns", "e2e-p95-ns", "tok/s"}

// nightly is a server that is measured each night. The logarithm of each metric scatters by
// sd from night to night, on its own. It keeps the share memory of what it was off by the night
// before.
type nightly struct {
	rng        *rand.Rand
	sd, memory float64
	metrics    int
	rule       Rule
	runs       []Run
	off        []float64 // by metric, in standard deviations
}

// night measures once more, with the first metric worse by a share, judges and keeps the run.
// It reports whether the run was found worse.
func (n *nightly) night(worse float64) bool {
	r := Run{Time: time.Unix(0, 0).AddDate(0, 0, len(n.runs)), Recipe: "fixed-concurrency-16"}
	for k := range n.metrics {
		s := bench.Series{Unit: units[k], Higher: units[k] == "tok/s"}
		if len(n.runs) == 0 {
			n.off = append(n.off, n.rng.NormFloat64())
		} else {
			n.off[k] = n.memory*n.off[k] + math.Sqrt(1-n.memory*n.memory)*n.rng.NormFloat64()
		}
		v := 1e8 * math.Exp(n.sd*n.off[k])
		if k == 0 {
			v *= 1 + worse
		}
		s.Values = []float64{v}
		r.Series = append(r.Series, s)
	}
	t := Among("", n.runs, r)
	n.rule.Judge(t, units)
	if t.Verdict() == recipes.Missed {
		r.Mark = Worse
	}
	n.runs = append(n.runs, r)
	return r.Mark == Worse
}

// rates are what a number of simulated histories came to.
type rates struct {
	// alarms is the share of nights of an unchanged server that were found worse.
	alarms float64
	// first and found are the shares of losses found in their first night, and in their first
	// or second.
	first, found float64
}

// simulate runs histories of so many nights of an unchanged server, each followed by a loss.
func simulate(seed uint64, series, nights int, sd, memory, loss float64, metrics int, rule Rule) (r rates) {
	rng := rand.New(rand.NewPCG(seed, uint64(nights)))
	for range series {
		n := nightly{rng: rng, sd: sd, memory: memory, metrics: metrics, rule: rule}
		for range nights {
			if n.night(0) {
				r.alarms++
			}
		}
		if n.night(loss) {
			r.first++
			r.found++
		} else if n.night(loss) {
			r.found++
		}
	}
	return rates{r.alarms / float64(series*nights), r.first / float64(series), r.found / float64(series)}
}

// TestNightly measures both rates of the gate of a history, and holds them to what is promised:
// at a scatter of 3% between days at most 1% of the runs of an unchanged server are called
// worse, over 200 nights, and a loss of 10% is found within two runs in 95% of the cases from
// 40 runs on. With -series it makes the table of docs/gate.md, and with -update writes it.
func TestNightly(t *testing.T) {
	const page, begin, end = "../../docs/gate.md", "<!-- nightly: begin -->\n", "<!-- nightly: end -->"
	if *many == 0 {
		for _, c := range []struct {
			series, nights int
			found          float64 // what is asserted is two standard deviations below the 96% and 98% of many
		}{{30, 200, 0.93}, {150, 40, 0.93}} {
			r := simulate(1, c.series, c.nights, 0.03, 0, 0.1, 1, Rule{})
			t.Logf("%d histories of %d nights: %.2f%% false alarms, %.1f%% of the losses of 10%% found within two runs",
				c.series, c.nights, 100*r.alarms, 100*r.found)
			assert.LessOrEqual(t, r.alarms, 0.01)
			assert.GreaterOrEqual(t, r.found, c.found)
		}
		return
	}
	rows := "\n| scatter | metrics | against the last | runs before | false alarms | −10%: in the first run | within two |\n" +
		"|---|---|---|---|---|---|---|\n"
	for _, c := range []struct {
		sd      float64
		metrics int
		last    int
		nights  []int
		memory  float64
	}{
		{0.03, 1, 20, []int{20, 40, 200}, 0}, {0.03, 1, 10, []int{40, 200}, 0}, {0.03, 1, 5, []int{40, 200}, 0},
		{0.03, 2, 20, []int{40, 200}, 0}, {0.03, 4, 20, []int{40, 200}, 0}, {0.02, 1, 5, []int{20, 40}, 0}, {0.05, 1, 20, []int{200}, 0},
		{0.03, 1, 20, []int{200}, 0.3}, {0.03, 1, 20, []int{200}, 0.6},
	} {
		for _, nights := range c.nights {
			r := simulate(3, *many, nights, c.sd, c.memory, 0.1, c.metrics, Rule{Last: c.last})
			scatter := fmt.Sprintf("%.0f%%", 100*c.sd)
			if c.memory > 0 {
				scatter += fmt.Sprintf(", %.0f%% of it kept", 100*c.memory)
			}
			row := fmt.Sprintf("| %s | %d | %d | %d | %.2f%% | %.1f%% | %.1f%% |\n", scatter, c.metrics, c.last, nights,
				100*r.alarms, 100*r.first, 100*r.found)
			t.Log(row)
			rows += row
			if c.memory > 0 { // what the rule does not promise
				continue
			}
			assert.LessOrEqual(t, r.alarms, 0.01, row)
			if c.sd == 0.03 && c.last == 20 && c.metrics == 1 && nights >= 40 {
				assert.GreaterOrEqual(t, r.found, 0.95, row)
			}
		}
	}
	if *update {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		before, rest, ok := strings.Cut(string(b), begin)
		_, after, found := strings.Cut(rest, end)
		require.True(t, ok && found, "docs/gate.md has no place for the table")
		require.NoError(t, os.WriteFile(page, []byte(before+begin+rows+"\n"+end+after), 0o666))
	}
}

// runsOf are runs of one metric, in the order of their nights.
func runsOf(values ...float64) []Run {
	var out []Run
	for i, v := range values {
		out = append(out, Run{Time: time.Unix(0, 0).AddDate(0, 0, i), Series: []bench.Series{{Unit: ttft, Values: []float64{v}}}})
	}
	return out
}

// judge holds the last run against the others.
func judge(rule Rule, runs []Run) *Trend {
	t := Among("", runs[:len(runs)-1], runs[len(runs)-1])
	rule.Judge(t, []string{ttft})
	return t
}

// around are n values that scatter by about 3% around 100, always the same.
func around(n int) []float64 {
	rng := rand.New(rand.NewPCG(4, 4))
	out := make([]float64, n)
	for i := range out {
		out[i] = 100 * math.Exp(0.03*rng.NormFloat64())
	}
	return out
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		why  string
		then []float64
		now  []float64
		rule Rule
		want recipes.Verdict
	}{
		{"nothing to judge by", nil, []float64{100}, Rule{}, recipes.Inconclusive},
		{"two earlier runs are none", []float64{100, 101}, []float64{300}, Rule{}, recipes.Inconclusive},
		{"three show what is far off", []float64{100, 101, 99}, []float64{300}, Rule{}, recipes.Missed},
		{"and nothing else", []float64{100, 103, 97}, []float64{112}, Rule{}, recipes.Met},
		{"the same", around(30), []float64{101}, Rule{}, recipes.Met},
		{"twice as quick", around(30), []float64{50}, Rule{}, recipes.Met},
		{"a loss that one run shows", around(30), []float64{114}, Rule{}, recipes.Missed},
		{"one that a single run does not show", around(30), []float64{106}, Rule{}, recipes.Met},
		{"and two do", around(30), []float64{108, 108}, Rule{}, recipes.Missed},
		{"certain, and tolerated", []float64{100, 100, 100, 100, 100}, []float64{104}, Rule{}, recipes.Met},
		{"certain, and not", []float64{100, 100, 100, 100, 100}, []float64{106}, Rule{}, recipes.Missed},
		{"with another tolerance", []float64{100, 100, 100, 100, 100}, []float64{106}, Rule{Tolerance: 0.1}, recipes.Met},
		{"with more false alarms, it does", around(30), []float64{106}, Rule{FalseAlarm: 0.2}, recipes.Missed},
		{"a zero has no logarithm", around(30), []float64{0}, Rule{}, recipes.Inconclusive},
		{"a level of months ago is none", append([]float64{50, 51, 49, 50, 51, 50, 49}, around(25)...), []float64{100}, Rule{}, recipes.Met},
		{"and its change is no scatter", append([]float64{50, 51, 49, 50, 51, 50, 49}, around(25)...), []float64{114}, Rule{}, recipes.Missed},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := judge(tt.rule, runsOf(append(append([]float64{}, tt.then...), tt.now...)...))
			assert.Equal(t, tt.want, got.Verdict())
			assert.Equal(t, tt.want == recipes.Missed, got.Join(recipes.Met) == recipes.Missed)
			assert.Equal(t, recipes.Missed, got.Join(recipes.Missed))
		})
	}
}

// A loss that was found is no part of the level: it is found each time, until somebody accepts
// it.
func TestLossStaysFound(t *testing.T) {
	runs := runsOf(around(30)...)
	next := func(v float64, mark Mark) recipes.Verdict {
		r := runsOf(v)[0]
		r.Time = time.Unix(0, 0).AddDate(0, 0, len(runs))
		trend := Among("", runs, r)
		Rule{}.Judge(trend, []string{ttft})
		if r.Mark = mark; mark == Plain && trend.Verdict() == recipes.Missed {
			r.Mark = Worse
		}
		runs = append(runs, r)
		return trend.Verdict()
	}
	for range 40 {
		assert.Equal(t, recipes.Missed, next(115, Plain))
	}
	next(115, Accepted)
	for range 10 {
		assert.Equal(t, recipes.Met, next(115, Plain))
	}
	assert.Equal(t, recipes.Missed, next(132, Plain), "the scatter is that of the months before")
}

// More of a throughput is better, of a latency less.
func TestJudgeHigher(t *testing.T) {
	var runs []Run
	for i, v := range append(around(30), 88) {
		runs = append(runs, Run{Time: time.Unix(int64(i), 0), Series: []bench.Series{{Unit: "tok/s", Higher: true, Values: []float64{v}}}})
	}
	trend := Among("", runs[:30], runs[30])
	Rule{}.Judge(trend, []string{"tok/s"})
	require.Len(t, trend.Failed(), 1)
	m := trend.Moves[0]
	assert.InDelta(t, 0.12, m.Worse, 0.01)
	assert.InDelta(t, 0.03, m.Scatter, 0.008)
	assert.Equal(t, 20, m.N)
	assert.Less(t, m.P, 0.01)
	assert.InDelta(t, 0.095, m.Finds, 0.02)
}

// What is judged where nobody says: the answer of a search, the limits, or the TTFT and the
// throughput.
func TestJudged(t *testing.T) {
	series := func(units ...string) *Run {
		r := &Run{}
		for _, u := range units {
			r.Series = append(r.Series, bench.Series{Unit: u})
		}
		return r
	}
	for _, tt := range []struct {
		why     string
		rule    Rule
		run     *Run
		limited []string
		want    []string
	}{
		{"a search", Rule{}, series("concurrency", "tok/s"), []string{ttft}, []string{"concurrency"}},
		{"limits", Rule{}, series(ttft, "itl-p95-ns", "tok/s"), []string{"itl-p95-ns"}, []string{"itl-p95-ns"}},
		{"no limits", Rule{}, series(ttft, "itl-p95-ns", "tok/s", "req/s"), nil, []string{ttft, "tok/s"}},
		{"a limit that has no unit here", Rule{}, series(ttft, "tok/s"), []string{"itl-p95-ns"}, []string{ttft, "tok/s"}},
		{"answers in one piece", Rule{}, series("e2e-p95-ns", "req/s", "errors-%"), nil, []string{"e2e-p95-ns", "req/s"}},
		{"named", Rule{Metrics: []string{"req/s", "itl p95"}}, series(ttft, "itl-p95-ns", "req/s"), []string{ttft},
			[]string{"itl-p95-ns", "req/s"}},
	} {
		var got []string
		for _, s := range tt.rule.judged(tt.run, tt.limited) {
			got = append(got, s.Unit)
		}
		assert.Equal(t, tt.want, got, tt.why)
	}
}

func TestRuleErrors(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{}, ""}, {Rule{Last: 5, FalseAlarm: 0.05, Metrics: []string{"ttft p95", "tok/s", "concurrency"}}, ""},
		{Rule{Last: 1}, "cannot compare with the last 1 runs; give at least 2, or 0 for 20"},
		{Rule{FalseAlarm: 1}, "a false alarm in 1 of the runs cannot be; give a chance below 0.5, or 0 for 0.01"},
		{Rule{Tolerance: 5}, "a tolerance of 5 cannot be; give a fraction between 0 and 1"},
		{Rule{Metrics: []string{"ttft p42"}}, `a history has no metric "ttft p42"; it has concurrency, `},
	} {
		if err := tt.rule.Validate(); tt.want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, tt.want)
		}
	}
}

func TestChanges(t *testing.T) {
	steps := func(levels ...float64) []float64 {
		var out []float64
		rng := rand.New(rand.NewPCG(1, 1))
		for _, l := range levels {
			for range 12 {
				out = append(out, l+0.03*rng.NormFloat64())
			}
		}
		return out
	}
	assert.Empty(t, Changes(nil))
	assert.Empty(t, Changes(steps(0, 0, 0)))
	assert.Equal(t, []int{12}, Changes(steps(0, 0.1)))
	assert.Equal(t, []int{12, 24}, Changes(steps(0, 0.1, 0)))
	assert.Empty(t, Changes([]float64{1, 1, 1, 1, 1, 1}), "nothing moves")
	assert.Equal(t, []int{3}, Changes([]float64{1, 1, 1, 2, 2, 2}), "nothing scatters")
	assert.Empty(t, Changes([]float64{0, 0.01, 0, 0.02, 0.4, 0.01, 0, 0.01, 0.02, 0}), "one odd night")
	odd := 0
	rng := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		vs := make([]float64, 60)
		for i := range vs {
			vs[i] = rng.NormFloat64()
		}
		if len(Changes(vs)) > 0 {
			odd++
		}
	}
	t.Logf("%d of 500 level series have a change", odd)
	assert.LessOrEqual(t, odd, 5)
}
