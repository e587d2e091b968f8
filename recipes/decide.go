package recipes

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// decide reads a probe's trials against the limits and turns them into what a
// planner sees. It fills in Readings and Observed.
func (p *Probe) decide(limits []Limit, objectives []Objective) []error {
	o := plan.Observation{At: p.Step.At, State: plan.Full}
	failed := 0
	for _, m := range p.Trials {
		n, _ := m.Stat(loadgen.TagCompleted, "avg")
		bad, _ := m.Stat(loadgen.TagErrors, "avg")
		o.Requests += int(n)
		failed += int(bad)
		if m.Ended == loadgen.EndedDecided {
			o.State = plan.Cut
		}
	}
	for i, l := range limits {
		r, limit := read(l, p.Trials)
		if o.State == plan.Cut && len(p.deciders) > 0 {
			conclude(p.deciders, i).settle(&r, &limit)
		}
		p.Readings = append(p.Readings, r)
		o.Limits = append(o.Limits, limit)
	}
	for _, g := range objectives {
		v, ok := p.Stat(g.Metric, g.Stat)
		if !ok {
			v = math.NaN()
		}
		if pooled, ok := pooledPercentile(p.Trials, g); ok {
			v = pooled
		}
		o.Goals = append(o.Goals, plan.Estimate{Value: v, SE: pooledSE(p.Trials, g.Metric, g.Stat)})
	}
	doubts := p.doubts(limits)
	switch {
	case len(doubts) > 0:
		o.State = plan.Untrusted
	case o.Requests > 0 && failed == o.Requests:
		o.State = plan.Failed
	}
	p.Observed = o
	return doubts
}

// ErrClientBound warns that the client was the bottleneck of a probe, so that
// its numbers are not the server's.
var ErrClientBound = errors.New("the client was the bottleneck")

// doubts returns why the probe's numbers cannot be laid at the server's door.
func (p *Probe) doubts(limits []Limit) []error {
	var doubts []error
	allowed := lagAllowed(limits)
	for _, m := range p.Trials {
		if lag := m.Health.SendLagP99; lag > allowed {
			doubts = append(doubts, &ClientBoundError{Concurrency: m.Load.Concurrency, Lag: lag, Allowed: allowed, CPU: m.Health.CPU})
		}
		for _, w := range m.Warnings {
			if errors.Is(w, loadgen.ErrUnsaturated) {
				doubts = append(doubts, w)
			}
		}
	}
	return doubts
}

// ClientBoundError is the warning of a client-bound probe; it matches
// ErrClientBound.
type ClientBoundError struct {
	Concurrency  int
	Lag, Allowed time.Duration // p99 of the lateness of sends, and what is tolerated
	CPU          float64
}

func (e *ClientBoundError) Error() string {
	return ErrClientBound.Error() + " at concurrency " + strconv.Itoa(e.Concurrency) + ": it sent " +
		e.Lag.Round(10*time.Microsecond).String() + " late (p99, allowed " + e.Allowed.String() + ") at " +
		strconv.Itoa(int(100*e.CPU+0.5)) + "% CPU; give it more cores or lower the load"
}

func (e *ClientBoundError) Is(target error) bool { return target == ErrClientBound }

// lagAllowed is how late a client may send: 5 % of the tightest latency
// threshold, and 5 ms at least.
func lagAllowed(limits []Limit) time.Duration {
	tightest := math.Inf(1)
	for _, l := range limits {
		if l.Unit() == "ms" && l.Op.Upper() {
			tightest = min(tightest, l.Threshold)
		}
	}
	allowed := 5 * time.Millisecond
	if !math.IsInf(tightest, 0) {
		allowed = max(allowed, time.Duration(0.05*tightest*float64(time.Millisecond)))
	}
	return allowed
}

// farthest bounds margins: beyond e³ a limit is missed or met, and by how much
// is of no use to a planner.
const farthest = 3.0

// read holds one limit against a probe's trials, their requests pooled.
func read(l Limit, trials []*loadgen.Measurement) (Reading, plan.Limit) {
	r := Reading{Limit: l, Value: math.NaN(), Adjusted: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), Pass: math.NaN()}
	r.Value = pooledStat(trials, l.Metric, l.Stat)
	r.Adjusted = r.Value
	se := pooledSE(trials, l.Metric, l.Stat)
	if !math.IsNaN(se) {
		r.interval(se)
	}
	g := plan.Limit{Estimate: plan.Estimate{Value: math.NaN(), SE: math.NaN()}, Pass: math.NaN()}
	if se > 0 && r.Value > 0 {
		g.SE = se / r.Value
	}
	t, counted := tallyOf(l, trials)
	if counted && t.n > 0 {
		r.Exceeded, r.Of = t.bad, t.n
		r.Holds, r.Pass = t.holds(l.Op), t.pass(l.Op)
		if t.failed > 0 && l.Unit() == "ms" {
			q, _ := quantileOf(l.Stat)
			r.Adjusted = t.quantile(q)
		}
		g.Pass = r.Pass
		g.Value = t.margin(l, r)
		if g.SE > 0 {
			g.SE *= math.Sqrt(t.inflation)
		} else if se := t.tailSE(); l.Unit() == "ms" && se > 0 {
			g.SE = se * math.Sqrt(t.inflation)
		} else if share := l.share(); share {
			g.SE = math.Sqrt(t.inflation) / math.Sqrt(max(float64(t.bad), 1)) // of ln(share): counts are Poisson
		}
		return r, g
	}
	if math.IsNaN(r.Value) {
		return r, g // what was not measured never passes
	}
	r.Holds = l.Op.holds(r.Value, l.Threshold)
	g.Value = l.margin(r.Value)
	if g.SE > 0 {
		r.Pass = distuv.UnitNormal.CDF(-g.Value / g.SE)
		g.Pass = r.Pass
	}
	return r, g
}

// share reports whether the limit's metric is itself a share of requests.
func (l Limit) share() bool {
	return l.Metric == loadgen.TagErrorRate || l.Metric == loadgen.TagGoodShare
}

// margin is g = ln(value/threshold), turned so that g > 0 violates; for a lower
// limit on a share of good requests it compares the bad shares.
func (l Limit) margin(v float64) float64 {
	var g float64
	switch {
	case l.Metric == loadgen.TagGoodShare && !l.Op.Upper():
		g = math.Log((1 - v) / (1 - l.Threshold))
	case l.Op.Upper():
		g = math.Log(v / l.Threshold)
	default:
		g = math.Log(l.Threshold / v)
	}
	if math.IsNaN(g) {
		return g
	}
	return signed(min(max(g, -farthest), farthest), l.Op.holds(v, l.Threshold))
}

// signed makes the margin's sign agree with the verdict, which knows strict
// from weak comparison and counts from interpolation.
func signed(g float64, holds bool) float64 {
	const least = 1e-9
	if holds {
		return min(g, -least)
	}
	return max(g, least)
}

// interval sets the 95 % interval of the printed value, in ln where the value is
// positive, as standard errors of percentiles are.
func (r *Reading) interval(se float64) {
	const z = 1.96
	if r.Value > 0 && r.Limit.Unit() == "ms" {
		f := math.Exp(z * se / r.Value)
		r.Lo, r.Hi = r.Value/f, r.Value*f
		return
	}
	r.Lo, r.Hi = max(r.Value-z*se, 0), r.Value+z*se
}

// tally counts requests that break a limit.
type tally struct {
	bad, n    int
	failed    int
	allowed   float64   // share that may
	inflation float64   // variance of the count over that of independent requests, at least 1
	values    []float64 // of the requests that have one
}

// rule is a limit that is one on shares of requests: percentiles (a limit on pXX
// holds iff the share beyond it is below 1 − XX/100), min and max, the error
// rate, the share of good requests.
type rule struct {
	op      Op
	allowed float64 // share of requests that may be bad
	worse   func(q *loadgen.Request) (bad, counts bool)
}

// ruleOf returns a limit's rule; ok is false for averages and rates.
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
	q, ok := quantileOf(l.Stat)
	if m, known := metricOf(l.Metric); !ok || !known || m.run {
		return r, false
	}
	r.allowed = q
	if l.Op.Upper() {
		r.allowed = 1 - q
	}
	r.worse = func(q *loadgen.Request) (bool, bool) {
		v, ok := q.Value(l.Metric)
		if !ok {
			// A failed request exceeds; an answer too short to have an ITL
			// says nothing of it.
			return q.Failure != nil, q.Failure != nil
		}
		return !l.Op.holds(v, l.Threshold), true
	}
	return r, true
}

// tallyOf counts for a limit that is a rule on shares. counted is false for the
// others, and for measurements that came without requests.
func tallyOf(l Limit, trials []*loadgen.Measurement) (t tally, counted bool) {
	r, ok := ruleOf(l)
	if !ok {
		return t, false
	}
	t.allowed = r.allowed
	var marks []bool
	size := 1
	for _, m := range trials {
		if m.Requests == nil {
			return t, false
		}
		size = max(size, m.Load.Concurrency)
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
			t.n++
			if bad {
				t.bad++
			}
		}
	}
	t.inflation = inflation(marks, size)
	return t, true
}

// quantileOf returns the share below a percentile; min and max are 0 and 1.
func quantileOf(stat string) (float64, bool) {
	switch stat {
	case "min":
		return 0, true
	case "max":
		return 1, true
	}
	if stat == "" || stat[0] != 'p' {
		return 0, false
	}
	q, err := strconv.ParseFloat(stat[1:], 64)
	return q / 100, err == nil
}

// holds is the count rule. A share "at most" may be reached, one "below" not;
// with nothing allowed, nothing may break it.
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

// pass is P(the server's share of bad requests is within what is allowed): the
// posterior of a binomial share under Jeffreys' prior (Brown, Cai and DasGupta
// 2001), the sample shrunk by the inflation. With nothing allowed the count is
// the verdict: no sample proves a share of zero.
func (t tally) pass(op Op) float64 {
	if t.allowed <= 0 || t.allowed >= 1 {
		if t.holds(op) {
			return 1
		}
		return 0
	}
	bad, good := float64(t.bad)/t.inflation, float64(t.n-t.bad)/t.inflation
	return distuv.Beta{Alpha: bad + 0.5, Beta: good + 0.5}.CDF(t.allowed)
}

// margin is the limit's g. For latencies it is that of the percentile with
// failures counted as infinitely slow; for shares, of the share.
func (t tally) margin(l Limit, r Reading) float64 {
	switch {
	case l.share():
		share := max(float64(t.bad), 0.5) / float64(t.n) // half a request: none seen is not none at all
		if t.allowed <= 0 {
			return signed(farthest, r.Holds)
		}
		return signed(min(max(math.Log(share/t.allowed), -farthest), farthest), r.Holds)
	case math.IsNaN(r.Value), math.IsInf(r.Adjusted, 0):
		return signed(farthest, r.Holds) // all, or too many, failed
	}
	g := math.Log(r.Adjusted / l.Threshold)
	if !l.Op.Upper() {
		g = -g
	}
	return signed(min(max(g, -farthest), farthest), r.Holds)
}

// tailSE is the standard error of ln of the percentile in a sample too short for
// the order statistics above it, as that of a probe that ended early: the
// binomial error of the share beyond, times how far ln of the value moves with
// ln of the share, which the upper tail shows between twice the share and it.
func (t tally) tailSE() float64 {
	share := min(t.allowed, 1-t.allowed)
	slices.Sort(t.values)
	n := len(t.values)
	if share <= 0 || n < 8 {
		return math.NaN()
	}
	at := func(beyond float64) float64 {
		i := int(beyond * float64(n))
		if t.allowed <= 0.5 {
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

// quantile interpolates linearly, with failures beyond every value.
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

// inflation estimates how much more the count of marked requests varies than if
// they were independent: requests of one batch share its fate. It is the
// variance of the counts of consecutive blocks over the binomial one, at least
// 1. Blocks are of the given size, as long as ten fit; fewer could not tell.
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

// pooledStat averages a statistic over trials, by their numbers of requests.
func pooledStat(trials []*loadgen.Measurement, tag, stat string) float64 {
	sum, weight := 0.0, 0.0
	for _, m := range trials {
		v, ok := m.Stat(tag, stat)
		if !ok || math.IsNaN(v) {
			continue
		}
		w, _ := m.Stat(loadgen.TagCompleted, "avg")
		w = max(w, 1)
		sum, weight = sum+w*v, weight+w
	}
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

// pooledSE is the standard error of a statistic averaged over trials; NaN when
// a trial does not know its own.
func pooledSE(trials []*loadgen.Measurement, tag, stat string) float64 {
	ss, n := 0.0, 0.0
	for _, m := range trials {
		se, ok := m.Metrics[tag].SE[stat]
		if !ok {
			return math.NaN()
		}
		ss, n = ss+se*se, n+1
	}
	if n == 0 {
		return math.NaN()
	}
	return math.Sqrt(ss) / n
}

// pooledPercentile is an objective's percentile over the requests of all trials;
// ok is false when it is not asked for, or the requests are not there.
func pooledPercentile(trials []*loadgen.Measurement, g Objective) (v float64, ok bool) {
	q, isQuantile := quantileOf(g.Stat)
	if !g.Pooled || !isQuantile || len(trials) < 2 {
		return 0, false
	}
	m, _ := metricOf(g.Metric)
	var values []float64
	for _, t := range trials {
		for i := range t.Requests {
			if v, ok := t.Requests[i].Value(m.tag); ok {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return (&tally{values: values}).quantile(q), true
}
