package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// Finding writes the answer for people. Its first line is complete alone, since
// a CI page shows only that; then the limits, want and got side by side, then
// the probes when the answer is not a plain yes, then what the run was like:
//
//	recipe max-concurrency-under-sla: SLA missed at every concurrency probed
//	    limit      want      got (at concurrency 1)
//	    ttft p95   < 200ms   49.6ms (too many failed)   95% CI [47.7ms, 51.5ms]   <-- missed
//	    failed: 300 × status 503: overloaded
//	    probes:
//	      conc   req/s   out-tok/s   ttft p95   itl p95   errors   SLA
//	         1   0.762        97.6     49.6ms      10ms     100%   missed (ttft p95)
//	    2 probes, 900 requests, 19m42s (measuring 100%, ramps 0%; stopped:
//	        monotonic_no_pass_in_range); client healthy (p99 send lag 0ms, CPU 11%)
//
// Lines are as wide as the log without what t.Log puts before them, 92 columns of 100.
// The error is the writer's.
func (l Log) Finding(w io.Writer, o *recipes.Outcome) error {
	v := viewOf(o)
	t := l.text()
	// The order is that of a reader's questions: what came out, why it ended early, how far
	// each limit is from breaking, what the answer gives, and only then how it was found.
	// Only a first line that is wider than the log is wrapped: a CI page shows it alone.
	room := t.width()
	if l.Columns > 0 { // a terminal, which shows the caller before it
		room -= caller - logged
	}
	t.lines = wrap(room, v.called()+": "+v.headline(), "recipe ", indent)
	if l.Alone && v.Verdict == recipes.Met {
		v.brief(t)
		return t.writeTo(w)
	}
	v.stopped(t)
	v.limits(t)
	if v.Plan != nil {
		v.compared(t)
		v.among(t)
	}
	v.failed(t)
	v.best(t)
	v.why(t)
	v.server(t)
	v.gpus(t)
	v.costs(t)
	v.endpoints(t)
	v.users(t)
	v.stages(t)
	if v.Plan != nil {
		v.derived(t)
	}
	if v.Verdict != recipes.Met && len(v.probes) > 0 {
		t.line("%sprobes:", indent)
		t.table(v.probeTable(), indent+"  ")
	}
	if l.Alone && v.Plan != nil {
		v.asked(t)
	}
	v.run(t)
	v.tiers(t)
	v.warned(t)
	return t.writeTo(w)
}

// brief is what a met run adds to its first line where nobody asked for more, five lines at
// most, each cut rather than folded: the limits, the answer, its cost, what the run was like,
// the note.
// A warning is one line with the name of its entry in docs/troubleshooting.md.
func (v *view) brief(t *text) {
	if p := v.shown(); p != nil && len(v.Plan.Limits) > 0 {
		var limits []string
		for _, r := range v.pooled(*p) {
			s := fmt.Sprintf("%s %s %s", r.Limit.Name(), observed(r), r.Limit.Want())
			if d := distance(r); d != "" {
				s += " (" + d + ")"
			}
			limits = append(limits, s)
		}
		t.single("%s: %s", v.shownAt(p), strings.Join(limits, ", "))
	}
	if best := v.bestLine(); best != "" {
		t.single("%s", best)
	}
	if cost := v.cost(); cost != "" {
		t.single("%s", cost)
	}
	// Why the search ended and what the time went into matter when the answer is doubted, and
	// stand in the whole text.
	run := fmt.Sprintf("%s, %s, %s", plural(len(v.probes), "probe"), plural(v.requests(), "request"), elapsed(v.Wall))
	if h := v.healthLine(); h != "" {
		run += "; " + h
	}
	t.single("%s", run)
	if v.Spec.Note != "" {
		t.single("%s", v.redact(v.Spec.Note))
	}
	for _, w := range v.warnings() {
		w = strings.TrimPrefix(w, fmt.Sprintf("recipe %q ", v.Recipe.Name)) // the first line has it
		t.cut("warning: "+w, " → docs/troubleshooting.md#"+entryOf(w))
	}
}

// stopped says why the run ended before its time, where the first line has other words.
func (v *view) stopped(t *text) {
	if v.Err == nil || v.Plan == nil {
		return
	}
	if cause := v.cause(); !strings.Contains(v.headline(), cause) {
		t.paragraph("%s", cause)
	}
}

// badge is the verdict in a word. Without limits a run has nothing to meet: it is measured,
// and its page and summary say no more than that.
func (v *view) badge() string {
	if v.Plan != nil && len(v.Plan.Limits) == 0 && v.Verdict == recipes.Met && v.Spec.Gate == nil && v.comparison == nil {
		return "measured"
	}
	return v.Verdict.String()
}

// called is what the finding is of: the recipe's name, with the label of the run.
func (v *view) called() string {
	if v.Spec.Label == "" {
		return v.Recipe.Name
	}
	return v.Recipe.Name + " [" + v.redact(v.Spec.Label) + "]"
}

// Finding writes the answer for people, in a log of the usual width. See Log.Finding.
func Finding(w io.Writer, o *recipes.Outcome) error { return Log{}.Finding(w, o) }

// Headline returns the finding's first line without the recipe's name. It is
// complete at every stage of a run, even before there is a plan, and has no secrets in
// it.
func Headline(o *recipes.Outcome) string { return viewOf(o).headline() }

// The first line says what was found out, in words that a reader of a CI page needs no
// context for. One of the functions below makes it: the more a run knows, the earlier
// it is asked.

// headline is the answer in one clause.
func (v *view) headline() string {
	if v.Plan == nil {
		return "nothing was measured"
	}
	switch {
	case len(v.probes) == 0 && v.Err != nil:
		return "nothing was measured: " + v.cause()
	case len(v.probes) == 0:
		return "inconclusive: nothing was measured" + v.because()
	}
	// What a run was held against is the question that it was made for.
	if s := v.trendHeadline(); s != "" {
		return s
	}
	if s := v.comparedHeadline(); s != "" {
		return s
	}
	switch v.Verdict {
	case recipes.Met:
		return v.metHeadline()
	case recipes.Missed:
		return v.missedHeadline()
	}
	return "inconclusive: " + v.doubt()
}

// fixed reports whether the run measured one load that was given.
func (v *view) fixed() bool { return len(v.Plan.Scenarios) == 1 }

// metHeadline says what was found, or how far the limits hold.
func (v *view) metHeadline() string {
	derived := v.derivedHeadline()
	switch {
	case v.frontHeadline() != "":
		return v.frontHeadline()
	case derived != "":
		if _, ok := v.Breach(); !ok && len(v.Plan.Limits) > 0 {
			met, points := v.passing()
			derived += fmt.Sprintf("; SLA met at %s of %s", count(met), count(points))
		}
		return derived
	case len(v.Plan.Limits) == 0 && v.fixed():
		return fmt.Sprintf("measured at %v", v.probes[0].Load)
	case len(v.Plan.Limits) == 0:
		return fmt.Sprintf("measured at %s", plural(len(v.probes), "point"))
	case v.fixed():
		return fmt.Sprintf("SLA met at %v", v.probes[0].Load)
	case v.Plan.Search != nil:
		return v.searchHeadline()
	}
	met, points := v.passing()
	return fmt.Sprintf("SLA met at %s of %s", count(met), plural(points, "point"))
}

// searchHeadline names the boundary, and the best point where that is another: more
// load can be worse for an objective long before it breaks a limit.
func (v *view) searchHeadline() string {
	s := "SLA met up to " + v.at(v.Boundary.Safe)
	if end := v.rangeEnd(); end != "" && len(v.Plan.Tiers) == 0 {
		s = end
	}
	if cut := v.cutShort(); cut != "" {
		s = fmt.Sprintf("SLA met up to at least %s; the search was cut short by %s", v.level(v.bestAt()), cut)
	} else if from := v.from(); from > 0 {
		s += fmt.Sprintf(", from %s up", v.level(from))
	}
	if !v.Plan.Search.Boundary && v.bestAt() != v.Boundary.Safe {
		s += fmt.Sprintf(", best %s at %s", objectiveName(v.Plan.Search.Objectives[0]), v.level(v.bestAt()))
	}
	if len(v.Plan.Tiers) > 0 && v.cutShort() == "" {
		s = "SLA met up to " + v.tierAnswers()
	}
	if least := v.Least(); least > 0 {
		s += fmt.Sprintf(" (at least %s asked for)", exact(least))
	}
	return s
}

// missedHeadline says where the limits do not hold.
func (v *view) missedHeadline() string {
	met, _ := v.passing()
	switch {
	case v.fixed():
		return fmt.Sprintf("SLA missed at %v", v.probes[0].Load)
	case v.Best.Found:
		return fmt.Sprintf("SLA met up to %s only, below the %s asked for", v.loadOf(v.probes[v.Best.Probe]), exact(v.Least()))
	case v.Least() > 0 && met > 0:
		return fmt.Sprintf("SLA missed below the %s of %s asked for", v.dimension(), exact(v.Least()))
	}
	if begin := v.rangeBegin(); begin != "" {
		return begin
	}
	return "SLA missed at every " + v.dimension() + " probed"
}

// A search that never met its boundary has not found one: the end of its range is where it
// stopped looking. A headline that names the end alone reads as a capacity.

// rangeEnd says that nothing failed in the searched range, whose end is no boundary; empty
// where something did, or where the search does not vary the load alone.
func (v *view) rangeEnd() string {
	in, d, ok := v.ranged()
	if !ok || v.Boundary.Safe < d.Hi {
		return ""
	}
	return fmt.Sprintf("every %s up to %s meets the SLA; the range ends there: raise %s's maximum", v.dimension(), v.level(d.Hi), in)
}

// The least concurrency is 1, and there is nothing below it to search: that answer is whole.

// rangeBegin says that the lowest load of the searched range is too high already, by which
// limit, and how to search below it where there is a below.
func (v *view) rangeBegin() string {
	in, d, ok := v.ranged()
	if !ok || !slices.ContainsFunc(v.probes, func(p probe) bool { return p.Step.At[0] == d.Lo }) {
		return ""
	}
	s := fmt.Sprintf("no %s from %s up meets the SLA", v.dimension(), v.level(d.Lo))
	if p := v.shown(); p != nil {
		for _, r := range v.pooled(*p) {
			if !r.Holds {
				s += fmt.Sprintf(": %s %s, wanted %s", r.Limit.Name(), observed(r), r.Limit.Want())
				break
			}
		}
	}
	if in == "Concurrency" && d.Lo <= 1 {
		return s
	}
	return s + fmt.Sprintf("; the range begins there: lower %s's minimum", in)
}

// doubt says why there is no verdict. An inconclusive result fails a test, which has to
// say why.
func (v *view) doubt() string {
	last := v.probes[len(v.probes)-1]
	cut := v.cutShort()
	switch {
	case v.Err != nil && cut == "":
		return v.cause()
	case v.Plan.Derive != nil && len(v.Plan.Limits) == 0 && cut == "" && last.standing != untrusted:
		return cmp.Or(v.derivedHeadline(), "no result could be read off the points")
	case v.Reason == recipes.ReasonAborted && v.Best.Found:
		return fmt.Sprintf("the endpoint was lost; SLA met up to %s until then", v.loadOf(v.probes[v.Best.Probe]))
	case cut != "" && v.Best.Found && v.Plan.Search != nil:
		return fmt.Sprintf("at least %s; the search was cut short by %s", v.level(v.bestAt()), cut)
	case last.standing == untrusted:
		return fmt.Sprintf("the probes at %s cannot be trusted", v.loadOf(last))
	case v.Plan.Search == nil && len(v.distrusted()) > 0:
		return fmt.Sprintf("the probes at %s cannot be trusted; the other points stand", strings.Join(v.distrusted(), ", "))
	case v.Reason == recipes.ReasonDeadline, v.Reason == recipes.ReasonCancelled, v.Reason == recipes.ReasonAborted:
		return "no answer was certain" + v.because()
	case v.Best.Found && v.Least() > 0:
		return fmt.Sprintf("SLA met up to %s; %s was neither confirmed nor ruled out", v.loadOf(v.probes[v.Best.Probe]), exact(v.Least()))
	}
	return "no verdict is certain at any " + v.dimension()
}

// distrusted names the points of a sweep of which no probe can be trusted.
func (v *view) distrusted() (names []string) {
	for i, p := range v.probes {
		same := func(q probe) bool { return slices.Equal(q.Step.At, p.Step.At) }
		if slices.IndexFunc(v.probes, same) == i && !slices.ContainsFunc(v.probes, func(q probe) bool { return same(q) && !q.silent() }) {
			names = append(names, p.Load.String())
		}
	}
	return names
}

// cutShort is what cut the run short, with the load of the probe that said nothing if it was
// that; empty when nothing did.
func (v *view) cutShort() string {
	last := v.probes[len(v.probes)-1]
	switch v.Reason {
	case "untrusted":
		return fmt.Sprintf("probes at %v that cannot be trusted", last.Load)
	case "unmeasured":
		return fmt.Sprintf("probes at %v that could not be measured", last.Load)
	}
	return v.CutShort()
}

// from is the smallest load from which on every point up to the answer meets every limit,
// where one below it does not: a floor on throughput holds from some load up. It is 0 when
// nothing below the answer was missed.
func (v *view) from() float64 {
	from, missed := v.Boundary.Safe, math.Inf(-1)
	met := map[float64]bool{}
	for _, p := range v.probes {
		at := p.Step.At[0]
		if len(p.Step.At) != 1 || at > v.Boundary.Safe || p.silent() {
			continue
		}
		if missedOf(v.pooled(p), false) != "" {
			missed = max(missed, at)
		} else {
			met[at] = true
		}
	}
	if math.IsInf(missed, 0) {
		return 0
	}
	for at := range met {
		if at > missed {
			from = min(from, at)
		}
	}
	return from
}

// because names, for the end of a sentence, an end that was not the search's own; empty for all others.
func (v *view) because() string {
	switch v.Reason {
	case recipes.ReasonDeadline:
		return " before the deadline"
	case recipes.ReasonCancelled:
		return " before the run was cancelled"
	case recipes.ReasonAborted:
		return " before the endpoint was lost"
	}
	return ""
}

// limits is the table of want and got, of all visits of the point that is shown. What is missed has
// an arrow, since colours are for terminals that have them:
//
//	limit      want      got (at concurrency 62)
//	ttft p95   < 200ms   197ms   95% CI [189ms, 205ms]   1% headroom
func (v *view) limits(t *text) {
	p := v.shown()
	if p == nil || len(v.Plan.Limits) == 0 {
		return
	}
	rows := &table{spare: []int{3}} // the evidence
	rows.add("limit", "want", "got ("+v.shownAt(p)+")")
	for _, r := range v.pooled(*p) {
		row := []string{r.Limit.Name(), r.Limit.Want(), observed(r), evidence(r), distance(r)}
		// What was never measured is not missed: the error says what is wrong.
		if !r.Holds && v.Verdict != recipes.Met && (v.Err == nil || !strings.HasPrefix(row[2], "–")) {
			row[4] = strings.TrimSpace(row[4] + "   <-- missed")
		}
		rows.add(row...)
	}
	t.table(rows, indent)
}

// failed says what the requests of the shown probe failed of, the first kinds
// only: a load that is too high fails in many ways.
func (v *view) failed(t *text) {
	p := v.shown()
	if p == nil {
		return
	}
	const most = 3
	parts := v.failures(p)
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more kinds", len(parts)-most))
	}
	if len(parts) > 0 {
		t.paragraph("failed: %s", strings.Join(parts, "; "))
	}
}

// endpoints says what each of several endpoints did in the last trial of the shown probe, a
// paragraph an endpoint:
//
//	endpoint http://10.0.0.1:8000: 150 requests, 0% failed, ttft p95 41ms, itl p95 5.2ms
func (v *view) endpoints(t *text) {
	p := v.shown()
	if p == nil || len(p.Trials) == 0 {
		return
	}
	names := v.Spec.Target.Endpoints()
	for k, metrics := range p.Trials[len(p.Trials)-1].Endpoints {
		if k >= len(names) {
			break
		}
		t.paragraph("endpoint %s: %s", names[k], ofPart(metrics))
	}
}

// ofPart says what a part of a probe's requests was like, for example those of an endpoint:
//
//	150 requests, 0% failed, ttft p95 41ms, itl p95 5.2ms, e2e p95 720ms
func ofPart(metrics map[loadgen.Tag]loadgen.Metric) string {
	line := fmt.Sprintf("%s, %s failed", plural(int(metrics[loadgen.TagCompleted].Stats["avg"]), "request"),
		value(metrics[loadgen.TagErrorRate].Stats["avg"], "%"))
	for _, tag := range []loadgen.Tag{loadgen.TagTTFT, loadgen.TagITL, loadgen.TagLatency} {
		info, _ := loadgen.LookupMetric(tag)
		if x, ok := metrics[tag].Stats["p95"]; ok {
			line += fmt.Sprintf(", %s p95 %s", info.Name(), value(x, info.Unit))
		}
	}
	return line
}

// users says, of a load of conversations, how many requests its users had in flight in the
// last trial of the shown probe, and what each turn was like, a paragraph a turn. Turns count
// from 1 there, and from 0 in files, as AIPerf's do:
//
//	64 users had 23.1 requests in flight on average, and thought for the rest of the time
//	turn 2: 55 requests, 0% failed, ttft p95 31ms, itl p95 5.2ms, e2e p95 700ms; isl 512, of which 88% cached
func (v *view) users(t *text) {
	p := v.shown()
	if p == nil || len(p.Trials) == 0 {
		return
	}
	m := p.Trials[len(p.Trials)-1]
	if len(m.Turns) == 0 {
		return
	}
	if flying, ok := m.Stat(loadgen.TagInFlight, "avg"); ok && m.Load.Concurrency > 0 {
		t.paragraph("%s had %s requests in flight on average, and thought for the rest of the time",
			plural(m.Load.Concurrency, "user"), digits(flying))
	}
	for k, metrics := range m.Turns {
		if k == mostTurns {
			t.paragraph("turns %d to %d are in profile_export_aiperf.json", k+1, len(m.Turns))
			break
		}
		line := fmt.Sprintf("turn %d: %s", k+1, ofPart(metrics))
		if isl, ok := metrics[loadgen.TagISL].Stats["avg"]; ok {
			line += "; isl " + digits(isl)
			if cached, ok := metrics[loadgen.TagCached].Stats["avg"]; ok {
				line += fmt.Sprintf(", of which %.0f%% cached", 100*cached)
			}
		}
		t.paragraph("%s", line)
	}
}

// mostTurns is how many turns of conversations have a paragraph of their own.
const mostTurns = 6

// mostStages is the number of stages that a finding lists. The profile has all of them.
const mostStages = 12

// stages says how each stage of a schedule of rates went in the last trial of the shown
// probe, a paragraph a stage:
//
//	stage 1, 5 to 20 requests/s over 2m0s: 12.5 requests/s offered, 12.4 served, 0% failed,
//	    send lag p99 0.2ms, ttft p95 41ms, itl p95 5.2ms
func (v *view) stages(t *text) {
	p := v.shown()
	if p == nil || len(p.Trials) == 0 {
		return
	}
	m := p.Trials[len(p.Trials)-1]
	rates := m.Load.Schedule()
	for k, metrics := range m.Stages {
		if k == mostStages {
			t.paragraph("and %s more, in profile_export_aiperf.json", plural(len(m.Stages)-k, "stage"))
			break
		}
		offered := metrics[loadgen.TagCompleted].Stats["avg"] / rates[k].Over.Seconds()
		line := fmt.Sprintf("stage %d, %s: %s requests/s offered, %s served, %s failed", k+1, rates[k], digits(offered),
			digits(metrics[loadgen.TagReqRate].Stats["avg"]), value(metrics[loadgen.TagErrorRate].Stats["avg"], "%"))
		if x, ok := metrics[loadgen.TagLag].Stats["p99"]; ok {
			line += ", send lag p99 " + value(x, "ms")
		}
		for _, tag := range []loadgen.Tag{loadgen.TagTTFT, loadgen.TagITL, loadgen.TagLatency} {
			info, _ := loadgen.LookupMetric(tag)
			if x, ok := metrics[tag].Stats["p95"]; ok {
				line += fmt.Sprintf(", %s p95 %s", info.Name(), value(x, info.Unit))
			}
		}
		t.paragraph("%s", line)
	}
}

// best says what the answer gives, and what stopped it from being more. It adds
// nothing when there is no answer:
//
//	output throughput 6932 tok/s, 54.2 req/s; next concurrency tried, 176, missed good (0.787)
func (v *view) best(t *text) {
	if s := v.bestLine(); s != "" {
		t.paragraph("%s", s)
	}
}

// bestLine is what best adds; empty when there is no answer.
func (v *view) bestLine() string {
	p := v.shown()
	if p == nil || !v.Best.Found || v.front() != nil {
		return ""
	}
	var parts []string
	if x, ok := p.Stat("throughput", "avg"); ok {
		rates := "output throughput " + value(x, "tok/s")
		if r, ok := p.Stat("req-rate", "avg"); ok {
			rates += ", " + value(r, "req/s")
		}
		parts = append(parts, rates)
	}
	if next := v.next(); next != "" {
		parts = append(parts, next)
	}
	return strings.Join(parts, "; ")
}

// next names the smallest concurrency above the answer that was tried and missed;
// empty where there is none.
func (v *view) next() string {
	_, hi := v.Boundary.Ends()
	if v.Plan.Search == nil || math.IsNaN(hi) {
		return ""
	}
	for i := len(v.probes) - 1; i >= 0; i-- {
		p := v.probes[i]
		if p.Step.At[0] != hi {
			continue
		}
		if broken := missedOf(v.pooled(p), true); broken != "" {
			return fmt.Sprintf("next %s tried, %s, missed %s", v.dimension(), v.level(hi), broken)
		}
	}
	return ""
}

// run says what the run was like, and why it stopped, then repeats the note that the
// user gave.
func (v *view) run(t *text) {
	line := v.runLine()
	if h := v.healthLine(); h != "" {
		line += "; " + h
	}
	t.paragraph("%s", line)
	if v.Spec.Note != "" {
		t.paragraph("%s", v.redact(v.Spec.Note))
	}
}

// tierAnswers is how far the limits of each tier hold: "concurrency 16 (fast), 23 (slow)".
func (v *view) tierAnswers() string {
	var parts []string
	for i, tier := range v.Plan.Tiers {
		if i >= len(v.Tiers) {
			break
		}
		at := v.at(v.Tiers[i].Safe)
		if i > 0 {
			at = v.level(v.Tiers[i].Safe)
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", at, tier.Label))
	}
	return strings.Join(parts, ", ")
}

// missedAbove is the smallest measured load above a tier's answer at which one of its limits
// does not hold by all visits there; NaN when there is none.
func (v *view) missedAbove(tier recipes.PlanTier, safe float64) float64 {
	// The end of an interval, or of a bracket, may lie at a load that nobody measured, or that
	// does not exist: a concurrency of 19.6.
	least := math.NaN()
	for _, p := range v.probes {
		at := p.Step.At[0]
		if p.silent() || at <= safe || at >= least {
			continue
		}
		readings := v.pooled(p)
		if slices.ContainsFunc(tier.Limits, func(k int) bool { return k < len(readings) && !readings[k].Holds }) {
			least = at
		}
	}
	return least
}

// tiers says how far each tier's limits hold, a paragraph a tier.
func (v *view) tiers(t *text) {
	if v.Plan == nil {
		return
	}
	for i, tier := range v.Plan.Tiers {
		if i >= len(v.Tiers) {
			return
		}
		a := v.Tiers[i]
		how := "not met with certainty at any " + v.dimension()
		if !math.IsNaN(a.Safe) {
			how = "met up to " + v.at(a.Safe)
		}
		if missed := v.missedAbove(tier, a.Safe); !math.IsNaN(missed) {
			how += ", missed at " + v.level(missed)
		}
		var limits []string
		for _, k := range tier.Limits {
			limits = append(limits, v.Plan.Limits[k].String())
		}
		t.paragraph("tier %s (%s): %s", tier.Label, strings.Join(limits, ", "), how)
	}
}

// warned adds a paragraph a warning.
func (v *view) warned(t *text) {
	for _, w := range v.warnings() {
		t.paragraph("warning: %s", w)
	}
}
