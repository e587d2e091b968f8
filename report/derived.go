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
		s := fmt.Sprintf("SLA met up to concurrency %s", digits(v.Boundary.Safe))
		if !math.IsNaN(b.FirstFailing) {
			s += fmt.Sprintf(", missed %s at %s", b.Limit.Name(), digits(b.FirstFailing))
		} else {
			s += ", the highest of the grid"
		}
		return s
	}
	return ""
}

// derived says what the sweep's post-process found, in full: numbers to use, and
// what they rest on.
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
		breachLines(t, b)
	}
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

// knee is the ramp, each point against the lowest.
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
		s += " < " + digits(fit.Floor)
	}
	return s + ")"
}

// equation writes a fit as TTFT = 0.0641·ISL + 1.83 ms.
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

// fit is the curve against what it was fitted to.
func (v *view) fit(t *text, fit sweep.TTFTFit) {
	switch {
	case len(fit.Coefficients) == 0:
	case !fit.Confident:
		t.paragraph("low confidence: r² %.3f is below %s; rely on the points below, not on the equation", fit.RSquared, digits(fit.Floor))
	case len(fit.Coefficients) == 2 && fit.Coefficients[0] > 0: // a line: its slope is ms a token
		t.paragraph("prefill of %s prompt tokens/s beside a constant %s",
			count(int(rounded(1000/fit.Coefficients[0]))), value(fit.Coefficients[1], "ms"))
	}
	t.paragraph("measured from %s to %s prompt tokens; beyond them the equation is a guess", count(int(fit.From)), count(int(fit.To)))
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

// surfaceHeadline names the ends of the surface.
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

// surface is the grid as measured.
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

// frontier lists the points that none beats on both axes.
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

// breachLines says where the limits break, and whether they hold again above.
func breachLines(t *text, b sweep.Breach) {
	switch {
	case math.IsNaN(b.FirstFailing):
		t.paragraph("breach: none; every concurrency of the grid meets the SLA")
	case math.IsNaN(b.MaxPassing):
		t.paragraph("breach: at concurrency %s, the lowest of the grid, %s", digits(b.FirstFailing), breachText(b))
	case !b.Monotone:
		t.paragraph("breach: at concurrency %s, %s; yet %s passes above it: the boundary is not sharp, or the server not steady",
			digits(b.FirstFailing), breachText(b), digits(b.MaxPassing))
	default:
		t.paragraph("breach: between concurrency %s and %s, %s; nothing in between was measured",
			digits(b.MaxPassing), digits(b.FirstFailing), breachText(b))
	}
}

// breachText is the first limit that breaks: what was seen and what was wanted.
func breachText(b sweep.Breach) string {
	got := value(b.Observed, b.Limit.Unit())
	if math.IsNaN(b.Observed) {
		got = "not measured"
	}
	return fmt.Sprintf("%s %s, wanted %s", b.Limit.Name(), got, b.Limit.Want())
}

// goodput says how many requests are good, and by what: the plan's limits on each
// request, always in the same order.
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
	for _, short := range []string{"ttft", "itl", "e2e"} {
		for tag, limit := range v.Plan.SLO {
			if l := (sla.Limit{Metric: tag, Stat: "avg", Op: sla.LT, Threshold: limit}); strings.TrimSuffix(l.Name(), " avg") == short {
				slos = append(slos, short+" "+l.Want())
			}
		}
	}
	t.paragraph("goodput %s at concurrency %d: %s of the requests meet %s each",
		value(rate, "req/s"), p.Load.Concurrency, percent(share), strings.Join(slos, ", "))
}
