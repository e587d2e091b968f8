package sla

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

// TestParseSLO: a limit on a single request has no statistic, in either form.
func TestParseSLO(t *testing.T) {
	for _, tt := range []struct {
		text   string
		tag    string
		at     float64
		refuse string
		column int
	}{
		{"ttft < 200ms", loadgen.TagTTFT, 200, "", 0},
		{"itl<=0.02s", loadgen.TagITL, 20, "", 0},
		{"tpot <= 20ms", loadgen.TagITL, 20, "", 0},
		{"request_latency < 2s", loadgen.TagLatency, 2000, "", 0},
		{"time_to_first_token:200", loadgen.TagTTFT, 200, "", 0},
		{"osl < 64", loadgen.TagOSL, 64, "", 0},
		{"ttft p95 < 200ms", "", 0, "a single request has no p95; write, for example, ttft < 200ms", 5},
		{"goodput < 3", "", 0, "goodput is a number of a whole run", 0},
		{"per-user >= 30", "", 0, "upper limits alone", 12},
		{"ttft > 3ms", "", 0, "upper limits alone", 7},
		{"ttft:fast", "", 0, `expected a number and found "fast"`, 5},
		{"tftt:3", "", 0, `metric "tftt" is unknown; did you mean "ttft"?`, 0},
		{"ttft < -1ms", "", 0, "must be positive", 7},
		{"", "", 0, "the metric is missing", 0},
	} {
		tag, at, err := ParseSLO(tt.text)
		if tt.refuse == "" {
			require.NoError(t, err, tt.text)
			assert.Equal(t, tt.tag, tag, tt.text)
			assert.InDelta(t, tt.at, at, 1e-9, tt.text)
			continue
		}
		e := new(LimitError)
		require.ErrorAs(t, err, &e, tt.text)
		assert.ErrorContains(t, err, tt.refuse, tt.text)
		assert.Equal(t, tt.column, e.Column, tt.text)
		assert.Empty(t, tag)
	}
}
