package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// problemOf is a plan as its planner sees it.
func problemOf(pl *Plan, spec *Spec) plan.Problem {
	p := plan.Problem{
		Seed:       spec.Workload.Seed,
		Confidence: spec.Confidence,
		Baseline:   math.NaN(),
		Floor:      math.NaN(),
	}
	if s := pl.Search; s != nil {
		p.Dims, p.Budget = s.Space, s.MaxProbes
		for _, g := range s.Objectives {
			p.Goals = append(p.Goals, plan.Goal{Maximize: g.Maximize, Reference: valueOr(g.Reference, math.NaN())})
		}
		if b := spec.Baseline; b != nil && len(s.Space) == 1 {
			p.Baseline = b.Boundary.Estimate
			if math.IsNaN(p.Baseline) {
				p.Baseline = b.Boundary.Safe
			}
		}
		if spec.Gate != nil && len(s.Space) == 1 {
			p.Floor = spec.Gate.Floor()
		}
		for _, t := range pl.Tiers {
			p.Tiers = append(p.Tiers, t.Limits)
		}
		return p
	}
	p.List = pl.points()
	for i, path := range pl.Paths() {
		d := plan.Dim{Path: path, Lo: math.Inf(1), Hi: math.Inf(-1), Int: path != PathRate}
		for _, at := range p.List {
			d.Lo, d.Hi = min(d.Lo, at[i]), max(d.Hi, at[i])
		}
		p.Dims = append(p.Dims, d)
	}
	return p
}

// plannerOf returns what proposes a run's points.
func plannerOf(pl *Plan, spec *Spec) plan.Planner {
	p := pl.planner()
	switch q, ok := p.(plan.Sequential); {
	case ok && spec.Gate != nil:
		return plan.Gate{}
	case ok && spec.Precise > 0:
		return plan.Settled{Sequential: q, Within: spec.Precise}
	}
	if s := pl.Search; s != nil && len(s.Space) == 1 && len(pl.Limits) > 0 {
		return plan.Confirmed{Planner: p}
	}
	return p
}

// planner returns what proposes the plan's points.
func (p *Plan) planner() plan.Planner {
	switch {
	case len(p.Tiers) > 0 && p.Search.Style != Sequential: // which shares its probes between tiers by itself
		return plan.MultiTier{}
	case p.Search != nil:
		return p.Search.planner()
	}
	return plan.List{}
}

// planner returns the style's planner; nil for a style that there is none of.
func (s *Search) planner() plan.Planner {
	switch s.Style {
	case Monotonic:
		return plan.Monotonic{}
	case SmoothIsotonic:
		return plan.SmoothIsotonic{Replicates: s.Replicates}
	case BO:
		return plan.Bayes{Initial: s.InitialPoints, Patience: s.Patience, Window: s.PlateauWindow, Threshold: s.PlateauThreshold}
	case Sequential:
		return plan.Sequential{Objective: !s.Boundary}
	case Optuna:
		return plan.Optuna{Sampler: s.Sampler, Initial: s.InitialPoints, Patience: s.Patience, Window: s.PlateauWindow, Threshold: s.PlateauThreshold, Terminator: s.Terminator}
	}
	return nil
}

// Paths lists what varies, in the order of a step's coordinates.
func (p *Plan) Paths() []string {
	var paths []string
	switch {
	case p.Search != nil:
		for _, d := range p.Search.Space {
			paths = append(paths, d.Path)
		}
	case p.Grid != nil:
		for _, a := range p.Grid {
			paths = append(paths, a.Path)
		}
	case len(p.Scenarios) > 0:
		for _, v := range p.Scenarios[0].Values {
			paths = append(paths, v.Path)
		}
	}
	return paths
}

// Size is how many points the plan measures at most: distinct ones of a search.
func (p *Plan) Size() int {
	if p.Search != nil {
		return p.Search.MaxProbes
	}
	return len(p.points())
}

// points lists the points of a grid or of scenarios, in order; the first axis of
// a grid varies slowest.
func (p *Plan) points() [][]float64 {
	if p.Grid == nil {
		var points [][]float64
		for _, s := range p.Scenarios {
			at := make([]float64, len(s.Values))
			for i, v := range s.Values {
				at[i] = v.Value
			}
			points = append(points, at)
		}
		return points
	}
	points := [][]float64{nil}
	for _, a := range p.Grid {
		var next [][]float64
		for _, at := range points {
			for _, v := range a.Values {
				next = append(next, append(append([]float64(nil), at...), v))
			}
		}
		points = next
	}
	return points
}

// objectives of the plan.
func (p *Plan) objectives() []Objective {
	if p.Search == nil {
		return p.Objectives
	}
	return p.Search.Objectives
}
