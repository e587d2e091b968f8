package report_test

import (
	"fmt"
	"math"
	"testing"

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
	assert.Equal(t, fmt.Sprintf("recipe max-throughput-ttft-sla, SLA met at %v, missed at %v (%d of at most 30 points, 0s)", highest,
		lowest, len(o.Probes)), report.Progress(o))
	o.Probes = nil
	assert.Equal(t, "recipe max-throughput-ttft-sla (0 of at most 30 points, 0s)", report.Progress(o), "nothing is known before a probe")

	o = outcome(t, "decode-itl-curve")
	o.Wall, o.Probes = 0, o.Probes[:5]
	assert.Equal(t, "recipe decode-itl-curve (5 of at most 24 points, 0s)", report.Progress(o))
	o = outcome(t, "one fixed load")
	o.Wall, o.Probes = 0, nil
	assert.Equal(t, "recipe fixed-concurrency-32 (0 of at most 1 point, 0s)", report.Progress(o))
	assert.Empty(t, report.Progress(&recipes.Outcome{}))
}
