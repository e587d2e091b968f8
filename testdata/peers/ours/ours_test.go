// Package ours is what a user of this module writes to ask the peers' questions:
// one load, and one search. run.py compiles it and measures the binary.
package ours

import (
	"flag"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

var (
	isl         = flag.Int("isl", 64, "prompt tokens")
	osl         = flag.Int("osl", 64, "tokens of an answer")
	requests    = flag.Int("requests", 768, "requests of a probe")
	concurrency = flag.Int("concurrency", 128, "requests in flight; of a search, the most")
	limit       = flag.Duration("limit", 30*time.Millisecond, "limit on p95 TTFT")
	style       = flag.String("style", "sequential", "of the search")
	out         = flag.String("out", "", "folder of the artifacts")
)

func TestFixed(t *testing.T) {
	aiperftest.Run(t, recipes.Fixed(*concurrency), options())
}

func TestSearch(t *testing.T) {
	aiperftest.RunRecipe(t, "max-concurrency-under-sla", options(), aiperftest.ReportOnly(),
		aiperftest.TTFT(*limit), aiperftest.Concurrency(1, *concurrency), aiperftest.Style(recipes.Style(*style)))
}

func options() aiperftest.Options {
	return aiperftest.Options{aiperftest.Tokens(*isl, *osl), aiperftest.Requests(*requests), aiperftest.Artifacts(*out)}
}
