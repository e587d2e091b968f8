package loadgen

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// TestThoughts checks, in virtual time, the metrics of answers of 5 tokens of which the first
// 3 are thoughts, and that they are the same by each API that has thoughts. The prompt of 40
// tokens takes 50 ms, and each token after the first 10 ms.
func TestThoughts(t *testing.T) {
	for _, api := range []string{"chat", "responses", "messages"} {
		for _, whole := range []bool{false, true} {
			for _, silent := range []bool{false, true} { // without usage, events and words tell
				synctest.Test(t, func(t *testing.T) {
					what := fmt.Sprint(api, " whole ", whole, " silent ", silent)
					s := simserver.NewInMemory(simserver.Model{Step: 10 * time.Millisecond, PerPromptToken: time.Millisecond, Thoughts: 3,
						Faults: simserver.Faults{NoUsage: silent}})
					defer s.Close()
					g, err := New(Target{URL: s.URL, Dial: s.Dial, Protocol: api, NoStream: whole})
					require.NoError(t, err)
					defer g.Close()
					require.NoError(t, g.Ready(t.Context()), what)
					m, err := g.Probe(t.Context(), Load{Concurrency: 1, ISL: 40, OSL: 5, Requests: 10}, nil)
					require.NoError(t, err)
					require.Empty(t, m.Failures, what)
					want := map[Tag]float64{
						TagReasoning: 3, TagOutput: 2, TagTotalReasoning: 30, TagTotalOutput: 20, TagOSL: 5, TagE2ERate: 5 / 0.09,
					}
					absent := []Tag{TagCacheReadShare, TagUsageCacheRead}
					if whole {
						absent = append(absent, TagTTFO, TagPrefill, TagDecode)
					} else {
						want[TagTTFT], want[TagTTFO], want[TagPrefill], want[TagDecode] = 50, 80, 800, 40
					}
					usage := map[Tag]float64{TagUsagePrompt: 40, TagUsageCompletion: 5, TagTotalUsagePrompt: 400,
						TagTotalUsageCompletion: 50, TagOSLDiff: 0, TagOSLOff: 0}
					if api != "messages" { // which counts neither
						usage[TagUsageTotal], usage[TagTotalUsageTotal], usage[TagUsageReasoning], usage[TagTotalUsageReasoning] = 45, 450, 3, 30
					}
					for tag, v := range usage {
						if silent {
							absent = append(absent, tag)
						} else {
							want[tag] = v
						}
					}
					for tag, v := range want {
						got, ok := m.Stat(tag, "avg")
						assert.True(t, ok, "%s: %s", what, tag)
						assert.InDelta(t, v, got, 1e-9, "%s: %s", what, tag)
					}
					for _, tag := range absent {
						assert.NotContains(t, m.Metrics, tag, what)
					}
				})
			}
		}
	}
}

// TestCacheRead checks the share of prompts that came from the cache, in the words of two
// APIs that count differently: a system prompt of 32 of 48 tokens, that is two blocks.
func TestCacheRead(t *testing.T) {
	for _, api := range []string{"chat", "messages", "responses"} {
		synctest.Test(t, func(t *testing.T) {
			s := simserver.NewInMemory(simserver.Model{PrefixCache: 1 << 20})
			defer s.Close()
			g, err := New(Target{URL: s.URL, Dial: s.Dial, Protocol: api})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Ready(t.Context()))
			m, err := g.Probe(t.Context(), Load{Concurrency: 1, OSL: 3, Requests: 10,
				Workload: Workload{System: 32, ISL: laws.Constant(16)}}, nil)
			require.NoError(t, err)
			for tag, want := range map[Tag]float64{TagUsageCacheRead: 32, TagTotalUsageCacheRead: 320, TagUsagePrompt: 48,
				TagCacheReadShare: 100 * 32.0 / 48, TagCached: 32.0 / 48, TagISL: 48} {
				got, _ := m.Stat(tag, "avg")
				assert.InDelta(t, want, got, 1e-9, "%s: %s", api, tag)
			}
		})
	}
}

// TestMismatch checks AIPerf's rule of when an answer's length is not what was asked for.
func TestMismatch(t *testing.T) {
	for _, tt := range []struct {
		asked, got int
		pct        float64
		off        bool
		why        string
	}{
		{100, 100, 0, false, "exact"},
		{100, 95, -5, false, "5% too short is within"},
		{100, 94, -6, true, "more is not"},
		{100, 106, 6, true, "too long"},
		{2000, 1951, -2.45, false, "49 of 2,000"},
		{2000, 1949, -2.55, true, "51 are more than 50, whatever the share"},
	} {
		q := Request{asked: tt.asked, OSL: tt.got}
		pct, ok := q.Value(TagOSLDiff)
		require.True(t, ok)
		assert.InDelta(t, tt.pct, pct, 1e-9, tt.why)
		off, known := q.mismatched()
		assert.True(t, known)
		assert.Equal(t, tt.off, off, tt.why)
	}
	for _, q := range []Request{{OSL: 5}, {OSL: 5, asked: 5, tokenless: true}, {OSL: 5, asked: 5, Failure: &Failure{}}} {
		_, known := q.mismatched()
		assert.False(t, known)
	}
}

// TestRegisterMetric checks that a metric of one's own is in the table once it is registered,
// in measurements of requests that carry it, and that its names must be free.
func TestRegisterMetric(t *testing.T) {
	for why, m := range map[string]MetricInfo{
		"the tag must consist":                    {Tag: "Queue Time", Unit: "ms"},
		"Unit is empty":                           {Tag: "queue_wait"},
		"the name ttft is that of time_to_first_": {Tag: "queue_wait", Short: "ttft", Unit: "ms"},
		"the name goodput is that of goodput":     {Tag: "goodput", Unit: "ms"},
	} {
		assert.ErrorContains(t, m.Register(), why)
	}
	require.NoError(t, MetricInfo{Tag: "queue_wait", Unit: "ms", PerRequest: true}.Register())
	defer func() { own.metrics = nil }()
	info, ok := LookupMetric("queue_wait")
	require.True(t, ok)
	assert.Equal(t, "ms", info.FileUnit)
	assert.Equal(t, "queue_wait", info.Name())
	all := Metrics()
	assert.Equal(t, "queue_wait", all[len(all)-1].Tag)

	m := Measurement{Metrics: map[Tag]Metric{}}
	for k := range 5 {
		m.Requests = append(m.Requests, Request{ISL: 1, OSL: 1, Values: map[Tag]float64{"queue_wait": float64(k), "depth": 2}})
	}
	m.Requests = append(m.Requests, Request{Values: map[Tag]float64{"queue_wait": 99}, Failure: &Failure{Kind: FailedEmpty}})
	m.perRequest(true)
	assert.Equal(t, 2.0, m.Metrics["queue_wait"].Stats["avg"])
	assert.Equal(t, "ms", m.Metrics["queue_wait"].Unit)
	assert.Equal(t, 5.0, m.Metrics["depth"].Stats["count"], "nobody has registered it, and it is there all the same")
}

// TestShareOfThoughts checks how many of an answer's tokens are taken for thoughts where the
// server does not say.
func TestShareOfThoughts(t *testing.T) {
	for _, tt := range []struct {
		why  string
		c    content
		osl  int
		want int
	}{
		{"none", content{events: 5, bytes: 20}, 5, 0},
		{"a token an event", content{events: 5, bytes: 20, thoughtEvents: 2, thoughtBytes: 15}, 5, 2},
		{"several tokens an event: by the texts", content{events: 5, bytes: 20, thoughtEvents: 1, thoughtBytes: 5}, 20, 5},
		{"nothing else", content{events: 4, bytes: 9, thoughtEvents: 4, thoughtBytes: 9}, 4, 4},
	} {
		assert.Equal(t, tt.want, tt.c.thoughts(tt.osl), tt.why)
	}
	q := Request{OSL: 4}
	q.thoughts(codec.Usage{Reasoning: 9}, content{})
	assert.Equal(t, 4, q.Reasoning, "no more than the answer has")
}
