package report_test

import (
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

func TestReport(t *testing.T) {
	aiperftest.RunRecipe(t, "max-concurrency-under-sla", aiperftest.Simulated(simserver.Model{MaxBatch: 16}),
		aiperftest.TTFT(200*time.Millisecond), aiperftest.Tokens(64, 16), aiperftest.Concurrency(4, 128),
		aiperftest.Style(recipes.Sequential), aiperftest.Artifacts("out"), aiperftest.Label("first look"))
}
