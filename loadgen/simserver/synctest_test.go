package simserver

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// body is a streaming chat request of isl words.
func body(isl, osl int) string {
	return fmt.Sprintf(`{"model":"simulated","stream":true,"max_tokens":%d,"messages":[{"role":"user","content":"%s"}]}`,
		osl, strings.Repeat("word ", isl))
}

// stream sends a chat request and reports when its content events came, as
// distances from epoch.
func stream(ctx context.Context, s *Server, epoch time.Time, isl, osl int) (at []time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(body(isl, osl)))
	if err != nil {
		return nil, err
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	list, err := events(resp.Body)
	for _, e := range list {
		if strings.Contains(e.text, `"delta":{"content":`) {
			at = append(at, e.at.Sub(epoch))
		}
	}
	return at, err
}

// The times over HTTP are those of the engine, worked out by hand.
func TestScriptedTimesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms, PerSeq: ms, PerPromptToken: ms, Chunk: 4})
		defer s.Close()
		epoch := time.Now()
		var wg sync.WaitGroup
		for _, r := range []struct {
			why         string
			at          time.Duration
			isl, osl    int
			first, rest []time.Duration
		}{
			{why: "4 tokens in a step of 14; then a decode beside a chunk of 4 (15), one of 2 (13), and a decode (12)",
				at: 0, isl: 4, osl: 4, first: []time.Duration{14 * ms, 29 * ms, 42 * ms, 54 * ms}},
			{why: "arrives in the first step, prefills 4 and 2, decodes beside the other",
				at: 5 * ms, isl: 6, osl: 2, first: []time.Duration{42 * ms, 54 * ms}},
			{why: "finds the engine asleep: 10+1, 11",
				at: 100 * ms, isl: 1, osl: 2, first: []time.Duration{111 * ms, 122 * ms}},
		} {
			wg.Go(func() {
				time.Sleep(r.at)
				at, err := stream(t.Context(), s, epoch, r.isl, r.osl)
				assert.NoError(t, err)
				assert.Equal(t, r.first, at, r.why)
			})
		}
		wg.Wait()
		assert.Equal(t, 122*ms, time.Since(epoch), "the body ends with its last token")
	})
}

// The truth is the server's: a closed loop over HTTP in virtual time sees, to
// the nanosecond, what Simulate computes.
func TestSimulateIsTheServer(t *testing.T) {
	const end = time.Second // arrivals compared
	for n, m := range []Model{
		{Step: 4 * ms, PerSeq: 50 * time.Microsecond, PerPromptToken: 10 * time.Microsecond, Chunk: 64, Jitter: 0.03, Seed: 3},
		{Step: 4 * ms, PerSeq: 90 * time.Microsecond, Jitter: 0.05, MaxBatch: 5},
		{Step: 4 * ms, PerSeq: 90 * time.Microsecond, KVTokens: 11 * 38, MaxQueue: 3},
	} {
		c := Clients{Concurrency: 12, ISL: 30, OSL: 8, Requests: 100_000, Turnaround: 300 * time.Microsecond, Seed: 9}
		var got []Trace
		synctest.Test(t, func(t *testing.T) {
			s := NewInMemory(m)
			defer s.Close()
			epoch := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			var wg sync.WaitGroup
			for _, start := range c.starts(m) {
				wg.Go(func() {
					time.Sleep(start)
					for ctx.Err() == nil {
						trace := Trace{Arrived: time.Since(epoch)}
						at, err := stream(ctx, s, epoch, c.ISL, c.OSL)
						if ctx.Err() != nil {
							return
						}
						if err != nil {
							trace.Refused = true
						} else {
							trace.First, trace.Last = at[0], at[len(at)-1]
						}
						mu.Lock()
						got = append(got, trace)
						mu.Unlock()
						time.Sleep(c.Turnaround)
					}
				})
			}
			time.Sleep(2 * end)
			cancel()
			wg.Wait()
		})
		want := slices.DeleteFunc(m.simulate(c, 0), func(t Trace) bool { return t.Arrived >= end })
		got = slices.DeleteFunc(got, func(t Trace) bool { return t.Arrived >= end })
		// Clients that end together send together, in either order: only the
		// set of traces is settled.
		order := func(a, b Trace) int { return cmp.Or(cmp.Compare(a.Arrived, b.Arrived), cmp.Compare(a.First, b.First)) }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		require.Greater(t, len(want), 150, "too few requests to tell")
		assert.Len(t, got, len(want))
		for i := range min(len(got), len(want)) {
			require.Equal(t, want[i], got[i], "trace %d of model %d", i, n)
		}
	}
}

// TestStreamInterval: the first token comes alone, and those behind it so many at a time, with the last of
// them and no later. Thoughts and text share no event.
func TestStreamInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for thoughts, want := range map[int][]time.Duration{
			0: {10 * ms, 50 * ms, 90 * ms, 110 * ms},
			3: {50 * ms, 90 * ms, 110 * ms}, // and two events of thoughts before them
		} {
			s := NewInMemory(Model{Step: 10 * ms, StreamInterval: 4, Thoughts: thoughts})
			at, err := stream(t.Context(), s, time.Now(), 1, 11)
			require.NoError(t, err)
			assert.Equal(t, want, at)
			_, answer := ask(t, s, "/v1/chat/completions", body(1, 11), "")
			words := 0
			for _, line := range strings.Split(answer, "\n") {
				_, text, _ := strings.Cut(line, `content":"`)
				text, _, _ = strings.Cut(text, `"`)
				words += len(strings.Fields(text))
			}
			assert.Equal(t, 11, words, answer)
			s.Close()
		}
	})
}
