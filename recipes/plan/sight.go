package plan

import (
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// rateSlope is the prior median of the slope of a margin in ln of a rate: the queue at a server
// that is all but full grows several times as fast as what is offered. The slope of latency over
// concurrency was tried here, too: intervals were 15% wider, and answers lower by half a percent.
const rateSlope = 5.0

// look computes the posterior of the boundary over [lo, hi], both above zero.
func (t track) look(lo, hi float64) boundary.Posterior {
	var limits [][]boundary.Reading
	for j := range t.tier {
		limits = append(limits, t.readings(j))
	}
	slope := rateSlope
	if t.Int {
		slope = boundary.SlopeMedian
	}
	return boundary.New(lo, hi, slope, append(limits, t.failures()))
}

// readings lists the visits of limit j of the tier. Failed and incomplete visits are left
// to the common limit, see failures.
func (t track) readings(j int) (rs []boundary.Reading) {
	for _, b := range t.points {
		if b.x <= 0 {
			continue
		}
		u := math.Log(b.x)
		for _, v := range b.visits {
			o := t.history[v]
			m, ok := o.margin(t.tier[j])
			if o.State == Failed || !ok || b.disturbed(j, m.Estimate) {
				continue
			}
			switch noValue, noPass := math.IsNaN(m.Value), math.IsNaN(m.Pass); {
			case noValue && noPass:
			case m.jumps(o.Requests):
				rs = append(rs, m.share(u, o.Requests))
			case noValue, o.State == Cut && !noPass:
				rs = append(rs, boundary.ByVerdict(u, m.Pass))
			case o.State == Cut:
				rs = append(rs, boundary.BySign(u, m.Value))
			case !noPass && math.Abs(m.Value) > boundary.Straight:
				// Between two modes of latency a percentile jumps, and a margin far from zero is
				// no certainty: what the requests say of the side counts.
				rs = append(rs, boundary.ByVerdict(u, m.Pass))
			default:
				rs = append(rs, boundary.ByMargin(u, m.Value, m.SE))
			}
		}
	}
	return rs
}

const (
	// nearShare is how far a share of requests is from what its limit allows, at most, to be near
	// it: a factor of three.
	nearShare = 1.1
	// noJump is by how much a value that is a share differs from it at most, for want of half a
	// request.
	noJump = 0.2
)

// jumps reports that the value of a limit is far from it, and the share of requests beyond it is
// not: the latencies have two modes, between which a percentile jumps. Where the value is itself a
// share, they are the same.
func (m Margin) jumps(requests int) bool {
	if !(m.Allowed > 0) || requests == 0 || math.IsNaN(m.Pass) || !(math.Abs(m.Value) > boundary.Straight) {
		return false
	}
	g := m.share(0, requests).G
	return math.Abs(g) < nearShare && math.Abs(m.Value-g) > noJump
}

// share is the reading, at ln x = u, of the share of requests beyond the limit in place of their
// percentile: ln of it over what the limit allows, which a rising share passes in small steps where
// the percentile jumps. P(the limit holds) of single visits was tried for those: of visits that were
// ended when they looked worst it says too much, and intervals of a server with two modes then held its
// boundary in 88 of 100 searches, not 98.
func (m Margin) share(u float64, requests int) boundary.Reading {
	n := float64(requests) + 1
	beyond := m.Excess + m.Allowed*float64(requests) + 0.5
	return boundary.Reading{U: u, G: math.Log(beyond / n / m.Allowed), SE: math.Sqrt((1 - beyond/n) / beyond), Pass: math.NaN()}
}

// failures lists what the visits say of all limits at once: whether the whole probe
// failed, or a limit's metric is missing.
func (t track) failures() (rs []boundary.Reading) {
	for _, b := range t.points {
		if b.x <= 0 {
			continue
		}
		for _, v := range b.visits {
			o := t.history[v]
			pass := float64(boundary.SurePass)
			for _, k := range t.tier {
				if m, ok := o.margin(k); !ok || math.IsNaN(m.Value) && math.IsNaN(m.Pass) {
					pass = normal.CDF(missingZ)
				}
			}
			if o.State == Failed {
				pass = normal.CDF(failedZ)
			}
			rs = append(rs, boundary.Reading{U: math.Log(b.x), Pass: pass})
		}
	}
	return rs
}

// cutScale widens the standard error of a margin that a probe had when it was stopped:
// the moment was chosen for being extreme.
const cutScale = 1.5

// sight is the posterior of the boundary over [lo, hi], with the baseline's prior when
// there is one. Margins of probes that ended early count by their value where they say
// how rough it is.
func (s *sequence) sight(lo, hi float64) boundary.Posterior {
	t := s.track
	t.history = make([]Observation, len(s.history))
	for i, o := range s.history {
		rough := o.State == Cut
		o.Margins = slices.Clone(o.Margins)
		for j, k := range s.tier {
			if k < 0 || k >= len(o.Margins) || s.exact {
				continue
			}
			m := &o.Margins[k]
			rough = rough && m.SE > 0
			if o.State == Cut {
				m.SE *= cutScale
			}
			if m.SE < s.noise[j].sd { // a probe knows its requests' scatter, not that of probes
				m.SE = s.noise[j].sd
			}
		}
		if rough {
			o.State = Full
		}
		t.history[i] = o
	}
	post := t.look(lo, hi)
	if b, ok := s.baseline(); ok {
		post = post.With(math.Log(b))
	}
	return post
}
