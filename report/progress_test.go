package report_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// TestProgress: the line of a terminal names what is known, and nothing else.
func TestProgress(t *testing.T) {
	o := outcome(t, "max-throughput-ttft-sla")
	o.Wall = 0
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i := range o.Probes {
		switch pass, certain := o.Probes[i].Passes(o.Spec.Confidence); {
		case pass && certain:
			highest = max(highest, o.Probes[i].Step.At[0])
		case certain:
			lowest = min(lowest, o.Probes[i].Step.At[0])
		}
	}
	require.Less(t, highest, lowest)
	assert.Equal(t, fmt.Sprintf("about 10 seconds left; SLA met at %v, missed at %v; max-throughput-ttft-sla (%d of at most 30 points)",
		highest, lowest, len(o.Visits())), report.Progress(o))
	for i := range o.Probes {
		o.Probes[i].Wall = time.Minute
	}
	assert.Regexp(t, `^about [3-9] minutes left; `, report.Progress(o), "a search ends when its bracket is closed and its answer settled")
	o.Probes = nil
	assert.Equal(t, "up to 18s a probe; max-throughput-ttft-sla (0 of at most 30 points)", report.Progress(o),
		"nothing is known before a probe")

	o = outcome(t, "decode-itl-curve")
	o.Wall, o.Probes = 0, o.Probes[:5]
	for i := range o.Probes {
		o.Probes[i].Wall = 6 * time.Minute
	}
	assert.Equal(t, "about 2 hours left; decode-itl-curve (5 of at most 24 points)", report.Progress(o), "a sweep visits every point")
	o = outcome(t, "one fixed load")
	o.Wall, o.Probes = 0, nil
	assert.Equal(t, "up to 1m0s a probe; fixed-concurrency-32 (0 of at most 1 point)", report.Progress(o))
	o.Where = "8 pods on 5 nodes"
	assert.Equal(t, "up to 1m0s a probe; fixed-concurrency-32 (0 of at most 1 point) from 8 pods on 5 nodes", report.Progress(o))
	assert.Empty(t, report.Progress(&recipes.Outcome{}))
}
