package causes

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCauses: each server is explained by its cause, and a flat one by none. The command
// internal/experiments/causes runs a hundred of each.
func TestCauses(t *testing.T) {
	for _, c := range Cases() {
		right := 0
		for seed := range uint64(12) {
			if c.Right(seed, 120) {
				right++
			}
		}
		found, _ := c.Explain(0, 120)
		assert.GreaterOrEqual(t, right, 11, "%s: %d of 12 are right; the first: %q, %.2f of the rise", c.Name, right, found.Kind, found.Share)
	}
}
