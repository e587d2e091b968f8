package plan

import "math"

var (
	finishWindow  = 0.15
	closeEnough   = 0.95
	furtherProbes = 5.0
	finishSpread  = 0.10
	finishQ       = 0.85
	sureLevel     = 0.8
	knownLevel    = 0.9
)

// level is the least P(b ≥ x) of an answer.
func (s *sequence) level() float64 {
	if s.known {
		return max(sureLevel, knownLevel)
	}
	return sureLevel
}

// sure reports whether a point is an answer.
func (s *sequence) sure(b belief) bool {
	if s.view == nil {
		return s.certainPass(b)
	}
	p := s.view.passes(b.x)
	return p >= s.level() || s.certainPass(b) && (p >= 0.5 || b.pass > 0.99)
}

// finish
func (s *sequence) finish() Step {
	m := s.view.quantile(0.5)
	i := s.safeIndex()
	if i >= 0 && s.points[i].x >= s.clampDown(closeEnough*m) {
		return Step{Done: true, Reason: s.precision()}
	}
	n := 0
	for _, b := range s.points {
		if math.Abs(math.Log(b.x/m)) < finishWindow {
			n += len(b.visits)
		}
	}
	if float64(n) > furtherProbes {
		return Step{Done: true, Reason: s.precision()}
	}
	x := s.view.quantile(max(finishQ, s.level()+0.02))
	return probe(s.clampDown(x), "where the boundary is likely to hold")
}

func (s *sequence) precision() string { return sequentialPrecision }

// surprise asks the lowest failure again when it is far off the trend of the
// passing points below it: a stalled probe would end the search there.
func (s *sequence) surprise() (Step, bool) {
	if s.exact || s.end == 0 || s.end >= len(s.points) || !s.asSmooth().surprising(s.end) {
		return Step{}, false
	}
	return Step{At: []float64{s.points[s.end].x}, Size: 1, Reason: "a surprise: once more"}, true
}

func (s *sequence) asSmooth() *smooth {
	return &smooth{track: s.track, axis: s.axis, p: s.p, h: s.h, tier: s.tier}
}
func (s *sequence) warm() (Step, bool)  { return Step{}, false }
func (s *sequence) climb() (Step, bool) { return Step{}, false }

// clampDown is the largest legal value at or below x.
func (s *sequence) clampDown(x float64) float64 {
	if s.Int {
		x = math.Floor(x)
	}
	return max(s.Lo, min(s.Hi, x))
}
