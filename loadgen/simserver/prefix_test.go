package simserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/workload"
)

// TestPrefixCache checks which blocks a cache holds, and that it gives up those that were not
// used for the longest time, the end of a prompt before its beginning.
func TestPrefixCache(t *testing.T) {
	c := newPrefixCache(4 * prefixBlock)
	c.add([]uint64{1, 2, 3})
	assert.Equal(t, 3, c.held([]uint64{1, 2, 3, 9}))
	assert.Equal(t, 2, c.held([]uint64{1, 2, 4}), "a prompt shares blocks from its beginning")
	c.add([]uint64{5, 6}) // one too many: 3 was used last when it was added
	assert.Equal(t, 2, c.held([]uint64{1, 2, 3}))
	assert.Equal(t, 2, c.held([]uint64{5, 6}))
	c.add([]uint64{7, 8})
	assert.Equal(t, []int{0, 2, 2}, []int{c.held([]uint64{1, 2}), c.held([]uint64{5, 6}), c.held([]uint64{7, 8})})

	var none *prefixCache
	none.add([]uint64{1})
	assert.Zero(t, none.held([]uint64{1}), "a model without a cache")

	words := strings.Fields(strings.Repeat("a ", 40))
	assert.Len(t, blocksOf(words), 2, "a part of a block is none")
	assert.Equal(t, blocksOf(words)[:1], blocksOf(append(words[:16:16], "b"))[:1])
	assert.NotEqual(t, blocksOf(words)[0], blocksOf(words)[1], "a block stands for all that is before it")
}

// TestPrefixHit checks by hand that a hit skips the prefill of what it hits, and that usage
// says so.
func TestPrefixHit(t *testing.T) {
	shared := strings.Repeat("word ", 32)
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms, PerPromptToken: ms, PrefixCache: 1000, Adapters: []string{"lora"}})
		defer s.Close()
		ask := func(model, text string) (took time.Duration, cached int) {
			begin := time.Now()
			resp, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(
				fmt.Sprintf(`{"model":%q,"max_tokens":1,"messages":[{"role":"user","content":%q}]}`, model, text)))
			require.NoError(t, err)
			defer resp.Body.Close()
			var got struct {
				Usage struct {
					Details struct {
						Cached *int `json:"cached_tokens"`
					} `json:"prompt_tokens_details"`
				}
			}
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &got), "%s", b)
			require.NotNil(t, got.Usage.Details.Cached)
			return time.Since(begin), *got.Usage.Details.Cached
		}
		for _, tt := range []struct {
			why, model, text string
			took             time.Duration
			cached           int
		}{
			{"nothing is held", "simulated", shared + "one", 43 * ms, 0},
			{"two blocks are", "simulated", shared + "two three", 12 * ms, 32},
			{"an adapter shares them", "lora", shared + "four", 11 * ms, 32},
			{"of 32 tokens that are held, the last is computed", "simulated", shared, 11 * ms, 31},
			{"another beginning", "simulated", "x " + shared, 43 * ms, 0},
		} {
			took, cached := ask(tt.model, tt.text)
			assert.Equal(t, tt.took, took, tt.why)
			assert.Equal(t, tt.cached, cached, tt.why)
		}
		resp, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"x","messages":[]}`))
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.NotEqual(t, http.StatusOK, resp.StatusCode)
	})
}

// TestSimulateWorkload checks that the truth of a workload is the server's: over HTTP, one
// client sees what Simulate computes of the same requests.
func TestSimulateWorkload(t *testing.T) {
	m := Model{Step: 4 * ms, PerPromptToken: 10 * time.Microsecond, Chunk: 64, Template: 7, PrefixCache: 320}
	w := workload.Workload{ISL: workload.Uniform(5, 90), OSL: workload.Uniform(1, 6), System: 30,
		Prefixes: []workload.Prefix{{Groups: 3, Tokens: 40, Share: 0.7}}}
	c := Clients{Concurrency: 1, Workload: w, Requests: 200, Turnaround: ms, Seed: 4}
	var got []Trace
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(m)
		defer s.Close()
		epoch := time.Now()
		source := w.Source(1, 1, c.Seed)
		time.Sleep(c.starts(m)[0])
		for i := range uint64(200) {
			r := source.Request(i)
			trace := Trace{Arrived: time.Since(epoch), OSL: r.OSL}
			at, err := streamText(t.Context(), s, epoch, r, i)
			require.NoError(t, err)
			trace.First, trace.Last = at[0], at[len(at)-1]
			got = append(got, trace)
			time.Sleep(ms)
		}
	})
	assert.Equal(t, m.simulate(c, 0), got)
	// A cache of 320 tokens holds the system prompt and the groups in part.
	m.PrefixCache = 0
	assert.Greater(t, total(m.simulate(c, 0)), total(got)*6/5)
	assert.Equal(t, float64(2), ITL.value(Trace{First: 1, Last: 5, OSL: 3}, 100), "a request's own length")
}

// total sums up the latencies of traces.
func total(traces []Trace) (sum time.Duration) {
	for _, t := range traces {
		sum += t.Last - t.Arrived
	}
	return sum
}

// streamText sends the i-th request of a workload, as stream does.
func streamText(ctx context.Context, s *Server, epoch time.Time, r workload.Request, i uint64) (at []time.Duration, err error) {
	user := slices.Concat(slices.Repeat([]string{fmt.Sprint("group", r.Group)}, r.Shared),
		slices.Repeat([]string{fmt.Sprint("own", i)}, r.ISL))
	messages := fmt.Sprintf(`[{"role":"system","content":%q},{"role":"user","content":%q}]`,
		strings.Repeat("system ", r.System), strings.Join(user, " "))
	b := fmt.Sprintf(`{"model":"simulated","stream":true,"max_tokens":%d,"messages":%s}`, r.OSL, messages)
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(b))
	if err != nil {
		return nil, err
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	list, err := events(resp.Body)
	for _, e := range list {
		if strings.Contains(e.text, `"delta":{"content":`) {
			at = append(at, e.at.Sub(epoch))
		}
	}
	return at, err
}
