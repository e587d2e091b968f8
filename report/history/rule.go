package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Rule says when a run is worse than those before it. The zero value is the rule of the
// package comment. At a scatter of 3% between runs it finds a loss of 10% in one judged metric
// within two runs 95% of the time, once the file has 40 runs; docs/gate.md has the rates of
// other rules, and of several metrics.
type Rule struct {
	// Last is how many earlier runs a run is held against, at least 2; 0 means 20. Of fewer the
	// mean is less certain, which is allowed for, and a loss is found later.
	Last int
	// FalseAlarm is the chance, in (0, 0.5), that a run of an unchanged server is called worse,
	// all its metrics together; 0 means 0.01.
	FalseAlarm float64
	// Tolerance is the share by which a metric may be worse in any case, in (0, 1); 0 means
	// 0.05.
	Tolerance float64
	// Metrics are those that are judged, for example "ttft p95" or "tok/s". The more there are,
	// the more each must show. Without any they are the answer of a search, the metrics of the
	// run's limits or, if it has none, the p95 of the TTFT and the output throughput.
	Metrics []string
}

// The defaults of a Rule.
const (
	defaultLast       = 20
	defaultFalseAlarm = 0.01
	defaultTolerance  = 0.05
)

// window is how many runs the scatter is taken from: more say next to nothing of it, and a
// machine of half a year ago is another.
const window = 100

// aloneShare is the part of the false alarms that a single run may cause; the rest are of two
// runs together.
const aloneShare = 0.15

// honest is the share of the false alarms that the tests work with. A run that is called worse
// is part of no level, and without the outermost of them the others look more alike than they
// are: of 200 runs at a scatter of 5%, 1.09% would be called worse in place of 1%.
const honest = 0.85

// Validate checks the rule's fields.
func (r Rule) Validate() error {
	switch {
	case r.Last < 0 || r.Last == 1:
		return fmt.Errorf("cannot compare with the last %d runs; give at least 2, or 0 for %d", r.Last, defaultLast)
	case r.FalseAlarm < 0 || !(r.FalseAlarm < 0.5):
		return fmt.Errorf("a false alarm in %v of the runs cannot be; give a chance below 0.5, or 0 for %v", r.FalseAlarm, defaultFalseAlarm)
	case r.Tolerance < 0 || !(r.Tolerance < 1):
		return fmt.Errorf("a tolerance of %v cannot be; give a fraction between 0 and 1", r.Tolerance)
	}
	for _, m := range r.Metrics {
		if unit, known := bench.UnitOf(m); unit == "" {
			return fmt.Errorf("a history has no metric %q; it has %s", m, strings.Join(known, ", "))
		}
	}
	return nil
}

// complete returns the rule with its defaults filled in.
func (r Rule) complete() Rule {
	if r.Last == 0 {
		r.Last = defaultLast
	}
	if r.FalseAlarm == 0 {
		r.FalseAlarm = defaultFalseAlarm
	}
	if r.Tolerance == 0 {
		r.Tolerance = defaultTolerance
	}
	return r
}

// Trend is a run among those before it.
type Trend struct {
	// Path is the file of the runs.
	Path string
	// Runs are those that asked the same question, by their times; the last is the run itself.
	Runs []Run
	// Own is the verdict of the run alone.
	Own recipes.Verdict
	// Asked says that a rule was applied, and Rule is that, its defaults filled in.
	Asked bool
	Rule  Rule
	// Moves are the metrics that were judged, in the order of the run's series. There are none
	// while there are fewer than three earlier runs to judge by.
	Moves []Move
}

// Move is how one metric of a run stands to the runs before it.
type Move struct {
	Point, Unit string
	// Higher says that more of it is better.
	Higher bool
	// Level is the mean of the last N earlier runs, a geometric one, and Scatter the standard
	// deviation of a single run around it, as a share.
	Level, Scatter float64
	N              int
	// Now is the run's own value or, if Two is set, the mean of it and the run before.
	Now float64
	Two bool
	// Worse is the share of the level by which that is worse; negative when it is better.
	Worse float64
	// P is the chance that a run of an unchanged server is so much worse in any metric.
	P float64
	// Bound is the value from which on a single run fails.
	Bound float64
	// Finds is the loss, as a share, that two runs would show 95% of the time.
	Finds float64
	// Fails says that P is below the rule's FalseAlarm, and Worse above its Tolerance.
	Fails bool
}

// Among returns a run among earlier ones, without judging it.
func Among(path string, earlier []Run, now Run) *Trend {
	t := &Trend{Path: path}
	for _, r := range earlier {
		if r.like(&now) {
			t.Runs = append(t.Runs, r)
		}
	}
	t.Runs = append(t.Runs, now)
	return t
}

// Judge holds the last run of the trend against those before it. limited are the units of the
// metrics that the run has limits on, which are judged if the rule does not name others.
func (r Rule) Judge(t *Trend, limited []string) {
	r = r.complete()
	t.Asked, t.Rule, t.Moves = true, r, nil
	now := &t.Runs[len(t.Runs)-1]
	judged := r.judged(now, limited)
	for _, s := range judged {
		if m, ok := r.move(t.Runs, s, len(judged)); ok {
			t.Moves = append(t.Moves, m)
		}
	}
}

// judged are the series of a run that the rule judges.
func (r Rule) judged(now *Run, limited []string) []bench.Series {
	var units []string
	answer := slices.ContainsFunc(now.Series, func(s bench.Series) bool { return bench.Answers(s.Unit) })
	switch {
	case len(r.Metrics) > 0:
		for _, m := range r.Metrics {
			unit, _ := bench.UnitOf(m)
			units = append(units, unit)
		}
	case answer:
		return slices.DeleteFunc(slices.Clone(now.Series), func(s bench.Series) bool { return !bench.Answers(s.Unit) })
	case slices.ContainsFunc(now.Series, func(s bench.Series) bool { return slices.Contains(limited, s.Unit) }):
		units = limited
	default:
		// Both, since they are of different halves of a server: waiting and prefill, and decode.
		for _, pair := range [][]string{{"ttft p95", "tok/s"}, {"e2e p95", "req/s"}} {
			for _, m := range pair {
				unit, _ := bench.UnitOf(m)
				units = append(units, unit)
			}
			if slices.ContainsFunc(now.Series, func(s bench.Series) bool { return s.Unit == units[0] }) {
				break
			}
			units = nil
		}
	}
	return slices.DeleteFunc(slices.Clone(now.Series), func(s bench.Series) bool { return !slices.Contains(units, s.Unit) })
}

// value is one earlier run's logarithm of a metric, turned so that more is worse.
type value struct {
	ln   float64
	mark Mark
}

// move judges one metric of the last of the runs, one of so many. ok is false where there is
// too little to judge by: fewer than three earlier runs, or a value of zero, which has no
// logarithm.
func (r Rule) move(runs []Run, s bench.Series, metrics int) (m Move, ok bool) {
	m = Move{Point: s.Point, Unit: s.Unit, Higher: s.Higher}
	sign := 1.0
	if s.Higher {
		sign = -1
	}
	var all []value
	for i := range runs {
		v, has := runs[i].value(s.Point, s.Unit)
		if has && v > 0 {
			all = append(all, value{sign * math.Log(v), runs[i].Mark})
		} else if i == len(runs)-1 {
			return m, false
		}
	}
	before, now := all[:len(all)-1], all[len(all)-1].ln
	scatter, kept, df := spread(before)
	if df < 2 {
		return m, false
	}
	m.Scatter = scatter
	// Runs that keep something of the ones before them say less of their level.
	lasting := (1 + kept) / (1 - kept)
	alpha := honest * r.FalseAlarm / float64(metrics)
	show := func(level, x float64, two bool, n int) {
		m.Level, m.Now, m.Two, m.N = math.Exp(sign*level), math.Exp(sign*x), two, n
		m.Worse = sign * (m.Now - m.Level) / m.Level
	}

	alone, n := level(before, r.Last)
	p1 := beyond(now-alone, scatter*math.Sqrt(1+lasting/float64(n)), df) / aloneShare
	show(alone, now, false, n)
	m.Bound = math.Exp(sign * (alone + r.margin(m.Higher, student(df).Quantile(1-alpha*aloneShare)*scatter*math.Sqrt(1+lasting/float64(n)))))
	fails := func(p float64) bool { return p < alpha && m.Worse > r.Tolerance }
	m.P = min(1, p1*float64(metrics)/honest)
	m.Fails = fails(p1)

	last := before[len(before)-1]
	older, k := level(before[:len(before)-1], r.Last)
	if k == 0 || last.mark == Accepted {
		// The run before began this level: there is nothing to hold both against.
		m.Finds = r.finds(m.Higher, student(df).Quantile(1-alpha*aloneShare), scatter*math.Sqrt(1+lasting/float64(n)))
		return m, true
	}
	se := scatter * math.Sqrt((1+kept)/2+lasting/float64(k))
	m.Finds = r.finds(m.Higher, student(df).Quantile(1-alpha*(1-aloneShare)), se)
	if p2 := beyond((now+last.ln)/2-older, se, df) / (1 - aloneShare); !m.Fails {
		was := m
		show(older, (now+last.ln)/2, true, k)
		if m.Fails = fails(p2); m.Fails {
			m.P = min(1, p2*float64(metrics)/honest)
		} else {
			m = was
			m.P = min(m.P, 1, p2*float64(metrics)/honest)
		}
	}
	return m, true
}

// spread is the standard deviation of the runs that count, around the level of their stretch,
// and its degrees of freedom. A stretch ends where Changes finds a change, and where a level
// was accepted. kept is the share of what a run is off by that the next keeps, their
// autocorrelation, where that is more than chance makes it, and otherwise 0.
func spread(before []value) (sd, kept float64, df int) {
	var stretches [][]float64
	all := counting(before)
	all = all[max(0, len(all)-window):]
	from := 0
	cutAt := func(i int) {
		if i > from {
			stretches = append(stretches, lns(all[from:i]))
			from = i
		}
	}
	for i, v := range all {
		if v.mark == Accepted {
			cutAt(i)
		}
	}
	cutAt(len(all))
	squares, products := 0.0, 0.0
	for _, s := range stretches {
		ends := append(Changes(s), len(s))
		begin := 0
		for _, end := range ends {
			part := s[begin:end]
			mean := mean(part)
			for i, v := range part {
				squares += (v - mean) * (v - mean)
				if i > 0 {
					products += (v - mean) * (part[i-1] - mean)
				}
			}
			df += len(part) - 1
			begin = end
		}
	}
	if df == 0 {
		return math.NaN(), 0, 0
	}
	// The autocorrelation of runs that keep nothing is off by −1/n for the mean that was taken
	// out, and scatters by 1/√n. Its bound is that of one in twenty: allowing for what is not
	// there would cost every history some of the losses that it finds.
	n := float64(len(all))
	if r := products/squares + 1/n; r*math.Sqrt(n) > 1.645 {
		kept = min(r, mostKept)
	}
	return math.Sqrt(squares / float64(df)), kept, df
}

// mostKept is the largest autocorrelation that is allowed for: runs that keep more have no level.
const mostKept = 0.8

// level is the mean of the last runs that count, and how many they are: at most last, and none
// from before a level was accepted.
func level(before []value, last int) (m float64, n int) {
	for i, v := range slices.Backward(before) {
		if v.mark == Accepted {
			before = before[i:]
			break
		}
	}
	vs := lns(counting(before))
	vs = vs[max(0, len(vs)-last):]
	return mean(vs), len(vs)
}

// counting are the runs that are part of a level.
func counting(all []value) []value {
	return slices.DeleteFunc(slices.Clone(all), func(v value) bool { return v.mark == Worse })
}

// lns are the logarithms alone.
func lns(all []value) []float64 {
	out := make([]float64, len(all))
	for i, v := range all {
		out[i] = v.ln
	}
	return out
}

// mean is that of a few numbers; NaN of none.
func mean(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	return sum / float64(len(vs))
}

// beyond is the chance that a difference is so large, or larger, when nothing has changed.
func beyond(d, se float64, df int) float64 {
	if se == 0 || math.IsNaN(d) {
		if d > 0 {
			return 0
		}
		return 1
	}
	return student(df).Survival(d / se)
}

// margin is the difference of logarithms from which on a test fails: what it can tell, and at
// least what is tolerated.
func (r Rule) margin(higher bool, tells float64) float64 {
	if higher {
		return max(tells, -math.Log1p(-r.Tolerance))
	}
	return max(tells, math.Log1p(r.Tolerance))
}

// finds is the loss that a test with this quantile and standard error shows 95% of the time,
// as a share of the level.
func (r Rule) finds(higher bool, quantile, se float64) float64 {
	const z95 = 1.645
	x := r.margin(higher, quantile*se) + z95*se
	if higher {
		return -math.Expm1(-x)
	}
	return math.Expm1(x)
}

// Failed returns the metrics in which the run is worse, the worst first.
func (t *Trend) Failed() []Move {
	var out []Move
	for _, m := range t.Moves {
		if m.Fails {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b Move) int { return cmp.Compare(b.Worse, a.Worse) })
	return out
}

// Verdict is recipes.Missed when a metric is worse than in the runs before, recipes.Met when
// none is, and recipes.Inconclusive when none could be judged.
func (t *Trend) Verdict() recipes.Verdict {
	switch {
	case len(t.Failed()) > 0:
		return recipes.Missed
	case len(t.Moves) == 0:
		return recipes.Inconclusive
	}
	return recipes.Met
}

// Join is the verdict of a run that is one of a history: missed if it is worse than those
// before it, and otherwise its own. A history that is too short to judge by fails nobody, since
// each begins with such runs.
func (t *Trend) Join(own recipes.Verdict) recipes.Verdict {
	t.Own = own
	if t.Verdict() == recipes.Missed {
		return recipes.Missed
	}
	return own
}

// Values are the values of a metric at a point in the trend's runs, and the indexes of those
// runs that have one, both in the order of Runs.
func (t *Trend) Values(point, unit string) (values []float64, runs []int) {
	for i := range t.Runs {
		if v, ok := t.Runs[i].value(point, unit); ok {
			values, runs = append(values, v), append(runs, i)
		}
	}
	return values, runs
}
