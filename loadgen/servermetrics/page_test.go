package servermetrics_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPages reads a page of each server of the vocabulary, written from its documentation,
// and holds what it says against a golden text.
func TestPages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	var b strings.Builder
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		p, err := servermetrics.Parse(raw)
		require.NoError(t, err, file)
		fmt.Fprintf(&b, "%s: %s\n", filepath.Base(file), p.Server)
		for _, q := range servermetrics.Quantities() {
			if v, ok := p.Values[q]; ok {
				fmt.Fprintf(&b, "    %-17s %s %g\n", q, q.Kind(), v)
			}
			if h, ok := p.Histograms[q]; ok {
				fmt.Fprintf(&b, "    %-17s %s of %g, mean %.4g, p50 %.4g, p95 %.4g\n", q, q.Kind(), h.Count, h.Mean(),
					h.Quantile(0.5), h.Quantile(0.95))
			}
		}
		for _, g := range p.GPUs {
			fmt.Fprintf(&b, "    %s GPU %d of %q, %q, %q, pod %q: %.5g W, %.9g J, %.3g%%, %.4g GB\n", g.Device.Platform, g.Device.Index,
				g.Device.Host, g.Device.Model, g.Device.UUID, g.Device.Pod, g.Power, g.Energy, g.Utilization, g.Memory)
		}
	}
	assert.GreaterOrEqual(t, len(files), 11)
	if *update {
		require.NoError(t, os.WriteFile("testdata/pages.golden", []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/pages.golden")
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		why, page string
		empty     bool
	}{
		{"an error page", "<html><body>404 # TYPE vllm</body></html>", true},
		{"the JSON that TensorRT-LLM has there", `[{"iter": 1, "kvCacheStats": {"usedNumBlocks": 3}}]`, true},
		{"another program's metrics", "# TYPE go_goroutines gauge\ngo_goroutines 12\n", true},
		{"nothing", "", true},
		{"no types, as some proxies leave them", "vllm:num_requests_running 3", false},
		{"a family that is not of the vocabulary and not of the form", "weird{ 12\nvllm:num_requests_running 3\n", false},
		{"a line without a break at its end", "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 3", false},
	} {
		p, err := servermetrics.Parse([]byte(test.page))
		require.NoError(t, err, test.why)
		assert.Equal(t, test.empty, p.Empty(), test.why)
		if !test.empty {
			assert.Equal(t, 3.0, p.Values[servermetrics.Running], test.why)
		}
	}
	_, err := servermetrics.Parse([]byte("vllm:num_requests_running three\n"))
	assert.ErrorContains(t, err, "read metrics")
}

// TestQuantile: percentiles come from buckets, linearly, and never from the one without a bound.
func TestQuantile(t *testing.T) {
	h := servermetrics.Histogram{Count: 100, Sum: 30, Buckets: []servermetrics.Bucket{{0.1, 50}, {0.5, 90}, {math.Inf(1), 100}}}
	assert.InDelta(t, 0.05, h.Quantile(0.25), 1e-12, "half of the first bucket")
	assert.InDelta(t, 0.3, h.Quantile(0.7), 1e-12, "half of the second")
	assert.InDelta(t, 0.5, h.Quantile(0.99), 1e-12, "what is beyond the last bound is at least that")
	assert.InDelta(t, 0.3, h.Mean(), 1e-12)
	assert.True(t, math.IsNaN(servermetrics.Histogram{}.Quantile(0.5)))
	assert.True(t, math.IsNaN(servermetrics.Histogram{}.Mean()))
	assert.True(t, math.IsNaN(servermetrics.Histogram{Count: 3}.Quantile(0.5)), "without buckets")
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		f.Add(raw)
	}
	f.Add([]byte("vllm:num_requests_running{a=\"} 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := servermetrics.Parse(raw)
		if err != nil {
			return
		}
		w := servermetrics.Summarize([]servermetrics.Sample{{At: 0, Page: p}, {At: 1e9, Page: p}})
		for _, q := range servermetrics.Quantities() {
			w.Stats(q)
		}
	})
}

// The ranks of a group compute the same requests, and one of them counts. Under SGLang's DP
// attention each dp_rank is a group of its own, with a global tp_rank.
func TestRanks(t *testing.T) {
	for text, want := range map[string]float64{
		`sglang:num_running_reqs{tp_rank="0"} 4` + "\n" + `sglang:num_running_reqs{tp_rank="1"} 4`:                         4,
		`sglang:num_running_reqs{dp_rank="0",tp_rank="0"} 4` + "\n" + `sglang:num_running_reqs{dp_rank="1",tp_rank="4"} 3`: 7,
	} {
		p, err := servermetrics.Parse([]byte("# TYPE sglang:num_running_reqs gauge\n" + text + "\n"))
		require.NoError(t, err)
		assert.Equal(t, want, p.Values[servermetrics.Running], text)
	}
	bare := servermetrics.Histogram{Count: 9, Sum: 9, Buckets: []servermetrics.Bucket{{math.Inf(1), 9}}}
	assert.True(t, math.IsNaN(bare.Quantile(0.95)), "one bucket has no bound")
}
