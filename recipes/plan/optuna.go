package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/front"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/parzen"
)

// Optuna is the style "optuna": a sampler by name, the rules of [Bayes]. The sampler
// "tpe" is a tree-structured Parzen estimator with feasible points first, "gp" plain log
// expected improvement. The goal comes before the boundary, which is judged by the same
// models whatever the sampler. Reasons are those of Bayes with the prefix "optuna",
// [ReasonRegretBound] and [ReasonEMMR], and answers are those of Bayes.
type Optuna struct {
	// Sampler is "tpe", which "" means too, or "gp".
	Sampler string
	// The next four are those of [Bayes], with the same defaults.
	Initial   int
	Patience  int
	Window    int
	Threshold float64

	// Terminator is one more rule that ends a search for one goal: [TerminatorRegret],
	// when no point can beat the best by more than noise, or [TerminatorEMMR], when the
	// expected minimum simple regret falls by less than 1% of the goal. Empty means none.
	Terminator string
}

// settings are those of Bayes but for what the samplers need.
func (o Optuna) settings() settings {
	c := Bayes{Initial: o.Initial, Patience: o.Patience, Window: o.Window, Threshold: o.Threshold}.settings()
	c.prefix, c.terminator = "optuna", o.Terminator
	c.boundaryFirst = false
	c.suggest, c.plausible = (*study).ratio, 0.02
	if o.Sampler == "gp" {
		c.suggest, c.plausible = (*study).expect, 0.005
	}
	return c
}

// The terminators of [Optuna], by AIPerf's names.
const (
	// TerminatorRegret ends a search when no point can beat the best by more than noise.
	TerminatorRegret = "regret"
	// TerminatorEMMR ends a search when the expected minimum simple regret has all but
	// stopped falling.
	TerminatorEMMR = "emmr"
)

// Next returns the next point of the search.
func (o Optuna) Next(p Problem, h []Observation) Step { return o.settings().next(viewsOf(p, h)) }

// Answers returns what the history supports, per tier.
func (o Optuna) Answers(p Problem, h []Observation) []Answer { return eachTier(p, h, modelled) }

// Settings of the tree-structured Parzen estimator, Optuna's defaults.
const (
	// tpeShare of the points, rounded up, is the better group, of at most tpeMost points.
	tpeShare = 0.1
	tpeMost  = 25
	// tpeCandidates are compared; up to forty times as many are drawn where most of them
	// are known points.
	tpeCandidates = 24
	tpeDraws      = 40 * tpeCandidates
)

// ratio returns the unprobed point, among candidates drawn from the density of the better
// points, with the largest ratio of better to worse density: the order of expected
// improvement (Bergstra et al. 2011, section 4.1). Better means feasible first: feasible
// points by their goal, then the rest by how much they violate, as Optuna and c-TPE do
// (Watanabe & Hutter 2023).
func (s *study) ratio(rng *rand.Rand) pick {
	order := s.ranked()
	below := min(int(math.Ceil(tpeShare*float64(len(order)))), tpeMost)
	var better, worse [][]float64
	for rank, i := range order {
		if rank < below {
			better = append(better, s.units[i])
		} else {
			worse = append(worse, s.units[i])
		}
	}
	d := len(s.space.dims)
	good, bad := parzen.New(better, d), parzen.New(worse, d)
	hopeless := s.hopelessFrom()
	top, topScore := pick{}, math.Inf(-1)
	found := 0
	for range tpeDraws {
		at := s.space.point(good.Sample(rng))
		if s.probed(at) || d == 1 && at[0] >= hopeless {
			continue
		}
		u := s.space.unit(at)
		if score := good.LogDensity(u) - bad.LogDensity(u); score > topScore {
			topScore = score
			top = pick{at: at, reason: "tree-structured Parzen estimator"}
		}
		if found++; found == tpeCandidates {
			break
		}
	}
	model := s.expect(rng)
	if top.at == nil { // the density is all on probed points
		return model
	}
	top.gain = model.gain // the estimator has none of its own; Optuna's terminators use a GP too
	return top
}

// hopelessFrom returns the smallest point in one dimension from which, by the models, no
// prefix passes; +Inf when there is none.
func (s *study) hopelessFrom() float64 {
	if len(s.space.dims) != 1 || len(s.tier) == 0 {
		return math.Inf(1)
	}
	o := s.prospect()
	for i, p := range o.pass {
		if p < 0.05 { // beyond the interval of the boundary
			return o.xs[i]
		}
	}
	return math.Inf(1)
}

// ranked returns the indexes of the study's points, best first.
func (s *study) ranked() []int {
	type rank struct {
		feasible  bool
		violation float64
		goal      float64
	}
	ranks := make([]rank, len(s.units))
	goals := s.scalar()
	order := make([]int, len(ranks))
	for i, b := range s.track.points {
		order[i] = i
		ranks[i] = rank{feasible: b.passes(), goal: goals[i]}
		for _, g := range b.margins {
			if math.IsNaN(g) {
				g = lostMargin
			}
			ranks[i].violation += max(0, squash(g))
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := ranks[i], ranks[j]
		switch {
		case a.feasible != b.feasible:
			if a.feasible {
				return -1
			}
			return 1
		case a.feasible:
			return cmp.Compare(b.goal, a.goal)
		}
		return cmp.Compare(a.violation, b.violation)
	})
	return order
}

// scalar returns one number a point, larger is better, −Inf where a goal is missing: the
// goal, or with several goals minus the number of points that dominate it and, on the
// front, the share of its own volume that only it covers.
func (s *study) scalar() []float64 {
	out := make([]float64, len(s.units))
	goals := s.Goals
	values := make([][]float64, len(out))
	for i := range out {
		for k := range goals {
			values[i] = append(values[i], s.goals[i][k].Value)
		}
	}
	switch len(goals) {
	case 0:
		for i, at := range s.points {
			out[i] = at[0]
		}
		return out
	case 1:
		for i, v := range values {
			out[i] = v[0]
			if !goals[0].Maximize {
				out[i] = -v[0]
			}
			if math.IsNaN(v[0]) {
				out[i] = math.Inf(-1)
			}
		}
		return out
	}
	order := directions(goals)
	reference := order.Reference(references(goals), values)
	boxes := make([][]float64, len(values))
	for i, v := range values {
		boxes[i] = order.Box(reference, v)
	}
	for i, v := range values {
		if !front.Finite(v) {
			out[i] = math.Inf(-1)
			continue
		}
		var others [][]float64
		for j, w := range values {
			if j != i && order.Dominates(w, v) {
				out[i]--
			}
			if j != i && boxes[j] != nil {
				others = append(others, boxes[j])
			}
		}
		if out[i] == 0 && boxes[i] != nil {
			own := 1.0
			for _, x := range boxes[i] {
				own *= x
			}
			out[i] = 0.5 * front.Exclusive(boxes[i], others) / own
		}
	}
	return out
}
