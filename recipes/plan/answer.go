package plan

import "math"

// Answer is what a history supports for one tier, in units of the searched value. For
// searches of several dimensions only Passed is set, and all numbers are NaN.
//
// How well the boundary is known is said in one of two ways, which depends on the style
// and, where it needs a bracket first, on how far the search has come: by an Interval
// from a model, or by a Bracket of verdicts. The other one is unknown.
type Answer struct {
	// Safe is the largest probed value that is believed, with certainty, to pass together
	// with all below it; NaN when there is none.
	Safe float64
	// Estimate is where the boundary most likely is; NaN when it is not estimated.
	Estimate float64
	Interval
	Bracket Bracket
	// Passed says that some point passed with certainty.
	Passed bool
	// NonMonotone says that a pass was seen above a failure.
	NonMonotone bool
	// Reason is why the search of one tier of several ended, max_iterations while it has
	// not. It is empty for a single tier.
	Reason string
}

// Interval is an interval that holds the boundary with probability Level: a credible
// interval of the style's model. An end is NaN where it lies outside of the range. Level
// is for example 0.95 or 0.90; at level 0 no interval is known, and Lo and Hi are NaN.
type Interval struct{ Lo, Hi, Level float64 }

// Bracket is the largest passing and the smallest failing value that was probed; NaN
// where there is none. It says nothing of how likely the boundary lies between.
type Bracket struct{ Lo, Hi float64 }

// noAnswer is the answer while nothing is known.
func noAnswer() Answer {
	nan := math.NaN()
	return Answer{Safe: nan, Estimate: nan, Interval: Interval{nan, nan, 0}, Bracket: Bracket{nan, nan}}
}

// Ends returns the ends of the interval or, where none is known, of the bracket: the
// range that AIPerf's files show for a boundary, whichever kind it is.
func (a Answer) Ends() (lo, hi float64) {
	if a.Level > 0 {
		return a.Lo, a.Hi
	}
	return a.Bracket.Lo, a.Bracket.Hi
}

// within replaces the bracket of an answer by an interval of a model.
func (a *Answer) within(lo, hi, level float64) {
	a.Interval = Interval{lo, hi, level}
	a.Bracket = Bracket{math.NaN(), math.NaN()}
}

// answer reads the boundary off a track: a bracket, and as the estimate the zero of the
// worst margin in it, straight in ln x.
func (t track) answer() Answer {
	a := noAnswer()
	a.NonMonotone = t.nonMonotone()
	for _, b := range t.points {
		a.Passed = a.Passed || t.certainPass(b)
	}
	if len(t.Dims) != 1 {
		a.NonMonotone = false // there is no order of points
		return a
	}
	if i := t.safe(); i >= 0 {
		a.Safe = t.points[i].x
	}
	n := t.prefix()
	if n > 0 {
		a.Bracket.Lo = t.points[n-1].x
		a.Estimate = a.Bracket.Lo
	}
	if n < len(t.points) {
		a.Bracket.Hi = t.points[n].x
	}
	if n > 0 && n < len(t.points) {
		a.Estimate = crossing(t.points[n-1], t.points[n])
	}
	return a
}

// crossing interpolates the worst margin of a pass and a failure to zero, straight in ln
// x as latency curves nearly are. Without two finite margins of opposite sign it returns
// the passing point.
func crossing(pass, fail belief) float64 {
	g, h := pass.worst(), fail.worst()
	if !(g <= 0 && h > 0) || math.IsInf(g, 0) || math.IsInf(h, 0) || pass.x <= 0 {
		return pass.x
	}
	w := -g / (h - g)
	return math.Exp((1-w)*math.Log(pass.x) + w*math.Log(fail.x))
}
