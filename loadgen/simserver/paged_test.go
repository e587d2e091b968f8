package simserver

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPaged plays a KV cache that is taken as tokens are computed, worked out by hand: steps of
// 10 ms, and room for 12 tokens.
func TestPaged(t *testing.T) {
	m := Model{Step: 10 * ms, Chunk: 100, KVTokens: 12, Paged: true}
	assert.Equal(t, []string{"10 20 30 40 50", "refused"}, play(t, m, []arrival{{0, 4, 5}, {0, 10, 3}}, nil),
		"what would not fit alone is refused")
	// A has the first step to itself. At 10 it holds 6 (prompt, first and second token), and B
	// joins with 5. At 20 A takes its seventh, which leaves none for B's second token: B, which
	// joined last, gives way with one token decoded. It joins again when A has left, at 60, and
	// its prompt with that token is prefilled once more.
	assert.Equal(t, []string{"10 20 30 40 50 60", "20 70 80 90 100 110"}, play(t, m, []arrival{{0, 4, 6}, {0, 4, 6}}, nil))
	// Without Paged the same two have room for one only.
	m.Paged = false
	assert.Equal(t, []string{"10 20 30 40 50 60", "refused"}, play(t, m, []arrival{{0, 4, 6}, {0, 4, 6}}, nil))
}

// TestPagedNeverStops runs many loads through small caches: every request gets its tokens, and
// no room is lost.
func TestPagedNeverStops(t *testing.T) {
	for room := 20; room <= 60; room += 8 {
		m := Model{Step: ms, PerPromptToken: ms / 100, Chunk: 16, KVTokens: room, Paged: true, Seed: uint64(room)}
		traces := m.Simulate(Clients{Concurrency: 12, ISL: 8, OSL: 12, Requests: 400})
		require.Len(t, traces, 400)
		for _, tr := range traces {
			require.False(t, tr.Refused)
			require.Greater(t, tr.Last, tr.First)
		}
	}
}

// TestPage holds the page of metrics against the server's own counters and against times
// worked out by hand.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms, MaxBatch: 1, KVTokens: 100})
		defer s.Close()
		epoch := time.Now()
		var wg sync.WaitGroup
		for range 2 { // the second waits for the first, which takes three steps
			wg.Go(func() {
				_, err := stream(t.Context(), s, epoch, 5, 3)
				assert.NoError(t, err)
			})
		}
		time.Sleep(15 * ms)
		page := func() string {
			resp, err := s.Client().Get(s.URL + "/metrics")
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Contains(t, resp.Header.Get("Content-Type"), "text/plain; version=0.0.4")
			raw, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return string(raw)
		}
		has := func(page, name string, v any) {
			t.Helper()
			assert.Contains(t, page, fmt.Sprintf("vllm:%s{engine=\"0\",model_name=\"simulated\"} %v\n", name, v))
		}
		during := page()
		has(during, "num_requests_running", 1)
		has(during, "num_requests_waiting", 1)
		has(during, "kv_cache_usage_perc", 0.16) // both reserve 8 of 100
		wg.Wait()
		after, stats := page(), s.Stats()
		has(after, "num_requests_running", 0)
		has(after, "kv_cache_usage_perc", 0)
		has(after, "prompt_tokens_total", stats.PromptTokens)
		has(after, "generation_tokens_total", stats.OutputTokens)
		has(after, "request_queue_time_seconds_count", 2)
		has(after, "request_queue_time_seconds_sum", 0.03)
		has(after, "time_to_first_token_seconds_sum", 0.05) // 10 and 40 ms
		has(after, "inter_token_latency_seconds_count", 4)
		has(after, "inter_token_latency_seconds_sum", 0.04)
		has(after, "e2e_request_latency_seconds_sum", 0.09) // 30 and 60 ms
		assert.Contains(t, after, `vllm:time_to_first_token_seconds_bucket{engine="0",model_name="simulated",le="0.01"} 1`)
		assert.Contains(t, after, `vllm:time_to_first_token_seconds_bucket{engine="0",model_name="simulated",le="0.04"} 2`)
		assert.NotContains(t, after, "prefix_cache", "there is none")
	})
}
