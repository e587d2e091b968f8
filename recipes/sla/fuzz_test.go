package sla

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParseLimit: a text is read or refused with a *LimitError that points into
// it, and what is read is written in a form that reads the same.
func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{
		"ttft p95 < 200ms", "errors <= 1%", "errors<=0", "goodput > 3 req/s", "time_to_first_token:p95:lt:200", "e2e p99 <= 1.5s",
		"good >= 95%", "itl p50 < 1e3us", "osl avg > 1e300", "ttft p95 < -1ms", "ttft p98 < 1", ":::", "<",
		"errors < 0.01", "ttft p95 < 0x1p4 ms", "itl p95 < 5µs",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLimit(text)
		if err != nil {
			e := new(LimitError)
			require.ErrorAs(t, err, &e)
			assert.GreaterOrEqual(t, e.Column, 0)
			assert.LessOrEqual(t, e.Column, len(text))
			return
		}
		again, err := ParseLimit(l.String())
		require.NoError(t, err, "%q is written as %q", text, l)
		assert.Equal(t, l.Metric, again.Metric)
		assert.Equal(t, l.Stat, again.Stat)
		assert.Equal(t, l.Op, again.Op)
		assert.InEpsilon(t, l.Threshold+1, again.Threshold+1, 1e-9, "%q is written as %q", text, l)
	})
}
