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
