package remote

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// file writes a file of prompts.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// trace is a recorded traffic of n requests, 20 a second, in which each third is answered by a
// second turn.
func trace(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"timestamp": %d, "input_length": %d, "output_length": %d, "hash_ids": [%d, %d]}`+"\n",
			50*i, 600+i%50, 2+i%5, i%7, 1000+i)
	}
	return b.String()
}

// TestWorkloads: whatever a load says of its requests travels. One worker measures the same as
// the process itself, bit for bit, and four send the same requests at the same rates.
func TestWorkloads(t *testing.T) {
	prompts := file(t, "prompts.jsonl", `{"text": "What is the time?"}`+"\n"+`{"text": "Who is there?", "output_length": 5}`+"\n")
	recorded := file(t, "trace.jsonl", trace(60))
	type fields = map[string]any
	for name, tt := range map[string]struct {
		load   loadgen.Load
		target loadgen.Target
		model  simserver.Model
		near   float64 // how near four workers come, 0.1 if 0
	}{
		"laws": {load: loadgen.Load{Concurrency: 6, Requests: 160,
			Workload: loadgen.Workload{ISL: laws.Normal(80, 20), OSL: laws.Uniform(2, 20)}}},
		"mix": {load: loadgen.Load{Concurrency: 6, Requests: 160, ISL: 60, OSL: 8, Workload: loadgen.Workload{Mix: []loadgen.Workload{
			{Weight: 2, OSL: laws.LogNormal(8, 3)}, {Model: "lora", Body: fields{"temperature": 0.5, "stop": []string{"z", "a"}}},
		}}}, model: simserver.Model{Adapters: []string{"lora"}},
			target: loadgen.Target{Model: "simulated"}},
		"prefixes": {load: loadgen.Load{Concurrency: 6, ISL: 40, OSL: 6, Workload: loadgen.Workload{System: 30,
			Prefixes: []laws.Prefix{{Groups: 3, Tokens: 40, Share: 0.8}}}}, model: simserver.Model{PrefixCache: 100_000}, near: 0.15},
		"turns": {load: loadgen.Load{Concurrency: 6, ISL: 40, OSL: 6, Workload: loadgen.Workload{
			Turns: laws.Turns{Count: laws.Uniform(2, 4), Think: laws.Constant(100)}}}, near: 0.15},
		"turns at a rate": {load: loadgen.Load{Rate: 10, ISL: 40, OSL: 6, Workload: loadgen.Workload{
			Turns: laws.Turns{Count: laws.Uniform(2, 4), Think: laws.Constant(100)}}}, near: 0.15},
		"given up": {load: loadgen.Load{Concurrency: 6, ISL: 40, OSL: 20, Requests: 120, Workload: loadgen.Workload{
			Cancel: laws.Cancel{Share: 0.3, After: 50 * time.Millisecond}}}, near: 0.15},
		"images": {load: loadgen.Load{Concurrency: 3, ISL: 40, OSL: 6, Workload: loadgen.Workload{
			Images: laws.Images{Count: 1, Width: 32, Height: 32}}}},
		"file":   {load: loadgen.Load{Concurrency: 6, OSL: 9, Requests: 160, Workload: loadgen.Workload{File: prompts, Order: laws.Shuffled}}},
		"replay": {load: loadgen.Load{Requests: 60, Window: time.Minute, Workload: loadgen.Workload{File: recorded, Replay: 1}}},
		"stages": {load: loadgen.Load{ISL: 40, OSL: 4, Workload: loadgen.Workload{
			Stages: laws.Stages{{From: 5, To: 20, Over: 6 * time.Second}, {From: 10, Over: 2 * time.Second}}}}},
		"gamma":      {load: loadgen.Load{Rate: 14, Arrival: "gamma:0.7", ISL: 40, OSL: 4}, near: 0.3},
		"embeddings": {load: loadgen.Load{Concurrency: 4, ISL: 40}, target: loadgen.Target{Protocol: "embeddings"}},
		"messages": {load: loadgen.Load{Concurrency: 4, ISL: 40, OSL: 6, SLO: map[loadgen.Tag]float64{loadgen.TagTTFT: 15}},
			target: loadgen.Target{Protocol: "messages"}},
		"whole": {load: loadgen.Load{Concurrency: 4, ISL: 40, OSL: 6}, target: loadgen.Target{NoStream: true}},
		"bodies": {load: loadgen.Load{Concurrency: 4, ISL: 40, OSL: 6, Body: fields{"seed": uint64(1<<63 + 1), "top_p": 0.1, "min_tokens": nil}},
			target: loadgen.Target{Body: fields{"temperature": 1e-7, "chat_template_kwargs": struct{ Z, A int }{1, 2}}}},
		"failing": {load: loadgen.Load{Concurrency: 4, ISL: 40, OSL: 6}, model: simserver.Model{MaxQueue: 1, MaxBatch: 2}, near: 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Where lengths differ, 40 requests are some seven rounds of six slots, and a rate moves by
			// 13% with what is the first in one instant: such loads name a larger number.
			if tt.load.Requests == 0 && tt.load.Workload.Stages == nil {
				tt.load.Requests = 40
			}
			change := func(target *loadgen.Target) {
				target.Protocol, target.NoStream, target.Body, target.Model = tt.target.Protocol, tt.target.NoStream, tt.target.Body, tt.target.Model
				*target = target.For(tt.load.Workload)
			}
			synctest.Test(t, func(t *testing.T) {
				for _, n := range []int{1, 4} {
					loads := []loadgen.Load{tt.load, tt.load}[:2-n/4] // the second begins where the first has ended
					if n == 1 && tt.load.Concurrency > 0 {
						// Requests that end in one instant are followed in any order, and those that follow
						// differ from each other. With one slot, one process measures the same each time.
						loads[0].Concurrency, loads[1].Concurrency = 1, 1
					}
					want := direct(t, tt.model, change, loads)
					f := modelFleet(t, n, tt.model, change)
					for i, l := range loads {
						got := f.alike(t, t, l, want[i], loadgen.TagReqRate, cmp.Or(tt.near, 0.1))
						assert.Len(t, got.Stages, len(want[i].Stages))
						if w := l.Workload; w.Replay > 0 || w.Stages != nil { // the one schedule, dealt out
							require.Len(t, got.Requests, len(want[i].Requests))
							bodies := map[string]bool{}
							for k, q := range got.Requests {
								bodies[string(got.Body(&q))] = true
								due := want[i].Requests[k].Scheduled - want[i].Requests[0].Scheduled
								assert.Equal(t, due, q.Scheduled-got.Requests[0].Scheduled, "request %d", k)
							}
							assert.True(t, w.Replay == 0 || len(bodies) == 60, "each of the file once")
						}
					}
				}
			})
		})
	}
}

// TestTravel: what a load and a target say is the same in another process.
func TestTravel(t *testing.T) {
	l := loadgen.Load{Rate: 1.0 / 3, Arrival: "gamma:0.5", ISL: 7, OSL: 8, Requests: 9, Window: 10 * time.Second, Least: 1, Seed: 1<<64 - 1,
		MostInFlight: 11, SLO: map[loadgen.Tag]float64{"a": 0.1}, Target: "old", Body: map[string]any{"x": nil},
		Workload: loadgen.Workload{ISL: laws.Table([]int{1, 2}, []float64{0.1, 0.9}), OSL: laws.Mixture(laws.Normal(1.0/3, 2), laws.Constant(5)),
			Prefixes: []laws.Prefix{{Groups: 2, Tokens: 3, Share: 0.1}}, Body: map[string]any{"n": nil}}}
	b, err := l.Pack()
	require.NoError(t, err)
	got, err := loadgen.Load{}.Unpack(b)
	require.NoError(t, err)
	assert.Equal(t, l, got)
	assert.Equal(t, l.Workload.Sum(), got.Workload.Sum())

	target := loadgen.Target{URL: "http://h", Body: map[string]any{"big": json.Number("12345678901234567890"), "f": []any{"b", 1.5}}}
	packed, err := target.Pack()
	require.NoError(t, err)
	back, err := loadgen.Target{}.Unpack(packed)
	require.NoError(t, err)
	for name, v := range target.Body {
		want, _ := json.Marshal(v)
		has, _ := json.Marshal(back.Body[name])
		assert.Equal(t, string(want), string(has))
	}
}
