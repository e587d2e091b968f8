package plan

import (
	"math"
	"slices"
)

// study is what one call of a model-based planner makes of a history: the probed points,
// a model of each limit's margin and of each goal.
type study struct {
	view
	space space
	track track
	// known says that every verdict carries a probability; otherwise the models judge.
	known bool
	// points are those of the track, units the same in the unit cube, and goals what was
	// measured there, pooled over visits.
	points, units [][]float64
	goals         [][]Estimate
	// margins are the models of the limits of the tier, and aims those of the goals.
	margins []surface
	aims    []aim
	// trend says that margins and goals get a straight trend, as in one dimension.
	trend bool
	// seen is the outlook once prospect has worked it out.
	seen *outlook
}

// level is the certainty that an answer needs when the verdicts carry none and the models
// judge: their noise is an estimate, so 98% would be a pretence.
const level = 0.9

// newStudy reads a history for one tier.
func newStudy(v view) *study {
	s := &study{view: v, space: newSpace(v.Dims), track: v.read(noiseEstimate), known: v.judged(), trend: len(v.Dims) == 1}
	for _, b := range s.track.points {
		at := v.history[b.visits[0]].At
		s.points = append(s.points, at)
		s.units = append(s.units, s.space.unit(at))
		s.goals = append(s.goals, v.poolGoals(b.visits))
	}
	if len(s.units) == 0 {
		return s
	}
	for j := range v.tier {
		s.margins = append(s.margins, s.model(j))
	}
	if !s.known {
		s.track.confidence = level
		for i, b := range s.track.points {
			if s.track.failed(b.visits) == 0 {
				s.track.points[i].pass = s.feasible(s.units[i])
			}
		}
	}
	for k := range v.Goals {
		s.aims = append(s.aims, s.aim(k))
	}
	return s
}

// judged reports that every margin of the tier says how certain it is, by a probability
// or a standard error.
func (v view) judged() bool {
	for _, o := range v.history {
		if !o.says() || o.State == Failed {
			continue
		}
		for _, k := range v.tier {
			if m, ok := o.margin(k); ok && math.IsNaN(m.Pass) && math.IsNaN(m.SE) && !math.IsNaN(m.Value) {
				return false
			}
		}
	}
	return true
}

// poolGoals returns the mean of each goal over a point's visits, whole ones when there
// are any.
func (v view) poolGoals(visits []int) []Estimate {
	goals := make([]Estimate, len(v.Goals))
	for k := range goals {
		var whole, rough []Estimate
		for _, i := range visits {
			o := v.history[i]
			if o.State == Failed || k >= len(o.Goals) || !finite(o.Goals[k].Value) {
				continue
			}
			if o.State == Cut {
				rough = append(rough, o.Goals[k])
			} else {
				whole = append(whole, o.Goals[k])
			}
		}
		if len(whole) == 0 {
			whole = rough
		}
		goals[k] = Estimate{Value: pool(whole), SE: pooledSE(whole)}
	}
	return goals
}

// probed reports whether at is one of the study's points.
func (s *study) probed(at []float64) bool {
	return s.indexOf(at) >= 0
}

// indexOf returns the index of the study's point that is the same probe as at; −1 when
// there is none.
func (s *study) indexOf(at []float64) int {
	u := s.space.unit(at)
	return slices.IndexFunc(s.units, func(v []float64) bool { return s.space.close(u, v) })
}

// at returns the coordinates of the study's point i.
func (s *study) at(i int) []float64 { return slices.Clone(s.points[i]) }

// again returns another, longer visit of point i when its verdict is open.
func (s *study) again(i int) (Step, bool) {
	b := s.track.points[i]
	if !s.track.open(b) || len(b.visits) >= maxVisits {
		return Step{}, false
	}
	size := 2.0
	if len(b.visits) > 1 {
		size = 4
	}
	return Step{At: s.at(i), Size: size, Reason: confirming}, true
}
