package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// page is what the template of report.html reads. Everything in it is text, but for
// the parts that are ours.
type page struct {
	// Title is the headline, Verdict its word, Recipe and Doc the recipe's.
	Title, Verdict, Recipe, Doc string
	// Note is the user's, and Again the command that does the run once more; both may
	// be empty.
	Note, Again string
	// Error says why nothing was measured, or not all; empty if everything was.
	Error string
	// Next are commands to go on with; nil when there are none to name.
	Next []string
	// Summary is the run in one line.
	Summary string
	// LimitsAt is where the shown probe was, whose readings Limits are.
	LimitsAt string
	Limits   []limitRow
	// Findings, Warnings and Failures are paragraphs; Derived is text for a fixed
	// font.
	Findings []string
	Derived  string
	Warnings []string
	Failures []string

	Charts              []figure
	Probes              probeRows
	Distributions       []distribution
	Health              []healthRow
	Config, Environment []pair

	Style  template.CSS
	Script template.JS
	// Policy is the page's content security policy.
	Policy string
}

// figure is a chart with what stands below it.
type figure struct {
	Name, Caption string
	SVG           template.HTML
}

// limitRow is a row of the table of want and got.
type limitRow struct {
	Name, Want, Got, Evidence, Distance string
	Holds                               bool
}

// probeRows is the table of probes.
type probeRows struct {
	Head []string
	Rows []probeRow
}

// probeRow is one probe.
type probeRow struct {
	Cells []string
	// Verdict is the probe's standing in words, and Kind the class of its row: met,
	// missed, open, untrusted, unmeasured or measured.
	Verdict, Kind string
	Requests      string
	Why           string
	Wall          string
	// Chosen says that it is the answer.
	Chosen bool
}

// distribution is a table of percentiles at one point, a row a metric.
type distribution struct {
	At   string
	Head []string
	Rows [][]string
}

// healthRow is how the client fared in one trial.
type healthRow struct {
	At, Lag, Beat, CPU, GC, Received string
	// Bound says that the numbers are not to be trusted.
	Bound bool
}

// pair is an entry of a list of facts.
type pair struct{ Key, Value string }

// fill reads everything that needs a plan from the outcome, in the order of the page.
// The parts of the finding are the same texts, without their line breaks.
func (p *page) fill(v *view) {
	p.Note = v.redact(v.Spec.Note)
	p.failed(v)
	p.Summary = v.runLine()
	p.limits(v)
	p.Findings = slices.Concat(paragraphs(v.best, v.stages), paragraphs(v.why), paragraphs(v.server), paragraphs(v.tiers))
	for _, warning := range paragraphs(v.warned) {
		p.Warnings = append(p.Warnings, strings.TrimPrefix(warning, "warning: "))
	}
	derived := &text{unwrapped: true}
	v.compared(derived)
	v.derived(derived)
	for _, line := range derived.lines {
		p.Derived += strings.TrimPrefix(line, indent) + "\n"
	}
	p.probes(v)
	p.distributions(v)
	p.health(v)
	p.config(v)
	p.environment(v)
}

// failed says what went wrong, and what to try by hand: the same two questions
// that a run begins with.
func (p *page) failed(v *view) {
	if v.Err == nil {
		return
	}
	if len(v.probes) > 0 { // the title has it otherwise
		p.Error = v.cause()
	}
	t := v.Spec.Target
	if t.URL == "" {
		return
	}
	curl := "curl -sS " + shell(t.Route("models"))
	if t.APIKey != "" {
		curl += ` -H "Authorization: Bearer $AIPERF_API_KEY"`
	}
	p.Next = []string{curl}
}

// limits reads the shown probe: its readings, and what its requests failed of.
func (p *page) limits(v *view) {
	shown := v.shown()
	if shown == nil {
		return
	}
	p.LimitsAt = v.shownAt(shown)
	for _, r := range v.pooled(*shown) {
		holds := r.Holds || v.Verdict == recipes.Met
		p.Limits = append(p.Limits, limitRow{r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r), holds})
	}
	p.Failures = v.failures(shown)
}

// probes reads the table of probes. The words stand in a column of their own, the
// last, and the page adds a number, what a probe took, and why it was made.
func (p *page) probes(v *view) {
	head := v.probeHead()
	p.Probes.Head = append([]string{"#"}, head[:len(head)-1]...)
	for i, probe := range v.probes {
		cells := v.probeCells(probe)
		row := probeRow{
			Cells: append([]string{fmt.Sprint(i + 1)}, cells[:len(cells)-1]...), Verdict: cells[len(cells)-1], Kind: probe.verdict(),
			Requests: count(probe.Requests()), Why: probe.Step.Reason, Wall: elapsed(probe.Wall), Chosen: v.Best.Found && v.Best.Probe == i,
		}
		if len(probe.Readings) == 0 && probe.standing != untrusted {
			row.Kind = "measured"
		}
		p.Probes.Rows = append(p.Probes.Rows, row)
	}
}

// distributed are the metrics of which distributions are shown.
var distributed = []struct{ short, unit string }{{"ttft", "ms"}, {"itl", "ms"}, {"e2e", "ms"}, {"isl", ""}, {"osl", ""}}

// distributions are tables of percentiles: the statistics outlive the requests
// they came from.
func (p *page) distributions(v *view) {
	// Only metrics that were measured have a row, and only points with a row a table.
	stats := append([]string{"avg"}, shares...)
	for _, probe := range v.telling() {
		d := distribution{At: v.place(probe), Head: stats}
		for _, m := range distributed {
			info, _ := loadgen.LookupMetric(m.short)
			name := info.Label
			if name == "" {
				name = strings.ToUpper(m.short)
			}
			row, any := []string{name}, false
			for _, s := range stats {
				x, ok := probe.Stat(m.short, s)
				any = any || ok
				row = append(row, value(x, m.unit))
			}
			if any {
				d.Rows = append(d.Rows, row)
			}
		}
		if len(d.Rows) > 0 {
			p.Distributions = append(p.Distributions, d)
		}
	}
}

// health reads how the client fared, a row a trial: the worst of them decides whether
// a probe is trusted.
func (p *page) health(v *view) {
	for _, probe := range v.probes {
		for _, m := range probe.Trials {
			h := m.Health
			p.Health = append(p.Health, healthRow{
				At: v.place(probe), Lag: value(ms(h.SendLagP99), "ms"), Beat: value(ms(h.BeatLagP99), "ms"),
				CPU: digits(100*h.CPU) + "%", GC: value(ms(h.GCPause), "ms"), Received: fmt.Sprintf("%.1f MB", float64(h.Bytes)/1e6),
				Bound: probe.standing == untrusted,
			})
		}
	}
}

// config reads what was asked for: defaults filled in, and nothing that is a secret.
func (p *page) config(v *view) {
	add := func(key, format string, args ...any) {
		p.Config = append(p.Config, pair{key, fmt.Sprintf(format, args...)})
	}
	if s := v.Plan.Search; s != nil {
		add("style", "%s", s.Style)
		for _, d := range s.Space {
			add("search space", "%s in [%s, %s]", d.Path, digits(d.Lo), digits(d.Hi))
		}
		for _, g := range s.Objectives {
			add("objective", "%s %s %s", objectiveWay(g), g.Metric, g.Stat)
		}
		add("maximum points", "%d", s.MaxProbes)
	}
	for _, a := range v.Plan.Grid {
		add("sweep", "%s over %s", a.Path, digitsOf(a.Values))
	}
	if n := len(v.Plan.Scenarios); n > 0 {
		add("points", "%d", n)
	}
	for _, l := range v.Plan.Limits {
		add("SLA", "%s", l)
	}
	if least := v.Least(); least > 0 {
		add("at least", "%s", v.at(least))
	}
	if d := v.Plan.Derive; d != nil {
		add("derived", "%s by %s", d.File(), d.Name())
	}
	// What every run has comes last, the question before it.
	w := v.Spec.Workload
	if w.Workload.IsZero() && !v.tokenless() {
		add("tokens", "%d in, %d out", w.ISL, w.OSL)
	} else {
		add("requests", "%s", v.lengths())
	}
	if w.Arrival != "" {
		add("arrival", "%s", w.Arrival)
	}
	add("probe", "%s in at most %v, %s", plural(w.Requests, "request"), w.Window, plural(max(v.Spec.Trials, 1), "trial"))
	add("verdict confidence", "%s%%", digits(100*v.Spec.Confidence))
	add("seed", "%d", w.Seed)
}

// environment reads where the run was made, and with what.
func (p *page) environment(v *view) {
	e := v.environment()
	for _, fact := range []pair{
		{"endpoint", e.URL}, {"model", v.redact(e.Model)}, {"server", v.redact(e.Server)},
		{"began", v.Began.UTC().Format(time.RFC3339)},
		{"library", e.Library}, {"Go", e.Go}, {"client", fmt.Sprintf("%s/%s, %s", e.OS, e.Arch, plural(e.CPUs, "core"))},
	} {
		if fact.Value != "" {
			p.Environment = append(p.Environment, fact)
		}
	}
}
