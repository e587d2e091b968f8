package servermetrics

import (
	"maps"
	"time"
)

// Series are the samples of one source, in the order of time.
type Series struct {
	// Name is the source's.
	Name    string
	Samples []Sample
	// Window is what happened in those of the samples that belong to a measurement; zero in
	// what Watch returns, which knows of none.
	Window Window
	// Took is how long all fetches took together, those that failed included, and Failed
	// counts these. Err is the last of their errors.
	Took   time.Duration
	Failed int
	Err    error
	// Refreshed is how often an exporter reads its GPUs, if that is more seldom than samples
	// are taken, and 0 otherwise.
	Refreshed time.Duration

	// whole is how many samples are not thin.
	whole int
}

// A whole page takes some 5 kB, so that a day of them, one each second, is half a gigabyte. Of
// a long series the whole pages are therefore thinned out: every other one keeps its gauges and
// its GPUs alone, whenever there are more than wholeMost. The gauges of a day take some 30 MB.
//
// Counters and histograms lose nothing by it in a window: only its ends count, whose samples
// were asked for by a mark and stay whole. What lies in between is needed by parts of a window
// alone, and if a counter was reset, where the last whole page before the fall counts.
//
// Note: to halve the samples themselves was tried on paper, and costs what a gauge is known by:
// the maximum of a KV cache over a day would be that of one reading in half a minute.
const (
	wholeMost = 2048
	// newest is how many samples at the end are left alone.
	newest = 64
)

// add appends a sample. What its page shares with the last one is kept once.
func (s *Series) add(sample Sample) {
	if n := len(s.Samples); n > 0 {
		last := &s.Samples[n-1].Page
		if maps.Equal(last.Names, sample.Page.Names) {
			sample.Page.Names = last.Names
		}
		for i := range min(len(last.GPUs), len(sample.Page.GPUs)) {
			if *last.GPUs[i].Device == *sample.Page.GPUs[i].Device {
				sample.Page.GPUs[i].Device = last.GPUs[i].Device
			}
		}
	}
	s.Samples = append(s.Samples, sample)
	if s.whole++; s.whole > wholeMost {
		s.thin()
	}
}

// thin makes every other whole sample thin, except for the marked ones and the newest.
func (s *Series) thin() {
	keep := false
	for i := range max(len(s.Samples)-newest, 0) {
		if s.Samples[i].Thin || s.Samples[i].marked {
			continue
		}
		if keep = !keep; keep && i > 0 {
			s.Samples[i].thin()
			s.whole--
		}
	}
}

// thin leaves the gauges and the GPUs of the page.
func (s *Sample) thin() {
	gauges := make(map[Quantity]float64, 4)
	for q, v := range s.Page.Values {
		if kinds[q] != counter {
			gauges[q] = v
		}
	}
	s.Thin, s.Page.Values, s.Page.Histograms = true, gauges, nil
}
