package plan

import "math"

// The model of one limit near its boundary b: the margin is straight in ln x,
//
//	g(x) = slope · (ln x − ln b) + error,
//
// with slope ~ lognormal and Student-t errors whose variance grows with the
// margin, since a straight line holds near the boundary only.
const (
	slopeMedian = 1.5  // latency grows a little faster than load near a knee
	slopeSpread = 1.2  // sd of ln slope
	noiseMedian = 0.03 // sd of a visit whose standard error is unknown
	noiseSpread = 0.8  // sd of its logarithm
	errorDOF    = 4.0
	curvature   = 0.25  // model error as a share of the margin
	straight    = 0.7   // a margin beyond it counts by its sign only
	falsePass   = 0.005 // P(a visit far from the boundary passes above it)
	falseFail   = 0.03  // P(it fails below): a stalled probe looks slow, nothing makes it look fast

	boundaryCells = 161
	slopeCells    = 33
	slopeReach    = 3.5 // the slope grid spans ± so many slopeSpread
)

// noiseCells are the standard deviations tried for visits of unknown error.
var noiseCells = noisesTo(2.25)

// noisesTo are standard deviations in steps of three quarters of noiseSpread,
// from one and a half below the median to most above it.
func noisesTo(most float64) (c []float64) {
	for z := -1.5; z <= most; z += 0.75 {
		c = append(c, noiseMedian*math.Exp(noiseSpread*z))
	}
	return c
}

// posterior is what a track says about where its boundary lies: for every limit
// the posterior of ln b on a grid.
type posterior struct {
	ln    []float64   // the grid, ascending
	above [][]float64 // per limit: P(b ≥ the grid's value)
}

// reading is one visit as the posterior sees it.
type reading struct {
	u      float64 // ln x
	g, se  float64 // margin; se NaN: unknown
	pass   float64 // for visits that count by their side only: P(limit holds)
	bySide bool
}

// readings lists the visits of limit j, h being the history that the track was
// read from. Failed and incomplete visits are left to the last, common limit.
func (t track) readings(h []Observation, tier []int, j int) []reading {
	var rs []reading
	k := tier[j]
	for _, b := range t.points {
		if b.x <= 0 {
			continue
		}
		for _, v := range b.visits {
			o := h[v]
			if o.State == Failed || k < 0 || k >= len(o.Limits) {
				continue
			}
			l := o.Limits[k]
			if b.disturbed(j, l.Estimate) {
				continue
			}
			r := reading{u: math.Log(b.x), g: l.Value, se: l.SE}
			switch {
			case math.IsNaN(l.Value) && math.IsNaN(l.Pass):
				continue
			case math.IsNaN(l.Value) || o.State == Cut && !math.IsNaN(l.Pass):
				r.bySide, r.pass = true, max(falseFail, min(1-falsePass, l.Pass))
			case o.State == Cut:
				r.bySide, r.pass = true, sidePass(r.g)
			default:
				r = side(r)
			}
			rs = append(rs, r)
		}
	}
	return rs
}

// side lets a reading far from the limit count by its side only.
func side(r reading) reading {
	if math.Abs(r.g) > straight {
		r.bySide, r.pass = true, sidePass(r.g)
	}
	return r
}

// sidePass is P(the limit holds) of which only the side is known.
func sidePass(g float64) float64 {
	if g <= 0 {
		return 1 - falsePass
	}
	return falseFail
}

// failures lists the visits that say pass or fail for all limits at once:
// failures of whole probes, and of limits whose metric is missing.
func (t track) failures(h []Observation, tier []int) []reading {
	var rs []reading
	for _, b := range t.points {
		if b.x <= 0 {
			continue
		}
		for _, v := range b.visits {
			pass := 1 - falsePass
			for _, k := range tier {
				if k < 0 || k >= len(h[v].Limits) || math.IsNaN(h[v].Limits[k].Value) && math.IsNaN(h[v].Limits[k].Pass) {
					pass = normal(missingZ)
				}
			}
			if h[v].State == Failed {
				pass = normal(failedZ)
			}
			rs = append(rs, reading{u: math.Log(b.x), pass: pass, bySide: true})
		}
	}
	return rs
}

// look computes the posterior over [lo, hi], both above zero.
func (t track) look(h []Observation, tier []int, lo, hi float64) posterior {
	o := posterior{ln: make([]float64, boundaryCells)}
	a, b := math.Log(lo), math.Log(hi)
	for i := range o.ln {
		o.ln[i] = a + (b-a)*float64(i)/float64(boundaryCells-1)
	}
	for j := range tier {
		o.above = append(o.above, o.limit(t.readings(h, tier, j)))
	}
	o.above = append(o.above, o.limit(t.failures(h, tier)))
	return o
}

// limit returns P(b ≥ grid) for one limit.
func (o posterior) limit(rs []reading) []float64 {
	var near []reading
	logs := make([]float64, len(o.ln))
	for _, r := range rs {
		if !r.bySide {
			near = append(near, r)
			continue
		}
		in, out := math.Log(r.pass), math.Log(1-r.pass)
		for i, u := range o.ln {
			if u >= r.u {
				logs[i] += in
			} else {
				logs[i] += out
			}
		}
	}
	if len(near) > 0 { // else there is no slope and no noise to integrate over
		for i, u := range o.ln {
			logs[i] += evidenceFor(u, near)
		}
	}
	return tail(logs)
}

// evidenceFor returns the log likelihood of a boundary at ln b = u, integrated
// over slope and noise.
func evidenceFor(u float64, near []reading) float64 {
	noises := []float64{noiseMedian}
	for _, r := range near {
		if math.IsNaN(r.se) {
			noises = noiseCells // only an unknown error needs a grid
			break
		}
	}
	scores := make([]float64, 0, slopeCells*len(noises))
	for k := range slopeCells {
		z := slopeReach * (2*float64(k)/(slopeCells-1) - 1)
		slope := slopeMedian * math.Exp(slopeSpread*z)
		for _, noise := range noises {
			q := math.Log(noise/noiseMedian) / noiseSpread
			score := -z*z/2 - q*q/2
			for _, r := range near {
				se := r.se
				if math.IsNaN(se) {
					se = noise
				}
				variance := se*se + curvature*curvature*r.g*r.g + 1e-8
				d := r.g - slope*(r.u-u)
				score -= (errorDOF+1)/2*math.Log1p(d*d/(errorDOF*variance)) + math.Log(variance)/2
			}
			scores = append(scores, score)
		}
	}
	return logSumExp(scores)
}

func logSumExp(v []float64) float64 {
	top := math.Inf(-1)
	for _, x := range v {
		top = max(top, x)
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Exp(x - top)
	}
	return top + math.Log(sum)
}

// tail turns log densities into P(b ≥ grid point).
func tail(logs []float64) []float64 {
	total := logSumExp(logs)
	out := make([]float64, len(logs))
	sum := 0.0
	for i := len(logs) - 1; i >= 0; i-- {
		p := math.Exp(logs[i] - total)
		out[i] = min(1, sum+p/2) // half a cell lies below its own centre
		sum += p
	}
	return out
}

// passes returns P(every limit holds at x).
func (o posterior) passes(x float64) float64 {
	p := 1.0
	for _, above := range o.above {
		p *= o.read(above, math.Log(x))
	}
	return p
}

func (o posterior) read(above []float64, u float64) float64 {
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

// quantile returns the x with P(every limit holds at x) = p.
func (o posterior) quantile(p float64) float64 {
	lo, hi := o.ln[0], o.ln[len(o.ln)-1]
	for range 60 {
		m := (lo + hi) / 2
		if o.passes(math.Exp(m)) >= p {
			lo = m
		} else {
			hi = m
		}
	}
	return math.Exp(lo)
}

// spread is the distance of the 16 % and 84 % quantiles in ln x: two standard
// deviations of a normal posterior.
func (o posterior) spread() float64 {
	return math.Log(o.quantile(0.16) / o.quantile(0.84))
}
