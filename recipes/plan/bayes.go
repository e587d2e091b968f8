package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Bayes is Bayesian optimization (style bo, AIPerf's planner "bayesian"): one
// Gaussian process per limit, on the margin, and one per goal; the next point
// has the largest noisy log expected improvement times the probability that
// every limit holds. In one dimension it uses that margins rise with load: the
// processes have a straight trend, initial points fall only where the verdict is
// still open, and the boundary of the limits is settled before the goal. With
// several goals the improvement is that of hypervolume. Several tiers are
// settled one after the other from shared probes.
//
// It ends with AIPerf's reasons ([ReasonMaxIterations], [ReasonPatience],
// [ReasonPlateau]) or with one of its own: bayesian_precision_reached,
// bayesian_no_pass_in_range, bayesian_no_failure_in_range,
// bayesian_no_points_left; unmeasured and untrusted as every style. The zero
// value is ready.
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
		plausible:     0.003,
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
		switch {
		case len(p.Dims) != 1:
			nan := math.NaN()
			a = Answer{Safe: nan, Estimate: nan, Lo: nan, Hi: nan, Passed: a.Passed}
		case len(s.points) > 0 && len(tier) > 0:
			a.Estimate, a.Lo, a.Hi = s.prospect().interval()
		}
		out = append(out, a)
	}
	return out
}

// improve is the noisy acquisition of Bayes, expect the plain one of Optuna's GP
// sampler.
func (s *study) improve(rng *rand.Rand) pick { return s.acquire(rng, (*study).noisyGain) }
func (s *study) expect(rng *rand.Rand) pick  { return s.acquire(rng, (*study).plainGain) }

// acquire returns the unprobed point with the largest gain times the
// probability that all limits hold (Gardner et al. 2014, "Bayesian optimization
// with inequality constraints", eq. 6), in logs. With several goals the gain is
// that of hypervolume, whatever single asks for. With none, a feasible point is
// all there is to find.
func (s *study) acquire(rng *rand.Rand, single func(*study) gainer) pick {
	gain, relative := func([]float64) float64 { return 0 }, 1.0
	several := len(s.aims) > 1 && s.scored()
	switch {
	case several:
		gain = s.volumeGain(roughDraws)
	case len(s.aims) == 1 && s.scored():
		gain, relative = single(s), s.aims[0].relative()
	case slices.ContainsFunc(s.track.points, belief.passes):
		relative = 0
	}
	candidates := s.candidates(rng)
	scored := make([]scoredPoint, 0, len(candidates))
	for _, at := range candidates {
		u := s.space.unit(at)
		scored = append(scored, scoredPoint{at, s.logFeasible(u) + gain(u)})
	}
	if several && len(scored) > finalists {
		slices.SortStableFunc(scored, func(a, b scoredPoint) int { return cmp.Compare(b.score, a.score) })
		scored = scored[:finalists]
		gain = s.volumeGain(fineDraws)
		for i, c := range scored {
			u := s.space.unit(c.at)
			scored[i].score = s.logFeasible(u) + gain(u)
		}
	}
	top := pick{}
	best := math.Inf(-1)
	for _, c := range scored {
		if c.score > best {
			best = c.score
			top = pick{at: c.at, gain: math.Exp(best) * relative, reason: "expected improvement"}
		}
	}
	return top
}

type scoredPoint struct {
	at    []float64
	score float64
}

// finalists of the rough round get the fine one.
const finalists = 24

// scored reports whether every goal was seen at some point.
func (s *study) scored() bool {
	for _, a := range s.aims {
		if len(a.of) == 0 {
			return false
		}
	}
	return true
}

// relative turns a standardised gain into a share of the goal.
func (a aim) relative() float64 {
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
	add := func(u []float64) {
		at := s.space.point(u)
		if !s.probed(at) && !slices.ContainsFunc(out, func(o []float64) bool { return slices.Equal(o, at) }) {
			out = append(out, at)
		}
	}
	d := len(s.space.dims)
	for _, q := range quasiRandom(wideCandidates, d, rng.Uint64()) {
		add(q)
	}
	for rank, i := range s.ranked() {
		if rank == nearBest {
			break
		}
		for k := range nearCandidates {
			u := slices.Clone(s.units[i])
			width := 0.02 * math.Pow(2, float64(k%5)) // 2 to 32 % of the range
			for j := range u {
				if d == 1 || rng.IntN(2) == 0 {
					u[j] = min(max(u[j]+width*rng.NormFloat64(), 0), 1)
				}
			}
			add(u)
		}
	}
	return out
}

// Candidates of a search in several dimensions: spread over the cube, and
// around the best points so far in widening steps.
const (
	wideCandidates = 160
	nearBest       = 3
	nearCandidates = 40
)
