package servermetrics

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// copied is a page of its own, as the parser makes one.
func copied(p Page) Page {
	p.Names, p.Values, p.Histograms = maps.Clone(p.Names), maps.Clone(p.Values), maps.Clone(p.Histograms)
	for q, h := range p.Histograms {
		h.Buckets = slices.Clone(h.Buckets)
		p.Histograms[q] = h
	}
	p.GPUs = slices.Clone(p.GPUs)
	for i := range p.GPUs {
		d := *p.GPUs[i].Device
		p.GPUs[i].Device = &d
	}
	return p
}

// TestDayOfPages: the pages of a day stay below 50 MB, and its window loses nothing: counters,
// histograms, and all gauges.
func TestDayOfPages(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	eight := Page{}
	for i := range 8 {
		eight.GPUs = append(eight.GPUs, GPU{Device: &Device{Platform: "nvidia", Index: i, UUID: fmt.Sprint("GPU-", i), Model: "NVIDIA H100",
			Host: "node"}, Power: 500, Utilization: 90, Memory: 70, Energy: 1})
	}
	raw, err := os.ReadFile("testdata/vllm.txt")
	require.NoError(t, err)
	engine, err := Parse(raw)
	require.NoError(t, err)
	const day = 24 * 3600
	for name, page := range map[string]Page{"vLLM": engine, "eight GPUs": eight} {
		var s Series
		before := heap()
		for i := range day {
			p := copied(page)
			if len(p.GPUs) == 0 {
				p.Values[Waiting] = float64(i % 100)
				p.Values[GenerationTokens] = float64(1000 * i)
				h := p.Histograms[TTFT]
				h.Count, h.Sum = h.Count+float64(i), h.Sum+2*float64(i)
				p.Histograms[TTFT] = h
			}
			for k := range p.GPUs {
				p.GPUs[k].Energy = 1000 + 500*float64(i)
			}
			s.add(Sample{At: time.Duration(i) * time.Second, Page: p, marked: i == 600 || i == day-600})
		}
		took := float64(heap()-before) / 1e6
		t.Logf("%s: %.1f MB for %d pages, %d of them whole", name, took, day, s.whole)
		assert.Less(t, took, 50.0, name)
		require.Len(t, s.Samples, day)
		w := Summarize(s.Samples[600 : day-600+1])
		if len(page.GPUs) > 0 {
			joules, _, ok := w.Energy()
			assert.True(t, ok)
			assert.InEpsilon(t, 8*500*float64(day-1200), joules, 1e-9)
			assert.Len(t, w.GPUs[0].Power, day-1200+1)
			continue
		}
		assert.Equal(t, 1000*float64(day-1200), w.Counters[GenerationTokens])
		assert.Equal(t, float64(day-1200), w.Histograms[TTFT].Count)
		assert.InEpsilon(t, 2, w.Histograms[TTFT].Mean(), 1e-9)
		assert.Len(t, w.Gauges[Waiting], day-1200+1)
		assert.Equal(t, 99.0, w.Stats(Waiting)["max"])
	}
}

// TestShortSeries: pages of less than half an hour stay whole.
func TestShortSeries(t *testing.T) {
	var s Series
	for i := range wholeMost {
		s.add(Sample{At: time.Duration(i) * time.Second, Page: Page{Values: map[Quantity]float64{Running: 1, PromptTokens: 2}}})
	}
	assert.False(t, slices.ContainsFunc(s.Samples, func(s Sample) bool { return s.Thin }))
	s.add(Sample{At: time.Hour, Page: Page{Values: map[Quantity]float64{Running: 1, PromptTokens: 2}}})
	thin := 0
	for _, sample := range s.Samples {
		if sample.Thin {
			thin++
			assert.Equal(t, map[Quantity]float64{Running: 1}, sample.Page.Values)
		}
	}
	assert.Equal(t, wholeMost+1-s.whole, thin)
	assert.InDelta(t, wholeMost/2, thin, newest)
	assert.False(t, s.Samples[0].Thin, "the first one begins a window")
}
