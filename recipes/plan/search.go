package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/front"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/halton"
)

// settings are what the model-based styles share.
type settings struct {
	// prefix begins the reasons that are not AIPerf's.
	prefix string
	// initial is the number of points before the models.
	initial int
	// signals are the stop rules; Max is the problem's budget.
	signals signals
	// boundaryFirst says that a search in one dimension settles its boundary before its
	// goals.
	boundaryFirst bool
	// terminator is one more stop rule; empty for none.
	terminator string
	// suggest is the sampler.
	suggest func(*study, *rand.Rand) pick
	// plausible is the relative gain below which the goals count as settled.
	plausible float64
}

// pick is what a sampler proposes.
type pick struct {
	// at is the point; nil when none is left.
	at []float64
	// gain is what it may add to the best feasible goal, as a share of that; NaN when the
	// sampler cannot tell.
	gain   float64
	reason string
}

// next returns the step of a model-based style: the first that a tier still asks for,
// within the budget.
func (c settings) next(views []view) Step {
	if len(views[0].Dims) == 0 {
		return done(c.prefix + exhausted)
	}
	if s, ok := views[0].silence(); ok {
		return s
	}
	var step Step
	for _, v := range views { // one after the other; they share all probes
		s := newStudy(v)
		if step = c.step(s); step.Done {
			continue
		}
		if step.Size == 0 {
			step.Size = 1
		}
		out := v.within(step)
		if !out.Done {
			return out
		}
		// The budget of distinct points is spent: what is left is to make the answer
		// certain.
		if again, ok := s.confirm(); ok {
			return again
		}
		step = out
	}
	return step
}

// step returns what one tier asks for: initial points first, from the lowest upwards, then
// the sampler's and, in one dimension, the boundary's.
func (c settings) step(s *study) Step {
	n := len(s.units)
	passes := 0
	for _, b := range s.track.points {
		if b.passes() {
			passes++
		}
	}
	lowest, highest := s.space.corner(false), s.space.corner(true)
	// After a failure and no pass the range may be hopeless; its lowest point tells.
	if passes == 0 && n >= 1 {
		if at := s.indexOf(lowest); at < 0 {
			return Step{At: lowest, Reason: "the lowest point: nothing passes so far"}
		} else if step, ok := s.again(at); ok {
			return step
		} else if len(s.space.dims) == 1 {
			return done(c.prefix + noPass)
		}
	}
	if passes == n && n >= 2 && n >= min(c.initial, 3) && s.indexOf(highest) < 0 {
		return Step{At: highest, Full: true, Reason: "the highest point: everything passes so far"}
	}
	if n < c.initial {
		if at := c.initialPoint(s); at != nil {
			return Step{At: at, Full: len(s.Goals) > 0, Reason: "initial point"}
		}
	}
	if n == 0 {
		return done(c.prefix + exhausted)
	}
	signal := c.signal(s)
	if signal == ReasonMaxIterations {
		if again, ok := s.confirm(); ok {
			return again
		}
		return done(signal)
	}
	boundary, unsettled := s.refine()
	if c.boundaryFirst && unsettled {
		boundary.Full = len(s.Goals) > 0
		return boundary
	}
	if signal == "" {
		signal = c.terminated(s)
	}
	if signal == "" {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(len(s.history))))
		if next := c.suggest(s, rng); next.at != nil && !(next.gain < c.plausible) {
			return Step{At: next.at, Full: len(s.Goals) > 0, Reason: next.reason}
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
	switch { // what happened says more than which rule ended it
	case len(s.tier) == 0:
	case passes == 0:
		signal = c.prefix + noPass
	case passes == n && s.indexOf(highest) >= 0 && s.track.certainPass(s.track.points[s.indexOf(highest)]):
		signal = c.prefix + noFailure
	}
	return done(signal)
}

// terminated returns the terminator's reason when it ends the search, from the first
// modelled probe on.
func (c settings) terminated(s *study) string {
	switch {
	case len(s.units) <= c.initial:
	case c.terminator == TerminatorRegret && s.settledByRegret():
		return ReasonRegretBound
	case c.terminator == TerminatorEMMR && s.regretGap(newStudy(s.until(len(s.history)-1))) < emmrShare:
		return ReasonEMMR
	}
	return ""
}

// clear is |g| of a verdict that no noise turns: five times the usual scatter.
const clear = 0.15

// initialPoint returns the next of the first points of the quasi-random sequence, in
// ascending order. In one dimension the first certain failure ends them, and what they leave out
// is a step of more than mostStep: a point in between then takes its turn. In several
// dimensions the order is that of the sum of the coordinates, and nothing ends them.
//
// AIPerf visits them in the order of the sequence. Its first probe then asks for half of
// the range or more in every other search, and a small server has minutes of work before
// anything is known of it.
func (c settings) initialPoint(s *study) []float64 {
	single := len(s.space.dims) == 1
	top := math.Inf(-1)
	if single {
		for _, b := range s.track.points {
			if s.track.certainFail(b) {
				return nil
			}
			top = max(top, b.x)
			if top == b.x && b.worst() < -clear { // what lies just above it passes, too
				top *= 2
			}
		}
	}
	points := halton.Points(c.initial, len(s.space.dims), s.Seed)
	slices.SortStableFunc(points, func(a, b []float64) int { return cmp.Compare(floats.Sum(a), floats.Sum(b)) })
	for _, q := range points {
		if at := s.space.fromPrior(q); !s.probed(at) && (!single || at[0] > top) {
			return at
		}
	}
	return nil
}

// signal returns AIPerf's stop signal, read over feasible improvements only: an
// infeasible probe with a high throughput is no improvement, and one without counts as
// stale.
func (c settings) signal(s *study) string {
	var feasible []float64
	best, stale := math.Inf(-1), 0
	var boxes [][]float64
	volume := 0.0
	order, reference := directions(s.Goals), s.reference()
	for _, o := range s.history {
		if !o.says() {
			continue
		}
		stale++
		i := s.indexOf(o.At)
		if i < 0 || !s.track.points[i].passes() || o.State == Failed || len(o.Goals) < len(s.Goals) {
			continue
		}
		values := make([]float64, len(s.Goals))
		for k := range values {
			values[k] = o.Goals[k].Value
		}
		score := 0.0
		switch len(values) {
		case 0: // more of the searched value is better
			score = o.At[0]
		case 1:
			score = values[0]
			if !s.Goals[0].Maximize {
				score = -score
			}
			feasible = append(feasible, values[0])
		default:
			if box := order.Box(reference, values); box != nil {
				volume += front.Exclusive(box, boxes)
				boxes = append(boxes, box)
			}
			score = volume
			feasible = append(feasible, score)
		}
		// A millionth is rounding, no improvement.
		if score > best+1e-6*math.Abs(best) || math.IsInf(best, -1) && !math.IsNaN(score) {
			best, stale = score, 0
		}
	}
	rules := c.signals
	if rules.Max = s.Budget; rules.Max <= 0 {
		rules.Max = math.MaxInt
	}
	return rules.reason(feasible, len(s.units), stale)
}

// reference returns where hypervolume counts from: over all that was seen.
func (s *study) reference() []float64 {
	var points [][]float64
	for _, o := range s.history {
		if o.says() && o.State != Failed && len(o.Goals) >= len(s.Goals) {
			values := make([]float64, len(s.Goals))
			for k := range values {
				values[k] = o.Goals[k].Value
			}
			points = append(points, values)
		}
	}
	return directions(s.Goals).Reference(references(s.Goals), points)
}
