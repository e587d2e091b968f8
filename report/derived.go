package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// derivedHeadline is what the sweep's post-process found, in one clause; empty
// where there is nothing derived.
func (f *finding) derivedHeadline() string {
	o := f.o
	if k, ok := o.Knee(); ok {
		return kneeHeadline(k)
	}
	if fit, ok := o.TTFTFit(); ok {
		if len(fit.Coefficients) == 0 {
			return "no TTFT curve: " + fit.Problem
		}
		s := fmt.Sprintf("%s (r² %.3f", equation(fit), fit.RSquared)
		if !fit.Confident {
			s += " < " + digits(fit.LeastR2)
		}
		return s + ")"
	}
	if s, ok := o.ITLSurface(); ok {
		return surfaceHeadline(s)
	}
	if p, ok := o.Frontier(); ok {
		return fmt.Sprintf("%s of %s on the frontier of %s against %s", count(len(optimal(p))), plural(len(p.Cells), "point"),
			name(p.XMetric, p.XStat), name(p.YMetric, p.YStat))
	}
	if b, ok := o.Breach(); ok && !math.IsNaN(o.Boundary.Safe) {
		s := fmt.Sprintf("SLA met up to concurrency %s", digits(o.Boundary.Safe))
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
func (f *finding) derived() {
	f.knee()
	f.fit()
	f.surface()
	f.frontier()
	f.breach()
	f.goodput()
}

func kneeHeadline(k sweep.Knee) string {
	what := name(k.Metric, k.Stat)
	if k.Concurrency == 0 {
		return fmt.Sprintf("no knee up to concurrency %s: %s never up by more than %s", digits(k.Highest), what, percent(k.Threshold))
	}
	return fmt.Sprintf("knee at concurrency %d: %s %s, up %s", k.Concurrency, what,
		value(k.Value, unit(k.Metric, k.Stat)), percent(k.Value/k.Baseline-1))
}

// knee is the ramp, each point against the lowest.
func (f *finding) knee() {
	k, ok := f.o.Knee()
	if !ok {
		return
	}
	f.wrapped(fmt.Sprintf("knee: the first concurrency with %s more than %s above its %s at concurrency %d",
		name(k.Metric, k.Stat), percent(k.Threshold), value(k.Baseline, unit(k.Metric, k.Stat)), k.Lowest))
	t := &table{right: []bool{true, true, true, true}}
	t.add("conc", "out-tok/s", name(k.Metric, k.Stat), "rise", "")
	for _, p := range ascending(f.o) {
		v, _ := p.Stat(k.Metric, k.Stat)
		rate := math.NaN()
		if r, ok := p.Stat("throughput", "avg"); ok {
			rate = r
		}
		rise, mark := unknown, ""
		if !math.IsNaN(v) {
			rise = percent(v/k.Baseline - 1)
		}
		if p.Load.Concurrency == k.Concurrency {
			mark = "<-- knee"
		}
		t.add(fmt.Sprint(p.Load.Concurrency), value(rate, ""), value(v, unit(k.Metric, k.Stat)), rise, mark)
	}
	f.out = append(f.out, t.lines(indent+"  ")...)
}

// ascending are the probes by concurrency, the last visit of each.
func ascending(o *recipes.Outcome) []*recipes.Probe {
	last := map[int]*recipes.Probe{}
	for i := range o.Probes {
		last[o.Probes[i].Load.Concurrency] = &o.Probes[i]
	}
	var out []*recipes.Probe
	for _, p := range last {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *recipes.Probe) int { return cmp.Compare(a.Load.Concurrency, b.Load.Concurrency) })
	return out
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

// coefficient writes small numbers in powers of ten: 1.25e-07 is easier to copy
// than to count the zeros of.
func coefficient(c float64) string {
	if c != 0 && c < 1e-4 {
		return fmt.Sprintf("%.3g", c)
	}
	return digits(c)
}

// fit is the curve against what it was fitted to.
func (f *finding) fit() {
	fit, ok := f.o.TTFTFit()
	if !ok {
		return
	}
	switch {
	case len(fit.Coefficients) == 0:
	case !fit.Confident:
		f.wrapped(fmt.Sprintf("low confidence: r² %.3f is below %s; rely on the points below, not on the equation", fit.RSquared, digits(fit.LeastR2)))
	case len(fit.Coefficients) == 2 && fit.Coefficients[0] > 0:
		f.wrapped(fmt.Sprintf("prefill of %s prompt tokens/s beside a constant %s", count(int(rounded(1000/fit.Coefficients[0]))), value(fit.Coefficients[1], "ms")))
	}
	f.wrapped(fmt.Sprintf("measured from %s to %s prompt tokens; beyond them the equation is a guess", count(int(fit.From)), count(int(fit.To))))
	t := &table{right: []bool{true, true, true, true}}
	t.add("isl", "ttft avg", "fitted", "off by")
	for i := range f.o.Probes {
		p := &f.o.Probes[i]
		v, ok := p.Stat("ttft", "avg")
		if !ok {
			v = math.NaN()
		}
		fitted, off := fit.At(float64(p.Load.ISL)), unknown
		if d := (fitted - v) / v; !math.IsNaN(d) && !math.IsInf(d, 0) {
			off = percent(d)
		}
		t.add(digits(float64(p.Load.ISL)), value(v, "ms"), value(fitted, "ms"), off)
	}
	f.out = append(f.out, t.lines(indent+"  ")...)
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
func (f *finding) surface() {
	s, ok := f.o.ITLSurface()
	if !ok {
		return
	}
	f.line("%sitl avg by concurrency and tokens out:", indent)
	t := &table{right: []bool{true}}
	head := []string{"conc"}
	for _, osl := range s.OSL {
		head = append(head, digits(osl))
		t.right = append(t.right, true)
	}
	t.add(append(head, "")...)
	for i, line := range s.ITL {
		row := []string{digits(s.Concurrency[i])}
		for _, v := range line {
			row = append(row, value(v, "ms"))
		}
		t.add(append(row, "")...)
	}
	f.out = append(f.out, t.lines(indent+"  ")...)
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
func (f *finding) frontier() {
	p, ok := f.o.Frontier()
	if !ok {
		return
	}
	f.line("%sfrontier: no other point has both a lower %s and a higher %s", indent, name(p.XMetric, p.XStat), name(p.YMetric, p.YStat))
	t := &table{right: []bool{true, true, true, true, true}}
	t.add("isl", "osl", "conc", name(p.XMetric, p.XStat), name(p.YMetric, p.YStat), "")
	for _, c := range optimal(p) {
		t.add(fmt.Sprint(c.ISL), fmt.Sprint(c.OSL), fmt.Sprint(c.Concurrency),
			value(c.X, unit(p.XMetric, p.XStat)), value(c.Y, unit(p.YMetric, p.YStat)), "")
	}
	f.out = append(f.out, t.lines(indent+"  ")...)
}

// breach says where the limits break, and whether they hold again above.
func (f *finding) breach() {
	b, ok := f.o.Breach()
	if !ok {
		return
	}
	switch {
	case math.IsNaN(b.FirstFailing):
		f.wrapped("breach: none; every concurrency of the grid meets the SLA")
	case math.IsNaN(b.MaxPassing):
		f.wrapped(fmt.Sprintf("breach: at concurrency %s, the lowest of the grid, %s", digits(b.FirstFailing), breachText(b)))
	case !b.Monotone:
		f.wrapped(fmt.Sprintf("breach: at concurrency %s, %s; yet %s passes above it: the boundary is not sharp, or the server not steady",
			digits(b.FirstFailing), breachText(b), digits(b.MaxPassing)))
	default:
		f.wrapped(fmt.Sprintf("breach: between concurrency %s and %s, %s; nothing in between was measured",
			digits(b.MaxPassing), digits(b.FirstFailing), breachText(b)))
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

// goodput says how many requests are good, and by what.
func (f *finding) goodput() {
	o, p := f.o, f.shown()
	if len(o.Plan.SLO) == 0 || p == nil {
		return
	}
	rate, ok1 := p.Stat(loadgen.TagGoodput, "avg")
	share, ok2 := p.Stat(loadgen.TagGoodShare, "avg")
	if !ok1 || !ok2 {
		return
	}
	var slos []string
	for _, tag := range []string{"ttft", "itl", "e2e"} {
		for key, limit := range o.Plan.SLO {
			if l := (sla.Limit{Metric: key, Stat: "avg", Op: sla.LT, Threshold: limit}); strings.TrimSuffix(l.Name(), " avg") == tag {
				slos = append(slos, tag+" "+l.Want())
			}
		}
	}
	f.wrapped(fmt.Sprintf("goodput %s at concurrency %d: %s of the requests meet %s each",
		value(rate, "req/s"), p.Load.Concurrency, percent(share), strings.Join(slos, ", ")))
}

// name is a metric's statistic as people write it; unit its unit.
func name(metric, stat string) string { return sla.Limit{Metric: metric, Stat: stat}.Name() }
func unit(metric, stat string) string { return sla.Limit{Metric: metric, Stat: stat}.Unit() }

// percent writes a share: 20%, 0.4%.
func percent(share float64) string {
	if math.Abs(share) < 0.0005 {
		return "0%"
	}
	if math.Abs(share) < 0.1 {
		return fmt.Sprintf("%.1f%%", 100*share)
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}
