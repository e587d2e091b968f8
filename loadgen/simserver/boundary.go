package simserver

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Metric is a latency of one request.
type Metric string

// The metrics, by their AIPerf tags.
const (
	TTFT           Metric = "time_to_first_token"
	ITL            Metric = "inter_token_latency" // (last − first) / (OSL − 1)
	RequestLatency Metric = "request_latency"
)

// value reports the metric of a request of osl tokens, unless it has a number of its own, in
// nanoseconds. It is +Inf for a
// request that was refused, and 0 for the ITL of a single token.
func (x Metric) value(t Trace, osl int) float64 {
	osl = cmp.Or(t.OSL, osl)
	switch {
	case t.Refused:
		return math.Inf(1)
	case x == TTFT:
		return float64(t.First - t.Arrived)
	case x == ITL:
		return float64(t.Last-t.First) / float64(max(osl-1, 1))
	}
	return float64(t.Last - t.Arrived)
}

// A Limit is an SLA on a percentile. It holds if the share of requests at or above
// Threshold is below 1 − Percentile/100. A refused request exceeds every limit.
type Limit struct {
	// Metric is what is limited.
	Metric Metric
	// Percentile is from 0 to 100, for example 95.
	Percentile float64
	// Threshold is the smallest value that exceeds the limit.
	Threshold time.Duration
}

// Exceeded reports the share of requests of osl tokens, 0 to 1, that exceed l.
func (l Limit) Exceeded(traces []Trace, osl int) float64 {
	return float64(l.count(traces, osl)) / float64(max(len(traces), 1))
}

// Holds reports whether l holds.
func (l Limit) Holds(traces []Trace, osl int) bool {
	// Both sides are multiplied by 100, since 1 − 95/100 is a little more than 5/100
	// in floating point.
	return 100*float64(l.count(traces, osl)) < (100-l.Percentile)*float64(len(traces))
}

// count reports how many requests exceed l.
func (l Limit) count(traces []Trace, osl int) (n int) {
	for _, t := range traces {
		if l.Metric.value(t, osl) >= float64(l.Threshold) {
			n++
		}
	}
	return n
}

// Quantile reports the metric's percentile over the requests that were not refused,
// interpolated linearly between order statistics. It is 0 if there are none.
func (l Limit) Quantile(traces []Trace, osl int) time.Duration {
	var v []float64
	for _, t := range traces {
		if !t.Refused {
			v = append(v, l.Metric.value(t, osl))
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	rank := l.Percentile / 100 * float64(len(v)-1)
	i := min(int(rank), len(v)-1)
	j := min(i+1, len(v)-1)
	return time.Duration(v[i] + (rank-float64(i))*(v[j]-v[i]))
}

// Boundary reports the largest concurrency n up to hi such that ok holds for the traces
// of each of lo, lo+1, … n. It is lo−1 if ok fails at lo. Every one of them is
// simulated until the first that fails, which settles the answer. c.Concurrency is
// ignored.
//
// Note: bisection would be faster, but it is only right if ok is monotone, and that is
// what a truth must not assume.
func (m Model) Boundary(c Clients, lo, hi int, ok func([]Trace) bool) int {
	for n := lo; n <= hi; n++ {
		c.Concurrency = n
		if !ok(m.Simulate(c)) {
			return n - 1
		}
	}
	return hi
}
