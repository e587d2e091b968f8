package plan

import (
	"math"
	"slices"
)

// study is what one call of a model-based planner makes of a history: the
// probed points, a model of each limit's margin and of each goal.
type study struct {
	problem Problem
	space   space
	tier    []int
	known   bool // every verdict carries a probability; else the models judge
	track   track
	points  [][]float64  // of track.points
	units   [][]float64  // the same, in the unit cube
	goals   [][]Estimate // of track.points, pooled over visits
	margins []surface    // per limit of the tier
	aims    []aim        // per goal
	seen    *outlook     // see prospect
	trend   bool         // margins and goals get a straight trend (1-D)
}

// level is the certainty that an answer needs when the verdicts carry none and
// the models judge: their noise is an estimate, so 98 % would be a pretence.
const level = 0.9

// look reads a history for one tier.
func look(p Problem, h []Observation, tier []int) *study {
	s := &study{problem: p, space: newSpace(p.Dims), tier: tier, trend: len(p.Dims) == 1}
	s.track = read(p, h, tier, noiseEstimate)
	s.known = true
	for _, o := range h {
		if says(o) && o.State != Failed {
			for _, k := range tier {
				known := k >= 0 && k < len(o.Limits) && !(math.IsNaN(o.Limits[k].Pass) && math.IsNaN(o.Limits[k].SE))
				s.known = s.known && (known || k < 0 || k >= len(o.Limits) || math.IsNaN(o.Limits[k].Value))
			}
		}
	}
	for _, b := range s.track.points {
		s.points = append(s.points, h[b.visits[0]].At)
		s.units = append(s.units, s.space.unit(h[b.visits[0]].At))
		s.goals = append(s.goals, poolGoals(len(p.Goals), h, b.visits))
	}
	if len(s.units) == 0 {
		return s
	}
	for j := range tier {
		s.margins = append(s.margins, s.model(j))
	}
	if !s.known {
		s.track.confidence = level
		for i, b := range s.track.points {
			if !slices.ContainsFunc(b.visits, func(v int) bool { return h[v].State == Failed }) {
				s.track.points[i].pass = s.feasible(s.units[i])
			}
		}
	}
	for k := range p.Goals {
		s.aims = append(s.aims, s.aim(k))
	}
	return s
}

// poolGoals returns the mean of each goal over a point's visits, whole ones
// when there are any.
func poolGoals(n int, h []Observation, visits []int) []Estimate {
	goals := make([]Estimate, n)
	for k := range goals {
		var whole, rough []Estimate
		for _, v := range visits {
			o := h[v]
			if o.State == Failed || k >= len(o.Goals) || !finite(o.Goals[k].Value) {
				continue
			}
			if o.State == Cut {
				rough = append(rough, o.Goals[k])
			} else {
				whole = append(whole, o.Goals[k])
			}
		}
		if len(whole) == 0 {
			whole = rough
		}
		goals[k] = Estimate{Value: pool(whole), SE: pooledSE(whole)}
	}
	return goals
}

// pooledSE returns the standard error of the inverse-variance mean of es; NaN
// when one is unknown.
func pooledSE(es []Estimate) float64 {
	precision := 0.0
	for _, e := range es {
		precision += 1 / (e.SE * e.SE)
	}
	if se := 1 / math.Sqrt(precision); finite(se) {
		return se
	}
	return math.NaN()
}

// surface is the model of one limit's margin over the unit cube.
type surface struct {
	process *process
	trend   float64 // prior slope, taken off the data
	dof     float64 // of the noise estimate (Student's t); 0: the errors were given
}

// below returns P(the limit holds at u).
func (m surface) below(u []float64) float64 {
	mean, variance := m.at(u)
	z := -mean / math.Sqrt(variance)
	if m.dof > 0 {
		z = studentToNormal(z, m.dof)
	}
	return normalCDF(z)
}

// studentToNormal returns the normal z with about the same tail as Student's t
// with dof degrees of freedom (Wallace 1959, within 0.02 of it). The exact
// function, an incomplete beta, took half of a suggestion's time.
func studentToNormal(t, dof float64) float64 {
	return math.Copysign((8*dof+1)/(8*dof+3)*math.Sqrt(dof*math.Log1p(t*t/dof)), t)
}

func (m surface) at(u []float64) (mean, variance float64) {
	mean, variance = m.process.at(u)
	return mean + m.trend*u[0], max(variance, 1e-12)
}

// squash bends a margin so that far points keep their order and lose their
// weight: straight near 0, logarithmic far out, finite at ±Inf. Where exactly
// a latency is at thirty times its limit says nothing about the boundary, and a
// model that has to pass through it says too much.
func squash(g float64) float64 {
	g = min(max(g, -6), 6)
	return math.Copysign(math.Log1p(math.Abs(g)), g)
}

// lostMargin stands in for the margin of a limit that a probe failed without a
// value: every request failed, or the metric is absent.
const lostMargin = 1

// model fits limit j of the tier.
func (s *study) model(j int) surface {
	n := len(s.units)
	ys, known, share := make([]float64, n), make([]float64, n), make([]float64, n)
	m := surface{}
	if !s.known {
		m.dof = s.track.noise[j].dof
	}
	if s.trend {
		m.trend = s.span() // g rises by about 1 per unit of ln x
	}
	for i, b := range s.track.points {
		g := b.margins[j]
		share[i] = 1 / float64(max(1, len(b.values[j])))
		if math.IsNaN(g) {
			g, known[i] = lostMargin, 0.01
		} else if se := pooledSE(b.values[j]); !math.IsNaN(se) {
			slope := 1 / (1 + min(math.Abs(g), 6))
			known[i], share[i] = se*se*slope*slope, 0.1*share[i]
		}
		ys[i] = squash(g) - m.trend*s.units[i][0]
	}
	pr := priors{
		Length: lengthPrior(len(s.units[0])),
		Scale:  lognormal{2 * math.Log(0.5), 2},
		Noise:  lognormal{2 * math.Log(min(max(s.track.noise[j].sd, 0.01), 0.5)), 1},
		Offset: 4,
	}
	if s.trend {
		pr.Slope = m.trend * m.trend / 2
	}
	m.process = robust(pr, s.units, ys, known, share)
	return m
}

// span is the range of the first dimension in model coordinates.
func (s *study) span() float64 {
	d := s.space.dims[0]
	return s.space.warp(0, d.Hi) - s.space.warp(0, d.Lo)
}

// robust fits a process, gives the worst outlier a large error when it is more
// than 4σ off what the others predict, and fits again; at most n/5 times.
func robust(pr priors, xs [][]float64, ys, known, share []float64) *process {
	p := fit(pr, 0, xs, ys, known, share)
	for range len(ys) / 5 {
		worst, z := p.oddest()
		if z < 4 {
			break
		}
		share[worst] *= 1000
		p = fit(pr, 0, xs, ys, known, share)
	}
	return p
}

// feasible returns P(every limit of the tier holds at u) by the models, taking
// the limits as independent.
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
		sum += logNormalCDF(-mean / math.Sqrt(variance))
	}
	return sum
}

// aim is the model of one goal, standardised and turned so that more is better.
type aim struct {
	process *process
	mean    float64
	sd      float64
	log     bool // modelled in ln of the value
	sign    float64
	of      []int // the study's points it was fitted to
}

// aim fits goal k. Positive goals are modelled in ln, so that an improvement is
// a ratio.
func (s *study) aim(k int) aim {
	var xs [][]float64
	var ys, known, share []float64
	a := aim{log: true, sign: 1, sd: 1}
	if !s.problem.Goals[k].Maximize {
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
			variance, part = se*se, 0.1*part
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
	pr := priors{Length: lengthPrior(len(xs[0])), Scale: lognormal{0, 1}, Noise: lognormal{-5, 2}, Offset: 1}
	if s.trend {
		pr.Slope = 4
	}
	a.process = robust(pr, xs, ys, known, share)
	return a
}

// hopeless reports whether point i fails by far. What a goal does there, often
// past a collapse, would mislead its model where it matters.
func (s *study) hopeless(i int) bool {
	const far = 0.3 // of g: a third above the limit
	b := s.track.points[i]
	return !b.passes() && !(b.worst() < far)
}

// at returns the posterior mean and deviation of the latent goal at u,
// standardised.
func (a aim) at(u []float64) (mean, deviation float64) {
	mean, variance := a.process.at(u)
	return mean, math.Sqrt(variance)
}

// standardise returns a value of the goal in the model's units, NaN for what has
// no place there.
func (a aim) standardise(value float64) float64 {
	if a.log {
		value = math.Log(value)
	}
	return (a.sign*value - a.mean) / a.sd
}

// meanAndDeviation returns the mean and the sample deviation of ys, 1 where it
// cannot be divided by.
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

// probed reports whether at is one of the study's points.
func (s *study) probed(at []float64) bool {
	u := s.space.unit(at)
	return slices.ContainsFunc(s.units, func(v []float64) bool { return s.space.close(u, v) })
}
