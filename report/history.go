package report

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// schema is the version of our own keys in search_history.json.
const schema = "aiperf-go/1"

// History writes search_history.json: AIPerf's keys and nesting, and additions
// of our own (schema, verdict, environment; in each iteration observations,
// requests, wall_seconds, verdict, certainty, client_health, and the observation
// as the planner saw it, from which a search can be resumed).
func History(w io.Writer, o *recipes.Outcome) error {
	h := history{
		Schema:      schema,
		Recipe:      o.Recipe.Name,
		Verdict:     o.Verdict.String(),
		Config:      configOf(o),
		Iterations:  []iteration{},
		Environment: environmentOf(o),
		Warnings:    []string{},
	}
	if o.Reason != "" {
		h.Reason = &o.Reason
	}
	for _, warning := range o.Warnings {
		h.Warnings = append(h.Warnings, o.Spec.Target.Redact(warning.Error()))
	}
	for i := range o.Probes {
		h.Iterations = append(h.Iterations, iterationOf(o, i))
	}
	h.BestTrials = bestTrials(o)
	if s := o.Plan.Search; s != nil && len(s.Space) == 1 {
		h.Boundary = boundaryOf(o)
	}
	for i := range min(len(o.Plan.Tiers), len(o.Tiers)) {
		h.Tiers = append(h.Tiers, tierOf(o, i))
	}
	return writeJSON(w, h)
}

func tierOf(o *recipes.Outcome, i int) tierResult {
	t, a := o.Plan.Tiers[i], o.Tiers[i]
	lo, hi := a.Ends()
	r := tierResult{Label: t.Label, Safe: num(a.Safe), Estimate: num(a.Estimate), CI: loHi{num(lo), num(hi)}, Reason: a.Reason}
	for _, k := range t.Limits {
		r.Filters = append(r.Filters, filterOf(o.Plan.Limits[k]))
	}
	return r
}

// plannerNames are AIPerf's names of the styles.
var plannerNames = map[recipes.Style]string{
	recipes.BO: "bayesian", recipes.Optuna: "optuna", recipes.Monotonic: "monotonic_sla",
}

func configOf(o *recipes.Outcome) historyConfig {
	w := o.Spec.Workload
	c := historyConfig{
		Objectives: []objective{}, OutcomeConstraints: []filter{}, Space: []dimension{}, Filters: []filter{},
		Seed: w.Seed, Confidence: o.Spec.Confidence, AtLeast: o.Spec.AtLeast, Trials: o.Spec.Trials,
		Workload: workload{ISL: w.ISL, OSL: w.OSL, Requests: w.Requests, Window: w.Window.Seconds()},
	}
	for _, l := range o.Plan.Limits {
		c.Filters = append(c.Filters, filterOf(l))
	}
	s := o.Plan.Search
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
		way := "MINIMIZE"
		if g.Maximize {
			way = "MAXIMIZE"
		}
		c.Objectives = append(c.Objectives, objective{g.Metric, g.Stat, way, g.Reference, g.Pooled})
	}
	for _, d := range s.Space {
		kind := "real"
		if d.Int {
			kind = "int"
		}
		c.Space = append(c.Space, dimension{d.Path, num(d.Lo), num(d.Hi), kind, d.Log})
	}
	return c
}

func filterOf(l sla.Limit) filter {
	return filter{l.Metric, l.Stat, string(l.Op), num(l.Threshold)}
}

func iterationOf(o *recipes.Outcome, i int) iteration {
	p := &o.Probes[i]
	pass, certain := p.Passes(o.Spec.Confidence)
	it := iteration{
		Index: i, Values: valuesOf(o, p), Objectives: []num{}, Feasible: pass, NonMonotone: contradicts(o, i),
		Observations: []reading{}, Requests: p.Requests(), Wall: p.Wall.Seconds(),
		Verdict: verdictOf(p, pass, certain), Certainty: num(certainty(p)),
		Step: step{p.Step.Size, p.Step.Full, p.Step.Reason}, Seen: observationOf(p),
		Metrics: map[string]map[string]num{},
	}
	for _, g := range p.Observed.Goals {
		it.Objectives = append(it.Objectives, num(g.Value))
	}
	for k, r := range p.Readings {
		it.Observations = append(it.Observations, reading{filterOf(r.Limit), num(r.Value), num(r.Adjusted), num(p.Observed.Margins[k].Value), r.Exceeded, r.Of, r.Holds, num(r.Pass)})
	}
	for _, k := range keptStats {
		if v, ok := p.Stat(k.tag, k.stat); ok {
			if it.Metrics[k.tag] == nil {
				it.Metrics[k.tag] = map[string]num{}
			}
			it.Metrics[k.tag][k.stat] = num(v)
		}
	}
	for _, m := range p.Trials {
		h := m.Health
		it.Health.SendLag = max(it.Health.SendLag, num(ms(h.SendLagP99)))
		it.Health.BeatLag = max(it.Health.BeatLag, num(ms(h.BeatLagP99)))
		it.Health.CPU = max(it.Health.CPU, num(h.CPU))
		it.Health.GC += num(ms(h.GCPause))
		it.Health.Bound = it.Health.Bound || recipes.ClientBound(m, o.Plan.Limits)
	}
	return it
}

// keptStats are the statistics that a finding prints of a probe.
var keptStats = []struct{ tag, stat string }{
	{loadgen.TagTTFT, "p95"}, {loadgen.TagITL, "p95"}, {loadgen.TagTokenRate, "avg"},
	{loadgen.TagReqRate, "avg"}, {loadgen.TagErrorRate, "avg"},
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// valuesOf maps the varied paths to the probe's point.
func valuesOf(o *recipes.Outcome, p *recipes.Probe) map[string]whole {
	v := map[string]whole{}
	for i, path := range o.Plan.Paths() {
		v[path] = whole(p.Step.At[i])
	}
	return v
}

// verdictOf says how the probe was decided: met, missed, open, or untrusted.
func verdictOf(p *recipes.Probe, pass, certain bool) string {
	switch {
	case p.State() == "untrusted", p.State() == "unmeasured":
		return p.State()
	case !certain:
		return "open"
	case pass:
		return "met"
	}
	return "missed"
}

// certainty is the probability of the verdict that is believed; NaN where no
// limit knows its own.
func certainty(p *recipes.Probe) float64 {
	joint, known := 1.0, false
	for _, r := range p.Readings {
		if !math.IsNaN(r.Pass) {
			joint, known = joint*r.Pass, true
		}
	}
	if !known {
		return math.NaN()
	}
	return max(joint, 1-joint)
}

// contradicts reports whether the i-th probe passes above an earlier failure, or
// fails at or below an earlier pass.
func contradicts(o *recipes.Outcome, i int) bool {
	if len(o.Probes[i].Step.At) != 1 || len(o.Plan.Limits) == 0 {
		return false
	}
	at := o.Probes[i].Step.At[0]
	pass, _ := o.Probes[i].Passes(o.Spec.Confidence)
	for k := range i {
		before, _ := o.Probes[k].Passes(o.Spec.Confidence)
		x := o.Probes[k].Step.At[0]
		if pass && !before && at >= x || !pass && before && at <= x {
			return true
		}
	}
	return false
}

func observationOf(p *recipes.Probe) observation {
	s := p.Observed
	o := observation{At: []num{}, Limits: []marginSeen{}, Goals: []estimate{}, State: p.State(), Requests: s.Requests}
	for _, x := range s.At {
		o.At = append(o.At, num(x))
	}
	for _, l := range s.Margins {
		o.Limits = append(o.Limits, marginSeen{estimate{num(l.Value), num(l.SE)}, num(l.Pass)})
	}
	for _, g := range s.Goals {
		o.Goals = append(o.Goals, estimate{num(g.Value), num(g.SE)})
	}
	return o
}

// bestTrials is the answer in AIPerf's form: feasible first, then the objective;
// of several objectives, the non-dominated set only.
func bestTrials(o *recipes.Outcome) []bestTrial {
	out := []bestTrial{}
	best, feasible := o.BestProbes()
	for _, i := range best {
		it := iterationOf(o, i)
		// The answer is feasible even where this one visit looks like a miss:
		// others of the same point outweighed it.
		ok := it.Feasible || o.Best.Found && i == o.Best.Probe
		out = append(out, bestTrial{Index: i, Objectives: it.Objectives, Values: it.Values, Feasible: ok, FeasibleCount: feasible})
	}
	return out
}

func boundaryOf(o *recipes.Outcome) *boundary {
	if len(o.Probes) == 0 {
		return nil
	}
	a := o.Boundary
	b := &boundary{Path: o.Plan.Search.Space[0].Path, Safe: num(a.Safe), Estimate: num(a.Estimate)}
	lo, hi := a.Ends()
	b.CI = loHi{num(lo), num(hi)}
	for i := range o.Probes {
		p := &o.Probes[i]
		x := p.Step.At[0]
		if x == a.Safe {
			b.Max = &struct {
				Value     whole `json:"value"`
				Index     int   `json:"iteration_idx"`
				Objective num   `json:"objective_value"`
			}{whole(x), i, num(goalOf(p))}
		}
		// The smallest that was seen to fail: the interval's upper end need not
		// have been probed.
		pass, certain := p.Passes(o.Spec.Confidence)
		if !pass && certain && !(x <= a.Safe) && (b.Min == nil || x <= float64(b.Min.Value)) {
			b.Min = &struct {
				Value  whole   `json:"value"`
				Index  int     `json:"iteration_idx"`
				Breach *breach `json:"first_breach"`
			}{whole(x), i, firstBreach(p)}
		}
	}
	b.smooth(o)
	return b
}

// smooth adds what style smooth_isotonic knows of the boundary. AIPerf names the
// limit nearest to breaking by its place in the filters and its text.
func (b *boundary) smooth(o *recipes.Outcome) {
	s, ok := o.SmoothSummary()
	if !ok || o.Reason == "" {
		return
	}
	b.Type = s.Type
	if k := s.Binding; k >= 0 && k < len(o.Plan.Limits) {
		l := o.Plan.Limits[k]
		b.Binding = fmt.Sprintf("%d:%s.%s.%s.%s", k, l.Metric, l.Stat, l.Op, exact(l.Threshold))
	}
	if finite(s.CILow) && finite(s.CIHigh) {
		b.MarginCI = &loHi{num(s.CILow), num(s.CIHigh)}
	}
}

func goalOf(p *recipes.Probe) float64 {
	if len(p.Observed.Goals) == 0 {
		return math.NaN()
	}
	return p.Observed.Goals[0].Value
}

func firstBreach(p *recipes.Probe) *breach {
	for _, r := range p.Readings {
		if !r.Holds {
			return &breach{filterOf(r.Limit), num(r.Value)}
		}
	}
	return nil
}

func environmentOf(o *recipes.Outcome) environment {
	return environment{
		Library: Library(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		URL: o.Spec.Target.Redacted(), Model: o.Spec.Target.Redact(o.Server.Model), Server: o.Spec.Target.Redact(o.Server.Version), Note: o.Spec.Target.Redact(o.Spec.Note),
		Began: o.Began.UTC(), Wall: o.Wall.Seconds(),
	}
}
