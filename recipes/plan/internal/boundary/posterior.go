// Package boundary infers where margins cross zero: the posterior of the largest load at
// which every limit holds, on a grid of its logarithm, and the probability that a margin
// measured several times at one load is below zero.
package boundary

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// The model of one limit near its boundary b: the margin is straight in ln x,
//
//	g(x) = slope · (ln x − ln b) + error,
//
// with slope ~ lognormal and Student-t errors whose variance grows with the
// margin, since a straight line holds near the boundary only.
const (
	// SlopeMedian is the prior median of the slope: latency grows a little faster than
	// load near a knee.
	SlopeMedian = 1.5
	// Straight is the margin beyond which a visit counts by its sign only.
	Straight = 0.7
	// SurePass is the most that a single visit may say for a limit.
	SurePass = 1 - falsePass

	// slopeSpread is the prior standard deviation of ln slope: a factor of ten either
	// way.
	slopeSpread = 1.2
	// noiseMedian is the prior median of the standard deviation of a visit whose standard
	// error is unknown, and noiseSpread the standard deviation of its logarithm.
	noiseMedian = 0.03
	noiseSpread = 0.8
	// errorDOF are Student's degrees of freedom. The tails are heavy so that one stalled
	// probe does not outweigh the others.
	errorDOF = 4.0
	// curvature is the error of the straight line, as a share of the margin.
	curvature = 0.25
	// falsePass is P(a visit above the boundary passes).
	falsePass = 0.005
	// falseFail is P(a visit below the boundary fails). It is larger than falsePass: a
	// stalled probe looks slow, and nothing makes a probe look fast.
	falseFail = 0.03

	// boundaryCells of the grid are a few tenths of a percent apart in a range of a
	// factor of two; slopeCells span ± slopeReach spreads of the slope.
	boundaryCells = 161
	slopeCells    = 33
	slopeReach    = 3.5
)

// noiseCells are the standard deviations tried for visits of unknown error.
var noiseCells = noisesTo(2.25)

// noisesTo are standard deviations in steps of three quarters of noiseSpread, from one
// and a half below the median to most above it.
func noisesTo(most float64) (c []float64) {
	for z := -1.5; z <= most; z += 0.75 {
		c = append(c, noiseMedian*math.Exp(noiseSpread*z))
	}
	return c
}

// Posterior is what the visits of a range say about where the boundary lies: for every
// limit the posterior of ln b on a grid.
type Posterior struct {
	ln    []float64   // the grid, ascending
	above [][]float64 // per limit: P(b ≥ the grid's value)
}

// New returns the posterior over [lo, hi], both above zero, from the readings of each
// limit, where the prior median of the slope is slope. The limits are taken as independent.
func New(lo, hi, slope float64, limits [][]Reading) Posterior {
	o := Posterior{ln: make([]float64, boundaryCells)}
	a, b := math.Log(lo), math.Log(hi)
	for i := range o.ln {
		o.ln[i] = a + (b-a)*float64(i)/float64(boundaryCells-1)
	}
	for _, rs := range limits {
		o.above = append(o.above, o.limit(rs, slope))
	}
	return o
}

// Reading is one visit as the posterior of one limit sees it.
type Reading struct {
	U float64 // ln x
	// G is the margin and SE its standard error, NaN when unknown.
	G, SE float64
	// Pass is P(the limit holds) for a visit that counts by its side only, and NaN for
	// one that counts by its margin.
	Pass float64
}

// ByMargin is the reading of a whole visit: it counts by its margin, or by its side when
// it lies far from the limit, where a straight line says nothing.
func ByMargin(u, g, se float64) Reading {
	if math.Abs(g) > Straight {
		return BySign(u, g)
	}
	return Reading{U: u, G: g, SE: se, Pass: math.NaN()}
}

// BySign is the reading of a visit whose margin is rough: it counts by its sign.
func BySign(u, g float64) Reading {
	pass := falseFail
	if g <= 0 {
		pass = SurePass
	}
	return Reading{U: u, Pass: pass}
}

// ByVerdict is the reading of a visit of which P(the limit holds) is known, kept within
// what a single visit may say.
func ByVerdict(u, pass float64) Reading {
	return Reading{U: u, Pass: max(falseFail, min(SurePass, pass))}
}

// limit returns P(b ≥ grid) for one limit.
func (o Posterior) limit(rs []Reading, slope float64) []float64 {
	var near []Reading
	logs := make([]float64, len(o.ln))
	for _, r := range rs {
		if math.IsNaN(r.Pass) {
			near = append(near, r)
			continue
		}
		in, out := math.Log(r.Pass), math.Log(1-r.Pass)
		for i, u := range o.ln {
			if u >= r.U {
				logs[i] += in
			} else {
				logs[i] += out
			}
		}
	}
	if len(near) > 0 { // there is a slope and noise to integrate over
		l := likelihoodOf(near, slope)
		for i, u := range o.ln {
			logs[i] += l.at(u)
		}
	}
	return tail(logs)
}

// likelihood is that of a boundary by the visits that count by their margin. A search asks for
// it at every cell of the grid, each time with every slope and noise, so that what is the same
// at all cells is computed once.
type likelihood struct {
	near  []Reading
	slope float64 // its prior median
	// noises has what is known of the visits at each noise, and scores is room for the terms of
	// the integral.
	noises []noisy
	scores []float64
}

// noisy is one noise: what its prior and the errors' standard deviations add to a log likelihood,
// and of each visit the scale of its error.
type noisy struct {
	log   float64
	scale []float64
}

// slopes are the slopes that are tried, as a multiple of the median, each with its log prior.
var slopes = func() (s [slopeCells]struct{ slope, prior float64 }) {
	for k := range s {
		z := slopeReach * (2*float64(k)/(slopeCells-1) - 1)
		s[k].slope, s[k].prior = math.Exp(slopeSpread*z), -z*z/2
	}
	return s
}()

// likelihoodOf prepares the likelihood of some visits.
func likelihoodOf(near []Reading, slope float64) *likelihood {
	noises := []float64{noiseMedian}
	for _, r := range near {
		if math.IsNaN(r.SE) { // only an unknown error needs a grid
			noises = noiseCells
			break
		}
	}
	l := &likelihood{near: near, slope: slope, scores: make([]float64, 0, slopeCells*len(noises))}
	for _, noise := range noises {
		q := math.Log(noise/noiseMedian) / noiseSpread
		n := noisy{log: -q * q / 2}
		for _, r := range near {
			se := r.SE
			if math.IsNaN(se) {
				se = noise
			}
			// The last term keeps exact values from outweighing the model.
			variance := se*se + curvature*curvature*r.G*r.G + 1e-8
			n.scale, n.log = append(n.scale, errorDOF*variance), n.log-math.Log(variance)/2
		}
		l.noises = append(l.noises, n)
	}
	return l
}

// at returns the log likelihood of a boundary at ln b = u, integrated over slope and noise.
func (l *likelihood) at(u float64) float64 {
	l.scores = l.scores[:0]
	for _, s := range slopes {
		slope := l.slope * s.slope
		for _, n := range l.noises {
			tails := 1.0 // the product of Student's terms: one logarithm for all of them
			logs := 0.0
			for i, r := range l.near {
				d := r.G - slope*(r.U-u)
				if tails *= 1 + d*d/n.scale[i]; tails > 1e200 {
					logs, tails = logs+math.Log(tails), 1
				}
			}
			l.scores = append(l.scores, s.prior+n.log-(errorDOF+1)/2*(logs+math.Log(tails)))
		}
	}
	return floats.LogSumExp(l.scores)
}

// tail turns log densities into P(b ≥ grid point).
func tail(logs []float64) []float64 {
	total := floats.LogSumExp(logs)
	out := make([]float64, len(logs))
	sum := 0.0
	for i := len(logs) - 1; i >= 0; i-- {
		p := math.Exp(logs[i] - total)
		out[i] = min(1, sum+p/2) // half a cell lies below its own centre
		sum += p
	}
	return out
}

// Passes returns P(every limit holds at x).
func (o Posterior) Passes(x float64) float64 {
	p := 1.0
	for _, above := range o.above {
		p *= o.read(above, math.Log(x))
	}
	return p
}

// read interpolates above at ln x = u; below the range every limit holds.
func (o Posterior) read(above []float64, u float64) float64 {
	n := len(o.ln)
	step := (o.ln[n-1] - o.ln[0]) / float64(n-1)
	at := (u - o.ln[0]) / step
	switch {
	case at <= 0:
		return 1
	case at >= float64(n-1):
		return above[n-1]
	}
	i := int(at)
	f := at - float64(i)
	return (1-f)*above[i] + f*above[i+1]
}

// Quantile returns the x with P(every limit holds at x) = p, or the end of the range
// nearest to it.
func (o Posterior) Quantile(p float64) float64 {
	lo, hi := o.ln[0], o.ln[len(o.ln)-1]
	for range 60 { // halvings: to the last digit
		m := (lo + hi) / 2
		if o.Passes(math.Exp(m)) >= p {
			lo = m
		} else {
			hi = m
		}
	}
	return math.Exp(lo)
}

// Spread is the distance of the 16% and 84% quantiles in ln x: two standard deviations of
// a normal posterior.
func (o Posterior) Spread() float64 {
	return math.Log(o.Quantile(0.16) / o.Quantile(0.84))
}

// edgeCells from an end of the grid is where Edges looks: nearer to it half a cell would
// decide.
const edgeCells = 4

// Edges returns the ends of the range, and how much of the posterior lies at each: the
// probability that the boundary is about below the range, and that it is above.
func (o Posterior) Edges() (lo, hi, below, above float64) {
	n := len(o.ln)
	below = 1 - o.Passes(math.Exp(o.ln[edgeCells]))
	above = o.Passes(math.Exp(o.ln[n-1-edgeCells]))
	return math.Exp(o.ln[0]), math.Exp(o.ln[n-1]), below, above
}

// The prior that an earlier run's boundary gives is Student's t in ln b with a scale of
// 15%, so that a server that has changed overrules it.
const (
	baselineSpread = 0.15
	baselineDOF    = 3
)

// With returns the posterior of the lowest boundary under the prior of an earlier run
// whose boundary was at ln b = baseline.
func (o Posterior) With(baseline float64) Posterior {
	n := len(o.ln)
	joint := make([]float64, n+1) // P(b ≥ grid), and 0 beyond its end
	for i := range n {
		joint[i] = 1
		for _, above := range o.above {
			joint[i] *= above[i]
		}
	}
	logs := make([]float64, n)
	for i := range n {
		z := (o.ln[i] - baseline) / baselineSpread
		logs[i] = math.Log(max(joint[i]-joint[i+1], 1e-300)) - (baselineDOF+1)/2*math.Log1p(z*z/baselineDOF)
	}
	return Posterior{ln: o.ln, above: [][]float64{tail(logs)}}
}
