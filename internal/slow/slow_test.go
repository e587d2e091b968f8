package slow_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/internal/slow"
)

// Under the detector a test is skipped with its reason, and otherwise runs on.
func TestTest(t *testing.T) {
	ran := false
	t.Run("one", func(t *testing.T) {
		defer func() { assert.Equal(t, slow.Race, t.Skipped()) }()
		slow.Test(t, slow.Pure)
		ran = true
	})
	assert.Equal(t, !slow.Race, ran)
}
