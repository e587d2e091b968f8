package aiperf_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// thinking is a server whose answers begin with three thoughts.
var thinking = aiperftest.Options{
	aiperftest.Simulated(simserver.Model{Step: 2 * time.Millisecond, Thoughts: 3}),
	aiperftest.Tokens(64, 8), aiperftest.Requests(40), aiperftest.Seed(7), aiperftest.Charts(false),
}

// This measures a server by Anthropic's API, and limits what a user of a model that thinks
// waits for: the first token that is not a thought.
func Example_messages() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.FixedRate(200), thinking, aiperftest.EndpointType("messages"),
			aiperftest.SLA("ttfo p95 < 5s", "reasoning max <= 3"))
		first, _ := out.Probes[0].Stat(loadgen.TagTTFT, "p50")
		output, _ := out.Probes[0].Stat(loadgen.TagTTFO, "p50")
		thoughts, _ := out.Probes[0].Stat(loadgen.TagReasoning, "avg")
		said, _ := out.Probes[0].Stat(loadgen.TagOutput, "avg")
		fmt.Printf("%v; %.0f tokens of thoughts and %.0f of output; thoughts come first: %v\n", out.Verdict, thoughts, said, output > first)
	})
	// Output: met; 3 tokens of thoughts and 5 of output; thoughts come first: true
}

// This measures embeddings, which have no tokens: a limit is on the latency of a request.
// A recipe that counts tokens refuses them by name.
func Example_embeddings() {
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.FixedRate(200), thinking, aiperftest.EndpointType("embeddings"),
			aiperftest.SLA("e2e p95 < 5s"))
		_, has := out.Probes[0].Stat(loadgen.TagTTFT, "p50")
		tokens, _ := out.Probes[0].Stat(loadgen.TagUsagePrompt, "avg")
		fmt.Printf("%v; TTFT: %v; %.0f tokens a prompt\n", out.Verdict, has, tokens)
	})
	recipe, err := recipes.Lookup("max-throughput-ttft-sla")
	if err != nil {
		fmt.Println(err)
		return
	}
	limit := 200.0
	_, err = recipes.Run(context.Background(), recipe, recipes.Spec{
		Target: loadgen.Target{URL: "http://127.0.0.1:8000", Protocol: "embeddings"}, Inputs: recipes.Inputs{TTFT: &limit},
	})
	_, reason, _ := strings.Cut(err.Error(), ": ")
	fmt.Println(reason)
	// Output:
	// met; TTFT: false; 64 tokens a prompt
	// embeddings has no tokens to count a TTFT of; use max-request-rate-under-sla with a limit on the request latency, E2E
}

// This sends a file of queries with documents to a server that ranks them.
func Example_rerank() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "queries.jsonl")
	line := `{"query": "what is a fjord", "documents": ["a long narrow inlet", "a kind of cheese"]}` + "\n"
	if err := os.WriteFile(file, []byte(strings.Repeat(line, 3)), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.FixedRate(200), thinking, aiperftest.EndpointType("rerank"), aiperftest.Prompts(file),
			aiperftest.SLA("e2e p95 < 5s"))
		isl, _ := out.Probes[0].Stat(loadgen.TagISL, "avg")
		fmt.Printf("%v; %.0f tokens a request\n", out.Verdict, isl)
	})
	// Output: met; 12 tokens a request
}

// generate is a codec of one's own, for an API that nobody else has. Beside the text it reads
// how long the request was in the server's queue.
type generate struct{}

func (generate) Spec() codec.Spec {
	return codec.Spec{Name: "generate", Path: "/generate", Tokens: true}
}

func (generate) Body(r codec.Request) (map[string]any, error) {
	return map[string]any{"inputs": r.Text, "parameters": map[string]any{"max_new_tokens": r.Outputs}}, nil
}

func (generate) Read(data []byte, whole bool) (codec.Part, error) {
	var a struct {
		Text  string  `json:"generated_text"`
		Queue float64 `json:"queue_ms"`
	}
	err := json.Unmarshal(data, &a)
	return codec.Part{
		Answer:  true,
		Content: []codec.Content{{Text: a.Text}},
		Finish:  "stop",
		Usage:   codec.Usage{Completion: len(strings.Fields(a.Text))},
		Values:  map[string]float64{"queue_wait_time": a.Queue},
	}, err
}

func init() {
	for _, err := range []error{
		codec.Register(generate{}),
		loadgen.MetricInfo{Tag: "queue_wait_time", Unit: "ms", PerRequest: true}.Register(),
	} {
		if err != nil {
			panic(err)
		}
	}
}

// This measures a server whose API is one's own, by a codec, and limits a metric of one's
// own.
func Example_codec() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"generated_text": "one two three", "queue_ms": 1.5}`)
	}))
	defer srv.Close()
	asTest(func(t aiperftest.T) {
		out := aiperftest.Run(t, recipes.FixedRate(100), aiperftest.Endpoint(srv.URL), aiperftest.Model("m"), aiperftest.EndpointType("generate"),
			aiperftest.Tokens(16, 3), aiperftest.Requests(40), aiperftest.Charts(false), aiperftest.SLA("queue_wait_time p50 < 2ms"))
		wait, _ := out.Probes[0].Stat("queue_wait_time", "p50")
		fmt.Printf("%v; queue %.1fms\n", out.Verdict, wait)
	})
	// Output: met; queue 1.5ms
}
