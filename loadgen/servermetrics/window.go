package servermetrics

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Sample is one page at a time. Times count from wherever the caller's do.
type Sample struct {
	At   time.Duration
	Page Page
	// Thin says that the page holds gauges and GPUs alone, as most do in a series of more than
	// half an hour.
	Thin bool

	// marked says that a mark asked for it, so that it stays whole.
	marked bool
}

// Record is what was seen of the servers behind a probe: the window of all of them together,
// and the samples in it of each. The zero value is that of a probe whose server says nothing.
type Record struct {
	Window Window
	Series []Series
	// Received is how many output tokens arrived at the client in the window, to stand beside
	// those that the servers generated. It is 0 if that is not known.
	Received float64
	// GPUs is how many GPUs the load is divided by; 0 stands for those of Window. Price is what
	// one of them costs an hour, in any currency; 0 if that is not known.
	GPUs  int
	Price float64
}

// Window is what happened at one server, or at several, between two samples. The zero value
// says nothing.
type Window struct {
	// Server names the first server that is known; see Page.
	Server string
	// Spans are the times from a first sample to a last one, in order; a window that was open
	// in parts has several. Samples is how many there are.
	Spans   []Span
	Samples int
	// Gauges holds the values at the samples, in the order of time, and Counters the
	// increases.
	Gauges   map[Quantity][]float64
	Counters map[Quantity]float64
	// Histograms holds the observations of the window.
	Histograms map[Quantity]Histogram
	// GPUs holds what the GPUs did.
	GPUs []GPUWindow
}

// Span is a time from one sample to another.
type Span struct{ From, To time.Duration }

// Length is how long all spans last together.
func (w Window) Length() (d time.Duration) {
	for _, s := range w.Spans {
		d += s.To - s.From
	}
	return d
}

// Has reports whether the window says anything.
func (w Window) Has() bool {
	return w.Samples > 1 && len(w.Gauges)+len(w.Counters)+len(w.Histograms)+len(w.GPUs) > 0
}

// Summarize returns what happened between the first and the last of some samples of one
// server, which are in the order of time. Of fewer than two it is the zero value. Counters and
// histograms are those between the first whole sample and the last.
func Summarize(samples []Sample) (w Window) {
	if len(samples) < 2 {
		return w
	}
	first, last := samples[0], samples[len(samples)-1]
	w = Window{
		Server: last.Page.Server, Spans: []Span{{first.At, last.At}}, Samples: len(samples),
		Gauges: map[Quantity][]float64{}, Counters: map[Quantity]float64{}, Histograms: map[Quantity]Histogram{},
		GPUs: gpusBetween(samples),
	}
	falls := 0
	was := Page{} // the last whole one
	begun := false
	for _, s := range samples {
		fell := false
		for q, v := range s.Page.Values {
			if kinds[q] != counter {
				w.Gauges[q] = append(w.Gauges[q], v)
				continue
			}
			if !begun {
				continue
			}
			// A counter that first shows in the middle has counted from 0: many servers
			// write those with labels only once there is something to count.
			if before := was.Values[q]; v >= before {
				w.Counters[q] += v - before
			} else {
				w.Counters[q] += v
				fell = true
			}
		}
		for q, h := range s.Page.Histograms {
			if !begun {
				continue
			}
			step := h
			if before, ok := was.Histograms[q]; ok {
				step = h.minus(before)
				fell = fell || h.Count < before.Count
			}
			if sum, ok := w.Histograms[q]; ok {
				step = sum.plus(step)
			}
			w.Histograms[q] = step
		}
		if fell {
			falls++
		}
		if !s.Thin {
			was, begun = s.Page, true
		}
	}
	// A restart is one fall. Where counts fall again and again, several servers answer by turns,
	// as behind a balancer, and differences of their counts say nothing.
	if falls > max(1, len(samples)/8) {
		clear(w.Counters)
		clear(w.Histograms)
	}
	return w
}

// Chain returns the window of one server that was open in several parts, in order. What was
// counted between them is left out.
func Chain(parts ...Window) Window {
	return combine(parts, func(all *Window, w Window) {
		all.Spans, all.Samples = append(all.Spans, w.Spans...), all.Samples+w.Samples
		for q, values := range w.Gauges {
			all.Gauges[q] = append(all.Gauges[q], values...)
		}
		all.withGPUs(w, true)
	})
}

// Merge returns the window of several servers together, as of the replicas behind one
// endpoint: what counts is summed, the largest share stands for all, and requests that run or
// wait are those of all of them. GPUs are put side by side. The spans are those of the first,
// since all are sampled at about the same times. Windows that say nothing are left out.
func Merge(windows ...Window) Window {
	return combine(windows, func(all *Window, w Window) {
		all.Samples = min(all.Samples, w.Samples)
		for q, values := range w.Gauges {
			all.Gauges[q] = together(q, all.Gauges[q], values)
		}
		all.withGPUs(w, false)
	})
}

// combine joins windows that say anything to a copy of the first of them, and adds what they
// count.
func combine(windows []Window, join func(all *Window, w Window)) (all Window) {
	for _, w := range windows {
		switch {
		case !w.Has():
		case !all.Has():
			all = w.clone()
		default:
			all.Server = cmp.Or(all.Server, w.Server)
			join(&all, w)
			all.count(w)
		}
	}
	return all
}

// count adds what another window counts.
func (w *Window) count(o Window) {
	for q, v := range o.Counters {
		w.Counters[q] += v
	}
	for q, h := range o.Histograms {
		if sum, ok := w.Histograms[q]; ok {
			h = sum.plus(h)
		}
		w.Histograms[q] = h
	}
}

// together are the values of a gauge of two servers whose samples were taken at about the
// same times, the last ones together.
func together(q Quantity, a, b []float64) []float64 {
	if len(a) == 0 || len(b) == 0 {
		return append(slices.Clone(a), b...)
	}
	n := min(len(a), len(b))
	a, b = a[len(a)-n:], b[len(b)-n:]
	out := make([]float64, n)
	for i := range out {
		if out[i] = a[i] + b[i]; kinds[q] == share {
			out[i] = max(a[i], b[i])
		}
	}
	return out
}

// clone returns a window whose maps are its own.
func (w Window) clone() Window {
	c := w
	c.Gauges, c.Counters, c.Histograms = map[Quantity][]float64{}, map[Quantity]float64{}, map[Quantity]Histogram{}
	c.Spans, c.GPUs = slices.Clone(w.Spans), slices.Clone(w.GPUs)
	for q, v := range w.Gauges {
		c.Gauges[q] = slices.Clone(v)
	}
	c.count(w)
	return c
}

// percentiles are those of Stats.
var percentiles = []float64{1, 5, 10, 25, 50, 75, 90, 95, 99}

// Stats returns the statistics of a quantity by name, in its own unit; nil if the window does
// not have it. A gauge has avg, min, max, p1 … p99 and std over the samples, and count of
// them; a counter has sum, and avg, which is a second's; a histogram has avg, sum and count of
// its observations, and p1 … p99 as its buckets show them. PrefixHitShare is one number, avg,
// if the server counts hits. A gauge of GPUs is described over the samples of all of them, so
// that avg is the mean of one GPU, and GPUEnergy is one number, sum.
func (w Window) Stats(q Quantity) map[string]float64 {
	if q == PrefixHitShare && w.Counters[PrefixQueries] > 0 {
		return map[string]float64{"avg": min(w.Counters[PrefixHits]/w.Counters[PrefixQueries], 1)}
	}
	if values := append(w.ofGPUs(q), w.Gauges[q]...); len(values) > 0 {
		return describe(values)
	}
	if joules, _, ok := w.Energy(); ok && q == GPUEnergy {
		return map[string]float64{"sum": joules}
	}
	if sum, ok := w.Counters[q]; ok && w.Length() > 0 {
		return map[string]float64{"sum": sum, "avg": sum / w.Length().Seconds()}
	}
	h, ok := w.Histograms[q]
	if !ok || h.Count == 0 {
		return nil
	}
	stats := map[string]float64{"avg": h.Mean(), "sum": h.Sum, "count": h.Count}
	for _, p := range percentiles {
		if v := h.Quantile(p / 100); !math.IsNaN(v) {
			stats["p"+strconv.FormatFloat(p, 'f', -1, 64)] = v
		}
	}
	return stats
}

// describe returns the statistics of the values of a gauge.
//
// Note: a percentile is the nearest value above (Hyndman and Fan 1996, type 1). A gauge of
// whole requests that was at 0 in 18 of 20 samples has not been at 0.4.
func describe(values []float64) map[string]float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	sum, ss := 0.0, 0.0
	for _, v := range sorted {
		sum += v
	}
	for _, v := range sorted {
		ss += (v - sum/n) * (v - sum/n)
	}
	stats := map[string]float64{"avg": sum / n, "min": sorted[0], "max": sorted[len(sorted)-1], "std": math.Sqrt(ss / n), "count": n}
	for _, p := range percentiles {
		i := int(math.Ceil(p/100*n)) - 1
		stats["p"+strconv.FormatFloat(p, 'f', -1, 64)] = sorted[min(max(i, 0), len(sorted)-1)]
	}
	return stats
}
