package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/front"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/halton"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

const (
	// fantasies are the draws that the noisy expected improvement is averaged over. They
	// are quasi-random, so that few are enough.
	fantasies = 16
	// roughDraws are what every candidate gets of volumeGain, and fineDraws what the
	// finalists of that round get in a second one.
	roughDraws = 8
	fineDraws  = 32
	finalists  = 24
	// wideCandidates of a search in several dimensions are spread over the cube, and
	// nearCandidates lie around each of the nearBest points so far, in widening steps.
	wideCandidates = 160
	nearBest       = 3
	nearCandidates = 40
	// hopelessPass is P(every limit holds) below which neither a point in one dimension
	// nor anything above it is a candidate.
	hopelessPass = 0.02
)

// gainer scores a point of the cube: ln of what a probe there is expected to add to the
// best feasible goals, in standardised units.
type gainer func(u []float64) float64

// plainGain is log expected improvement over the best posterior mean among the points
// believed to pass.
func (s *study) plainGain() gainer {
	best := s.incumbent()
	return func(u []float64) float64 {
		mean, sd := s.aims[0].at(u)
		return normal.LogExpectedImprovement(mean, max(sd, 1e-9), best)
	}
}

// noisyGain is noisy log expected improvement; plainGain where there is nothing to draw
// from. Which points are feasible is taken from the models as it stands.
func (s *study) noisyGain() gainer {
	a := s.aims[0]
	draws := halton.Normals(fantasies, len(a.process.Xs), s.Seed)
	if gain, ok := a.process.NoisyImprovement(s.passing(a), draws); ok {
		return gain
	}
	return s.plainGain()
}

// passing tells, per point of the goal's model, whether it is believed to pass.
func (s *study) passing(a aim) []bool {
	out := make([]bool, len(a.of))
	for i, at := range a.of {
		out[i] = s.track.points[at].passes()
	}
	return out
}

// volumeGain returns scores of several goals: ln of the hypervolume that a point is
// expected to add to the front of the points believed to pass, over draws draws of its
// goals (Monte Carlo EHVI; Daulton, Balandat & Bakshy 2020). The front is of posterior
// means, so that a lucky probe is not its corner. Goals count in the models' units, where
// they are of one size.
func (s *study) volumeGain(draws int) gainer {
	// Standardised goals are turned so that more is better.
	order := make(front.Maximize, len(s.aims))
	var passing, all [][]float64
	for i, u := range s.units {
		means := make([]float64, len(s.aims))
		for k, a := range s.aims {
			means[k], _ = a.at(u)
		}
		all = append(all, means)
		if s.track.points[i].passes() {
			passing = append(passing, means)
		}
	}
	reference := make([]float64, len(s.aims))
	for k, a := range s.aims {
		order[k] = true
		if reference[k] = a.standardise(s.Goals[k].Reference); !finite(reference[k]) {
			reference[k] = math.Inf(1)
			for _, m := range all {
				// A tenth of a standard deviation below, so that the worst counts, too.
				reference[k] = min(reference[k], m[k]-0.1)
			}
		}
	}
	base := order.Volume(reference, passing)
	marked := order.Mark(passing)
	var boxes [][]float64 // of the front, counted from the reference
	for i, m := range passing {
		if box := order.Box(reference, m); marked[i] && box != nil {
			boxes = append(boxes, box)
		}
	}
	normals := halton.Normals(draws, len(s.aims), s.Seed)
	draw := make([]float64, len(s.aims))
	return func(u []float64) float64 {
		means, sds := make([]float64, len(s.aims)), make([]float64, len(s.aims))
		for k, a := range s.aims {
			means[k], sds[k] = a.at(u)
		}
		sum := 0.0
		for _, z := range normals {
			for k := range draw {
				draw[k] = means[k] + sds[k]*z[k] - reference[k]
			}
			sum += front.Exclusive(draw, boxes)
		}
		// A share of the volume that is there, so that it reads as a relative gain; the
		// least value keeps hopeless candidates in the order of the limits.
		return math.Log(max(sum/float64(draws), 1e-12) / max(base, 1e-3))
	}
}

// improve is the noisy acquisition of Bayes, expect the plain one of Optuna's GP sampler.
func (s *study) improve(rng *rand.Rand) pick { return s.acquire(rng, (*study).noisyGain) }
func (s *study) expect(rng *rand.Rand) pick  { return s.acquire(rng, (*study).plainGain) }

// acquire returns the unprobed point with the largest gain times the probability that all
// limits hold (Gardner et al. 2014, "Bayesian optimization with inequality constraints",
// eq. 6), in logarithms. With several goals the gain is that of hypervolume, whatever
// single asks for. Without goals, a feasible point is all there is to find.
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
	scored := make([]candidate, 0, len(candidates))
	for _, at := range candidates {
		u := s.space.unit(at)
		scored = append(scored, candidate{at, s.logFeasible(u) + gain(u)})
	}
	if several && len(scored) > finalists {
		slices.SortStableFunc(scored, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
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

// candidate is a point that the acquisition is asked about, and what it says.
type candidate struct {
	at    []float64
	score float64
}

// scored reports whether every goal was seen at some point.
func (s *study) scored() bool {
	for _, a := range s.aims {
		if len(a.of) == 0 {
			return false
		}
	}
	return true
}

// relative is the factor that turns a standardised gain into a share of the goal.
func (a aim) relative() float64 {
	if a.log {
		return a.sd
	}
	return a.sd / max(math.Abs(a.mean), 1e-12)
}

// incumbent returns the largest posterior mean of the first goal among the points
// believed to pass; when there are none, the smallest of all, so that any feasible point
// is an improvement.
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
			if s.trend && o.pass[i] < hopelessPass {
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
	for _, q := range halton.Points(wideCandidates, d, rng.Uint64()) {
		add(q)
	}
	for rank, i := range s.ranked() {
		if rank == nearBest {
			break
		}
		for k := range nearCandidates {
			u := slices.Clone(s.units[i])
			width := 0.02 * math.Pow(2, float64(k%5)) // 2% to 32% of the range
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
