package plan

import "math"

// axis is the arithmetic of one searched dimension: legal values, steps up and points
// inside a bracket.
type axis struct{ Dim }

// axisOf returns the axis of a problem of one dimension, its bounds moved inwards to
// legal values; the zero axis of any other.
func axisOf(p Problem) axis {
	if len(p.Dims) != 1 {
		return axis{}
	}
	d := p.Dims[0]
	if d.Int {
		d.Lo, d.Hi = math.Ceil(d.Lo), math.Floor(d.Hi)
	}
	return axis{d}
}

// single reports whether the problem has one dimension, with bounds that enclose
// something.
func (v view) single() bool {
	return len(v.Dims) == 1 && v.Lo <= v.Hi && !math.IsInf(v.Lo, 0) && !math.IsInf(v.Hi, 0)
}

// clamp returns the legal value nearest to x.
func (a axis) clamp(x float64) float64 {
	if a.Int {
		x = math.RoundToEven(x)
	}
	return max(a.Lo, min(a.Hi, x))
}

// clampDown returns the largest legal value at or below x.
func (a axis) clampDown(x float64) float64 {
	if a.Int {
		x = math.Floor(x)
	}
	return max(a.Lo, min(a.Hi, x))
}

// knownWidth is half of the widest 95% interval, in ln x, of which a boundary still
// counts as known: ±10%.
const knownWidth = 0.1

// identifies reports whether a 95% interval tells the boundary to ±10%, or to two
// neighbouring values. Where it does not, factor is how many times as many requests a
// probe would: standard errors fall with their root.
func (a axis) identifies(lo, hi float64) (ok bool, factor float64) {
	half := halfWidth(lo, hi)
	if half <= knownWidth || a.Int && hi-lo <= 2 {
		return true, 1
	}
	return false, half * half / (knownWidth * knownWidth)
}

// halfWidth is half an interval, in ln x.
func halfWidth(lo, hi float64) float64 { return math.Log(hi/lo) / 2 }

// up returns x times factor, at least one legal step above x and at most the upper bound.
// From zero and below, where a factor leads nowhere, it takes a hundredth of the range.
func (a axis) up(x, factor float64) float64 {
	y := x * factor
	if y <= x {
		y = x + (a.Hi-a.Lo)/100 // no curve is known there to choose a step by
	}
	if a.Int {
		y = max(math.RoundToEven(y), x+1)
	}
	return min(y, a.Hi)
}

// narrow reports whether nothing worth probing lies between lo and hi: whole numbers that
// are neighbours, or a gap below precision × hi. Real numbers are neighbours, too, within
// 1e-12 of the range, where rounding decides.
func (a axis) narrow(lo, hi, precision float64) bool {
	gap := hi - lo
	if a.Int && gap <= 1 {
		return true
	}
	return gap <= 0 || gap < precision*math.Abs(hi) || !a.Int && gap <= 1e-12*(a.Hi-a.Lo)
}

// inside moves x strictly between lo and hi; ok is false when there is no room.
func (a axis) inside(x, lo, hi float64) (y float64, ok bool) {
	if a.Int {
		x = math.RoundToEven(x)
		x = max(lo+1, min(hi-1, x))
		return x, x > lo && x < hi
	}
	room := (hi - lo) / 64 // nearer to an end a probe would say what is known already
	x = max(lo+room, min(hi-room, x))
	return x, x > lo && x < hi
}

// half returns the middle of a bracket, as AIPerf bisects it: lo + ⌊gap/2⌋ for whole
// numbers.
func (a axis) half(lo, hi float64) (float64, bool) {
	m := lo + (hi-lo)/2
	if a.Int {
		m = lo + math.Floor((hi-lo)/2)
	}
	return a.inside(m, lo, hi)
}

// space maps a problem's points to the unit cube and back. Whatever its prior, a
// dimension with a positive lower bound is modelled in ln x: queueing curves are nearly
// straight there.
type space struct {
	// dims have the bounds of whole dimensions moved inwards to whole numbers.
	dims []Dim
	// log says which dimensions are modelled in ln x.
	log []bool
}

// newSpace returns the space of the dimensions.
func newSpace(dims []Dim) space {
	s := space{dims: make([]Dim, len(dims)), log: make([]bool, len(dims))}
	for i, d := range dims {
		if d.Int {
			if lo, hi := math.Ceil(d.Lo), math.Floor(d.Hi); lo <= hi {
				d.Lo, d.Hi = lo, hi
			}
		}
		s.dims[i], s.log[i] = d, d.Lo > 0
	}
	return s
}

// warp returns x in the model's coordinate of dimension i.
func (s space) warp(i int, x float64) float64 {
	if s.log[i] {
		return math.Log(x)
	}
	return x
}

// unit returns at in the unit cube; a dimension of one point is at 0.
func (s space) unit(at []float64) []float64 {
	u := make([]float64, len(s.dims))
	for i, d := range s.dims {
		lo, hi := s.warp(i, d.Lo), s.warp(i, d.Hi)
		if hi > lo {
			u[i] = (s.warp(i, min(max(at[i], d.Lo), d.Hi)) - lo) / (hi - lo)
		}
	}
	return u
}

// point returns the legal point nearest to u: rounded where whole numbers are asked for,
// never outside the bounds.
func (s space) point(u []float64) []float64 {
	at := make([]float64, len(s.dims))
	for i, d := range s.dims {
		lo, hi := s.warp(i, d.Lo), s.warp(i, d.Hi)
		at[i] = lo + u[i]*(hi-lo)
		if s.log[i] {
			at[i] = math.Exp(at[i])
		}
		at[i] = s.legal(i, at[i])
	}
	return at
}

// fromPrior returns the point at quantile q of each dimension's prior, which is uniform
// in ln x or in x as the dimension says.
func (s space) fromPrior(q []float64) []float64 {
	at := make([]float64, len(s.dims))
	for i, d := range s.dims {
		if d.Log && d.Lo > 0 {
			at[i] = math.Exp(math.Log(d.Lo) + q[i]*math.Log(d.Hi/d.Lo))
		} else {
			at[i] = d.Lo + q[i]*(d.Hi-d.Lo)
		}
		at[i] = s.legal(i, at[i])
	}
	return at
}

// legal returns the legal value of dimension i nearest to x.
func (s space) legal(i int, x float64) float64 {
	d := s.dims[i]
	if d.Int {
		x = math.RoundToEven(x)
	}
	return min(max(x, d.Lo), d.Hi)
}

// corner returns the lowest or the highest point of the space.
func (s space) corner(high bool) []float64 {
	at := make([]float64, len(s.dims))
	for i, d := range s.dims {
		at[i] = d.Lo
		if high {
			at[i] = d.Hi
		}
	}
	return at
}

// close reports whether two points of the cube are the same probe: equal in whole
// dimensions, within a thousandth of the range in others, where a difference would be
// nothing but noise.
func (s space) close(u, v []float64) bool {
	for i, d := range s.dims {
		limit := 1e-3
		if d.Int {
			limit = 1e-12 // rounding
		}
		if math.Abs(u[i]-v[i]) > limit {
			return false
		}
	}
	return true
}
