package plan

import (
	"math"
	"slices"
)

// cutScale widens the standard error of a margin that a probe had when it was
// stopped: the moment was chosen for being extreme.
const cutScale = 1.5

// sight is the posterior of the boundary over [lo, hi], with the baseline's
// prior when there is one. Margins of probes that ended early count by their
// value where they say how rough it is.
func (s *sequence) sight(lo, hi float64) posterior {
	h := make([]Observation, len(s.h))
	for i, o := range s.h {
		h[i] = o
		h[i].Limits = slices.Clone(o.Limits)
		rough := o.State == Cut
		for j, k := range s.tier {
			if k < 0 || k >= len(o.Limits) || s.exact {
				continue
			}
			l := &h[i].Limits[k]
			rough = rough && l.SE > 0
			if o.State == Cut {
				l.SE *= cutScale
			}
			if l.SE < s.noise[j].sd { // a probe knows its requests' scatter, not that of probes
				l.SE = s.noise[j].sd
			}
		}
		if rough {
			h[i].State = Full
		}
	}
	view := s.look(h, s.tier, lo, hi)
	if b, ok := s.baseline(); ok {
		view = view.with(math.Log(b))
	}
	return view
}

// The prior that an earlier run's boundary gives: Student's t in ln b, so that a
// server that has changed overrules it.
const (
	baselineSpread = 0.15
	baselineDOF    = 3
)

// with returns the posterior of the lowest boundary under a baseline's prior.
func (o posterior) with(baseline float64) posterior {
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
	return posterior{ln: o.ln, above: [][]float64{tail(logs)}}
}
