package report

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/aiperf-go/aiperf/recipes"
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
		h.Warnings = append(h.Warnings, Redact(o, warning.Error()))
	}
	for i := range o.Probes {
		h.Iterations = append(h.Iterations, iterationOf(o, i))
	}
	h.BestTrials = bestTrials(o)
	if s := o.Plan.Search; s != nil && len(s.Space) == 1 {
		h.Boundary = boundaryOf(o)
	}
	return writeJSON(w, h)
}

type history struct {
	Schema      string        `json:"schema"`
	Config      historyConfig `json:"config"`
	Iterations  []iteration   `json:"iterations"`
	BestTrials  []bestTrial   `json:"best_trials"`
	Boundary    *boundary     `json:"boundary_summary"`
	Recipe      string        `json:"recipe"`
	Reason      *string       `json:"convergence_reason"`
	Verdict     string        `json:"verdict"`
	Warnings    []string      `json:"warnings"`
	Environment environment   `json:"environment"`
}

type historyConfig struct {
	Planner            string      `json:"planner"`
	Objectives         []objective `json:"objectives"`
	OutcomeConstraints []filter    `json:"outcome_constraints"`
	MaxIterations      int         `json:"max_iterations"`
	InitialPoints      int         `json:"n_initial_points"`
	Seed               uint64      `json:"random_seed"`
	Patience           int         `json:"improvement_patience"`
	PlateauWindow      int         `json:"plateau_window"`
	PlateauThreshold   float64     `json:"plateau_threshold"`
	Space              []dimension `json:"search_space"`
	Filters            []filter    `json:"sla_filters"`
	Confidence         float64     `json:"confidence"`
	AtLeast            int         `json:"at_least,omitempty"`
	Trials             int         `json:"trials"`
	Workload           workload    `json:"workload"`
}

type objective struct {
	Metric    string   `json:"metric"`
	Stat      string   `json:"stat"`
	Direction string   `json:"direction"`
	Threshold *float64 `json:"threshold"`
	Pooled    bool     `json:"pooled,omitempty"`
}

type dimension struct {
	Path string `json:"path"`
	Lo   num    `json:"lo"`
	Hi   num    `json:"hi"`
	Kind string `json:"kind"`
	Log  bool   `json:"log"`
}

type filter struct {
	Metric    string `json:"metric_tag"`
	Stat      string `json:"stat"`
	Op        string `json:"op"`
	Threshold num    `json:"threshold"`
}

type breach struct {
	filter
	Observed num `json:"observed"`
}

type workload struct {
	ISL      int     `json:"isl"`
	OSL      int     `json:"osl"`
	Requests int     `json:"requests"`
	Window   float64 `json:"window_seconds"`
}

type iteration struct {
	Index        int              `json:"iteration_idx"`
	Values       map[string]whole `json:"variation_values"`
	Objectives   []num            `json:"objective_values"`
	Feasible     bool             `json:"feasible"`
	NonMonotone  bool             `json:"non_monotonic_warning"`
	Observations []reading        `json:"observations"`
	Requests     int              `json:"requests"`
	Wall         float64          `json:"wall_seconds"`
	Verdict      string           `json:"verdict"`
	Certainty    num              `json:"certainty"`
	Health       clientHealth     `json:"client_health"`
	Step         step             `json:"step"`
	Seen         observation      `json:"observation"`

	Metrics map[string]map[string]num `json:"metrics"` // the few that a report shows
}

type reading struct {
	filter
	Observed num  `json:"observed"`
	Adjusted num  `json:"adjusted"`
	Margin   num  `json:"margin"`
	Exceeded int  `json:"exceeded"`
	Of       int  `json:"of"`
	Holds    bool `json:"holds"`
	Pass     num  `json:"pass_probability"`
}

type clientHealth struct {
	SendLag num `json:"send_lag_p99_ms"`
	BeatLag num `json:"heartbeat_lag_p99_ms"`
	CPU     num `json:"cpu"`
	GC      num `json:"gc_pause_ms"`
}

type step struct {
	Size   float64 `json:"size"`
	Full   bool    `json:"full"`
	Reason string  `json:"reason"`
}

type observation struct {
	At       []num        `json:"at"`
	Limits   []marginSeen `json:"limits"`
	Goals    []estimate   `json:"goals"`
	State    string       `json:"state"`
	Requests int          `json:"requests"`
}

type estimate struct {
	Value num `json:"value"`
	SE    num `json:"se"`
}

type marginSeen struct {
	estimate
	Pass num `json:"pass"`
}

type bestTrial struct {
	Index         int              `json:"iteration_idx"`
	Objectives    []num            `json:"objective_values"`
	Values        map[string]whole `json:"variation_values"`
	Feasible      bool             `json:"feasible"`
	FeasibleCount int              `json:"feasible_count"`
	Rank          int              `json:"pareto_rank"`
}

type boundary struct {
	Path string `json:"swept_dim_path"`
	Max  *struct {
		Value     whole `json:"value"`
		Index     int   `json:"iteration_idx"`
		Objective num   `json:"objective_value"`
	} `json:"feasible_max"`
	Min *struct {
		Value  whole   `json:"value"`
		Index  int     `json:"iteration_idx"`
		Breach *breach `json:"first_breach"`
	} `json:"infeasible_min"`
	// Of style smooth_isotonic, once the run has ended.
	Type     string `json:"boundary_type,omitempty"`
	Binding  string `json:"binding_constraint,omitempty"`
	MarginCI *loHi  `json:"boundary_ci,omitempty"`

	Safe     num  `json:"safe"`
	Estimate num  `json:"estimate"`
	CI       loHi `json:"ci"`
}

type loHi struct {
	Lo num `json:"lo"`
	Hi num `json:"hi"`
}

type environment struct {
	Library string    `json:"library"`
	Go      string    `json:"go"`
	OS      string    `json:"os"`
	Arch    string    `json:"arch"`
	CPUs    int       `json:"cpus"`
	URL     string    `json:"url"`
	Model   string    `json:"model"`
	Server  string    `json:"server_version"`
	Note    string    `json:"note,omitempty"`
	Began   time.Time `json:"began"`
	Wall    float64   `json:"wall_seconds"`
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

func filterOf(l recipes.Limit) filter {
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
		it.Observations = append(it.Observations, reading{filterOf(r.Limit), num(r.Value), num(r.Adjusted), num(p.Observed.Limits[k].Value), r.Exceeded, r.Of, r.Holds, num(r.Pass)})
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
	}
	return it
}

// keptStats are the statistics that a finding prints of a probe.
var keptStats = []struct{ tag, stat string }{
	{"time_to_first_token", "p95"}, {"inter_token_latency", "p95"}, {"output_token_throughput", "avg"},
	{"request_throughput", "avg"}, {"request_error_rate", "avg"},
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// valuesOf maps the varied paths to the probe's point.
func valuesOf(o *recipes.Outcome, p *recipes.Probe) map[string]whole {
	v := map[string]whole{}
	for i, path := range paths(o.Plan) {
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
	for _, l := range s.Limits {
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
	best, feasible := o.BestTrials()
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
	b.CI.Lo, b.CI.Hi = num(a.Lo), num(a.Hi)
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
		URL: o.Spec.Target.Redacted(), Model: Redact(o, o.Server.Model), Server: Redact(o, o.Server.Version), Note: Redact(o, o.Spec.Note),
		Began: o.Began.UTC(), Wall: o.Wall.Seconds(),
	}
}
