package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Finding writes the answer for people. Its first line is complete alone, since
// a CI page shows only that; then the limits, want and got side by side, then
// the probes when the answer is not a plain yes, then what the run was like.
func Finding(w io.Writer, o *recipes.Outcome) error {
	f := finding{o: o}
	f.line("recipe %s: %s", o.Recipe.Name, f.headline())
	f.limits()
	f.gate()
	f.failures()
	f.best()
	f.derived()
	if o.Verdict != recipes.Met {
		f.probes()
	}
	f.run()
	f.tiers()
	f.warnings()
	_, err := io.WriteString(w, strings.Join(f.out, "\n")+"\n")
	return err
}

// Headline returns the finding's first line without the recipe's name.
func Headline(o *recipes.Outcome) string { return (&finding{o: o}).headline() }

// warnings prints each once, with how often it came.
func (f *finding) warnings() {
	times := map[string]int{}
	var order []string
	for _, warning := range f.o.Warnings {
		text := f.o.Spec.Target.Redact(warning.Error())
		if times[text]++; times[text] == 1 {
			order = append(order, text)
		}
	}
	for _, text := range order {
		if n := times[text]; n > 1 {
			text += fmt.Sprintf(" (%d times)", n)
		}
		f.wrapped("warning: " + text)
	}
}

// tiers says how far each tier's limits hold.
func (f *finding) tiers() {
	for i, t := range f.o.Plan.Tiers {
		if i >= len(f.o.Tiers) {
			return
		}
		a := f.o.Tiers[i]
		text := "no concurrency is certain to meet it"
		if !math.IsNaN(a.Safe) {
			text = "met up to concurrency " + value(a.Safe, "")
		}
		if _, hi := a.Ends(); !math.IsNaN(hi) {
			text += ", missed at " + value(hi, "")
		}
		var limits []string
		for _, k := range t.Limits {
			limits = append(limits, f.o.Plan.Limits[k].String())
		}
		f.wrapped(fmt.Sprintf("tier %s (%s): %s", t.Label, strings.Join(limits, ", "), text))
	}
}

// failures says what the requests of the shown probe failed of.
func (f *finding) failures() {
	p := f.shown()
	if p == nil {
		return
	}
	const most = 3
	var parts []string
	for _, m := range p.Trials {
		for _, c := range m.Failures {
			parts = append(parts, fmt.Sprintf("%s × %s", count(c.Count), f.o.Spec.Target.Redact(c.Error())))
		}
	}
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("%d more kinds", len(parts)-most))
	}
	if len(parts) > 0 {
		f.wrapped("failed: " + strings.Join(parts, "; "))
	}
}

type finding struct {
	o    *recipes.Outcome
	wide bool // lines are not wrapped: a page is not a terminal
	out  []string
}

const indent = "    "

func (f *finding) line(format string, args ...any) {
	f.out = append(f.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (f *finding) wrapped(text string) {
	if f.wide {
		f.line("%s%s", indent, strings.Join(strings.Fields(text), " "))
		return
	}
	f.out = append(f.out, wrap(text, indent, indent+indent)...)
}

// headline is the answer in one clause.
func (f *finding) headline() string {
	o := f.o
	if o.Plan == nil {
		return "nothing was measured"
	}
	if s := f.gateHeadline(); s != "" && len(o.Probes) > 0 {
		return s
	}
	fixed := len(o.Plan.Scenarios) == 1
	derived := f.derivedHeadline()
	switch {
	case len(o.Probes) == 0 && o.Err != nil:
		return "nothing was measured: " + cause(o)
	case len(o.Probes) == 0:
		return "inconclusive: nothing was measured" + f.because()
	case o.Verdict == recipes.Met && derived != "":
		if _, ok := o.Breach(); !ok && len(o.Plan.Limits) > 0 {
			derived += fmt.Sprintf("; SLA met at %s of %s", count(f.passing()), count(len(o.Probes)))
		}
		return derived
	case o.Verdict == recipes.Met && len(o.Plan.Limits) == 0:
		if fixed {
			return fmt.Sprintf("measured at concurrency %d", o.Probes[0].Load.Concurrency)
		}
		return fmt.Sprintf("measured at %s", plural(len(o.Probes), "point"))
	case o.Verdict == recipes.Met && fixed:
		return fmt.Sprintf("SLA met at concurrency %d", o.Probes[0].Load.Concurrency)
	case o.Verdict == recipes.Met && o.Plan.Search != nil:
		return f.metBySearch()
	case o.Verdict == recipes.Met:
		return fmt.Sprintf("SLA met at %s of %s", count(f.passing()), plural(len(o.Probes), "point"))
	case o.Verdict == recipes.Missed && fixed:
		return fmt.Sprintf("SLA missed at concurrency %d", o.Probes[0].Load.Concurrency)
	case o.Verdict == recipes.Missed && o.Best.Found:
		return fmt.Sprintf("SLA met up to concurrency %d only, below the %d asked for", o.Best.Concurrency(), o.Spec.AtLeast)
	case o.Verdict == recipes.Missed && o.Spec.AtLeast > 0 && f.passing() > 0:
		return fmt.Sprintf("SLA missed below the concurrency of %d asked for", o.Spec.AtLeast)
	case o.Verdict == recipes.Missed:
		return "SLA missed at every concurrency probed"
	}
	return "inconclusive: " + f.doubt()
}

// cause is the error that ended the run, without the recipe's name, which stands
// before it everywhere.
func cause(o *recipes.Outcome) string {
	return o.Spec.Target.Redact(strings.TrimPrefix(o.Err.Error(), fmt.Sprintf("recipe %q: ", o.Recipe.Name)))
}

// metBySearch names the boundary, and the best point where that is another.
func (f *finding) metBySearch() string {
	o := f.o
	s := fmt.Sprintf("SLA met up to concurrency %s", value(o.Boundary.Safe, ""))
	if !o.Plan.Search.Boundary && float64(o.Best.Concurrency()) != o.Boundary.Safe {
		s += fmt.Sprintf(", best %s at %d", metricName(o.Plan.Search.Objectives[0]), o.Best.Concurrency())
	}
	if o.Spec.AtLeast > 0 {
		s += fmt.Sprintf(" (at least %d asked for)", o.Spec.AtLeast)
	}
	return s
}

// doubt says why there is no verdict: a gate that cannot tell must not say yes,
// and must say why.
func (f *finding) doubt() string {
	o := f.o
	last := o.Probes[len(o.Probes)-1]
	switch {
	case last.State() == "untrusted":
		return fmt.Sprintf("the probes at concurrency %d cannot be trusted", last.Load.Concurrency)
	case o.Reason == recipes.ReasonAborted && o.Best.Found:
		return fmt.Sprintf("the endpoint was lost; SLA met up to concurrency %d until then", o.Best.Concurrency())
	case o.Reason == recipes.ReasonDeadline, o.Reason == recipes.ReasonCancelled, o.Reason == recipes.ReasonAborted:
		return "no answer was certain" + f.because()
	case o.Best.Found && o.Spec.AtLeast > 0:
		return fmt.Sprintf("SLA met up to concurrency %d, and it is not certain that %d is too much", o.Best.Concurrency(), o.Spec.AtLeast)
	}
	return "no verdict is certain at any concurrency"
}

// because names an end that was not the search's own.
func (f *finding) because() string {
	switch f.o.Reason {
	case recipes.ReasonDeadline:
		return " before the deadline"
	case recipes.ReasonCancelled:
		return " before the run was cancelled"
	case recipes.ReasonAborted:
		return " before the endpoint was lost"
	}
	return ""
}

func (f *finding) passing() int {
	n := 0
	for i := range f.o.Probes {
		if pass, _ := f.o.Probes[i].Passes(f.o.Spec.Confidence); pass {
			n++
		}
	}
	return n
}

func (f *finding) shown() *recipes.Probe { return Shown(f.o) }

// Shown returns the probe whose readings stand beside the limits in a finding:
// the answer's, or the one that came nearest to passing; nil when there was no
// probe.
func Shown(o *recipes.Outcome) *recipes.Probe {
	switch {
	case len(o.Probes) == 0:
		return nil
	case o.Best.Found:
		return &o.Probes[o.Best.Probe]
	}
	best, least := 0, math.Inf(1)
	for i := range o.Probes {
		worst := math.Inf(-1)
		for _, l := range o.Probes[i].Observed.Margins {
			if !math.IsNaN(l.Value) {
				worst = max(worst, l.Value)
			}
		}
		if worst < least {
			best, least = i, worst
		}
	}
	return &o.Probes[best]
}

// limits is the table of want and got.
func (f *finding) limits() {
	p := f.shown()
	if p == nil || len(f.o.Plan.Limits) == 0 {
		return
	}
	t := &table{}
	t.add("limit", "want", fmt.Sprintf("got (at concurrency %d)", p.Load.Concurrency))
	for _, r := range p.Readings {
		row := []string{r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r)}
		if !r.Holds {
			row[4] = strings.TrimSpace(row[4] + "   <-- missed")
		}
		t.add(row...)
	}
	f.out = append(f.out, t.lines(indent)...)
}

// evidence is what the reading rests on.
func evidence(r sla.Reading) string {
	switch {
	case r.Limit.Name() == "errors" && r.Of > 0:
		return fmt.Sprintf("%s of %s", count(r.Exceeded), count(r.Of))
	case r.Limit.Name() == "good" && r.Of > 0:
		return fmt.Sprintf("%s of %s", count(r.Of-r.Exceeded), count(r.Of))
	case math.IsNaN(r.Lo):
		return ""
	}
	return fmt.Sprintf("95%% CI [%s, %s]", value(r.Lo, r.Limit.Unit()), value(r.Hi, r.Limit.Unit()))
}

// distance is how far the reading is from its threshold.
func distance(r sla.Reading) string {
	v, t := r.Adjusted, r.Limit.Threshold
	if math.IsNaN(v) || math.IsInf(v, 0) || t <= 0 || v == 0 {
		return ""
	}
	d := (v - t) / t
	if d > 9.99 {
		return fmt.Sprintf("%s times the limit", digits(v/t))
	}
	if !r.Limit.Op.Upper() {
		d = -d
	}
	switch {
	case r.Holds && d <= -0.005:
		return fmt.Sprintf("%.0f%% headroom", -100*d)
	case r.Holds:
		return "no headroom"
	case d >= 0.005 && r.Limit.Op.Upper():
		return fmt.Sprintf("%.0f%% over", 100*d)
	case d >= 0.005:
		return fmt.Sprintf("%.0f%% under", 100*d)
	}
	return ""
}

// best says what the answer gives, and what stopped it from being more.
func (f *finding) best() {
	o := f.o
	p := f.shown()
	if p == nil {
		return
	}
	if !o.Best.Found {
		return
	}
	text := ""
	if v, ok := p.Stat("throughput", "avg"); ok {
		text = "output throughput " + value(v, "tok/s")
		if r, ok := p.Stat("req-rate", "avg"); ok {
			text += ", " + value(r, "req/s")
		}
	}
	if next := f.next(); next != "" {
		if text != "" {
			text += "; "
		}
		text += next
	}
	if text != "" {
		f.wrapped(text)
	}
}

// next names the smallest concurrency above the answer that was tried and
// missed.
func (f *finding) next() string {
	o := f.o
	_, hi := o.Boundary.Ends()
	if o.Plan.Search == nil || math.IsNaN(hi) {
		return ""
	}
	for i := len(o.Probes) - 1; i >= 0; i-- {
		p := &o.Probes[i]
		if p.Step.At[0] != hi {
			continue
		}
		if broken := missedLimits(p, true); broken != "" {
			return fmt.Sprintf("next concurrency tried, %d, missed %s", p.Load.Concurrency, broken)
		}
	}
	return ""
}

// missedLimits names the limits a probe missed, on demand with what was seen.
func missedLimits(p *recipes.Probe, values bool) string {
	var names []string
	for _, r := range p.Readings {
		if r.Holds {
			continue
		}
		s := r.Limit.Name()
		if values {
			s += " (" + observed(r) + ")"
		}
		names = append(names, s)
	}
	return strings.Join(names, ", ")
}

// probes is the table of all probes.
func (f *finding) probes() {
	if len(f.o.Probes) == 0 {
		return
	}
	f.line("%sprobes:", indent)
	f.out = append(f.out, probeTable(f.o, indent+"  ")...)
}

// run says what the run was like, and why it stopped.
func (f *finding) run() {
	o := f.o
	text := runLine(o)
	if h, ok := health(o); ok {
		text += "; " + h
	}
	f.wrapped(text)
	if o.Spec.Note != "" {
		f.wrapped(o.Spec.Target.Redact(o.Spec.Note))
	}
}

// spent is how long the run took, with what, and why it stopped. What is left of
// 100 % is dead time.
func spent(o *recipes.Outcome) string {
	var with []string
	if measuring, ramps := o.Spent(); measuring > 0 && o.Wall > 0 {
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / o.Wall.Seconds() }
		with = append(with, fmt.Sprintf("measuring %.0f%%, ramps %.0f%%", share(measuring), share(ramps)))
	}
	if o.Reason != "" {
		with = append(with, "stopped: "+o.Reason)
	}
	text := elapsed(o.Wall)
	if len(with) > 0 {
		text += " (" + strings.Join(with, "; ") + ")"
	}
	return text
}

// health is the worst the client fared in any probe.
func health(o *recipes.Outcome) (string, bool) {
	var lag, woke time.Duration
	cpu, any := 0.0, false
	for _, p := range o.Probes {
		for _, m := range p.Trials {
			any = true
			lag, woke, cpu = max(lag, m.Health.SendLagP99), max(woke, m.Health.BeatLagP99), max(cpu, m.Health.CPU)
		}
	}
	word, of := "client healthy", "send lag"
	if untrusted(o) {
		word = "client not healthy"
		if woke > lag {
			of, lag = "wake-up lag", woke
		}
	}
	return fmt.Sprintf("%s (p99 %s %s, CPU %.0f%%)", word, of, duration(float64(lag)/1e6), 100*cpu), any
}

// metricName is an objective's metric as people call it.
func metricName(g recipes.Objective) string {
	return strings.TrimSuffix(sla.Limit{Metric: g.Metric, Stat: g.Stat}.Name(), " avg")
}
