package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/gp"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// surface is the model of one limit's margin over the unit cube.
type surface struct {
	process *gp.Process
	// trend is the prior slope along the first dimension, which is taken off the data.
	trend float64
	// dof are the degrees of freedom of the noise estimate (Student's t); zero when the
	// errors were given.
	dof float64
}

// below returns P(the limit holds at u).
func (m surface) below(u []float64) float64 {
	mean, variance := m.at(u)
	z := -mean / math.Sqrt(variance)
	if m.dof > 0 {
		z = normal.FromStudent(z, m.dof)
	}
	return normal.CDF(z)
}

// at returns the posterior mean and variance of the squashed margin at u.
func (m surface) at(u []float64) (mean, variance float64) {
	mean, variance = m.process.At(u)
	return mean + m.trend*u[0], max(variance, 1e-12)
}

// farthest is the margin that all larger ones count as: e⁶, or 400 times the limit.
const farthest = 6

// squash bends a margin so that far points keep their order and lose their weight:
// straight near 0, logarithmic far out, finite at ±Inf. Where exactly a latency is at
// thirty times its limit says nothing about the boundary, and a model that has to pass
// through it says too much.
func squash(g float64) float64 {
	g = min(max(g, -farthest), farthest)
	return math.Copysign(math.Log1p(math.Abs(g)), g)
}

// lostMargin stands in for the margin of a limit that a probe failed without a value:
// every request failed, or the metric is absent. lostVariance is its error variance, in
// units of the squashed margin.
const lostMargin, lostVariance = 1, 0.01

// knownShare is how much of the fitted noise a value gets in addition to its own standard
// error, which says nothing of what moves a whole probe.
const knownShare = 0.1

// model fits limit j of the tier.
func (s *study) model(j int) surface {
	n := len(s.units)
	ys, known, share := make([]float64, n), make([]float64, n), make([]float64, n)
	m := surface{}
	if !s.known {
		m.dof = s.track.noise[j].dof
	}
	if s.trend {
		m.trend = s.span() // a margin rises by about 1 per unit of ln x
	}
	for i, b := range s.track.points {
		g := b.margins[j]
		share[i] = 1 / float64(max(1, len(b.values[j])))
		if math.IsNaN(g) {
			g, known[i] = lostMargin, lostVariance
		} else if se := pooledSE(b.values[j]); !math.IsNaN(se) {
			slope := 1 / (1 + min(math.Abs(g), farthest))
			known[i], share[i] = se*se*slope*slope, knownShare*share[i]
		}
		ys[i] = squash(g) - m.trend*s.units[i][0]
	}
	// Priors in units of the squashed margin: it bends by a half over the cube, or by a
	// factor of e more or less; noise is what the history shows; the offset is anywhere.
	pr := gp.Priors{
		Length: gp.LengthPrior(len(s.units[0])),
		Scale:  gp.LogNormal{Mu: 2 * math.Log(0.5), Sigma: 2},
		Noise:  gp.LogNormal{Mu: 2 * math.Log(min(max(s.track.noise[j].sd, 0.01), 0.5)), Sigma: 1},
		Offset: 4,
	}
	if s.trend {
		pr.Slope = m.trend * m.trend / 2
	}
	m.process = gp.Fit(pr, s.units, ys, known, share)
	return m
}

// span is the range of the first dimension in model coordinates.
func (s *study) span() float64 {
	d := s.space.dims[0]
	return s.space.warp(0, d.Hi) - s.space.warp(0, d.Lo)
}

// feasible returns P(every limit of the tier holds at u) by the models, taking the limits
// as independent.
func (s *study) feasible(u []float64) float64 {
	p := 1.0
	for _, m := range s.margins {
		p *= m.below(u)
	}
	return p
}

// logFeasible returns ln of feasible, finite where that underflows.
func (s *study) logFeasible(u []float64) float64 {
	sum := 0.0
	for _, m := range s.margins {
		mean, variance := m.at(u)
		sum += normal.LogCDF(-mean / math.Sqrt(variance))
	}
	return sum
}

// aim is the model of one goal, standardised and turned so that more is better.
type aim struct {
	process *gp.Process
	// mean and sd are those of the goal's values, in the units that are modelled: ln of
	// the value when log is set, times the sign.
	mean, sd, sign float64
	log            bool
	// of are the indexes of the study's points that it was fitted to.
	of []int
}

// aim fits goal k. Positive goals are modelled in ln, so that an improvement is a ratio.
func (s *study) aim(k int) aim {
	var xs [][]float64
	var ys, known, share []float64
	a := aim{log: true, sign: 1, sd: 1}
	if !s.Goals[k].Maximize {
		a.sign = -1
	}
	for i := range s.units {
		if e := s.goals[i][k]; !math.IsNaN(e.Value) {
			a.log = a.log && e.Value > 0
		}
	}
	for i, u := range s.units {
		e := s.goals[i][k]
		if math.IsNaN(e.Value) || s.trend && s.hopeless(i) {
			continue
		}
		y, se := e.Value, e.SE
		if a.log {
			y, se = math.Log(e.Value), e.SE/e.Value
		}
		a.of = append(a.of, i)
		xs, ys = append(xs, u), append(ys, a.sign*y)
		variance, part := 0.0, 1/float64(len(s.track.points[i].visits))
		if !math.IsNaN(se) {
			variance, part = se*se, knownShare*part
		}
		known, share = append(known, variance), append(share, part)
	}
	if len(ys) == 0 {
		return a
	}
	a.mean, a.sd = meanAndDeviation(ys)
	for i := range ys {
		ys[i] = (ys[i] - a.mean) / a.sd
		known[i] /= a.sd * a.sd
	}
	// Priors in standard deviations of the goal, of which noise is a tenth or so.
	pr := gp.Priors{
		Length: gp.LengthPrior(len(xs[0])),
		Scale:  gp.LogNormal{Mu: 0, Sigma: 1},
		Noise:  gp.LogNormal{Mu: -5, Sigma: 2},
		Offset: 1,
	}
	if s.trend {
		pr.Slope = 4
	}
	a.process = gp.Fit(pr, xs, ys, known, share)
	return a
}

// hopeless reports whether point i fails by far. What a goal does there, often past a
// collapse, would mislead its model where it matters.
func (s *study) hopeless(i int) bool {
	const far = 0.3 // a third above the limit
	b := s.track.points[i]
	return !b.passes() && !(b.worst() < far)
}

// at returns the posterior mean and deviation of the latent goal at u, standardised.
func (a aim) at(u []float64) (mean, deviation float64) {
	mean, variance := a.process.At(u)
	return mean, math.Sqrt(variance)
}

// standardise returns a value of the goal in the model's units; NaN for what has no place
// there, such as a negative value of a goal that is modelled in ln.
func (a aim) standardise(value float64) float64 {
	if a.log {
		value = math.Log(value)
	}
	return (a.sign*value - a.mean) / a.sd
}

// meanAndDeviation returns the mean and the sample deviation of ys. A deviation that is
// zero but for rounding is returned as 1, so that it can be divided by.
func meanAndDeviation(ys []float64) (mean, deviation float64) {
	for _, y := range ys {
		mean += y / float64(len(ys))
	}
	for _, y := range ys {
		deviation += (y - mean) * (y - mean)
	}
	deviation = math.Sqrt(deviation / float64(max(1, len(ys)-1)))
	if deviation <= 1e-12*(1+math.Abs(mean)) {
		deviation = 1
	}
	return mean, deviation
}
