package recipes

import (
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Explicit returns a recipe that runs a search written by hand, with the given SLA
// limits and those of Inputs.Limits. Zero fields of the search take the defaults of
// AIPerf's explicit searches: style bo, 30 probes, 5 initial points, a patience of 10,
// a plateau of 8 probes within 1%. Mistakes in the search are reported by Run, as
// *InputError.
//
// A built-in recipe owns its search. In AIPerf a recipe and the flags of an explicit
// search exclude each other; here there are no such flags, and an explicit search is a
// recipe by itself.
func Explicit(s Search, limits ...sla.Limit) *Recipe {
	r := &Recipe{
		Name: "explicit-search",
		Doc:  "a search written by hand",
		Uses: []Input{inputSLA, inputAtLeast, inputArrival},
		Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95"},
		Expand: func(in Inputs) (*Plan, error) {
			s := s
			if err := s.complete(); err != nil {
				return nil, err
			}
			if err := s.settable(in.Workload.Workload); err != nil {
				return nil, inputError(nil, "cannot run this search: %v", err)
			}
			// The limits are outcome constraints, in AIPerf's words.
			return &Plan{Search: &s, Limits: append(slices.Clone(limits), in.Limits...)}, nil
		},
	}
	if len(s.Objectives) > 0 {
		r.Axes.YMetric, r.Axes.YStat, r.Axes.YMinimize = s.Objectives[0].Metric, s.Objectives[0].Stat, !s.Objectives[0].Maximize
	}
	if len(s.Objectives) > 1 { // the trade between the two is what is asked for
		r.Axes.XMetric, r.Axes.XStat, r.Axes.XMaximize = s.Objectives[1].Metric, s.Objectives[1].Stat, s.Objectives[1].Maximize
	}
	return r
}

// complete fills in AIPerf's defaults, and checks a search that was written by hand.
// Plan.validate checks what is left, for example that there is an objective.
func (s *Search) complete() error {
	bad := func(problem string) error {
		return &InputError{Problem: "cannot run this search: " + problem}
	}
	if s.Style == "" {
		s.Style = BO
	}
	model := s.Style == BO || s.Style == Optuna
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&s.MaxProbes, 30)
	if model {
		def(&s.InitialPoints, 5)
	} else {
		def(&s.InitialPoints, 1)
	}
	def(&s.Patience, 10)
	def(&s.PlateauWindow, 8)
	if s.PlateauThreshold == 0 {
		s.PlateauThreshold = 0.01
	}
	switch {
	case s.Style == Grid:
		return bad("style grid is not a search; write a recipe whose Plan has a Grid")
	case s.MaxProbes < 2 || s.MaxProbes > 200:
		return bad("MaxProbes must be between 2 and 200")
	case s.InitialPoints < 1 || model && s.InitialPoints >= s.MaxProbes:
		return bad("InitialPoints must be at least 1 and fewer than MaxProbes; otherwise no model is ever fitted")
	case s.Sampler != "" && s.Style != Optuna:
		return bad("Sampler needs style optuna")
	case s.Sampler != "" && !slices.Contains(samplers, s.Sampler):
		return bad(unknownSampler(s.Sampler))
	case s.Terminator != "" && s.Style != Optuna:
		return bad("Terminator needs style optuna")
	case !slices.Contains([]string{"", plan.TerminatorRegret, plan.TerminatorEMMR}, s.Terminator):
		return bad("Terminator " + s.Terminator + " is unknown" + sla.Suggest(s.Terminator, []string{plan.TerminatorRegret, plan.TerminatorEMMR}))
	case s.Replicates != 0 && s.Style != SmoothIsotonic:
		return bad("Replicates needs style smooth_isotonic")
	case s.Replicates < 0 || s.Replicates > 20:
		return bad("Replicates must be between 0 and 20")
	case !model && (len(s.Space) != 1 || len(s.Objectives) > 1):
		return bad("style " + string(s.Style) + " searches one dimension for one objective; use bo or optuna for several")
	case len(s.Objectives) > 3:
		return bad("a search has at most three objectives")
	}
	for _, d := range s.Space {
		if slices.ContainsFunc(s.Space, func(o plan.Dim) bool { return o.Path == d.Path && o != d }) {
			return bad("duplicate dimension " + d.Path)
		}
		if math.IsInf(d.Lo, 0) || math.IsInf(d.Hi, 0) || d.Path == PathConcurrency && (d.Lo < 1 || !d.Int) {
			return bad("dimension " + d.Path + " has bounds that no load can have; a concurrency is whole and at least 1")
		}
		if !sweepable(d.Path) {
			return bad("dimension " + d.Path + " is unknown" + sla.Suggest(d.Path, paths))
		}
	}
	for _, v := range s.With {
		switch {
		case slices.ContainsFunc(s.Space, func(d plan.Dim) bool { return d.Path == v.Path }):
			return bad("With sets " + v.Path + ", which is searched")
		case !sweepable(v.Path):
			return bad(v.Path + " is unknown" + sla.Suggest(v.Path, paths))
		}
	}
	for _, g := range s.Objectives {
		if _, err := sla.Quantity(g.Metric, g.Stat); err != nil {
			return bad("objective: " + err.Error())
		}
	}
	return nil
}
