package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// What a recipe derives is typed: a run has one result, of the type that its recipe
// makes, or none. Each type has a headline and a block of text here, and a chart in
// charts_curve.go or charts_trade.go.

// derivedHeadline is what the sweep's post-process found, in one clause; empty
// where there is nothing derived.
func (v *view) derivedHeadline() string {
	if k, ok := v.Knee(); ok {
		return kneeHeadline(k)
	}
	if fit, ok := v.TTFTFit(); ok {
		return fitHeadline(fit)
	}
	if s, ok := v.ITLSurface(); ok {
		return surfaceHeadline(s)
	}
	if p, ok := v.Frontier(); ok {
		return fmt.Sprintf("%s of %s on the frontier of %s against %s", count(len(optimal(p))), plural(len(p.Cells), "point"),
			metricName(p.XMetric, p.XStat), metricName(p.YMetric, p.YStat))
	}
	if b, ok := v.Breach(); ok && !math.IsNaN(v.Boundary.Safe) {
		s := "SLA met up to " + v.at(v.Boundary.Safe)
		if !math.IsNaN(b.FirstFailing) {
			s += fmt.Sprintf(", missed %s at %s", b.Limit.Name(), v.level(b.FirstFailing))
		} else if v.Boundary.Safe == b.MaxPassing {
			s += ", the highest of the grid"
		}
		return s
	}
	return ""
}

// derived says what the sweep's post-process found, in full: numbers to use, and
// what they rest on. It adds nothing to a run that derives nothing and has no limits
// on single requests.
func (v *view) derived(t *text) {
	if k, ok := v.Knee(); ok {
		v.knee(t, k)
	}
	if fit, ok := v.TTFTFit(); ok {
		v.fit(t, fit)
	}
	if s, ok := v.ITLSurface(); ok {
		surface(t, s)
	}
	if p, ok := v.Frontier(); ok {
		frontier(t, p)
	}
	if b, ok := v.Breach(); ok {
		v.breach(t, b)
	}
	v.frontTable(t)
	v.goodput(t)
}

// kneeHeadline names the knee of a ramp, or how far it went without one.
func kneeHeadline(k sweep.Knee) string {
	what := metricName(k.Metric, k.Stat)
	if k.Concurrency == 0 {
		return fmt.Sprintf("no knee up to concurrency %s: %s never up by more than %s", digits(k.Highest), what, percent(k.Threshold))
	}
	return fmt.Sprintf("knee at concurrency %d: %s %s, up %s", k.Concurrency, what,
		value(k.Value, metricUnit(k.Metric, k.Stat)), percent(k.Value/k.Baseline-1))
}

// knee is the ramp, each point against the lowest, with the server's throughput, which
// says what the rise bought:
//
//	conc   out-tok/s   e2e p99    rise
//	   1         186     1.03s      0%
//	   7        1169     1.15s     12%
//	  19        2630     1.39s     35%   <-- knee
func (v *view) knee(t *text, k sweep.Knee) {
	name, unit := metricName(k.Metric, k.Stat), metricUnit(k.Metric, k.Stat)
	t.paragraph("knee: the first concurrency with %s more than %s above its %s at concurrency %d",
		name, percent(k.Threshold), value(k.Baseline, unit), k.Lowest)
	rows := numbers(4)
	rows.add("conc", "out-tok/s", name, "rise", "")
	for _, p := range v.ascending() {
		x := p.stat(k.Metric, k.Stat)
		rise, mark := unknown, ""
		if !math.IsNaN(x) {
			rise = percent(x/k.Baseline - 1)
		}
		if p.Load.Concurrency == k.Concurrency {
			mark = "<-- knee"
		}
		rows.add(fmt.Sprint(p.Load.Concurrency), value(p.stat("throughput", "avg"), ""), value(x, unit), rise, mark)
	}
	t.table(rows, indent+"  ")
}

// fitHeadline is the curve with how well it fits.
func fitHeadline(fit sweep.TTFTFit) string {
	if len(fit.Coefficients) == 0 {
		return "no TTFT curve: " + fit.Problem
	}
	s := fmt.Sprintf("%s (r² %.3f", equation(fit), fit.RSquared)
	if !fit.Confident {
		s += " < " + digits(fit.LeastR2)
	}
	return s + ")"
}

// equation writes a fit as TTFT = 0.0641·ISL + 1.83 ms. Coefficients are those of
// the highest power first; there are two or three.
func equation(fit sweep.TTFTFit) string {
	var b strings.Builder
	b.WriteString("TTFT =")
	degree := len(fit.Coefficients) - 1
	for i, c := range fit.Coefficients {
		switch {
		case i == 0 && c < 0:
			b.WriteString(" −")
		case i == 0:
			b.WriteString(" ")
		case c < 0:
			b.WriteString(" − ")
		default:
			b.WriteString(" + ")
		}
		b.WriteString(coefficient(math.Abs(c)))
		switch degree - i {
		case 0:
			b.WriteString(" ms")
		case 1:
			b.WriteString("·ISL")
		default:
			b.WriteString("·ISL²")
		}
	}
	return b.String()
}

// fit is the curve against what it was fitted to, a row a probe: how far off each
// point is tells more than r² does:
//
//	prefill at 20,000 prompt tokens/s plus a constant 12ms
//	measured from 256 to 32,768 prompt tokens; beyond that, the equation extrapolates
//	    isl   ttft avg   fitted   off by
//	    256     24.8ms   24.8ms   0%
//	    512     37.6ms   37.6ms   0%
func (v *view) fit(t *text, fit sweep.TTFTFit) {
	switch {
	case len(fit.Coefficients) == 0:
	case !fit.Confident:
		t.paragraph("low confidence: r² %.3f is below %s; rely on the points below, not on the equation", fit.RSquared, digits(fit.LeastR2))
	case len(fit.Coefficients) == 2 && fit.Coefficients[0] > 0: // a line: its slope is ms a token
		t.paragraph("prefill at %s prompt tokens/s plus a constant %s",
			count(int(rounded(1000/fit.Coefficients[0]))), value(fit.Coefficients[1], "ms"))
	}
	t.paragraph("measured from %s to %s prompt tokens; beyond that, the equation extrapolates", count(int(fit.From)), count(int(fit.To)))
	rows := numbers(4)
	rows.add("isl", "ttft avg", "fitted", "off by")
	for _, p := range v.probes {
		x := p.stat("ttft", "avg")
		fitted, off := fit.At(float64(p.Load.ISL)), unknown
		if d := (fitted - x) / x; finite(d) {
			off = percent(d)
		}
		rows.add(digits(float64(p.Load.ISL)), value(x, "ms"), value(fitted, "ms"), off)
	}
	t.table(rows, indent+"  ")
}

// surfaceHeadline names the ends of the surface: its fastest and its slowest cell.
// Cells that were not measured are NaN, which no comparison is true of.
func surfaceHeadline(s sweep.ITLSurface) string {
	type cell struct{ v, conc, osl float64 }
	lo, hi := cell{v: math.Inf(1)}, cell{v: math.Inf(-1)}
	for i, line := range s.ITL {
		for j, v := range line {
			c := cell{v, s.Concurrency[i], s.OSL[j]}
			if v < lo.v {
				lo = c
			}
			if v > hi.v {
				hi = c
			}
		}
	}
	return fmt.Sprintf("ITL %s (conc %s, osl %s) to %s (conc %s, osl %s)",
		value(lo.v, "ms"), digits(lo.conc), digits(lo.osl), value(hi.v, "ms"), digits(hi.conc), digits(hi.osl))
}

// surface is the grid as measured, concurrency down and tokens out across; a dash is a
// cell that was not measured:
//
//	conc       64      161      406     1024
//	   1   5.16ms   5.26ms   5.51ms   6.12ms
//	 200   25.1ms   25.2ms   25.4ms        –
func surface(t *text, s sweep.ITLSurface) {
	t.line("%sitl avg by concurrency and tokens out:", indent)
	rows := numbers(1 + len(s.OSL))
	head := []string{"conc"}
	for _, osl := range s.OSL {
		head = append(head, digits(osl))
	}
	rows.add(append(head, "")...)
	for i, line := range s.ITL {
		row := []string{digits(s.Concurrency[i])}
		for _, v := range line {
			row = append(row, value(v, "ms"))
		}
		rows.add(append(row, "")...)
	}
	t.table(rows, indent+"  ")
}

// optimal are a frontier's points, from the least x up.
func optimal(p sweep.Frontier) []sweep.FrontierCell {
	var out []sweep.FrontierCell
	for _, c := range p.Cells {
		if c.Optimal {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b sweep.FrontierCell) int { return cmp.Compare(a.X, b.X) })
	return out
}

// frontier lists the points that none beats on both axes. The others are in the
// sweep's files:
//
//	isl   osl   conc   ttft p95   throughput
//	128   128      1       23ms    192 tok/s
//	128   128      8     27.4ms   1350 tok/s
func frontier(t *text, p sweep.Frontier) {
	x, y := metricName(p.XMetric, p.XStat), metricName(p.YMetric, p.YStat)
	t.line("%sfrontier: no other point has both a lower %s and a higher %s", indent, x, y)
	rows := numbers(5)
	rows.add("isl", "osl", "conc", x, y, "")
	for _, c := range optimal(p) {
		rows.add(fmt.Sprint(c.ISL), fmt.Sprint(c.OSL), fmt.Sprint(c.Concurrency),
			value(c.X, metricUnit(p.XMetric, p.XStat)), value(c.Y, metricUnit(p.YMetric, p.YStat)), "")
	}
	t.table(rows, indent+"  ")
}

// breach says where the limits break, and whether they hold again above:
//
//	breach: between concurrency 7 and 19, ttft p95 60.6ms, wanted < 60ms; nothing in
//	    between was measured
func (v *view) breach(t *text, b sweep.Breach) {
	disputed := slices.ContainsFunc(v.probes, func(p probe) bool { return p.standing == missed || p.standing == unlikely })
	switch {
	case math.IsNaN(b.FirstFailing) && disputed:
		t.paragraph("breach: none by all visits of each %s together", v.dimension())
	case math.IsNaN(b.FirstFailing):
		t.paragraph("breach: none; every %s of the grid meets the SLA", v.dimension())
	case math.IsNaN(b.MaxPassing):
		t.paragraph("breach: at %s, the lowest of the grid, %s", v.at(b.FirstFailing), breachText(b))
	case !b.Monotone:
		t.paragraph("breach: at %s, %s; %s passes above it: the boundary is not sharp, or the server is not steady",
			v.at(b.FirstFailing), breachText(b), v.level(b.MaxPassing))
	default:
		t.paragraph("breach: between %s and %s, %s; nothing in between was measured",
			v.at(b.MaxPassing), v.level(b.FirstFailing), breachText(b))
	}
}

// breachText is about the first limit that breaks: what was seen and what was wanted.
func breachText(b sweep.Breach) string {
	got := value(b.Observed, b.Limit.Unit())
	if math.IsNaN(b.Observed) {
		got = "not measured"
	}
	return fmt.Sprintf("%s %s, wanted %s", b.Limit.Name(), got, b.Limit.Want())
}

// goodput says how many requests are good, and by what: the plan's limits on each
// request, always in the same order:
//
//	goodput 52.6 req/s at concurrency 128: 97% of the requests each meet ttft < 200ms,
//	    itl < 50ms, e2e < 9s
func (v *view) goodput(t *text) {
	p := v.shown()
	if len(v.Plan.SLO) == 0 || p == nil {
		return
	}
	rate, ok1 := p.Stat(loadgen.TagGoodput, "avg")
	share, ok2 := p.Stat(loadgen.TagGoodShare, "avg")
	if !ok1 || !ok2 {
		return
	}
	var slos []string
	for _, m := range loadgen.Metrics() {
		if limit, ok := v.Plan.SLO[m.Tag]; ok {
			l := sla.Limit{Metric: m.Tag, Stat: "avg", Op: sla.LT, Threshold: limit}
			slos = append(slos, m.Name()+" "+l.Want())
		}
	}
	t.paragraph("goodput %s at %v: %s of the requests each meet %s",
		value(rate, "req/s"), p.Load, percent(share), strings.Join(slos, ", "))
}
