package plan

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/front"
)

// signals are the settings of AIPerf's three stop rules, in the order in which they are
// asked. A search in one dimension still settles its boundary after one of them.
type signals struct {
	// Max is the number of iterations, and Patience how many in a row may bring no
	// improvement.
	Max, Patience int
	// Window is the number of objectives that the plateau rule looks at; less than two
	// turns it off.
	Window int
	// Threshold is the sample deviation over |mean| below which they are a plateau.
	Threshold float64
}

// reason returns the signal that fires first, or "", after iterations of which the last
// stale brought no improvement. values are the objectives in order. A window with a value
// that is not finite is no plateau, and neither is one whose mean is too near zero to
// divide by.
func (s signals) reason(values []float64, iterations, stale int) string {
	switch {
	case iterations >= s.Max:
		return ReasonMaxIterations
	case stale >= s.Patience:
		return ReasonPatience
	case s.Window < 2 || len(values) < s.Window:
		return ""
	}
	window := values[len(values)-s.Window:]
	if !front.Finite(window) {
		return ""
	}
	mean, deviation := stat.MeanStdDev(window, nil)
	if math.Abs(mean) >= 1e-9 && deviation/math.Abs(mean) < s.Threshold {
		return ReasonPlateau
	}
	return ""
}

// regretBound bounds the regret of the best feasible point, in the standardised goal's
// units: the best upper confidence bound over the candidates less the best lower one over
// the feasible points (Makarova et al. 2022, "Automatic termination for hyperparameter
// optimization", eq. 4–5). It is +Inf when it is unknown.
func (s *study) regretBound() float64 {
	if len(s.aims) != 1 || !s.scored() {
		return math.Inf(1)
	}
	a, t := s.aims[0], float64(len(s.units))
	// delta is P(the bounds do not hold), as in the paper, which scales the theory's beta
	// down by five as Srinivas et al. 2010 do in their experiments.
	const delta = 0.1
	beta := 2 * math.Log(float64(len(s.space.dims))*t*t*math.Pi*math.Pi/(6*delta)) / 5
	upper, lower := math.Inf(-1), math.Inf(-1)
	rng := rand.New(rand.NewPCG(s.Seed, uint64(len(s.units))))
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

// settledByRegret reports whether that bound is within the noise of the goal's own
// measurement.
func (s *study) settledByRegret() bool {
	return len(s.aims) == 1 && s.scored() && s.regretBound() <= math.Sqrt(s.aims[0].process.Noise)
}

// minimumNoise is the least error variance, in the standardised goal's units, that the
// gap between two posteriors is measured with.
const minimumNoise = 1e-6

// emmrShare of the goal is the gain that a further probe must promise. AIPerf's library
// takes a hundredth of the median over the first 20 iterations after ten: a search of at
// most 30 would never end by it.
const emmrShare = 0.01

// regretGap bounds how much the expected minimum simple regret fell by the last
// observation, as a share of the goal; +Inf where it cannot be told. before is the study
// without that observation. (Ishibashi, Karasuyama, Takeuchi & Hino 2023, "A stopping
// criterion for Bayesian optimization by the gap of expected minimum simple regrets",
// theorem 1 and eq. 4.)
func (s *study) regretGap(before *study) float64 {
	if len(s.aims) != 1 || len(before.aims) != 1 || !s.scored() || !before.scored() {
		return math.Inf(1)
	}
	now, then := s.aims[0], before.aims[0]
	i, j := s.leader(), before.leader()
	last := s.newest(before)
	if i < 0 || j < 0 || last < 0 || now.log != then.log {
		return math.Inf(1)
	}
	star, wasStar := s.units[i], before.units[j]
	mean, cov := now.process.Joint([][]float64{star, wasStar})
	wasMean, _ := then.at(wasStar)
	wasMean = (wasMean*then.sd + then.mean - now.mean) / now.sd // in the units of now

	fall := wasMean - mean[0]
	// The deviation of the difference of the two; zero when they are one point.
	v := math.Sqrt(max(1e-10, cov.At(0, 0)-2*cov.At(0, 1)+cov.At(1, 1)))
	g := -fall / v
	gain := v * (distuv.UnitNormal.Prob(g) + g*distuv.UnitNormal.CDF(g))

	// The Kullback-Leibler divergence of the two posteriors is that of one observation.
	at, sd := now.at(s.units[last])
	variance, seen := sd*sd, s.goals[last][0].Value
	d := now.standardise(seen) - at
	noise := max(minimumNoise, now.process.Noise)
	divergence := (math.Log1p(variance/noise) - variance/(variance+noise) +
		variance*d*d/((variance+noise)*(variance+noise))) / 2
	bound := before.regretBound() * then.sd / now.sd
	gap := fall + gain + bound*math.Sqrt(max(0, divergence)/2)
	if math.IsNaN(gap) {
		return math.Inf(1)
	}
	return gap * now.relative()
}

// leader is the point with the best observed goal among those believed to pass, −1 for
// none.
func (s *study) leader() int {
	best, at := math.Inf(-1), -1
	for i, b := range s.track.points {
		v := s.aims[0].standardise(s.goals[i][0].Value)
		if b.passes() && v > best {
			best, at = v, i
		}
	}
	return at
}

// newest is the point of the observation that before lacks, −1 when it was a further
// visit of a known one: that is no step of the search.
func (s *study) newest(before *study) int {
	for i, at := range s.points {
		if !before.probed(at) {
			return i
		}
	}
	return -1
}
