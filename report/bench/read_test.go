package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What go test -bench prints and what bench.txt has are the same series.
func TestReadBench(t *testing.T) {
	const ours = `Unit ttft-p95-ns better=lower
goos: linux
model: m
isl: 550
osl: 128
BenchmarkRecipe/fixed-concurrency-16/concurrency=16 300 84000000 ttft-p95-ns 1500 tok/s 0 errors-%
BenchmarkRecipe/fixed-concurrency-16/concurrency=16 300 86000000 ttft-p95-ns 1510 tok/s 0 errors-%
`
	const theirs = `goos: linux
pkg: example.com/serving
BenchmarkServe/concurrency=16-8   	       1	         0 ns/op	  84000000 ttft-p95-ns	      1500 out-tok/s	         0 errors-%
BenchmarkServe/concurrency=16-8   	       1	         0 ns/op	  86000000 ttft-p95-ns	      1510 out-tok/s	         0 errors-%
PASS
`
	for name, text := range map[string]string{"bench.txt": ours, "go test -bench": theirs} {
		b, err := Read(strings.NewReader(text), "old.txt")
		require.NoError(t, err, name)
		all, err := b.For("fixed-concurrency-16")
		require.NoError(t, err, name)
		by := map[string]Series{}
		for _, s := range all {
			by[s.Unit] = s
		}
		assert.Equal(t, []float64{84e6, 86e6}, by["ttft-p95-ns"].Values, name)
		assert.Equal(t, []float64{1500, 1510}, by["tok/s"].Values, name)
		assert.True(t, by["tok/s"].Higher, name)
		assert.False(t, by["ttft-p95-ns"].Higher, name)
		assert.Equal(t, "concurrency=16", by["tok/s"].Point, name)
	}
}

func TestReadBenchErrors(t *testing.T) {
	for _, tt := range []struct{ why, text, want string }{
		{"no line at all", "PASS\n", "read benchmarks old.txt: it has no benchmark line"},
		{"half a line", "BenchmarkServe 1 abc ns/op\n", "read benchmarks: old.txt:1: "},
		{"two that may be meant", "BenchmarkA/concurrency=2 1 5 req/s\nBenchmarkB/concurrency=2 1 5 req/s\n",
			"compare with benchmarks old.txt: both A/concurrency=2 and B/concurrency=2 may be recipe x; " +
				"name the lines BenchmarkRecipe/x/…, or keep one of them in the file"},
	} {
		b, err := Read(strings.NewReader(tt.text), "old.txt")
		if err == nil {
			_, err = b.For("x")
		}
		assert.ErrorContains(t, err, tt.want, tt.why)
	}
}

// The file's own word on what is better stands.
func TestReadBenchUnits(t *testing.T) {
	b, err := Read(strings.NewReader("Unit widgets better=lower\nBenchmarkA/concurrency=2 1 5 widgets 7 gadgets\n"), "old.txt")
	require.NoError(t, err)
	all, err := b.For("x")
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.False(t, all[0].Higher)
	assert.True(t, all[1].Higher)
}
