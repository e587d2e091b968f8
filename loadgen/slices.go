package loadgen

import (
	"time"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// Slices cuts a measurement into parts of the same length in time, from the start of its first
// request to that of its last one, and returns a measurement of each in order. Latencies are
// those of the requests that started in the part; rates count what arrived in it; what the
// server said is what it said between the readings around it. The last part may be shorter.
// It is nil once Requests is, and for a length that is not positive.
func (m *Measurement) Slices(length time.Duration) (parts []*Measurement) {
	if length <= 0 || len(m.Requests) == 0 {
		return nil
	}
	first, last := m.Requests[0].Start, m.Requests[0].Start
	for i := range m.Requests {
		first, last = min(first, m.Requests[i].Start), max(last, m.Requests[i].Start)
	}
	all := [][]Request{m.Others, m.Requests}
	for from := first; from <= last; from += length {
		to := min(from+length, last+1)
		part := &Measurement{
			Load: m.Load, Ended: m.Ended, Metrics: map[Tag]Metric{}, Epoch: m.Epoch, Window: to - from, streamed: m.streamed,
		}
		for _, q := range m.Requests {
			if q.Start >= from && q.Start < to {
				part.Requests = append(part.Requests, q)
			}
		}
		part.perRequest(m.streamed)
		// Lag and the mean in flight are not a part's: what was in flight has not all been kept.
		part.rates(spans{{from, to}}, all, nil)
		delete(part.Metrics, TagInFlight)
		var windows []servermetrics.Window
		for _, s := range m.Server.Series {
			near, whole := around(s.Samples, from, to)
			window := servermetrics.Summarize(whole)
			if len(near) < len(whole) { // the gauges are known better
				narrow := servermetrics.Summarize(near)
				window.Gauges, window.GPUs = narrow.Gauges, narrow.GPUs
			}
			windows = append(windows, window)
		}
		window := servermetrics.Merge(windows...).Only(m.Server.Window.GPUs)
		part.Join(servermetrics.Record{Window: window, GPUs: m.Server.GPUs, Price: m.Server.Price})
		parts = append(parts, part)
	}
	return parts
}

// around returns the samples between two times, with the last one before them and the first
// one behind: a second is a long time for a part. whole reaches to the nearest samples that have
// counters, too, which may be farther away in a long series.
func around(samples []servermetrics.Sample, from, to time.Duration) (near, whole []servermetrics.Sample) {
	i, k := 0, len(samples)
	first, last := 0, len(samples)
	for n, s := range samples {
		if s.At <= from {
			i = n
			if !s.Thin {
				first = n
			}
		}
		if s.At >= to && k == len(samples) {
			k = n + 1
		}
		if s.At >= to && !s.Thin {
			last = n + 1
			break
		}
	}
	return samples[i:k], samples[first:last]
}
