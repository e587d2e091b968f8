package recipes

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// ResumeError reports an earlier run that this one cannot go on from, or be
// compared with.
type ResumeError struct {
	What      string // what differs
	Was, Is   any
	Recipe    string
	comparing bool
}

func (e *ResumeError) Error() string {
	do := "resume"
	if e.comparing {
		do = "compare with"
	}
	return fmt.Sprintf("recipe %q cannot %s the earlier run: its %s was %v and is %v now; start anew, or run it as it was", e.Recipe, do, e.What, e.Was, e.Is)
}

// resume takes over the probes of an earlier run of the same question. Planners
// are pure functions of their history, so the run goes on as if it had never
// been interrupted.
func (o *Outcome) resume() error {
	was := o.Spec.Resume
	if was == nil {
		return nil
	}
	if err := o.differs(was, false); err != nil {
		return err
	}
	o.Spec.Workload.Seed = was.Spec.Workload.Seed // of initial points and prompts
	o.Probes = slices.Clone(was.Probes)
	for i := range o.Probes {
		o.Probes[i].Load = o.Spec.load(o.Plan, o.Probes[i].Step)
	}
	o.Resumed = len(o.Probes)
	return nil
}

// differs reports the first thing in which an earlier run was another question.
// A comparison only needs the same workload and limits, a resumption the whole
// plan.
func (o *Outcome) differs(was *Outcome, comparing bool) error {
	if was == nil {
		return nil
	}
	differ := func(what string, was, is any) error {
		return &ResumeError{What: what, Was: was, Is: is, Recipe: o.Recipe.Name, comparing: comparing}
	}
	if was.Recipe == nil || was.Plan == nil {
		return differ("content", "incomplete", "a run")
	}
	if was.Recipe.Name != o.Recipe.Name {
		return differ("recipe", was.Recipe.Name, o.Recipe.Name)
	}
	a, b := was.Spec.Workload, o.Spec.Workload
	if a.ISL != b.ISL || a.OSL != b.OSL {
		return differ("workload", fmt.Sprintf("%d/%d tokens", a.ISL, a.OSL), fmt.Sprintf("%d/%d tokens", b.ISL, b.OSL))
	}
	if !slices.Equal(was.Plan.Limits, o.Plan.Limits) {
		return differ("SLA", was.Plan.Limits, o.Plan.Limits)
	}
	if comparing {
		return nil
	}
	if a.Requests != b.Requests || a.Window != b.Window || was.Spec.Trials != o.Spec.Trials {
		return differ("probe", fmt.Sprintf("%d × %d requests in %v", was.Spec.Trials, a.Requests, a.Window), fmt.Sprintf("%d × %d requests in %v", o.Spec.Trials, b.Requests, b.Window))
	}
	if was.Spec.Confidence != o.Spec.Confidence {
		return differ("confidence", was.Spec.Confidence, o.Spec.Confidence)
	}
	if (was.Plan.Search == nil) != (o.Plan.Search == nil) {
		return differ("kind of plan", "another", "this")
	}
	if s := o.Plan.Search; s != nil {
		w := was.Plan.Search
		switch {
		case w.Style != s.Style:
			return differ("style", w.Style, s.Style)
		case !slices.Equal(w.Space, s.Space):
			return differ("search space", w.Space, s.Space)
		case !reflect.DeepEqual(w.Objectives, s.Objectives):
			return differ("objective", w.Objectives, s.Objectives)
		case w.MaxProbes != s.MaxProbes || w.InitialPoints != s.InitialPoints:
			return differ("budget", w.MaxProbes, s.MaxProbes)
		}
		return nil
	}
	points := o.Plan.points()
	for i, p := range was.Probes {
		if i < len(points) && !slices.Equal(p.Step.At, points[i]) {
			return differ(fmt.Sprintf("point %d", i+1), p.Step.At, points[i])
		}
	}
	return nil
}

// sameServer refuses an earlier run of another server.
func (o *Outcome) sameServer(was *Outcome, comparing bool) error {
	if was == nil || was.Server.Model == "" || o.Server.Model == "" {
		return nil
	}
	e := &ResumeError{Recipe: o.Recipe.Name, comparing: comparing}
	switch {
	case was.Server.Model != o.Server.Model:
		e.What, e.Was, e.Is = "model", was.Server.Model, o.Server.Model
		return e
	case !comparing && was.Server.Version != o.Server.Version:
		e.What, e.Was, e.Is = "server version", was.Server.Version, o.Server.Version
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
