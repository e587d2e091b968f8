package sla

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
)

// tally counts the requests that break a limit.
type tally struct {
	// bad of n requests break the limit.
	bad, n int
	// failed is the number of requests that failed.
	failed int
	// allowed is the share of requests that may break the limit, from 0 to 1.
	allowed float64
	// inflation is the variance of the count as a multiple of that of independent
	// requests, at least 1.
	inflation float64
	// values are those of the requests that have one.
	values []float64
}

// rule is a limit on a share of requests: a percentile (a limit on pXX holds if and
// only if the share beyond it is below 1 − XX/100), min and max, the error rate, the
// share of good requests.
type rule struct {
	op Op
	// allowed is the share of requests that may be bad.
	allowed float64
	// worse reports whether a request is bad, and whether it counts at all.
	worse func(q *loadgen.Request) (bad, counts bool)
}

// ruleOf returns the rule of a limit; ok is false for limits on averages and rates.
func ruleOf(l Limit) (r rule, ok bool) {
	r.op = l.Op
	switch {
	case l.Metric == loadgen.TagErrorRate && l.Op.Upper():
		r.allowed = l.Threshold / 100
		r.worse = func(q *loadgen.Request) (bool, bool) { return q.Failure != nil, true }
		return r, true
	case l.Metric == loadgen.TagGoodShare && !l.Op.Upper():
		r.allowed = 1 - l.Threshold
		r.worse = func(q *loadgen.Request) (bool, bool) { return !q.Good, true }
		return r, true
	}
	q, ok := loadgen.Quantile(l.Stat)
	if m, known := metricOf(l.Metric); !ok || !known || !m.PerRequest || m.Tag == loadgen.TagICL {
		return r, false // a request has many chunks; see gapsOf
	}
	r.allowed = q
	if l.Op.Upper() {
		r.allowed = 1 - q
	}
	r.worse = func(q *loadgen.Request) (bool, bool) {
		v, ok := q.Value(l.Metric)
		if !ok {
			// A failed request exceeds the limit. An answer that is too short to
			// have an ITL says nothing about it.
			return q.Failure != nil, q.Failure != nil
		}
		return !l.Op.Holds(v, l.Threshold), true
	}
	return r, true
}

// tallyOf counts the requests of all trials for a limit that is a rule on shares.
// counted is false for other limits, and when a trial came without its requests.
func tallyOf(l Limit, trials Trials) (t tally, counted bool) {
	r, ok := ruleOf(l)
	if !ok {
		return t, false
	}
	t.allowed = r.allowed
	var marks []bool
	var parts []part
	size := 1
	for k, m := range trials {
		if m.Requests == nil {
			return t, false
		}
		size = max(size, inFlight(m))
		for i := range m.Requests {
			q := &m.Requests[i]
			if q.Failure != nil {
				t.failed++
			}
			if v, ok := q.Value(l.Metric); ok {
				t.values = append(t.values, v)
			}
			bad, counts := r.worse(q)
			if !counts {
				continue
			}
			marks = append(marks, bad)
			if last := len(parts) - 1; last < 0 || parts[last].trial != k || parts[last].block != q.Block {
				parts = append(parts, part{trial: k, block: q.Block})
			}
			at := &parts[len(parts)-1]
			at.n++
			t.n++
			if bad {
				t.bad++
				at.bad++
			}
		}
	}
	t.inflation = max(inflation(marks, size), t.between(parts))
	return t, true
}

// inFlight is how many requests share the server at a time: the concurrency, or in an open
// loop their mean, which is known once it was measured.
func inFlight(m *loadgen.Measurement) int {
	if mean, ok := m.Stat(loadgen.TagInFlight, "avg"); ok && m.Load.Concurrency == 0 {
		return int(math.Ceil(min(mean, float64(len(m.Requests)))))
	}
	return m.Load.Concurrency
}

// holds decides by the count. A share that is "at most" allowed may be reached, and
// one "below" may not; when nothing is allowed, no request may break the limit. The
// 1e-12 absorb rounding in shares such as 1 − 0.95.
func (t tally) holds(op Op) bool {
	share := float64(t.bad) / float64(t.n)
	if t.bad == 0 {
		return true
	}
	if op == LE || op == GE {
		return share <= t.allowed+1e-12
	}
	return share < t.allowed-1e-12
}

// pass returns P(the server's share of bad requests is within what is allowed): the
// posterior of a binomial share under Jeffreys' prior (Brown, Cai and DasGupta
// 2001, "Interval estimation for a binomial proportion"), with the sample shrunk by
// the inflation. When nothing is allowed the count is the verdict, since no sample
// proves a share of zero.
//
// Requests that are all good never speak against a limit, however few they are. The prior
// alone would: it has most shares above a small one, and a slow server's four good requests
// then counted as a likely failure.
func (t tally) pass(op Op) float64 {
	if t.allowed <= 0 || t.allowed >= 1 {
		if t.holds(op) {
			return 1
		}
		return 0
	}
	bad, good := float64(t.bad)/t.inflation, float64(t.n-t.bad)/t.inflation
	pass := distuv.Beta{Alpha: bad + 0.5, Beta: good + 0.5}.CDF(t.allowed)
	if t.bad == 0 {
		return max(pass, leastGood)
	}
	return pass
}

// leastGood is P(the limit holds) where no request speaks against it and few were seen.
const leastGood = 0.51

// margin returns the margin of the limit. For latencies it is that of the
// percentile with failed requests counted as infinitely slow; for shares it is that
// of the share.
func (t tally) margin(l Limit, r Reading) float64 {
	switch {
	case l.share():
		// Half a request stands for none: not to have seen a bad request does not
		// mean that there are none, and ln(0) is of no use.
		share := max(float64(t.bad), 0.5) / float64(t.n)
		if t.allowed <= 0 {
			return signed(farthest, r.Holds)
		}
		return signed(math.Log(share/t.allowed), r.Holds)
	case math.IsNaN(r.Value), math.IsInf(r.Adjusted, 0):
		return signed(farthest, r.Holds) // all, or too many, failed
	}
	g := math.Log(r.Adjusted / l.Threshold)
	if !l.Op.Upper() {
		g = -g
	}
	return signed(g, r.Holds)
}

// tailSE returns the standard error of ln(percentile) for a sample that is too
// short for the order statistics above the percentile, for example that of a probe
// that ended early. It is the binomial error of ln(share beyond) times the slope of
// ln(value) over ln(share), which the tail shows between twice the share and the
// share itself. It is NaN for fewer than 8 values, or when the slope is 0.
func (t tally) tailSE(upper bool) float64 {
	share := min(t.allowed, 1-t.allowed)
	slices.Sort(t.values)
	n := len(t.values)
	if share <= 0 || n < 8 {
		return math.NaN()
	}
	at := func(beyond float64) float64 {
		i := int(beyond * float64(n))
		if upper == (t.allowed <= 0.5) {
			i = n - 1 - i
		}
		return t.values[min(max(i, 0), n-1)]
	}
	inner, outer := at(2*share), at(share)
	if !(inner > 0 && outer > 0) || inner == outer {
		return math.NaN()
	}
	slope := math.Abs(math.Log(outer/inner)) / math.Ln2
	return slope * math.Sqrt((1-share)/(share*float64(t.n)))
}

// quantile interpolates linearly between the values, with failed requests beyond
// all of them. It is +Inf when the quantile falls among the failed ones.
func (t *tally) quantile(q float64) float64 {
	slices.Sort(t.values)
	at := q * float64(len(t.values)+t.failed-1)
	i := int(math.Ceil(at))
	if i >= len(t.values) {
		return math.Inf(1)
	}
	lo, hi := t.values[int(at)], t.values[i]
	return lo + (hi-lo)*(at-math.Floor(at))
}

// inflation estimates how much more the count of marked requests varies than it
// would if they were independent; requests of one batch share its fate. It is the
// variance of the counts of consecutive blocks over the binomial variance, at least
// 1. Blocks have the given size as long as ten of them fit, and are shorter
// otherwise, because fewer blocks could not show how they vary. Fewer than five
// marked requests, or five unmarked ones, show nothing either.
func inflation(marks []bool, size int) float64 {
	const blocks = 10
	n := len(marks)
	size = min(max(size, 2), n/blocks)
	bad := 0
	for _, b := range marks {
		if b {
			bad++
		}
	}
	if size < 2 || bad < 5 || bad > n-5 {
		return 1
	}
	share := float64(bad) / float64(n)
	k, ss := n/size, 0.0
	for b := range k {
		count := 0.0
		for _, m := range marks[b*size : (b+1)*size] {
			if m {
				count++
			}
		}
		d := count - share*float64(size)
		ss += d * d
	}
	return max(ss/float64(k-1)/(float64(size)*share*(1-share)), 1)
}

// interval is the 95% confidence interval of a percentile, by order statistics: between
// two of them lies the percentile whatever the distribution, with the probability that a
// binomial count falls between their ranks (David and Nagaraja, Order Statistics, 3rd
// ed., section 7.1). Requests that hang together count for less than as many independent
// ones, by the inflation of the count. Where the sample is too small for the upper rank
// the largest value stands in.
func (t *tally) interval(q float64) (lo, hi float64) {
	slices.Sort(t.values)
	n := float64(len(t.values))
	half := 1.96*math.Sqrt(n*q*(1-q)*t.inflation) + 0.5
	at := func(rank float64) float64 { return t.values[min(max(int(rank), 0), len(t.values)-1)] }
	return at(math.Floor(n*q - half)), at(math.Ceil(n*q+half) - 1)
}

// part is one part of a trial's window, with phases of its own.
type part struct {
	trial, block int
	bad, n       int
}

// patternFaith is how many parts' worth of belief there is that the requests of a part are
// independent.
const patternFaith = 1.0

// between estimates the inflation from the parts of a window. Where the slots keep their
// phases, the requests of a part repeat one pattern, however many they are, and only
// parts know how patterns differ. It is the variance of the parts' counts over the
// binomial one, shrunk towards 1, and at least 1.
func (t *tally) between(parts []part) float64 {
	if len(parts) < 2 || parts[len(parts)-1].block == 0 && parts[len(parts)-1].trial == 0 {
		return 1
	}
	// Half of what is allowed bounds the share from below: parts without a bad request
	// are no certainty.
	least := min(t.allowed, 1-t.allowed) / 2
	q := min(max(float64(t.bad)/float64(t.n), least), 1-least)
	ss := 0.0
	for _, p := range parts {
		d := float64(p.bad) - q*float64(p.n)
		ss += d * d / (float64(p.n) * q * (1 - q))
	}
	return max((patternFaith+ss)/(patternFaith+float64(len(parts)-1)), 1)
}
