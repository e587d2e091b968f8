package recipes

import (
	"testing"

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoldenLogspaceIntSteps(t *testing.T) {
	type steps struct {
		Lo     float64 `json:"lo"`
		Hi     float64 `json:"hi"`
		Steps  int     `json:"steps"`
		Values []int   `json:"values"`
		Error  string  `json:"error"`
	}
	for _, c := range golden.AllOf[steps](t, "logspace_int_steps.json") {
		got, err := logSteps(c.Lo, c.Hi, c.Steps)
		if c.Error != "" {
			assert.Error(t, err, "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		assert.Equal(t, c.Values, got, "%+v", c)
	}
}
