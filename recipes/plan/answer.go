package plan

import (
	"math"
)

// prefix returns how many of the lowest points are believed to pass: the
// boundary is that of the last of them, whatever passes above the first
// failure.
func (t track) prefix() int {
	for i, b := range t.points {
		if !b.passes() {
			return i
		}
	}
	return len(t.points)
}

// safe returns the index of the largest point of the prefix that passes with
// certainty, −1 for none.
func (t track) safe() int { return t.last(t.prefix(), t.certainPass) }

// last returns the index of the largest of the lowest end points that is sure, −1
// for none.
func (t track) last(end int, sure func(belief) bool) int {
	for i := end - 1; i >= 0; i-- {
		if sure(t.points[i]) {
			return i
		}
	}
	return -1
}

// nonMonotone reports a believed pass above a believed failure.
func (t track) nonMonotone() bool {
	for _, b := range t.points[t.prefix():] {
		if b.passes() {
			return true
		}
	}
	return false
}

// answer reads the boundary off a track: Lo and Hi are the ends of the bracket,
// Estimate the zero of the worst margin between them, straight in ln x.
func (t track) answer() Answer {
	a := Answer{Safe: math.NaN(), Estimate: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), NonMonotone: t.nonMonotone()}
	for _, b := range t.points {
		a.Passed = a.Passed || t.certainPass(b)
	}
	if i := t.safe(); i >= 0 {
		a.Safe = t.points[i].x
	}
	n := t.prefix()
	if n > 0 {
		a.Lo = t.points[n-1].x
		a.Estimate = a.Lo
	}
	if n < len(t.points) {
		a.Hi = t.points[n].x
	}
	if n > 0 && n < len(t.points) {
		a.Estimate = crossing(t.points[n-1], t.points[n])
	}
	return a
}

// crossing interpolates the worst margin of a pass and a failure to zero,
// straight in ln x as latency curves nearly are; without two finite margins of
// opposite sign it returns the passing point.
func crossing(pass, fail belief) float64 {
	g, h := pass.worst(), fail.worst()
	if !(g <= 0 && h > 0) || math.IsInf(g, 0) || math.IsInf(h, 0) || pass.x <= 0 {
		return pass.x
	}
	w := -g / (h - g)
	return math.Exp((1-w)*math.Log(pass.x) + w*math.Log(fail.x))
}
