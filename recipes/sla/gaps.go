package sla

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// gapsOf counts the gaps between chunks for a limit on a percentile of the inter-chunk
// latency. A request has many gaps and so no single value; a failed one stands for as many
// bad gaps as a valid request has on average. counted is false for other limits, and when
// a trial came without its requests.
//
// Gaps of one request hang together, so that the inflation is that of a ratio of sums over
// requests (Cochran 1977, Sampling Techniques, section 6.4). A share of half of what is
// allowed stands for a smaller one, because requests without a bad gap are no certainty.
func gapsOf(l Limit, trials Trials) (t tally, counted bool) {
	q, ok := loadgen.Quantile(l.Stat)
	if l.Metric != loadgen.TagICL || !ok {
		return t, false
	}
	t.allowed, t.inflation = q, 1
	if l.Op.Upper() {
		t.allowed = 1 - q
	}
	type request struct{ bad, n int }
	var requests []request
	failed := 0
	for _, m := range trials {
		if m.Requests == nil {
			return t, false
		}
		for i := range m.Requests {
			r := &m.Requests[i]
			if r.Failure != nil {
				failed++
				continue
			}
			var one request
			for k := 1; k < len(r.Chunks); k++ {
				v := float64(r.Chunks[k]-r.Chunks[k-1]) / 1e6
				t.values = append(t.values, v)
				one.n++
				if !l.Op.Holds(v, l.Threshold) {
					one.bad++
				}
			}
			if one.n > 0 {
				requests = append(requests, one)
			}
		}
	}
	each := 1
	if len(requests) > 0 {
		each = max(len(t.values)/len(requests), 1)
	}
	for range failed {
		requests = append(requests, request{each, each})
	}
	t.failed = failed * each
	for _, r := range requests {
		t.n, t.bad = t.n+r.n, t.bad+r.bad
	}
	least := min(t.allowed, 1-t.allowed) / 2
	if len(requests) < 2 || least <= 0 {
		return t, true
	}
	share := min(max(float64(t.bad)/float64(t.n), least), 1-least)
	ss := 0.0
	for _, r := range requests {
		d := float64(r.bad) - share*float64(r.n)
		ss += d * d
	}
	k := float64(len(requests))
	t.inflation = max(k/(k-1)*ss/(float64(t.n)*share*(1-share)), 1)
	return t, true
}

// Failing returns the reading with failed of n requests counted, for a limit that does not
// count requests itself: one on an average or a rate, or one whose trial came without its
// requests. Such a limit says nothing of requests that have no value, so that a server
// which sheds nine requests of ten would look fast; it holds only while the share of
// failed requests is below what is allowed. Any other reading is returned as it is.
func (r Reading) Failing(failed, n int, allowed float64) Reading {
	l := r.Limit
	if r.Of > 0 || failed == 0 || l.share() {
		return r
	}
	if q, ok := loadgen.Quantile(l.Stat); ok && l.Op.Upper() {
		allowed = 1 - q
	}
	share := float64(failed) / float64(n)
	if share < allowed {
		return r
	}
	t := tally{bad: failed, n: n, allowed: allowed, inflation: 1}
	r.Holds, r.Adjusted = false, math.Inf(1)
	if pass := t.pass(LT); !(r.Pass < pass) {
		r.Pass = pass
	}
	g := farthest
	if allowed > 0 {
		g = signed(math.Log(share/allowed), false)
	}
	if !(r.Margin > g) {
		r.Margin, r.MarginSE = g, 1/math.Sqrt(float64(failed))
	}
	return r
}
