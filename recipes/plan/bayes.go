package plan

import (
	"math"
	"math/rand/v2"
)

// Bayes is Bayesian optimization, AIPerf's planner "bayesian".
type Bayes struct {
	Initial   int     // quasi-random points before the models; 0 means 5
	Patience  int     // probes without a feasible improvement before it ends; 0 means 10
	Window    int     // feasible goals the plateau rule looks at; 0 means 8
	Threshold float64 // relative deviation that is a plateau; 0 means 0.01
}

func orDefault[T int | float64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func (b Bayes) settings(p Problem) settings {
	return settings{
		prefix:        "bayesian",
		Initial:       orDefault(b.Initial, 5),
		boundaryFirst: true,
		plausible:     0.01,
		suggest:       (*study).improve,
		signals: signals{
			Max:       p.Budget,
			Patience:  orDefault(b.Patience, 10),
			Window:    orDefault(b.Window, 8),
			Threshold: orDefault(b.Threshold, 0.01),
		},
	}
}

// Next returns the next point of the search.
func (b Bayes) Next(p Problem, h []Observation) Step { return b.settings(p).next(p, h) }

// Answers returns what the history supports, per tier.
func (b Bayes) Answers(p Problem, h []Observation) []Answer { return b.settings(p).answers(p, h) }

func (c settings) answers(p Problem, h []Observation) []Answer {
	var out []Answer
	for _, tier := range tiers(p, h) {
		s := look(p, h, tier)
		a := s.track.answer()
		if len(p.Dims) != 1 {
			nan := math.NaN()
			a = Answer{Safe: nan, Estimate: nan, Lo: nan, Hi: nan, Passed: a.Passed}
		}
		out = append(out, a)
	}
	return out
}

// improve returns the unprobed point with the largest log expected improvement
// over the best feasible goal, times the probability that all limits hold
// (Gardner et al. 2014, eq. 6, in logs).
func (s *study) improve(rng *rand.Rand) pick {
	candidates := s.candidates(rng)
	best := s.incumbent()
	top := pick{}
	topScore := math.Inf(-1)
	for _, at := range candidates {
		u := s.space.unit(at)
		score := s.logFeasible(u)
		gain := 0.0
		if len(s.aims) > 0 && s.aims[0].seen {
			mean, sd := s.aims[0].at(u)
			gain = logExpectedImprovement(mean, max(sd, 1e-9), best)
		}
		if score+gain > topScore {
			topScore = score + gain
			top = pick{at: at, gain: math.Exp(topScore) * s.relative(), reason: "expected improvement"}
		}
	}
	return top
}

// relative turns a standardised gain of the first goal into a share of it.
func (s *study) relative() float64 {
	if len(s.aims) == 0 || !s.aims[0].seen {
		return 1
	}
	a := s.aims[0]
	if a.log {
		return a.sd
	}
	return a.sd / max(math.Abs(a.mean), 1e-12)
}

// incumbent returns the largest posterior mean of the first goal among the
// points believed to pass; when there are none, the smallest of all, so that any
// feasible point is an improvement.
func (s *study) incumbent() float64 {
	best, worst := math.Inf(-1), math.Inf(1)
	if len(s.aims) == 0 || !s.aims[0].seen {
		return 0
	}
	for i, u := range s.units {
		mean, _ := s.aims[0].at(u)
		worst = min(worst, mean)
		if s.track.points[i].passes() {
			best = max(best, mean)
		}
	}
	if math.IsInf(best, -1) {
		return worst
	}
	return best
}

// candidates returns the unprobed points that an acquisition is asked about.
func (s *study) candidates(rng *rand.Rand) [][]float64 {
	var out [][]float64
	if len(s.space.dims) == 1 {
		o := s.prospect()
		for i, x := range o.xs {
			if s.trend && o.pass[i] < 0.02 { // nor does anything above it count
				break
			}
			if at := []float64{x}; !s.probed(at) {
				out = append(out, at)
			}
		}
		return out
	}
	return out
}
