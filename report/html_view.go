package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// view is what the page's template reads. Everything in it is text, but for the
// parts that are ours.
type view struct {
	Title, Verdict, Recipe, Doc string
	Note, Again                 string
	Error                       string   // why nothing was measured, or not all; empty: it was
	Next                        []string // commands to go on with; nil: there are none to name
	Summary                     string
	LimitsAt                    string
	Limits                      []limitRow
	Findings                    []string
	Derived                     string
	Warnings                    []string
	Failures                    []string
	Charts                      []figure
	Probes                      probesView
	Distributions               []distribution
	Health                      []healthRow
	Config, Environment         []pair
	Style                       template.CSS
	Script                      template.JS
	Policy                      string
}

type figure struct {
	Name, Caption string
	SVG           template.HTML
}

type limitRow struct {
	Name, Want, Got, Evidence, Distance string
	Holds                               bool
}

type probesView struct {
	Head []string
	Rows []probeRow
}

type probeRow struct {
	Cells    []string
	Verdict  string
	Kind     string // met, missed, open, untrusted or measured
	Requests string
	Why      string
	Wall     string
	Chosen   bool
}

type distribution struct {
	At   string
	Head []string
	Rows [][]string
}

type healthRow struct {
	At, Lag, Beat, CPU, GC, Received string
	Bound                            bool
}

type pair struct{ Key, Value string }

func (v *view) fill(o *recipes.Outcome) {
	v.Note = o.Spec.Target.Redact(o.Spec.Note)
	v.failed(o)
	v.Summary = runLine(o)
	v.limits(&finding{o: o})
	if o.Best.Found {
		v.Findings = unwrapped(o, (*finding).best)
	}
	v.Findings = append(v.Findings, unwrapped(o, (*finding).tiers)...)
	for _, text := range unwrapped(o, (*finding).warnings) {
		v.Warnings = append(v.Warnings, strings.TrimPrefix(text, "warning: "))
	}
	derived := &finding{o: o, wide: true}
	derived.gate()
	derived.derived()
	for _, line := range derived.out {
		v.Derived += strings.TrimPrefix(line, indent) + "\n"
	}
	v.probes(o)
	v.distributions(o)
	v.health(o)
	v.config(o)
	v.environment(o)
}

// failed says what went wrong, and what to try by hand: the same two questions
// that a run begins with.
func (v *view) failed(o *recipes.Outcome) {
	if o.Err == nil {
		return
	}
	if len(o.Probes) > 0 { // the title has it otherwise
		v.Error = cause(o)
	}
	t := o.Spec.Target
	if t.URL == "" {
		return
	}
	curl := "curl -sS " + shell(strings.TrimSuffix(strings.TrimRight(t.Redacted(), "/"), "/v1")+"/v1/models")
	if t.APIKey != "" {
		curl += ` -H "Authorization: Bearer $AIPERF_API_KEY"`
	}
	v.Next = []string{curl}
}

// unwrapped is a part of the finding as paragraphs.
func unwrapped(o *recipes.Outcome, part func(*finding)) []string {
	f := &finding{o: o, wide: true}
	part(f)
	for i, line := range f.out {
		f.out[i] = strings.TrimSpace(line)
	}
	return f.out
}

// runLine says how much was measured, and why it ended.
func runLine(o *recipes.Outcome) string {
	requests := 0
	for i := range o.Probes {
		requests += o.Probes[i].Requests()
	}
	return fmt.Sprintf("%s, %s, %s", plural(len(o.Probes), "probe"), plural(requests, "request"), spent(o))
}

func (v *view) limits(f *finding) {
	p := f.shown()
	if p == nil {
		return
	}
	v.LimitsAt = fmt.Sprintf("at concurrency %d", p.Load.Concurrency)
	for _, r := range p.Readings {
		v.Limits = append(v.Limits, limitRow{r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r), r.Holds})
	}
	for _, m := range p.Trials {
		for _, c := range m.Failures {
			v.Failures = append(v.Failures, fmt.Sprintf("%s × %s", count(c.Count), f.o.Spec.Target.Redact(c.Error())))
		}
	}
}

func (v *view) probes(o *recipes.Outcome) {
	head := probeHeader(o.Plan)
	v.Probes.Head = append([]string{"#"}, head[:len(head)-1]...)
	for i := range o.Probes {
		p := &o.Probes[i]
		cells := probeCells(o, p)
		row := probeRow{
			Cells: append([]string{fmt.Sprint(i + 1)}, cells[:len(cells)-1]...), Verdict: cells[len(cells)-1],
			Requests: count(p.Requests()), Why: p.Step.Reason, Wall: elapsed(p.Wall), Chosen: o.Best.Found && o.Best.Probe == i,
		}
		pass, certain := p.Passes(o.Spec.Confidence)
		row.Kind = verdictOf(p, pass, certain)
		if len(p.Readings) == 0 && row.Kind != "untrusted" {
			row.Kind = "measured"
		}
		v.Probes.Rows = append(v.Probes.Rows, row)
	}
}

// distributed are the metrics of which distributions are shown.
var distributed = []struct{ short, unit string }{{"ttft", "ms"}, {"itl", "ms"}, {"e2e", "ms"}, {"isl", ""}, {"osl", ""}}

// distributions are tables of percentiles: the statistics outlive the requests
// they came from.
func (v *view) distributions(o *recipes.Outcome) {
	stats := append([]string{"avg"}, shares...)
	for _, i := range telling(o) {
		d := distribution{At: place(o, i), Head: stats}
		for _, m := range distributed {
			info, _ := loadgen.LookupMetric(m.short)
			name := info.Label
			if name == "" {
				name = strings.ToUpper(m.short)
			}
			row, any := []string{name}, false
			for _, s := range stats {
				x, ok := o.Probes[i].Stat(m.short, s)
				if !ok {
					x = math.NaN()
				}
				any = any || ok
				row = append(row, value(x, m.unit))
			}
			if any {
				d.Rows = append(d.Rows, row)
			}
		}
		if len(d.Rows) > 0 {
			v.Distributions = append(v.Distributions, d)
		}
	}
}

func (v *view) health(o *recipes.Outcome) {
	for i := range o.Probes {
		p := &o.Probes[i]
		for _, m := range p.Trials {
			h := m.Health
			v.Health = append(v.Health, healthRow{
				At: place(o, i), Lag: value(ms(h.SendLagP99), "ms"), Beat: value(ms(h.BeatLagP99), "ms"),
				CPU: digits(100*h.CPU) + "%", GC: value(ms(h.GCPause), "ms"), Received: fmt.Sprintf("%.1f MB", float64(h.Bytes)/1e6),
				Bound: p.State() == "untrusted",
			})
		}
	}
}

func (v *view) config(o *recipes.Outcome) {
	add := func(key, format string, args ...any) {
		v.Config = append(v.Config, pair{key, fmt.Sprintf(format, args...)})
	}
	if s := o.Plan.Search; s != nil {
		add("style", "%s", s.Style)
		for _, d := range s.Space {
			add("search space", "%s in [%s, %s]", d.Path, digits(d.Lo), digits(d.Hi))
		}
		for _, g := range s.Objectives {
			way := "minimize"
			if g.Maximize {
				way = "maximize"
			}
			add("objective", "%s %s %s", way, g.Metric, g.Stat)
		}
		add("points at most", "%d", s.MaxProbes)
	}
	for _, a := range o.Plan.Grid {
		add("sweep", "%s over %s", a.Path, values(a.Values))
	}
	if n := len(o.Plan.Scenarios); n > 0 {
		add("points", "%d", n)
	}
	for _, l := range o.Plan.Limits {
		add("SLA", "%s", l)
	}
	if o.Spec.AtLeast > 0 {
		add("at least", "concurrency %d", o.Spec.AtLeast)
	}
	if d := o.Plan.Derive; d != nil {
		add("derived", "%s by %s", d.File(), d.Name())
	}
	w := o.Spec.Workload
	add("tokens", "%d in, %d out", w.ISL, w.OSL)
	add("a probe", "%s in at most %v, %s", plural(w.Requests, "request"), w.Window, plural(max(o.Spec.Trials, 1), "trial"))
	add("certainty of a verdict", "%s%%", digits(100*o.Spec.Confidence))
	add("seed", "%d", w.Seed)
}

func (v *view) environment(o *recipes.Outcome) {
	e := environmentOf(o)
	for _, p := range []pair{
		{"endpoint", e.URL}, {"model", o.Spec.Target.Redact(e.Model)}, {"server", o.Spec.Target.Redact(e.Server)}, {"began", o.Began.UTC().Format(time.RFC3339)},
		{"library", e.Library}, {"Go", e.Go}, {"client", fmt.Sprintf("%s/%s, %s", e.OS, e.Arch, plural(e.CPUs, "core"))},
	} {
		if p.Value != "" {
			v.Environment = append(v.Environment, p)
		}
	}
}
