// Package aiperftest asks a serving endpoint a question inside go test, and
// asserts the answer.
//
//	func TestCapacity(t *testing.T) {
//		out := aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
//			aiperftest.TTFT(200*time.Millisecond),
//			aiperftest.Tokens(550, 128))
//		t.Logf("deploy at concurrency %d", out.Best.Concurrency())
//	}
//
// A run takes these steps:
//
//  1. Options and environment are folded into a recipes.Spec. What the code
//     leaves out, the environment fills in: AIPERF_URL, AIPERF_MODEL,
//     AIPERF_API_KEY, AIPERF_ARTIFACTS, AIPERF_SEED.
//  2. Without an endpoint the test is skipped and says why. With
//     AIPERF_REQUIRE=1 it fails instead.
//  3. recipes.Run searches. With -v what the recipe expanded to and one line a probe
//     are told as they come. Without it a terminal has a line that comes and goes
//     (AIPERF_LIVE=0 turns it off), and the finding is the first thing in the log.
//  4. Artifacts are written, then the finding is reported. Met passes; missed and
//     inconclusive fail the test with Errorf. A run that could not be measured, and
//     misuse, end it at once.
//
// Gate compares a run with a committed baseline, which AIPERF_UPDATE_BASELINE=1
// writes, Compare two endpoints with each other, and History a run with those before it.
//
// # Options
//
// Their order does not matter, and options in a variable of type Options can be shared.
//
//	endpoint  Endpoint         base URL, or several in turn; default AIPERF_URL
//	          Model, APIKey    default AIPERF_MODEL, then the only one; AIPERF_API_KEY
//	          Header, Body     further request headers, and fields of the body
//	          ServerMetrics    pages of servers' and GPUs' metrics; default /metrics
//	          GPUs, Price      GPUs that serve it, and what one costs an hour
//	          CAFile, Insecure trusted authorities, or trust in every certificate
//	          ClientCert       the client's own certificate
//	          Ready, Timeout   wait for the server, 2m; longest request, 6h
//	          IdleTimeout      longest silence of a request; default 5m
//	          EndpointType     API: chat (default), completions, messages, embeddings …
//	          Streaming        event streams (default) or whole answers
//	          Tokenizer        tokenizer.json, if the server reports no usage
//	          Workers, Spread  other machines that carry the load, or your own way to it
//	          Simulated        the embedded server instead of an endpoint
//	SLA       TTFT, ITL, TPOT  p95 of time to first token and inter-token latency
//	          E2E, ErrorRate   p99 of request latency; share of failed requests
//	          Attainment       share of requests that must be good; default 0.95
//	          SLA, SLO         "ttft p99 < 1s"; of a good request, "ttft < 1s"
//	          AtLeast, Tier    least answer; a set of limits with an answer of its own
//	workload  Tokens, Workload default 550/128; laws of lengths, prefixes, turns, models
//	          Prompts          a file of prompts, JSON, CSV or text
//	          SamePrompts      prompts that a prefix cache may hold
//	          Requests         requests a probe; default 300
//	          ProbeTime        longest window of a probe; default 1m, 18s in searches
//	          ISL, OSL, Pairs  lengths that a recipe sweeps
//	search    Style, Sampler   how a search proceeds; default the recipe's own
//	          Concurrency      range of the search or sweep; default 1 to 1000
//	          Rate, Arrival    requests/s of a search; poisson (default), constant, gamma
//	          MostInFlight     requests in flight at a rate at most; default any
//	          ConcurrencyList  concurrencies of pareto-sweep
//	          Steps, OSLSteps  grid steps
//	          Degradation      rise that is a knee; default 0.20
//	          MaxProbes        distinct points at most; default 30
//	          InitialPoints    points before bo and optuna model; default 5
//	          Replicates       probes of smooth_isotonic at its answer
//	          Trials, Converge measurements a probe, or until one is precise enough
//	          Confidence, Seed certainty of a verdict, 0.98; of all that is random
//	test      ReportOnly       report, but do not fail the test
//	          Baseline, Resume an earlier answer to start from, or run to continue
//	          Tolerance        loss that Gate and Compare accept; default 0.05
//	          Artifacts        directory of the run's files, and llm-d's form of them
//	          Charts, Slices   draw charts (default) or not; parts of a probe's time
//	          Label, History   a name or a fact of the run; the file of all runs, a gate
//	          Context, Input   a context of one's own; an input of a recipe of one's own
//	          Prober, Setup    something else than HTTP load; the server for a point
//
// # Runs and go test
//
// Runs on one endpoint take turns, within a process and across processes, because two
// loads at once would measure each other. The result of a live endpoint is kept out of
// the test cache; -count=1 does the same and is the documented way.
//
// Three kinds of result are never mixed: an error (it could not be measured), a
// verdict (it was), and a warning (it was, but read this).
package aiperftest
