package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRateBefore: the answer of a search over request rates has one unit, whichever version
// wrote it, and whether it stands in bench.txt or in a line of go test -bench.
func TestRateBefore(t *testing.T) {
	for _, unit := range []string{"request_rate", "max-req/s"} {
		f, err := Read(strings.NewReader("BenchmarkRecipe/max-request-rate-under-sla/capacity 60 52.8 "+unit+"\n"), "old.txt")
		require.NoError(t, err)
		all, err := f.For("max-request-rate-under-sla")
		require.NoError(t, err)
		require.Len(t, all, 1, unit)
		assert.Equal(t, lineRate, all[0].Unit)
		assert.Equal(t, []float64{52.8}, all[0].Values)
		assert.True(t, all[0].Higher)
	}
}
