package plan

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// gainer scores a point of the cube: ln of what a probe there is expected to
// add to the best feasible goals, in standardised units.
type gainer func(u []float64) float64

// plainGain is log expected improvement over the best posterior mean among the
// points believed to pass.
func (s *study) plainGain() gainer {
	best := s.incumbent()
	return func(u []float64) float64 {
		mean, sd := s.aims[0].at(u)
		return logExpectedImprovement(mean, max(sd, 1e-9), best)
	}
}

const fantasies = 16

// noisyGain is noisy log expected improvement: what is best so far is uncertain
// too, so the improvement is averaged over draws of the noise-free values at
// the probed points (Letham et al. 2019, "Constrained Bayesian optimization
// with noisy experiments", section 4), in logs (Ament et al. 2023). Which points
// are feasible is taken from the models as it stands.
func (s *study) noisyGain() gainer {
	a := s.aims[0]
	xs := a.process.xs
	if len(xs) == 0 {
		return s.plainGain()
	}
	mean, cov := a.process.joint(xs)
	jitter := make([]float64, len(xs))
	for i := range jitter {
		jitter[i] = 1e-6 * (1 + a.process.kernel.Scale)
		cov.SetSym(i, i, cov.At(i, i)+jitter[i])
	}
	var root mat.Cholesky
	exact, err := condition(a.process.kernel, a.process.mean, xs, mean, jitter)
	if err != nil || !root.Factorize(cov) {
		return s.plainGain()
	}
	var lower mat.TriDense
	root.LTo(&lower)
	weights := make([]*mat.VecDense, fantasies)
	bests := make([]float64, fantasies)
	passes := s.passing(a)
	for f, z := range quasiNormal(fantasies, len(xs), s.problem.Seed) {
		var draw mat.VecDense
		draw.MulVec(&lower, mat.NewVecDense(len(xs), z))
		best, worst := math.Inf(-1), math.Inf(1)
		for i := range xs {
			v := mean[i] + draw.AtVec(i)
			worst = min(worst, v)
			if passes[i] {
				best = max(best, v)
			}
			draw.SetVec(i, v-a.process.mean)
		}
		if math.IsInf(best, -1) {
			best = worst // nothing passes: any feasible point improves
		}
		bests[f] = best
		weights[f] = mat.NewVecDense(len(xs), nil)
		_ = exact.factor.SolveVecTo(weights[f], &draw) // a bad condition is a remark: the jitter bounds it
	}
	logs := make([]float64, fantasies)
	return func(u []float64) float64 {
		_, variance := exact.at(u)
		sd := math.Sqrt(max(variance, 1e-12))
		k := exact.covariances(u)
		for f := range logs {
			logs[f] = logExpectedImprovement(a.process.mean+mat.Dot(k, weights[f]), sd, bests[f])
		}
		return logSum(logs) - math.Log(fantasies)
	}
}

// passing tells, per point of the goal's model, whether it is believed to pass.
func (s *study) passing(a aim) []bool {
	out := make([]bool, len(a.of))
	for i, at := range a.of {
		out[i] = s.track.points[at].passes()
	}
	return out
}

// quasiNormal returns n standard normal vectors of dimension d: Halton points
// through the quantile function while the dimension is low enough for them to
// be even, else random ones.
func quasiNormal(n, d int, seed uint64) [][]float64 {
	out := make([][]float64, n)
	if d <= 6 {
		for i, q := range quasiRandom(n, d, seed) {
			out[i] = make([]float64, d)
			for k, p := range q {
				out[i][k] = distuv.UnitNormal.Quantile(min(max(p, 1e-6), 1-1e-6))
			}
		}
		return out
	}
	rng := rand.New(rand.NewPCG(seed, 0x6e6f726d616c))
	for i := range out {
		out[i] = make([]float64, d)
		for k := range out[i] {
			out[i][k] = rng.NormFloat64()
		}
	}
	return out
}

// Draws a candidate gets in the first and in the second round of volumeGain.
const (
	roughDraws = 8
	fineDraws  = 32
)

// volumeGain returns scores of several goals: ln of the hypervolume that a point
// is expected to add to the front of the points believed to pass, over draws
// draws of its goals (Monte Carlo EHVI; Daulton, Balandat & Bakshy 2020). The
// front is of posterior means, so that a lucky probe is not its corner. Goals
// count in the models' units, where they are of one size.
func (s *study) volumeGain(draws int) gainer {
	goals := make([]Goal, len(s.aims))
	reference := make([]float64, len(s.aims))
	for k, a := range s.aims {
		goals[k] = Goal{Maximize: true, Reference: a.standardise(s.problem.Goals[k].Reference)}
	}
	var front, all [][]float64
	for i, u := range s.units {
		means := make([]float64, len(s.aims))
		for k, a := range s.aims {
			means[k], _ = a.at(u)
		}
		all = append(all, means)
		if s.track.points[i].passes() {
			front = append(front, means)
		}
	}
	for k := range reference {
		if reference[k] = goals[k].Reference; !finite(reference[k]) {
			reference[k] = math.Inf(1)
			for _, m := range all {
				reference[k] = min(reference[k], m[k]-0.1)
			}
		}
	}
	base := Hypervolume(goals, reference, front)
	marked := Pareto(goals, front)
	var boxes [][]float64 // of the front, from the reference on
	for i, m := range front {
		if box := boxOf(goals, reference, m); marked[i] && box != nil {
			boxes = append(boxes, box)
		}
	}
	normals := quasiNormal(draws, len(s.aims), s.problem.Seed)
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
			sum += exclusive(draw, boxes)
		}
		// A share of the volume that is there, so that it reads as a relative
		// gain; the floor keeps hopeless candidates in the order of the limits.
		return math.Log(max(sum/float64(draws), 1e-12) / max(base, 1e-3))
	}
}

// regretBound bounds the regret of the best feasible point, in the standardised
// goal's units: the best upper confidence bound over the candidates less the
// best lower one over the feasible points (Makarova et al. 2022, "Automatic
// termination for hyperparameter optimization", eq. 4–5). +Inf: unknown.
func (s *study) regretBound() float64 {
	if len(s.aims) != 1 || !s.scored() {
		return math.Inf(1)
	}
	a, t := s.aims[0], float64(len(s.units))
	const delta = 0.1
	beta := 2 * math.Log(float64(len(s.space.dims))*t*t*math.Pi*math.Pi/(6*delta)) / 5
	upper, lower := math.Inf(-1), math.Inf(-1)
	rng := rand.New(rand.NewPCG(s.problem.Seed, uint64(len(s.units))))
	for _, at := range s.candidates(rng) {
		u := s.space.unit(at)
		if mean, sd := a.at(u); s.feasible(u) >= 0.5 {
			upper = max(upper, mean+math.Sqrt(beta)*sd)
		}
	}
	for i, u := range s.units {
		mean, sd := a.at(u)
		upper = max(upper, mean)
		if s.track.points[i].passes() {
			lower = max(lower, mean-math.Sqrt(beta)*sd)
		}
	}
	return upper - lower
}

// settledByRegret reports whether that bound is within the noise of the goal's
// own measurement.
func (s *study) settledByRegret() bool {
	return len(s.aims) == 1 && s.scored() && s.regretBound() <= math.Sqrt(s.aims[0].process.extra)
}
