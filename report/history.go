package report

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// schema is the version of our own keys in search_history.json.
const schema = "aiperf-go/2"

// schemaBefore is the version before, which had what was asked for among AIPerf's keys. It is
// read, and not written.
const schemaBefore = "aiperf-go/1"

// History writes search_history.json: AIPerf's keys and nesting, and additions
// of our own (schema, verdict, environment; in each iteration observations,
// requests, wall_seconds, verdict, certainty, client_health, and the observation
// as the planner saw it, from which a search can be resumed). The outcome must have
// a plan, and may be that of a run that still goes on. The error is the writer's.
func History(w io.Writer, o *recipes.Outcome) error {
	return viewOf(o).history(w)
}

// history writes search_history.json. It is written anew after every probe, so that a
// run which is broken off can be resumed from there.
func (v *view) history(w io.Writer) error {
	asked := v.given()
	h := history{
		Schema:      schema,
		Asked:       &asked,
		Recipe:      v.Recipe.Name,
		Verdict:     v.Verdict.String(),
		Config:      v.config(),
		Iterations:  []iteration{},
		Environment: v.environment(),
		Warnings:    []string{},
	}
	if v.ended() {
		h.Reason = &v.Reason
	}
	for _, warning := range v.Warnings {
		h.Warnings = append(h.Warnings, v.redact(warning.Error()))
	}
	for _, p := range v.probes {
		h.Iterations = append(h.Iterations, v.iteration(p))
	}
	h.BestTrials = v.bestTrials()
	if s := v.Plan.Search; s != nil && len(s.Space) == 1 {
		h.Boundary = v.boundary()
	}
	for i := range min(len(v.Plan.Tiers), len(v.Tiers)) {
		t := v.tier(i)
		h.Tiers = append(h.Tiers, t)
		if h.TierMetadata == nil {
			h.TierMetadata = &tierMetadata{Probes: len(v.probes)}
		}
		h.TierMetadata.Evaluations += t.Probes
	}
	return writeJSON(w, h)
}

// tier is the answer of the i-th tier, as far as the run has come. What AIPerf calls converged
// is an answer with a miss above it; where no miss was seen, or the run was cut short, the
// answer may be larger.
func (v *view) tier(i int) tierResult {
	t, a := v.Plan.Tiers[i], v.Tiers[i]
	lo, hi := a.Ends()
	r := tierResult{Label: t.Label, Safe: num(a.Safe), Estimate: num(a.Estimate), CI: loHi{num(lo), num(hi)}, Reason: a.Reason}
	for _, k := range t.Limits {
		r.Filters = append(r.Filters, filterOf(v.Plan.Limits[k]))
	}
	if finite(lo) && finite(hi) {
		r.Interval = &lowHigh{lo, hi}
	}
	for _, p := range v.probes {
		if !p.silent() {
			r.Probes++
		}
	}
	above := v.missedAbove(t, a.Safe)
	switch {
	case math.IsNaN(a.Safe):
		r.Status = "no_pass_in_range"
	case !v.ended() || v.cutShort() != "":
		r.Status = "partial"
	case math.IsNaN(above):
		r.Status = "no_failure_in_range"
	default:
		r.Status = "converged"
	}
	if v.dimension() == "concurrency" {
		r.Boundary, r.Lower, r.Upper = integer(a.Safe), integer(a.Safe), integer(above)
	}
	for _, p := range v.probes {
		if p.Step.At[0] != above || r.Binding != nil {
			continue
		}
		readings := v.pooled(p)
		for _, k := range t.Limits {
			if k < len(readings) && !readings[k].Holds {
				f := filterOf(v.Plan.Limits[k])
				r.Binding = &f
				break
			}
		}
	}
	return r
}

// integer is a whole number for a file; nil if there is none.
func integer(x float64) *int {
	if !finite(x) {
		return nil
	}
	n := int(x)
	return &n
}

// plannerNames are AIPerf's names of the styles; the others go by their own.
var plannerNames = map[recipes.Style]string{
	recipes.BO: "bayesian", recipes.Optuna: "optuna", recipes.Monotonic: "monotonic_sla",
}

// given is what was asked for and has no key of AIPerf's.
func (v *view) given() asked {
	w := v.Spec.Workload
	var with []valueSet
	if s := v.Plan.Search; s != nil {
		for _, x := range s.With {
			with = append(with, valueSet{x.Path, num(x.Value)})
		}
	}
	return asked{
		With: with, SLO: v.Plan.SLO, Confidence: v.Spec.Confidence, AtLeast: v.Least(), Trials: v.Spec.Trials,
		Workload: workload{ISL: w.ISL, OSL: w.OSL, Requests: w.Requests, Window: w.Window.Seconds(), Says: said(w.Workload), Arrival: w.Arrival},
	}
}

// config is what was asked for, under AIPerf's keys. Its model of such a configuration takes
// no others, so that what is ours stands in asked. Limits are in the order of the plan, those of
// tiers included, because observations refer to them by their place.
func (v *view) config() historyConfig {
	c := historyConfig{
		Objectives: []objective{}, OutcomeConstraints: []filter{}, Space: []dimension{}, Filters: []filter{}, Seed: v.Spec.Workload.Seed,
	}
	for _, l := range v.Plan.Limits {
		c.Filters = append(c.Filters, filterOf(l))
	}
	for _, t := range v.Plan.Tiers {
		own := tierAsked{Label: t.Label, Filters: []filter{}}
		for _, k := range t.Limits {
			// The limits of all tiers stand before those of a single one.
			if all := !slices.ContainsFunc(v.Plan.Tiers, func(o recipes.PlanTier) bool { return !slices.Contains(o.Limits, k) }); !all {
				own.Filters = append(own.Filters, filterOf(v.Plan.Limits[k]))
			}
		}
		c.Tiers = append(c.Tiers, own)
	}
	s := v.Plan.Search
	if s == nil {
		c.Planner = "list"
		return c
	}
	c.Planner = string(s.Style)
	if n, ok := plannerNames[s.Style]; ok {
		c.Planner = n
	}
	c.MaxIterations, c.InitialPoints = s.MaxProbes, s.InitialPoints
	c.Patience, c.PlateauWindow, c.PlateauThreshold = s.Patience, s.PlateauWindow, s.PlateauThreshold
	for _, g := range s.Objectives {
		c.Objectives = append(c.Objectives, objective{g.Metric, g.Stat, strings.ToUpper(objectiveWay(g)), g.Reference, g.Pooled})
	}
	for _, d := range s.Space {
		kind := "real"
		if d.Int {
			kind = "int"
		}
		prior := "uniform"
		if d.Log {
			prior = logUniform
		}
		c.Space = append(c.Space, dimension{Path: d.Path, Lo: num(d.Lo), Hi: num(d.Hi), Kind: kind, Prior: prior})
	}
	return c
}

// logUniform is AIPerf's name of points that are spread over the logarithm.
const logUniform = "log-uniform"

// filterOf is a limit under AIPerf's keys; limit turns it back.
func filterOf(l sla.Limit) filter {
	return filter{l.Metric, l.Stat, string(l.Op), num(l.Threshold)}
}

// iteration is one probe as a file has it.
func (v *view) iteration(p probe) iteration {
	it := iteration{
		Index: p.index, Values: v.values(p), Objectives: []num{}, Feasible: p.pass, NonMonotone: v.contradicts(p),
		Observations: []reading{}, Requests: p.Requests(), Wall: p.Wall.Seconds(),
		Verdict: p.verdict(), Certainty: num(p.certainty()), Health: v.health(p),
		Step: step{p.Step.Size, p.Step.Full, p.Step.Reason, p.Step.Apart.Seconds()}, Seen: observationOf(p),
		Metrics: map[string]map[string]num{},
	}
	// The objectives as the planner saw them: where trials are pooled, Stat would say
	// something else.
	for _, g := range p.Observed.Goals {
		it.Objectives = append(it.Objectives, num(g.Value))
	}
	for k, r := range p.Readings {
		margin := p.Observed.Margins[k].Value
		it.Observations = append(it.Observations,
			reading{filterOf(r.Limit), num(r.Value), num(r.Adjusted), num(margin), r.Exceeded, r.Of, r.Holds, num(r.Pass)})
	}
	kept := keptStats
	if _, ok := p.Stat(loadgen.TagGPUs, "avg"); ok {
		kept = slices.Concat(kept, keptOfGPUs)
	}
	for _, k := range kept {
		if x, ok := p.Stat(k.tag, k.stat); ok {
			if it.Metrics[k.tag] == nil {
				it.Metrics[k.tag] = map[string]num{}
			}
			it.Metrics[k.tag][k.stat] = num(x)
		}
	}
	return it
}

// keptStats are the statistics that a finding prints of a probe. Those of a resumed
// run come from here, since its requests are gone.
var keptStats = []struct{ tag, stat string }{
	{loadgen.TagTTFT, "p95"}, {loadgen.TagITL, "p95"}, {loadgen.TagTokenRate, "avg"},
	{loadgen.TagReqRate, "avg"}, {loadgen.TagErrorRate, "avg"},
}

// keptOfGPUs are those of a run that knows how many GPUs there are. The speed of a user is what
// their chart has on its other axis.
var keptOfGPUs = []struct{ tag, stat string }{
	{loadgen.TagGPUs, "avg"}, {loadgen.TagPerGPU, "avg"}, {loadgen.TagJoules, "avg"}, {loadgen.TagCost, "avg"},
	{loadgen.TagTotalCost, "avg"}, {loadgen.TagPerUser, "avg"}, {loadgen.TagGPUPower, "avg"}, {loadgen.TagGPUPower, "max"},
}

// observationOf is a probe as its planner saw it, from which a search is resumed.
func observationOf(p probe) observation {
	s := p.Observed
	o := observation{At: []num{}, Limits: []marginSeen{}, Goals: []estimate{}, State: p.State(), Requests: s.Requests,
		Lasted: s.Lasted.Seconds()}
	for _, x := range s.At {
		o.At = append(o.At, num(x))
	}
	for _, l := range s.Margins {
		m := marginSeen{estimate: estimate{num(l.Value), num(l.SE)}, Pass: num(l.Pass)}
		if !math.IsNaN(l.Excess) {
			m.Excess = &l.Excess
		}
		o.Limits = append(o.Limits, m)
	}
	for _, g := range s.Goals {
		o.Goals = append(o.Goals, estimate{num(g.Value), num(g.SE)})
	}
	return o
}

// bestTrials is the answer in AIPerf's form: feasible first, then the objective;
// of several objectives, the non-dominated set only. It is never nil, since AIPerf's
// list is empty rather than null.
func (v *view) bestTrials() []bestTrial {
	out := []bestTrial{}
	best, feasible := v.BestProbes()
	for _, i := range best {
		it := v.iteration(v.probes[i])
		// The answer is feasible even where this one visit looks like a miss:
		// others of the same point outweighed it.
		ok := it.Feasible || v.Best.Found && i == v.Best.Probe
		out = append(out, bestTrial{Index: i, Objectives: it.Objectives, Values: it.Values, Feasible: ok, FeasibleCount: feasible})
	}
	return out
}

// boundary is the answer of a search in one dimension; nil while nothing was
// probed.
func (v *view) boundary() *boundary {
	if len(v.probes) == 0 {
		return nil
	}
	a := v.Boundary
	b := &boundary{Path: v.Plan.Search.Space[0].Path, Safe: num(a.Safe), Estimate: num(a.Estimate)}
	lo, hi := a.Ends()
	b.CI = loHi{num(lo), num(hi)}
	certain := false
	for _, p := range v.probes {
		x := p.Step.At[0]
		if x == a.Safe {
			b.Max = &feasibleMax{whole(x), p.index, num(p.goal())}
		}
		// The smallest that was seen to fail, of certain failures if there are any: the
		// interval's upper end need not have been probed.
		if !p.pass && !(x <= a.Safe) && (b.Min == nil || p.certain && !certain || p.certain == certain && x <= float64(b.Min.Value)) {
			certain = p.certain
			b.Min = &infeasibleMin{whole(x), p.index, firstBreach(p)}
		}
	}
	v.smooth(b)
	return b
}

// smooth adds, once the run has ended, what style smooth_isotonic knows of the boundary. AIPerf names the
// limit nearest to breaking by its place in the filters and its text.
func (v *view) smooth(b *boundary) {
	s, ok := v.SmoothSummary()
	if !ok || !v.ended() {
		return
	}
	b.Type = s.Type
	if k := s.Binding; k >= 0 && k < len(v.Plan.Limits) {
		l := v.Plan.Limits[k]
		b.Binding = fmt.Sprintf("%d:%s.%s.%s.%s", k, l.Metric, l.Stat, l.Op, float(l.Threshold))
	}
	if finite(s.CILow) && finite(s.CIHigh) {
		b.MarginCI = &loHi{num(s.CILow), num(s.CIHigh)}
	}
}

// float writes a number as AIPerf's language does: a whole one with a fraction of 0.
func float(v float64) string {
	s := exact(v)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// firstBreach is the first limit that a probe missed; nil when it missed none.
func firstBreach(p probe) *breach {
	for _, r := range p.Readings {
		if !r.Holds {
			return &breach{filterOf(r.Limit), num(r.Value)}
		}
	}
	return nil
}

// environment is where the run was made, and with what: two files are compared by
// people, who want to know whether it was the same machine.
func (v *view) environment() environment {
	return environment{
		Library: library(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		URL: v.Spec.Target.Redacted(), Model: v.redact(v.Server.Model), Server: v.redact(v.Server.Version), Note: v.redact(v.Spec.Note),
		Began: v.Began.UTC(), Wall: v.Wall.Seconds(),
	}
}
