package sla

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

// TestAnyMetric checks that a limit can name every metric of the table, in its unit, and
// that it writes itself in a form that reads the same.
func TestAnyMetric(t *testing.T) {
	for _, m := range loadgen.Metrics() {
		l := Limit{Metric: m.Tag, Stat: "avg", Op: LE, Threshold: 0.5}
		require.NoError(t, l.Validate(), m.Tag)
		again, err := ParseLimit(l.String())
		require.NoError(t, err, l.String())
		assert.Equal(t, l, again)
		assert.NotEmpty(t, m.Unit, m.Tag)
	}
	for text, want := range map[string]Limit{
		"ttfo p95 < 1s":                              {loadgen.TagTTFO, "p95", LT, 1000},
		"reasoning p99 < 500":                        {loadgen.TagReasoning, "p99", LT, 500},
		"prefill p5 > 800 tok/s":                     {loadgen.TagPrefill, "p5", GT, 800},
		"osl_mismatch_count <= 0":                    {loadgen.TagOSLOff, "avg", LE, 0},
		"osl_mismatch_diff_pct max <= 120%":          {loadgen.TagOSLDiff, "max", LE, 120},
		"schedule_lag p99 < 2ms":                     {loadgen.TagLag, "p99", LT, 2},
		"overall_usage_prompt_cache_read_pct >= 60%": {loadgen.TagCacheReadShare, "avg", GE, 60},
		"usage_completion_tokens:avg:ge:100":         {loadgen.TagUsageCompletion, "avg", GE, 100},
		"benchmark_duration < 90":                    {loadgen.TagDuration, "avg", LT, 90},
	} {
		l, err := ParseLimit(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, l, text)
	}
	for text, says := range map[string]string{
		"osl_mismatch_count < 0":                     "the threshold is 0; it must be positive",
		"time_to_first_output_tokn p95 < 1s":         "is unknown; did you mean",
		"overall_usage_prompt_cache_read_pct > 101%": "cannot reach 101%",
		"total_osl p95 < 4":                          "is a single number per run",
	} {
		_, err := ParseLimit(text)
		assert.ErrorContains(t, err, says, text)
	}
}

// TestCountOfNone checks that a limit of none on a count holds for 0 alone, and that a value
// of 0 or less has a margin.
func TestCountOfNone(t *testing.T) {
	for _, tt := range []struct {
		limit string
		v     float64
		holds bool
	}{
		{"osl_mismatch_count <= 0", 0, true}, {"osl_mismatch_count <= 0", 1, false},
		{"osl_mismatch_diff_pct avg < 5%", -40, true}, {"osl_mismatch_diff_pct avg > 5%", -40, false},
	} {
		l, err := ParseLimit(tt.limit)
		require.NoError(t, err)
		m := &loadgen.Measurement{Metrics: map[loadgen.Tag]loadgen.Metric{l.Metric: {Stats: map[string]float64{"avg": tt.v}}}}
		r := Read(l, Trials{m}, nil)
		assert.Equal(t, tt.holds, r.Holds, tt.limit)
		assert.Equal(t, tt.holds, r.Margin < 0, tt.limit)
	}
}
