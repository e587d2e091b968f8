package servermetrics_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// The names of these tests are shorter than the package's.
const (
	waiting   = servermetrics.Waiting
	kv        = servermetrics.KVCacheUse
	generated = servermetrics.GenerationTokens
)

// page returns one with these values and a histogram of queue times, of which below lie within
// 0.1 s and all within 0.5 s.
func page(values map[servermetrics.Quantity]float64, below, all, sum float64) servermetrics.Page {
	return servermetrics.Page{Server: "vLLM", Values: values, Histograms: map[servermetrics.Quantity]servermetrics.Histogram{
		servermetrics.QueueTime: {Count: all, Sum: sum, Buckets: []servermetrics.Bucket{{0.1, below}, {0.5, all}, {math.Inf(1), all}}},
	}}
}

type values = map[servermetrics.Quantity]float64

func TestSummarize(t *testing.T) {
	w := servermetrics.Summarize([]servermetrics.Sample{
		{At: 10 * time.Second, Page: page(values{waiting: 0, generated: 1000}, 10, 10, 1)},
		{At: 11 * time.Second, Page: page(values{waiting: 4, generated: 1500}, 15, 20, 3)},
		{At: 12 * time.Second, Page: page(values{waiting: 8, generated: 2200, servermetrics.Preemptions: 6}, 20, 30, 5)},
	})
	assert.Equal(t, "vLLM", w.Server)
	assert.Equal(t, 2*time.Second, w.Length())
	assert.Equal(t, 1200.0, w.Counters[generated])
	assert.Equal(t, 6.0, w.Counters[servermetrics.Preemptions], "a counter that first shows in the middle began at 0")
	assert.Equal(t, map[string]float64{"sum": 1200, "avg": 600}, w.Stats(generated), "an average is a second's")
	inQueue := w.Stats(waiting)
	assert.Equal(t, 4.0, inQueue["avg"])
	assert.Equal(t, 8.0, inQueue["max"])
	assert.Equal(t, 8.0, inQueue["p95"])
	assert.Equal(t, 4.0, inQueue["p50"])
	queue := w.Stats(servermetrics.QueueTime)
	assert.Equal(t, 0.2, queue["avg"], "20 requests waited 4 s together")
	assert.Equal(t, 20.0, queue["count"])
	assert.InDelta(t, 0.1, queue["p50"], 1e-12)
	assert.InDelta(t, 0.46, queue["p95"], 1e-12, "nine tenths of the second bucket")
	assert.Nil(t, w.Stats(servermetrics.ITL))
}

// TestReset: a server that was restarted in the window counts from 0.
func TestReset(t *testing.T) {
	w := servermetrics.Summarize([]servermetrics.Sample{
		{At: 0, Page: page(values{generated: 900}, 100, 100, 9)},
		{At: time.Second, Page: page(values{generated: 1000}, 110, 110, 10)},
		{At: 2 * time.Second, Page: page(values{generated: 300}, 7, 7, 0.5)},
	})
	assert.Equal(t, 400.0, w.Counters[generated])
	assert.Equal(t, 17.0, w.Stats(servermetrics.QueueTime)["count"])
	assert.InDelta(t, 1.5, w.Stats(servermetrics.QueueTime)["sum"], 1e-12)
}

// TestMerge: what replicas count is summed, and the fullest KV cache stands for all.
func TestMerge(t *testing.T) {
	replica := func(queued, used, tokens float64) servermetrics.Window {
		return servermetrics.Summarize([]servermetrics.Sample{
			{At: 0, Page: page(values{waiting: 0, kv: used, generated: 0}, 0, 0, 0)},
			{At: time.Second, Page: page(values{waiting: queued, kv: used, generated: tokens}, 5, 10, 2)},
		})
	}
	a, b := replica(3, 0.2, 100), replica(5, 0.9, 50)
	w := servermetrics.Merge(a, servermetrics.Window{}, b)
	assert.Equal(t, []float64{0, 8}, w.Gauges[waiting])
	assert.Equal(t, []float64{0.9, 0.9}, w.Gauges[kv])
	assert.Equal(t, 150.0, w.Counters[generated])
	assert.Equal(t, 20.0, w.Histograms[servermetrics.QueueTime].Count)
	assert.Equal(t, 100.0, a.Counters[generated], "the windows stay as they are")
	assert.False(t, servermetrics.Merge().Has())
}

// TestPrefixHitShare: counted hits give a share of the window; a gauge is what the server says.
func TestPrefixHitShare(t *testing.T) {
	w := servermetrics.Summarize([]servermetrics.Sample{
		{At: 0, Page: page(values{servermetrics.PrefixHits: 100, servermetrics.PrefixQueries: 100, servermetrics.PrefixHitShare: 0.9}, 0, 0, 0)},
		{At: 1, Page: page(values{servermetrics.PrefixHits: 130, servermetrics.PrefixQueries: 200, servermetrics.PrefixHitShare: 0.9}, 0, 0, 0)},
	})
	assert.Equal(t, 0.3, w.Stats(servermetrics.PrefixHitShare)["avg"])
	delete(w.Counters, servermetrics.PrefixQueries)
	assert.Equal(t, 0.9, w.Stats(servermetrics.PrefixHitShare)["avg"])
}

// TestChain: what was counted between two parts of a window is left out.
func TestChain(t *testing.T) {
	sample := func(at time.Duration, queued, tokens float64) servermetrics.Sample {
		return servermetrics.Sample{At: at, Page: page(values{waiting: queued, generated: tokens}, tokens, tokens, tokens)}
	}
	first := servermetrics.Summarize([]servermetrics.Sample{sample(0, 1, 0), sample(2*time.Second, 3, 10)})
	second := servermetrics.Summarize([]servermetrics.Sample{sample(5*time.Second, 5, 100), sample(6*time.Second, 7, 130)})
	w := servermetrics.Chain(first, servermetrics.Window{}, second)
	assert.Equal(t, 40.0, w.Counters[generated])
	assert.Equal(t, 3*time.Second, w.Length())
	assert.Equal(t, []float64{1, 3, 5, 7}, w.Gauges[waiting])
	assert.Equal(t, 40.0, w.Histograms[servermetrics.QueueTime].Count)
	assert.Equal(t, 10.0, first.Counters[generated], "the parts stay as they are")
}

// A restart is one fall of the counts. Servers that answer by turns, as behind a balancer, make
// many, and their counts say nothing.
func TestByTurns(t *testing.T) {
	var samples []servermetrics.Sample
	for i := range 30 {
		n := float64(1000 + i)
		if i%2 == 1 {
			n = float64(900 + i)
		}
		samples = append(samples, servermetrics.Sample{At: time.Duration(i) * time.Second,
			Page: page(values{waiting: 1, generated: n}, n, n, n)})
	}
	w := servermetrics.Summarize(samples)
	assert.Empty(t, w.Counters)
	assert.Empty(t, w.Histograms)
	assert.Len(t, w.Gauges[waiting], 30)
}
