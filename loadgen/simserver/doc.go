// Package simserver is an inference server to test against: a real HTTP server
// with the APIs of OpenAI and Anthropic, shaped like net/http/httptest.Server, in front of a
// simulated continuous-batching engine.
//
//	s := simserver.New(simserver.Model{Step: 10 * time.Millisecond})
//	defer s.Close()
//	resp, err := http.Post(s.URL+"/v1/chat/completions", …)
//
// # The server
//
// It answers POST /v1/chat/completions, /v1/completions, /v1/responses and /v1/messages,
// streaming and not, /v1/embeddings and /v1/rerank, which need the prefill alone, and GET
// /v1/models, /version and /health. A prompt has as many tokens as words. An answer has
// exactly max_tokens (16 if not given), one an event. A stream has the habits of real
// ones: the headers and a chunk with the role alone as soon as the request is taken up,
// a finish chunk with an empty delta, usage (if asked for) in a chunk without choices,
// then [DONE]. Faults makes the server misbehave, and Stats says what it has seen.
//
// NewInMemory serves over connections in memory, without a socket: inside a testing/synctest
// bubble a minute of load takes milliseconds, and times are exact.
//
// # The engine
//
// It works in steps. When a step starts, waiting requests join the batch in the order of
// their arrival while it has room. Then each sequence of the batch either prefills or
// decodes. Those whose prompt is not finished share the step's chunk of prompt tokens,
// again in order; each of the others decodes one token. The step takes
//
//	(Step + PerSeq·decoding + PerPromptToken·prefilled) · exp(Jitter·z)
//
// where z is standard normal. At its end the decoded tokens go out, with the first token
// of each sequence whose prefill the step completed. The next step starts at that
// scheduled end, however late a timer was, so that lateness never adds up. Only what
// arrived before a step started is in it. If there is nothing to do, the engine sleeps,
// and the request that wakes it has the first step to itself.
//
// In an example with a Step of 10 ms, PerSeq 1 ms, PerPromptToken 1 ms and a Chunk of 4,
// request A (4 prompt tokens, 4 to decode) arrives at 0 ms, and request B (6 and 2) at
// 5 ms:
//
//	step  starts  does                         takes         ends   tokens
//	   1    0 ms  A prefills 4                 10+4 ms      14 ms   A's first
//	   2   14 ms  A decodes, B prefills 4      10+1+4 ms    29 ms   A's second
//	   3   29 ms  A decodes, B prefills 2      10+1+2 ms    42 ms   A's third, B's first
//	   4   42 ms  A and B decode               10+2 ms      54 ms   A's and B's last
//
// With a PrefixCache, a sequence that joins the batch skips the prefill of the blocks that
// its prompt shares with prompts before it, and usage says how many tokens that were.
//
// A's TTFT is 14 ms and B's 37 ms. TTFT depends on load in four ways: the wait for the
// step under way, the queue for the chunk, the queue for a place in the batch, and steps
// that grow with the batch.
//
// # The page of metrics
//
// GET /metrics is the engine's page, under vLLM's names. A Model with GPUs has them there, too,
// under the names of NVIDIA's exporter: a GPU draws more power the more sequences run, and its
// counter of energy is the exact integral of that.
//
// # The truth
//
// Model.Simulate runs the same engine under a closed loop of clients in virtual time, and
// Model.Boundary finds the largest concurrency up to which a limit holds by trying every
// one. A search over HTTP is right if it finds about the same. Catalogue holds scenarios
// whose boundaries are known; a test prints them:
//
//	go test ./loadgen/simserver -run TestTruth -v
package simserver
