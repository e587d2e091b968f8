package plan

import (
	"math"
	"math/rand/v2"
	"slices"
)

// settings are what the model-based styles share.
type settings struct {
	prefix        string // of the reasons that are ours
	Initial       int
	signals       signals
	boundaryFirst bool // the boundary before the goals (1-D)
	terminator    string
	suggest       func(*study, *rand.Rand) pick
	plausible     float64 // relative gain below which the goals count as settled
}

// pick is what a sampler proposes.
type pick struct {
	at     []float64 // nil: no point is left
	gain   float64   // what it may add to the best feasible goal, relative; NaN: the sampler cannot tell
	reason string
}

// Reasons of our own, after the style's prefix.
const (
	noPass    = "_no_pass_in_range"    // nothing passes, the lowest point neither
	noFailure = "_no_failure_in_range" // everything passes, up to the highest point
	precise   = "_precision_reached"   // goals and boundary are settled
	exhausted = "_no_points_left"      // every legal point was probed
)

// next returns the step of a model-based style: the first that a tier still
// asks for, within the budget.
func (c settings) next(p Problem, h []Observation) Step {
	if len(p.Dims) == 0 {
		return Step{Done: true, Reason: c.prefix + exhausted}
	}
	if s, ok := silence(h); ok {
		return s
	}
	var step Step
	for _, tier := range tiers(p, h) { // one after the other; they share all probes
		s := look(p, h, tier)
		if step = c.step(s, h); step.Done {
			continue
		}
		if step.Size == 0 {
			step.Size = 1
		}
		out := within(p, h, step)
		if !out.Done {
			return step
		}
		// The budget of distinct points is spent: what is left is to make the
		// answer certain.
		if again, ok := s.confirm(); ok {
			return again
		}
		step = out
	}
	return step
}

// step returns what one tier asks for: ends of the range first, then initial
// points, then the sampler's and, in one dimension, the boundary's.
func (c settings) step(s *study, h []Observation) Step {
	n := len(s.units)
	passes := 0
	for _, b := range s.track.points {
		if b.passes() {
			passes++
		}
	}
	lowest, highest := s.space.corner(false), s.space.corner(true)
	// Two failures and no pass: the range may be hopeless, its lowest point tells.
	if passes == 0 && n >= 2 {
		if at := s.indexOf(lowest); at < 0 {
			return Step{At: lowest, Reason: "the lowest point: nothing passes so far"}
		} else if step, ok := s.again(at); ok {
			return step
		} else if len(s.space.dims) == 1 {
			return Step{Done: true, Reason: c.prefix + noPass}
		}
	}
	if passes == n && n >= 2 && n >= min(c.Initial, 3) && s.indexOf(highest) < 0 {
		return Step{At: highest, Full: true, Reason: "the highest point: everything passes so far"}
	}
	if n < c.Initial {
		if at := c.initial(s); at != nil {
			return Step{At: at, Full: len(s.problem.Goals) > 0, Reason: "initial point"}
		}
	}
	if n == 0 {
		return Step{Done: true, Reason: c.prefix + exhausted}
	}
	signal := c.signal(s, h)
	if signal == ReasonMaxIterations {
		if again, ok := s.confirm(); ok {
			return again
		}
		return Step{Done: true, Reason: signal}
	}
	boundary, unsettled := s.refine()
	if c.boundaryFirst && unsettled {
		boundary.Full = len(s.problem.Goals) > 0
		return boundary
	}
	if signal == "" {
		signal = c.terminated(s, h)
	}
	if signal == "" {
		rng := rand.New(rand.NewPCG(s.problem.Seed, uint64(len(h))))
		if next := c.suggest(s, rng); next.at != nil && !(next.gain < c.plausible) {
			return Step{At: next.at, Full: len(s.problem.Goals) > 0, Reason: next.reason}
		} else if next.at != nil {
			signal = c.prefix + precise
		} else {
			signal = c.prefix + exhausted
		}
	}
	if unsettled {
		return boundary
	}
	if again, ok := s.confirm(); ok {
		return again
	}
	switch { // what happened says more than what ended it
	case len(s.tier) == 0:
	case passes == 0:
		signal = c.prefix + noPass
	case passes == n && s.indexOf(highest) >= 0 && s.track.certainPass(s.track.points[s.indexOf(highest)]):
		signal = c.prefix + noFailure
	}
	return Step{Done: true, Reason: signal}
}

// terminated returns the terminator's reason when it ends the search, from the
// first modelled probe on.
func (c settings) terminated(s *study, h []Observation) string {
	switch {
	case len(s.units) <= c.Initial:
	case c.terminator == TerminatorRegret && s.settledByRegret():
		return ReasonRegretBound
	case c.terminator == TerminatorEMMR && s.regretGap(look(s.problem, h[:len(h)-1], s.tier)) < emmrShare:
		return ReasonEMMR
	}
	return ""
}

// indexOf returns the index of the study's point at at, −1 for none.
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
	return Step{At: s.at(i), Size: size, Reason: "confirming an open verdict"}, true
}

// initial returns the first point of the quasi-random sequence that is new and,
// in one dimension, not already decided: between the largest pass and the
// smallest failure that are beyond noise, once there are such.
func (c settings) initial(s *study) []float64 {
	const clear = 0.15 // |g| of a verdict that no noise turns
	low, high := 0.0, 1.0
	if len(s.space.dims) == 1 && len(s.units) >= 2 {
		for i, b := range s.track.points {
			switch g := b.worst(); {
			case g < -clear && b.passes():
				low = max(low, s.units[i][0])
			case g > clear && !b.passes():
				high = min(high, s.units[i][0])
			}
		}
	}
	for _, q := range quasiRandom(c.Initial+len(s.units)+8, len(s.space.dims), s.problem.Seed)[len(s.units):] {
		at := s.space.fromPrior(q)
		if low > 0 || high < 1 {
			if high <= low {
				low, high = 0, 1
			}
			at = s.space.point([]float64{low + q[0]*(high-low)})
		}
		if !s.probed(at) {
			return at
		}
	}
	return nil
}

// signal returns AIPerf's stop signal, read over feasible improvements only: an
// infeasible probe with a high throughput is no improvement, and one without
// counts as stale.
func (c settings) signal(s *study, h []Observation) string {
	var feasible []float64
	best, stale := math.Inf(-1), 0
	var boxes [][]float64
	volume := 0.0
	reference := s.reference(h)
	for _, o := range h {
		if !says(o) {
			continue
		}
		stale++
		i := s.indexOf(o.At)
		if i < 0 || !s.track.points[i].passes() || o.State == Failed || len(o.Goals) < len(s.problem.Goals) {
			continue
		}
		values := make([]float64, len(s.problem.Goals))
		for k := range values {
			values[k] = o.Goals[k].Value
		}
		score := 0.0
		switch len(values) {
		case 0: // more of the searched value is better
			score = o.At[0]
		case 1:
			score = values[0]
			if !s.problem.Goals[0].Maximize {
				score = -score
			}
			feasible = append(feasible, values[0])
		default:
			if box := boxOf(s.problem.Goals, reference, values); box != nil {
				volume += exclusive(box, boxes)
				boxes = append(boxes, box)
			}
			score = volume
			feasible = append(feasible, score)
		}
		if score > best+1e-6*math.Abs(best) || math.IsInf(best, -1) && !math.IsNaN(score) {
			best, stale = score, 0
		}
	}
	limits := c.signals
	if limits.Max <= 0 {
		limits.Max = math.MaxInt
	}
	return limits.reason(feasible, len(s.units), stale)
}

// reference returns where hypervolume counts from: over all that was seen.
func (s *study) reference(h []Observation) []float64 {
	var points [][]float64
	for _, o := range h {
		if says(o) && o.State != Failed && len(o.Goals) >= len(s.problem.Goals) {
			values := make([]float64, len(s.problem.Goals))
			for k := range values {
				values[k] = o.Goals[k].Value
			}
			points = append(points, values)
		}
	}
	return ReferencePoint(s.problem.Goals, points)
}
