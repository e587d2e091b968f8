// Package unrest tells what moves whole visits of one limit from what their requests explain: how
// far visits at different times differ beyond their own errors, or how fast they get worse.
package unrest

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// Visit is one visit of a point.
type Visit struct {
	// U is ln of the load, G the margin and SE its own standard error.
	U, G, SE float64
	// At is when the visit was, in seconds.
	At float64
}

// Prior is what is believed before the visits are seen.
type Prior struct {
	// Steep is how far the slope of the margin in U is believed to be from 1: latency in
	// proportion to the load.
	Steep float64
	// Memory is how long a disturbance lasts, in seconds.
	Memory float64
}

// Kind says which of three explanations of the visits is the likeliest.
type Kind uint8

// The explanations: requests alone, visits that scatter, and a server that gets steadily slower
// or faster.
const (
	Calm Kind = iota
	Scattered
	Drifting
)

// Seen is what the visits say.
type Seen struct {
	Kind Kind
	// Scatters and Drifts are P(visits scatter) and P(there is a drift); the rest is calm.
	Scatters, Drifts float64
	// SD is the scatter of visits beyond their own errors, should there be one, and Free how
	// many degrees of freedom it is known by.
	SD, Free float64
	// Lasts is P(what moves visits lasts as long as the prior's Memory), should there be a scatter;
	// otherwise each visit is moved for itself.
	Lasts float64
	// Rate is how fast the margin rises, per second, should there be a drift, until End; RateSE
	// is its standard error. Last is the time of the last visit: where End is that, the drift
	// goes on.
	Rate, RateSE, End, Last float64
}

const (
	// calm and drifts are the beliefs that only requests scatter, and that there is a drift,
	// before anything is seen. More for calm, 0.7, was tried: one search in ten then took a
	// server whose latencies wander by 30% for a steady one.
	calm, drifts = 0.4, 0.35
	// apart is P(visits are moved each for itself), should they scatter.
	apart = 0.5
	// driftRate is the scale of drifts, per second: a fifth in a minute.
	driftRate = 0.003
	// ends is how many ends of a drift are tried, from the last visit back, and endsApart how
	// many seconds they are apart.
	ends, endsApart = 4, 20.0
	// curvature is the error of the straight line through the margins, as a share of them.
	curvature = 0.25
	// level is the standard deviation of the margin at the mean load, which is not known.
	level = 1.0
	// jumps is P(the margin jumps between two of the loads), as where a server's batch is full, and
	// jump how far. Without it the two sides of a cliff were taken for visits that scatter.
	jumps, jump = 0.2, 0.4
	// typical is the scatter by which the place of a jump is looked for.
	typical = 0.04
	// repeatedCalm is the belief that only requests scatter where points are visited again. With 0.3,
	// 92.0% of a grid's intervals held on a server that wanders for ten seconds, and with this 92.9%;
	// 0.2 widened most of those of steady servers.
	repeatedCalm = 0.25
	// amiss is P(visits of a point differ by amissBy): a first one may have paid for a cold start, and
	// says nothing of the others.
	amiss, amissBy = 0.05, 2.0
	// leastFree is how many degrees of freedom a scatter has at least that several points show.
	leastFree = 2
	// least is the number of visits below which nothing is told.
	least = 3
)

// scatters are the standard deviations that are tried: from what no one minds to visits that
// differ by half of their values.
var scatters = []float64{0.02, 0.028, 0.04, 0.057, 0.08, 0.113, 0.16, 0.226, 0.32, 0.45}

// Read compares three explanations of the visits by their marginal likelihoods. All have a
// straight line through the margins, of unknown level and slope, and errors of the visits' own.
// One has nothing else; one a disturbance, of each visit for itself or one that visits share the
// more the nearer in time they are; one a straight drift in time that ends at the last visit or
// before. The likelihood decides at once how steep the line is and what is left: a line through
// points that are known by scattered visits otherwise takes the scatter for its slope. With each of
// the three the margin may jump between two of the loads, which no line has. Each explanation is a
// Gaussian process, whose marginal likelihood has a closed form (Rasmussen and Williams 2006,
// "Gaussian Processes for Machine Learning", sections 2.7 and 5.4.1).
func Read(visits []Visit, p Prior) Seen {
	n := len(visits)
	if n < least {
		return Seen{Free: 1}
	}
	m := newModel(visits, p)
	above, prior := m.step()
	either := func(f fit) float64 { return f.either(above, prior) }
	none := math.Log(calm) + either(m.fit(0, 0, 0))
	logs, lasting := make([]float64, len(scatters)), make([]float64, len(scatters))
	each, one := m.each(), math.Log((1-calm-drifts)/float64(len(scatters)))
	for i, sd := range scatters {
		lasting[i] = one + math.Log(1-apart) + either(m.fit(sd, 0, 0))
		logs[i] = floats.LogSumExp([]float64{one + math.Log(apart) + either(each.fit(sd, 0, 0)), lasting[i]})
	}
	some := floats.LogSumExp(logs)
	drift, best := math.Inf(-1), fit{log: math.Inf(-1)}
	end := 0.0
	for i := range ends {
		at := m.last - endsApart*float64(i)
		f := m.fit(0, driftRate, at)
		if l := math.Log(drifts/ends) + either(f); l > drift {
			drift, best, end = l, f, at
		}
	}
	all := floats.LogSumExp([]float64{none, some, drift})
	s := Seen{Scatters: math.Exp(some - all), Drifts: math.Exp(drift - all), End: end, Last: m.last}
	switch {
	case drift > none && drift > some:
		s.Kind = Drifting
	case some > none:
		s.Kind = Scattered
	}
	s.SD, s.Free = spread(logs, some)
	s.Lasts = math.Exp(floats.LogSumExp(lasting) - some)
	s.Rate, s.RateSE = m.rate(best, end)
	return s
}

// Repeated tells whether visits of the same points at other times differ beyond their own errors, and
// by how much, from points with two visits or more each. Of the points' own margins nothing is
// assumed: the likelihood is that of the differences within each point (the restricted likelihood of
// Patterson and Thompson 1971, "Recovery of inter-block information when block sizes are unequal").
// U of the visits is not read. Free is how many visits there are beyond one of each point, where those
// that are nearer in time than memory, in seconds, are moved by one disturbance and count as one. The
// result knows no drift.
func Repeated(points [][]Visit, memory float64) Seen {
	none := math.Log(repeatedCalm) + restricted(points, 0)
	logs := make([]float64, len(scatters))
	for i, sd := range scatters {
		logs[i] = math.Log((1-repeatedCalm)/float64(len(scatters))) + restricted(points, sd)
	}
	some := floats.LogSumExp(logs)
	s := Seen{Scatters: math.Exp(some - floats.LogSumExp([]float64{none, some}))}
	if some > none {
		s.Kind = Scattered
	}
	s.SD, _ = spread(logs, some)
	var times []float64
	for _, visits := range points {
		for _, a := range visits {
			times = append(times, a.At)
		}
	}
	for _, visits := range points {
		for _, a := range visits {
			s.Free += (1 - 1/float64(len(visits))) / Crowd(times, a.At, memory)
		}
	}
	s.Free = max(s.Free, leastFree)
	return s
}

// restricted is the log likelihood of the differences within points, up to a constant, where visits
// scatter by sd beyond their own errors, and those of one point in twenty by far more.
func restricted(points [][]Visit, sd float64) (log float64) {
	for _, visits := range points {
		log += floats.LogSumExp([]float64{
			math.Log(1-amiss) + within(visits, sd),
			math.Log(amiss) + within(visits, math.Hypot(sd, amissBy)),
		})
	}
	return log
}

// within is the log likelihood of the differences within one point, up to a constant.
func within(visits []Visit, sd float64) (log float64) {
	var weight, mean float64
	for _, a := range visits {
		w := 1 / (a.SE*a.SE + sd*sd)
		weight, mean = weight+w, mean+w*a.G
	}
	mean /= weight
	for _, a := range visits {
		v := a.SE*a.SE + sd*sd
		log -= ((a.G-mean)*(a.G-mean)/v + math.Log(v)) / 2
	}
	return log - math.Log(weight)/2
}

// Crowd is how many of the visits at some times share the time at, where a disturbance lasts for
// memory. All are in seconds.
func Crowd(times []float64, at, memory float64) (n float64) {
	for _, t := range times {
		n += math.Exp(-math.Abs(t-at) / memory)
	}
	return n
}

// each is the model in which no two visits have a disturbance in common.
func (m model) each() model {
	n := len(m.visits)
	m.together = make([]float64, n*n)
	for i := range n {
		m.together[i*n+i] = 1
	}
	return m
}

// step returns which visits lie above the place where a jump of the margin, upwards, between two
// neighbouring loads is the likeliest, as ones among zeros, and the prior probability that a jump is
// there; 0 where there can be none.
func (m model) step() (above []float64, prior float64) {
	var us []float64
	for _, a := range m.visits {
		us = append(us, a.U)
	}
	slices.Sort(us)
	us = slices.Compact(us)
	f := m.fit(typical, 0, 0)
	best := math.Inf(-1)
	for _, u := range us[:len(us)-1] {
		ones := make([]float64, len(m.visits))
		for j, a := range m.visits {
			if a.U > u {
				ones[j] = 1
			}
		}
		if log, up := f.jumped(ones); up && log > best {
			best, above, prior = log, ones, jumps/float64(len(us)-1)
		}
	}
	return above, prior
}

// spread is the root mean square of the standard deviations by their posterior, and the degrees
// of freedom that leave ln of one as uncertain as the posterior has it: 1/(2·variance).
func spread(logs []float64, total float64) (sd, free float64) {
	var mean, square, variance float64
	for i, v := range scatters {
		w, l := math.Exp(logs[i]-total), math.Log(v)
		mean, square, variance = mean+w*l, square+w*l*l, variance+w*v*v
	}
	return math.Sqrt(variance), max(1/(2*max(square-mean*mean, 1e-3)), 1)
}

// model is what the explanations share: the margins' deviations from a line of slope 1, their
// covariance under the line and their own errors, and how much of a disturbance two visits have
// in common. Matrices are upper triangles, row by row.
type model struct {
	visits               []Visit
	last                 float64
	deviations           []float64
	covariance, together []float64
}

func newModel(visits []Visit, p Prior) model {
	n := len(visits)
	m := model{visits: visits, deviations: make([]float64, n), covariance: make([]float64, n*n), together: make([]float64, n*n)}
	mean := 0.0
	for _, a := range visits {
		mean += a.U / float64(n)
		m.last = max(m.last, a.At)
	}
	for i, a := range visits {
		m.deviations[i] = a.G - (a.U - mean)
		for j := i; j < n; j++ {
			b := visits[j]
			c := level*level + p.Steep*p.Steep*(a.U-mean)*(b.U-mean)
			if i == j {
				c += a.SE*a.SE + curvature*curvature*a.G*a.G
			}
			m.covariance[i*n+j], m.together[i*n+j] = c, math.Exp(-math.Abs(a.At-b.At)/p.Memory)
		}
	}
	return m
}

// fit is one explanation held against the visits: its log likelihood up to a constant, the factor
// of the covariance of the margins, and the margins' deviations solved by it. Where the covariance
// has no factor, the log likelihood is -Inf.
type fit struct {
	log    float64
	factor blas64.Triangular
	solved []float64
}

// fit holds a scatter of sd, or a drift of the scale rate until end, against the visits. LAPACK is
// called by itself because mat.Cholesky also estimates a condition number, which took half of the
// time and which nothing reads.
func (m model) fit(sd, rate, end float64) fit {
	n := len(m.visits)
	cov := blas64.Symmetric{Uplo: blas.Upper, N: n, Stride: n, Data: make([]float64, n*n)}
	for i, a := range m.visits {
		for j := i; j < n; j++ {
			c := sd*sd*m.together[i*n+j] + rate*rate*before(a.At, end)*before(m.visits[j].At, end)
			cov.Data[i*n+j] = m.covariance[i*n+j] + c
		}
	}
	f := fit{log: math.Inf(-1)}
	var ok bool
	if f.factor, ok = lapack64.Potrf(cov); !ok {
		return f
	}
	f.solved = f.solve(m.deviations)
	determinant := 0.0
	for i := range n {
		determinant += 2 * math.Log(f.factor.Data[i*n+i])
	}
	f.log = -(floats.Dot(m.deviations, f.solved) + determinant) / 2
	return f
}

// solve returns the covariance's inverse times b.
func (f fit) solve(b []float64) []float64 {
	x := blas64.General{Rows: len(b), Cols: 1, Stride: 1, Data: append([]float64(nil), b...)}
	lapack64.Potrs(f.factor, x)
	return x.Data
}

// jumped returns the log likelihood with a jump of unknown size at the visits that are ones, and whether
// it is likelier to go up than down. The covariance has one more term of rank one then, for which the
// matrix determinant lemma and the formula of Sherman and Morrison (1950) need no new factor.
func (f fit) jumped(ones []float64) (log float64, up bool) {
	if math.IsInf(f.log, -1) {
		return f.log, false
	}
	spread, along := 1+jump*jump*floats.Dot(ones, f.solve(ones)), floats.Dot(ones, f.solved)
	return f.log + (jump*jump*along*along/spread-math.Log(spread))/2, along > 0
}

// either returns the log likelihood where a jump at the visits that are ones is there with the
// probability prior.
func (f fit) either(ones []float64, prior float64) float64 {
	if prior == 0 {
		return f.log
	}
	log, _ := f.jumped(ones)
	return floats.LogSumExp([]float64{math.Log(1-prior) + f.log, math.Log(prior) + log})
}

// before is how long before the end of a drift a time is, below zero; zero after it.
func before(t, end float64) float64 { return min(t-end, 0) }

// rate is the drift by its posterior, and its standard error.
func (m model) rate(f fit, end float64) (rate, se float64) {
	if math.IsInf(f.log, -1) {
		return 0, 0
	}
	along := make([]float64, len(m.visits)) // the covariance of the rate and each margin
	for i, a := range m.visits {
		along[i] = driftRate * driftRate * before(a.At, end)
	}
	return floats.Dot(along, f.solved), math.Sqrt(max(driftRate*driftRate-floats.Dot(along, f.solve(along)), 0))
}
