package recipes

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// farthest bounds margins: beyond e³ a limit is missed or met, and by how much
// is of no use to a planner.
const farthest = 3.0

// read holds one limit against a probe's trials, their requests pooled.
func read(l Limit, trials []*loadgen.Measurement) (Reading, plan.Margin) {
	r := Reading{Limit: l, Value: math.NaN(), Adjusted: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), Pass: math.NaN()}
	r.Value = pooledStat(trials, l.Metric, l.Stat)
	r.Adjusted = r.Value
	se := pooledSE(trials, l.Metric, l.Stat)
	if !math.IsNaN(se) {
		r.interval(se)
	}
	g := plan.Margin{Estimate: plan.Estimate{Value: math.NaN(), SE: math.NaN()}, Pass: math.NaN()}
	if se > 0 {
		switch bad := 1 - r.Value; {
		case l.badShare() && bad > 0:
			g.SE = se / bad
		case !l.badShare() && r.Value > 0:
			g.SE = se / r.Value
		}
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
		} else if se := t.tailSE(l.Op.Upper()); l.Unit() == "ms" && se > 0 {
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

// badShare reports whether the margin compares shares of bad requests.
func (l Limit) badShare() bool { return l.Metric == loadgen.TagGoodShare && !l.Op.Upper() }

// margin is g = ln(value/threshold), turned so that g > 0 violates; for a lower
// limit on a share of good requests it compares the bad shares.
func (l Limit) margin(v float64) float64 {
	var g float64
	switch {
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
	return signed(g, l.Op.holds(v, l.Threshold))
}

// signed bounds a margin and makes its sign agree with the verdict, which knows
// strict from weak comparison and counts from interpolation.
func signed(g float64, holds bool) float64 {
	g = min(max(g, -farthest), farthest)
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
