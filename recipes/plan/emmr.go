package plan

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// minimumNoise is the least error variance, in the standardised goal's units,
// that the gap between two posteriors is measured with.
const minimumNoise = 1e-6

// emmrShare of the goal is the gain that a further probe must promise. AIPerf's
// library takes a hundredth of the median over the first 20 iterations after
// ten: a search of at most 30 would never end by it.
const emmrShare = 0.01

// regretGap bounds how much the expected minimum simple regret fell by the last
// observation, as a share of the goal; +Inf where it cannot be told. before is
// the study without that observation. (Ishibashi, Karasuyama, Takeuchi & Hino
// 2023, "A stopping criterion for Bayesian optimization by the gap of expected
// minimum simple regrets", theorem 1 and eq. 4.)
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
	mean, cov := now.process.joint([][]float64{star, wasStar})
	wasMean, _ := then.at(wasStar)
	wasMean = (wasMean*then.sd + then.mean - now.mean) / now.sd // in the units of now

	fall := wasMean - mean[0]
	v := math.Sqrt(max(1e-10, cov.At(0, 0)-2*cov.At(0, 1)+cov.At(1, 1)))
	g := -fall / v
	gain := v * (distuv.UnitNormal.Prob(g) + g*distuv.UnitNormal.CDF(g))

	// The Kullback-Leibler divergence of the two posteriors is that of one
	// observation.
	at, sd := now.at(s.units[last])
	variance, seen := sd*sd, s.goals[last][0].Value
	d := now.standardise(seen) - at
	noise := max(minimumNoise, now.process.extra)
	divergence := (math.Log1p(variance/noise) - variance/(variance+noise) +
		variance*d*d/((variance+noise)*(variance+noise))) / 2
	bound := before.regretBound() * then.sd / now.sd
	gap := fall + gain + bound*math.Sqrt(max(0, divergence)/2)
	if math.IsNaN(gap) {
		return math.Inf(1)
	}
	return gap * now.relative()
}

// leader is the point with the best observed goal among those believed to pass,
// −1 for none.
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

// newest is the point of the observation that before lacks, −1 when it was a
// further visit of a known one: that is no step of the search.
func (s *study) newest(before *study) int {
	for i, at := range s.points {
		if !before.probed(at) {
			return i
		}
	}
	return -1
}
