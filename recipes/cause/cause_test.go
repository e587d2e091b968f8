package cause_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/cause"
)

// means are metrics by their tags: the mean of each, of 100 observations.
type means map[loadgen.Tag]float64

// point is one trial with these means.
func point(m means) cause.Point {
	out := &loadgen.Measurement{Metrics: map[loadgen.Tag]loadgen.Metric{}}
	for tag, v := range m {
		out.Metrics[tag] = loadgen.Metric{Stats: map[string]float64{"avg": v, "max": v, "count": 100}, SE: map[string]float64{"avg": 1}}
	}
	return cause.Point{Trials: []*loadgen.Measurement{out}}
}

// TestExplain: one row a rule, each with what differs above from a server that is at ease.
func TestExplain(t *testing.T) {
	base := means{loadgen.TagTTFT: 50, loadgen.TagServerTTFT: 48, loadgen.TagQueueTime: 2, loadgen.TagPrefillTime: 46,
		loadgen.TagWaiting: 0, loadgen.TagRunning: 8, loadgen.TagKVCache: 20}
	for _, c := range []struct {
		why   string
		above means
		want  cause.Kind
	}{
		{"the queue has the rise", means{loadgen.TagTTFT: 150, loadgen.TagServerTTFT: 148, loadgen.TagQueueTime: 100}, cause.Queue},
		{"so it has, and the KV cache is full",
			means{loadgen.TagTTFT: 150, loadgen.TagServerTTFT: 148, loadgen.TagQueueTime: 100, loadgen.TagKVCache: 99}, cause.KVCache},
		{"prefill has it", means{loadgen.TagTTFT: 150, loadgen.TagServerTTFT: 148, loadgen.TagPrefillTime: 140}, cause.Prefill},
		{"a full cache slows no prefill",
			means{loadgen.TagTTFT: 150, loadgen.TagServerTTFT: 148, loadgen.TagPrefillTime: 140, loadgen.TagKVCache: 99}, cause.Prefill},
		{"the server's own TTFT stays", means{loadgen.TagTTFT: 150}, cause.Network},
		{"half here, half there",
			means{loadgen.TagTTFT: 150, loadgen.TagServerTTFT: 148, loadgen.TagQueueTime: 52, loadgen.TagPrefillTime: 96}, ""},
		{"a rise of 10%", means{loadgen.TagTTFT: 55, loadgen.TagServerTTFT: 53, loadgen.TagQueueTime: 7}, ""},
		{"it falls", means{loadgen.TagTTFT: 30, loadgen.TagServerTTFT: 28}, ""},
	} {
		above := maps.Clone(base)
		maps.Copy(above, c.above)
		found, ok := cause.Explain(loadgen.TagTTFT, point(base), point(above))
		assert.Equal(t, c.want, found.Kind, c.why)
		assert.Equal(t, c.want != "", ok, c.why)
	}
	_, ok := cause.Explain(loadgen.TagTokenRate, point(means{loadgen.TagTokenRate: 1}), point(means{loadgen.TagTokenRate: 9}))
	assert.False(t, ok, "a rate is no latency")
	for _, tag := range []loadgen.Tag{loadgen.TagErrorRate, loadgen.TagWaiting, loadgen.TagDecode} {
		_, ok = cause.Explain(tag, point(means{tag: 1, loadgen.TagWaiting: 0}), point(means{tag: 9, loadgen.TagWaiting: 12}))
		assert.False(t, ok, "a queue alone does not explain %s", tag)
	}
	// A server that has gauges alone, as llama.cpp.
	found, ok := cause.Explain(loadgen.TagTTFT, point(means{loadgen.TagTTFT: 50, loadgen.TagWaiting: 0}),
		point(means{loadgen.TagTTFT: 500, loadgen.TagWaiting: 12}))
	assert.True(t, ok)
	assert.Equal(t, cause.Queue, found.Kind)
	few := point(means{loadgen.TagTTFT: 500, loadgen.TagServerTTFT: 48})
	few.Trials[0].Metrics[loadgen.TagServerTTFT].Stats["count"] = 5
	_, ok = cause.Explain(loadgen.TagTTFT, point(base), few)
	assert.False(t, ok, "five observations are thin evidence")
}
