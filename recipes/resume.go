package recipes

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// ResumeError reports an earlier run that this one cannot continue, or cannot be
// compared with.
type ResumeError struct {
	// What names what differs, for example "workload".
	What string
	// Was is its value in the earlier run, and Is its value in this one.
	Was, Is any
	// Recipe is the name of the recipe of this run.
	Recipe string

	comparing bool
	// problem says why the earlier run cannot be resumed where nothing differs; empty
	// otherwise.
	problem string
}

// Error says what differs, and to run one of the two differently.
func (e *ResumeError) Error() string {
	if e.problem != "" {
		return fmt.Sprintf("recipe %q cannot resume the earlier run: %s", e.Recipe, e.problem)
	}
	do := "resume"
	if e.comparing {
		do = "compare with"
	}
	return fmt.Sprintf("recipe %q cannot %s the earlier run: its %s was %v and is now %v; start over, or run it with the earlier settings",
		e.Recipe, do, e.What, e.Was, e.Is)
}

// resume takes over the probes of an earlier run of the same question. Planners are
// pure functions of their history, so the run continues as if it had never been
// interrupted. The seed is that of the earlier run, since initial points and prompts
// depend on it.
func (r *run) resume() error {
	o := r.out
	was := o.Spec.Resume
	if was == nil {
		return nil
	}
	if err := differs(was, o, false); err != nil {
		return err
	}
	if err := over(was, o); err != nil {
		return err
	}
	o.Spec.Workload.Seed = was.Spec.Workload.Seed
	o.Probes = slices.Clone(was.Probes)
	for i := range o.Probes {
		o.Probes[i].Load = o.Spec.load(o.Plan, o.Probes[i].Step)
	}
	o.Resumed = len(o.Probes)
	return nil
}

// resumable is how old an earlier run may be. A search takes its points from one state of
// the server; what a day has passed over is another.
const resumable = 24 * time.Hour

// over returns a *ResumeError if nothing is left to measure of an earlier run, or if it is
// too old to go on from.
func over(was, is *Outcome) error {
	refuse := func(format string, args ...any) error {
		return &ResumeError{Recipe: is.Recipe.Name, problem: fmt.Sprintf(format, args...)}
	}
	switch was.Reason {
	case "", ReasonDeadline, ReasonCancelled, ReasonAborted, plan.ReasonOutOfTime, "untrusted", "unmeasured":
	default:
		return refuse("it is finished (%s, %s), and would say nothing of the server as it is now; "+
			"remove its file to measure anew, or start from its answer with a baseline", was.Reason, probes(len(was.Probes)))
	}
	if was.Began.IsZero() {
		return nil
	}
	if age := is.Began.Sub(was.Began.Add(was.Wall)); age > resumable {
		return refuse("it is %v old, and one of more than %v is of another state of the server; remove its file to measure anew",
			age.Round(time.Hour), resumable)
	}
	return nil
}

// asked is the history of a resumed run as its planner is to see it: without what says
// nothing at the end, since that is what it is resumed for.
func asked(h []plan.Observation) []plan.Observation {
	for len(h) > 0 && (h[len(h)-1].State == plan.Untrusted || h[len(h)-1].State == plan.Unmeasured) {
		h = h[:len(h)-1]
	}
	return slices.Clip(h)
}

// differs returns a *ResumeError about the first thing in which an earlier run asked
// another question than this one, or nil. A comparison needs the same recipe, lengths
// and limits; a resumption needs the whole plan. An earlier run that is nil differs in
// nothing.
func differs(was, is *Outcome, comparing bool) error {
	if was == nil {
		return nil
	}
	differ := func(what string, was, now any) error {
		return &ResumeError{What: what, Was: was, Is: now, Recipe: is.Recipe.Name, comparing: comparing}
	}
	if was.Recipe == nil || was.Plan == nil {
		return differ("recipe", "not recorded", is.Recipe.Name)
	}
	if was.Recipe.Name != is.Recipe.Name {
		return differ("recipe", was.Recipe.Name, is.Recipe.Name)
	}
	a, b := was.Spec.Workload, is.Spec.Workload
	if a.ISL != b.ISL || a.OSL != b.OSL {
		return differ("workload", fmt.Sprintf("%d/%d tokens", a.ISL, a.OSL), fmt.Sprintf("%d/%d tokens", b.ISL, b.OSL))
	}
	// Laws, prefixes, models, body fields and the checksum of a file: whatever of them differs,
	// the numbers of one run say nothing of the other.
	if !a.Workload.Same(b.Workload) {
		from, to := a.Lengths(), b.Lengths()
		// They may differ in what is not said in a line, such as a body field.
		if from == to {
			from, to = from+" (checksum "+a.Workload.Sum()+")", to+" (checksum "+b.Workload.Sum()+")"
		}
		return differ("workload", from, to)
	}
	if a.Arrival != "" && a.Arrival != b.Arrival {
		return differ("arrival process", a.Arrival, b.Arrival)
	}
	if !slices.Equal(was.Plan.Limits, is.Plan.Limits) {
		return differ("SLA", was.Plan.Limits, is.Plan.Limits)
	}
	if was.Plan.SLO != nil && !maps.Equal(was.Plan.SLO, is.Plan.SLO) {
		return differ("SLO", written(was.Plan.SLO), written(is.Plan.SLO))
	}
	if comparing {
		return nil
	}
	if from, to := was.Spec.Target.Redacted(), is.Spec.Target.Redacted(); from != "" && to != "" && from != to {
		return differ("endpoint", from, to)
	}
	if a.Requests != b.Requests || a.Window != b.Window || was.Spec.Trials != is.Spec.Trials {
		return differ("probe", fmt.Sprintf("%d × %d requests in %v", was.Spec.Trials, a.Requests, a.Window),
			fmt.Sprintf("%d × %d requests in %v", is.Spec.Trials, b.Requests, b.Window))
	}
	if was.Spec.Confidence != is.Spec.Confidence {
		return differ("confidence", was.Spec.Confidence, is.Spec.Confidence)
	}
	if (was.Plan.Search == nil) != (is.Plan.Search == nil) {
		return differ("plan", was.Plan.kind(), is.Plan.kind())
	}
	if s := is.Plan.Search; s != nil {
		w := was.Plan.Search
		switch {
		case w.Style != s.Style:
			return differ("style", w.Style, s.Style)
		case !slices.Equal(w.Space, s.Space):
			return differ("search space", w.Space, s.Space)
		case !slices.Equal(w.With, s.With):
			return differ("values of all points", w.With, s.With)
		case !reflect.DeepEqual(w.Objectives, s.Objectives):
			return differ("objective", w.Objectives, s.Objectives)
		case w.MaxProbes != s.MaxProbes || w.InitialPoints != s.InitialPoints:
			return differ("budget", w.MaxProbes, s.MaxProbes)
		}
		return nil
	}
	points := is.Plan.points()
	for i, p := range was.Probes {
		if i < len(points) && !slices.Equal(p.Step.At, points[i]) {
			return differ(fmt.Sprintf("point %d", i+1), p.Step.At, points[i])
		}
	}
	return nil
}

// kind names the shape of a plan.
func (p *Plan) kind() string {
	if p.Search != nil {
		return "a search"
	}
	return "a sweep"
}

// otherServer returns a *ResumeError if an earlier run measured another server, as far
// as both servers tell. A comparison allows another version, which may be what is
// compared.
func otherServer(was, is *Outcome, comparing bool) error {
	if was == nil || was.Server.Model == "" || is.Server.Model == "" {
		return nil
	}
	e := &ResumeError{Recipe: is.Recipe.Name, comparing: comparing}
	switch {
	case was.Server.Model != is.Server.Model:
		e.What, e.Was, e.Is = "model", was.Server.Model, is.Server.Model
		return e
	case !comparing && was.Server.Version != is.Server.Version:
		e.What, e.Was, e.Is = "server version", was.Server.Version, is.Server.Version
		return e
	}
	return nil
}

// RestoreBoundary sets the boundary as a file has it. The file does not say whether lo and
// hi are the ends of an interval or of a bracket, and at which level; the planner that
// found them does, asked for its answers to the same probes.
func (o *Outcome) RestoreBoundary(safe, estimate, lo, hi float64) {
	o.Boundary = noAnswer()
	o.Boundary.Safe, o.Boundary.Estimate = safe, estimate
	if s := o.Plan.Search; s != nil && s.planner() != nil && !(math.IsNaN(lo) && math.IsNaN(hi)) {
		o.Boundary.Level = s.planner().Answers(problemOf(o.Plan, &o.Spec), observations(o.Probes))[0].Level
	}
	if o.Boundary.Level > 0 {
		o.Boundary.Lo, o.Boundary.Hi = lo, hi
		return
	}
	o.Boundary.Bracket = plan.Bracket{Lo: lo, Hi: hi}
}
