package sla

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
)

// farthest bounds margins. A value more than e³, or 20 times, away from its
// threshold is missed or met, and by how much is of no use to a planner.
const farthest = 3.0

// Reading is how one probe stands to one limit. Values are in the limit's unit.
type Reading struct {
	Limit Limit
	// Value is the statistic as it is printed: over successful requests, in the
	// limit's unit. It is NaN when nothing was measured.
	Value float64
	// Adjusted is the same with failed requests counted as infinitely slow; it
	// differs from Value only when some failed.
	Adjusted float64
	// Lo and Hi are the 95% confidence interval of Value; NaN when it is unknown.
	Lo, Hi float64
	// Exceeded of Of requests lie beyond the threshold, failed ones included. Of is
	// 0 for a limit that is not a rule on shares of requests.
	Exceeded, Of int
	// Excess is Exceeded less the share of Of that the limit allows; NaN where the limit
	// does not count requests.
	Excess float64
	// Allowed is the share of requests, from 0 to 1, that the limit allows beyond it; 0 where
	// it does not count requests.
	Allowed float64
	// Holds says whether the limit is believed to hold.
	Holds bool
	// Pass is the probability that the limit holds, given the measurements. It is
	// NaN when that is not known and the comparison is all there is.
	Pass float64
	// Margin is ln(Adjusted/Threshold), turned so that a positive margin violates the
	// limit, within [-3, 3]; MarginSE is its standard error. They are NaN when they
	// are unknown. Milliseconds, percentages and rates compare in this one unit.
	Margin, MarginSE float64
}

// Read holds one limit against the trials of a probe, with their requests pooled.
// deciders are those that watched the trials, one for each; if there are none, the
// verdict is that of whole trials. A limit on what was not measured does not hold.
func Read(l Limit, trials Trials, deciders []*Decider) Reading {
	r := read(l, trials)
	if len(deciders) > 0 {
		conclude(deciders, l).settle(&r)
	}
	return r
}

// read is Read for trials that were measured to their end.
func read(l Limit, trials Trials) Reading {
	nan := math.NaN()
	r := Reading{Limit: l, Value: nan, Adjusted: nan, Lo: nan, Hi: nan, Excess: nan,
		Pass: nan, Margin: nan, MarginSE: nan}
	r.Value = trials.Stat(l.Metric, l.Stat)
	r.Adjusted = r.Value
	se := trials.SE(l.Metric, l.Stat)
	if !math.IsNaN(se) {
		r.interval(se)
	}
	if se > 0 { // the standard error of ln(value), by the delta method
		switch bad := 1 - r.Value; {
		case l.badShare() && bad > 0:
			r.MarginSE = se / bad
		case !l.badShare() && r.Value > 0:
			r.MarginSE = se / r.Value
		}
	}
	if t, counted := tallyOf(l, trials); counted && t.n > 0 {
		r.count(t)
		return r
	}
	if t, counted := gapsOf(l, trials); counted && t.n > 0 {
		r.count(t)
		return r
	}
	if math.IsNaN(r.Value) {
		return r // what was not measured never passes
	}
	r.Holds = l.Op.Holds(r.Value, l.Threshold)
	r.Margin = l.margin(r.Value)
	if r.MarginSE > 0 {
		r.Pass = distuv.UnitNormal.CDF(-r.Margin / r.MarginSE)
	}
	return r
}

// count decides a limit on a share of requests by their count, and widens the
// standard error of the margin by the dependence of the requests.
func (r *Reading) count(t tally) {
	l := r.Limit
	if q, ok := loadgen.Quantile(l.Stat); ok && len(t.values) > 1 && q > 0 && q < 1 {
		r.Lo, r.Hi = t.interval(q)
	}
	r.Exceeded, r.Of, r.Allowed = t.bad, t.n, t.allowed
	r.Excess = float64(t.bad) - t.allowed*float64(t.n)
	r.Holds, r.Pass = t.holds(l.Op), t.pass(l.Op)
	if t.failed > 0 && l.Unit() == "ms" {
		q, _ := loadgen.Quantile(l.Stat)
		r.Adjusted = t.quantile(q)
	}
	r.Margin = t.margin(l, *r)
	widened := math.Sqrt(t.inflation)
	if r.MarginSE > 0 {
		r.MarginSE *= widened
	} else if se := t.tailSE(l.Op.Upper()); l.Unit() == "ms" && se > 0 {
		r.MarginSE = se * widened
	} else if l.share() {
		r.MarginSE = widened / math.Sqrt(max(float64(t.bad), 1)) // of ln(share), with Poisson counts
	}
}

// share reports whether the limit's metric is itself a share of requests.
func (l Limit) share() bool { m, _ := metricOf(l.Metric); return m.Share }

// badShare reports whether the margin compares shares of bad requests: 99% of good
// requests against 98% are a factor of 2 in bad ones, and of 1.01 in good ones.
func (l Limit) badShare() bool { return l.Metric == loadgen.TagGoodShare && !l.Op.Upper() }

// margin returns g = ln(value/threshold), turned so that g > 0 violates the limit.
// For a lower limit on a share of good requests it compares the bad shares. It is
// NaN for a NaN.
func (l Limit) margin(v float64) float64 {
	var g float64
	switch {
	case v <= 0 && !l.badShare() && l.Op.Upper(): // there is no logarithm of it
		g = -farthest
	case v <= 0 && !l.badShare(), l.Threshold == 0:
		g = farthest
	case l.badShare():
		g = math.Log((1 - v) / (1 - l.Threshold))
	case l.Op.Upper():
		g = math.Log(v / l.Threshold)
	default:
		g = math.Log(l.Threshold / v)
	}
	if math.IsNaN(g) {
		return g
	}
	return signed(g, l.Op.Holds(v, l.Threshold))
}

// signed bounds a margin and makes its sign agree with the verdict, which tells a
// strict comparison from a weak one and rests on counts instead of interpolation.
func signed(g float64, holds bool) float64 {
	g = min(max(g, -farthest), farthest)
	const least = 1e-9
	if holds {
		return min(g, -least)
	}
	return max(g, least)
}

// interval sets the 95% interval of the printed value. For latencies it is
// symmetric in ln(value), as the errors of percentiles are.
func (r *Reading) interval(se float64) {
	const z = 1.96 // the normal quantile of 0.975
	if r.Value > 0 && r.Limit.Unit() == "ms" {
		f := math.Exp(z * se / r.Value)
		r.Lo, r.Hi = r.Value/f, r.Value*f
		return
	}
	r.Lo, r.Hi = max(r.Value-z*se, 0), r.Value+z*se
}

// Widened is the reading with what visits at other times say of it: by how much the margin of a
// long time lies beyond its own, the scatter of margins from visit to visit, a standard
// deviation that is added to its own errors, and the probability that the limit holds. What is
// certain by the requests of one visit alone is then as certain as visits at other times
// allow. The interval reaches as far as the long time's value may lie.
func (r Reading) Widened(beyond, scatter, pass float64) Reading {
	if r.Pass = pass; !(scatter > 0) {
		return r
	}
	if r.MarginSE > 0 && !math.IsInf(r.MarginSE, 0) {
		r.MarginSE = math.Hypot(r.MarginSE, scatter)
	}
	if r.Limit.badShare() {
		hi, lo := widened(1-r.Value, 1-r.Hi, 1-r.Lo, beyond, scatter)
		r.Lo, r.Hi = 1-lo, 1-hi
		return r
	}
	if !r.Limit.Op.Upper() {
		beyond = -beyond
	}
	r.Lo, r.Hi = widened(r.Value, r.Lo, r.Hi, beyond, scatter)
	return r
}

// widened is the 95% interval [lo, hi] of a value with the standard deviation of ln(value)
// from visit to visit added to each side in quadrature: the two are independent. A factor
// for both, that by which the standard error of the margin grows, was tried: where that
// error is far smaller than the interval, which counts requests, it printed ±30% about
// visits that agree within 2%.
// A value of a long time that lies beyond this one, by ln of their ratio, moves the end that it
// lies towards.
func widened(value, lo, hi, beyond, scatter float64) (wideLo, wideHi float64) {
	if !(value > 0 && lo > 0 && hi > 0) {
		return lo, hi
	}
	const z = 1.96 // the normal quantile of 0.975
	side := func(to float64) float64 { return math.Hypot(math.Log(to/value), z*scatter) }
	return value * math.Exp(min(beyond, 0)-side(lo)), value * math.Exp(max(beyond, 0)+side(hi))
}
