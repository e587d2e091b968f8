package report

import (
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/report/bench"
	"github.com/aiperf-go/aiperf/report/plot"
)

// page is what the template of report.html reads. Everything in it is text, but for
// the parts that are ours.
type page struct {
	// Title is the headline, Verdict its word, Recipe and Doc the recipe's. Badge is what the
	// verdict is called: a run without limits has none to meet, and is measured.
	Title, Verdict, Badge, Recipe, Doc string
	// Facts say in one line what was measured where and when, and Asked within which limits;
	// Asked is empty where there are none.
	Facts, Asked string
	// Advice is what to do now, a sentence an item.
	Advice []string
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

	// Answer are the charts of the first screen, and Charts the others.
	Answer, Charts []figure
	Probes         probeRows
	// Legend explains the words of the table of probes.
	Legend string
	// Compared is the run held against another one; nil when it was not.
	Compared *comparedRows
	// Trend is the run among those of its history, and Told the same in paragraphs; nil when it
	// has none.
	Trend               *comparedRows
	Told                []string
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
	// Data are the chart's values as a table, for those who read no pictures; its first row is
	// the head. It is nil for a map, whose cells are written in it.
	Data [][]string
}

// comparedRows is the table of a comparison with another run.
type comparedRows struct {
	With string
	Head []string
	Rows []comparedRow
}

// comparedRow is one metric at one point, then and now.
type comparedRow struct {
	Cells []string
	// Kind is the class of the row: missed for what fails the comparison, and else empty.
	Kind string
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
	// File is the path of the probe's profile beside the page; empty when it was not measured.
	File string
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
	p.Facts, p.Asked = v.facts(), v.within()
	p.Advice = v.advice()
	p.compared(v)
	p.Trend, p.Told = v.moveRows(), paragraphs(v.amongWhich)
	p.failed(v)
	p.Summary = v.runLine()
	p.limits(v)
	p.Findings = slices.Concat(paragraphs(v.best, v.stages), paragraphs(v.why), paragraphs(v.server, v.gpus, v.costs), paragraphs(v.tiers))
	for _, warning := range paragraphs(v.warned) {
		p.Warnings = append(p.Warnings, strings.TrimPrefix(warning, "warning: "))
	}
	derived := &text{unwrapped: true}
	if p.Compared == nil {
		v.compared(derived)
	}
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
	// Without this, "likely met" beside a certain answer looks like a contradiction: an answer
	// can be certain where each of its probes was open.
	p.Legend = fmt.Sprintf("Met and missed are certain at %s%%. Open means that this probe alone could not tell; the answer rests "+
		"on all probes of its load together.", digits(100*v.Spec.Confidence))
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
		// The first trial stands for a probe of several: its folder has the others beside it.
		if len(probe.Trials) > 0 {
			row.File = filepath.ToSlash(filepath.Join(v.probeDir(i, 0), "profile_export_aiperf.json"))
		}
		p.Probes.Rows = append(p.Probes.Rows, row)
	}
}

// The first screen answers before anybody scrolls: what was found, in a sentence that has the
// limits in it, of which model at which endpoint, with which requests, on which day, and what
// is to be done. Its two charts share their x axis, and are one picture on a wide window.

// facts are the model, the endpoint, the workload and the day, what a reader of somebody
// else's page asks first.
func (v *view) facts() string {
	var parts []string
	if v.Server.Model != "" {
		parts = append(parts, v.redact(v.Server.Model))
	}
	if at := v.Spec.Target.Endpoints(); len(at) > 0 && at[0] != "" {
		parts = append(parts, v.redact(strings.Join(at, ", ")))
	}
	parts = append(parts, v.lengths())
	if !v.Began.IsZero() {
		parts = append(parts, v.Began.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	return strings.Join(parts, " · ")
}

// within are the run's limits in one clause, so that no answer stands without them; empty when
// it has none.
func (v *view) within() string {
	var limits []string
	for _, l := range v.Plan.Limits {
		limits = append(limits, l.String())
	}
	if len(limits) == 0 {
		return ""
	}
	return "The SLA is " + strings.Join(limits, ", ") + "."
}

// advice is what somebody does with the answer, by what stopped the load from being higher.
func (v *view) advice() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(v.probes) == 0 || v.Err != nil {
		return nil // the section on what failed has commands
	}
	if v.trendHeadline() != "" {
		say("Look in history.html for what changed with this run or the one before it. If it was meant, accept the new level.")
		return out
	}
	// Advice is about this answer alone; what a message means in general is on the page of
	// troubleshooting. Nothing is said where the table already says it.
	met, _ := v.passing()
	none := v.Verdict == recipes.Missed && !v.Best.Found && met == 0
	switch in, _, ranged := v.ranged(); {
	case v.Verdict == recipes.Inconclusive && v.untrusted():
		say("Stop what else runs on the machine that sends the load, or give it more cores, and run again.")
	case v.Verdict == recipes.Inconclusive && v.Reason == plan.ReasonOutOfTime:
		say("Set ProbeTime, with which a search takes as long as it needs, and run again.")
	case v.Verdict == recipes.Inconclusive && (v.Reason == recipes.ReasonDeadline || v.Reason == recipes.ReasonCancelled):
		say("Give the run more time, or narrow its range, and run again.")
	case v.Verdict == recipes.Inconclusive:
		say("Give each probe more requests, or choose a limit with a margin, and run again.")
	case v.Verdict == recipes.Met && ranged && v.rangeEnd() != "":
		say("Raise the upper end of %s: nothing in the range failed, so this is no boundary.", in)
	case v.Verdict == recipes.Met && v.Best.Found && ranged:
		say("Deploy with at most %v for each server like this one, and alert before that.", v.Best.Load)
	case none && ranged && strings.Contains(v.rangeBegin(), "the range begins there"):
		say("Lower the lower end of %s, or shorten prompts or answers.", in)
	case none && ranged && v.rangeBegin() != "":
		say("Shorten prompts or answers, or look for what makes a single request slow: no load will meet the limit.")
	case v.Verdict == recipes.Missed && v.fixed():
		say("Search for the load that meets the limits with recipe max-concurrency-under-sla.")
	}
	if next := v.next(); next != "" && v.Verdict == recipes.Met {
		say("%s.", sentence(next))
	}
	return out
}

// compared reads the comparison with another run, a metric a row.
func (p *page) compared(v *view) {
	c := v.comparison
	if c == nil || len(c.Changes) == 0 {
		return
	}
	// Worse is a share of what was, whichever way the metric is better; its sign says which.
	rows := &comparedRows{With: v.redact(c.With), Head: []string{"metric", c.Sides[0], c.Sides[1], "change", "p", ""}}
	for _, ch := range c.Changes {
		_, unit, divisor := bench.Describe(ch.Unit)
		// Medians with their intervals, as the table of the log has them.
		row := comparedRow{Cells: []string{changed(c, ch), center(ch.Old, unit, divisor), center(ch.New, unit, divisor),
			worse(ch.Worse) + " worse", fmt.Sprintf("%.3f", ch.P), "within the tolerance"}}
		switch {
		case ch.Worse < 0:
			row.Cells[3] = worse(-ch.Worse) + " better"
		case ch.Worse == 0:
			row.Cells[3] = "the same"
		}
		switch {
		case ch.Fails:
			row.Kind, row.Cells[5] = "missed", "✗ worse"
		case !ch.Real:
			row.Cells[5] = "may be chance"
		}
		rows.Rows = append(rows.Rows, row)
	}
	p.Compared = rows
}

// moveRows are the metrics of a trend that were judged, a row a metric; nil when none was.
func (v *view) moveRows() *comparedRows {
	if v.trend == nil || len(v.trend.Moves) == 0 {
		return nil
	}
	rows := &comparedRows{With: v.redact(v.trend.Path), Head: []string{"metric", "runs before", "now", "change", "scatter", "p", ""}}
	for _, m := range v.trend.Moves {
		row := comparedRow{Cells: append(v.moveCells(m), "no worse")}
		if m.Fails {
			row.Kind, row.Cells[len(row.Cells)-1] = "missed", "✗ worse"
		}
		rows.Rows = append(rows.Rows, row)
	}
	return rows
}

// A chart is a picture for those who see it. The same values stand behind it as a table, which
// a screen reader reads, a keyboard reaches, and a spreadsheet takes.

// dataOf are the values of a chart as a table, a row a point; nil for a map.
func dataOf(c *plot.Chart) [][]string {
	if c.Heat != nil {
		return nil
	}
	// Lines that join the points and curves that were fitted have no values of their own. The
	// columns of an interval are left out where no point has one.
	rows := [][]string{{"", c.X.Label, c.Y.Label, "from", "to"}}
	any := false
	for _, s := range c.Series {
		if s.Name == "" || s.Mark == plot.NoMark && len(s.Points) > labelled { // lines that join points, and fits
			continue
		}
		for _, at := range s.Points {
			x := digits(at.X)
			for _, tick := range c.X.Ticks { // categories
				if tick.At == at.X {
					x = tick.Label
				}
			}
			row := []string{s.Name, x, digits(at.Y), "", ""}
			if at.Lo != 0 || at.Hi != 0 {
				row[3], row[4] = digits(at.Lo), digits(at.Hi)
				any = true
			}
			rows = append(rows, row)
		}
	}
	if !any {
		for i := range rows {
			rows[i] = rows[i][:3]
		}
	}
	return rows
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
	if w.Workload.IsZero() && !v.Spec.Tokenless() {
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
		{"facts", v.redact(factsOf(v.Spec.Facts))},
		{"began", v.Began.UTC().Format(time.RFC3339)},
		{"library", e.Library}, {"Go", e.Go}, {"client", fmt.Sprintf("%s/%s, %s", e.OS, e.Arch, plural(e.CPUs, "core"))},
	} {
		if fact.Value != "" {
			p.Environment = append(p.Environment, fact)
		}
	}
}
