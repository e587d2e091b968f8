package plan

import "math"

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
