// These tests hold real times against the truth. The race run has the same code in
// virtual time: TestBoundaryVirtual and TestRecipesVirtual.

package recipes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestRecipesHTTP runs each recipe over HTTP against a simulated server that is
// simple enough for its numbers to be written down, and holds what the recipe
// derives to them within 5%: here over sockets, client and server sharing the
// machine with whatever else it does.
func TestRecipesHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	for _, c := range modelled {
		t.Run(c.recipe, func(t *testing.T) {
			// A search reads a queue of many steps, and does not see a neighbour that mostly
			// waits; a curve reads the milliseconds of a lone request.
			if strings.HasPrefix(c.recipe, "max-") {
				t.Parallel()
			}
			c.check(t, func(m simserver.Model) (*simserver.Server, boundaries.Dial) { return simserver.New(m), nil })
		})
	}
}

// TestSequentialHTTP: over real sockets, style sequential answers within 10% of the truth.
// It prints which share of the time of smooth_isotonic with full probes, in the same run, it
// took to find the answer. One server, and probes of 100 requests: the command
// internal/experiments/boundaries compares five with every default.
func TestSequentialHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	for _, s := range boundaries.HTTP() {
		if s.Name != "large" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			c, err := boundaries.Compare(t.Context(), s, 100, t.Logf)
			require.NoError(t, err)
			t.Logf("%s%s%s\n%s", boundaries.CompareHead, c.Row(), boundaries.Spent(c.Fast), boundaries.Spent(c.Whole))
			assert.NoError(t, c.Check())
		})
	}
}

// TestBoundaryHTTP: over real sockets, client and server sharing the machine, each
// answer is within 10% of the truth, in one run each. Two servers of five, so that
// go test ./... stays quick: the command internal/experiments/boundaries has all.
func TestBoundaryHTTP(t *testing.T) {
	slow.Test(t, slow.RealTime)
	for _, s := range boundaries.HTTP() {
		if s.Name != "chat" && s.Name != "large" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) { assert.NoError(t, boundaries.Truth(t.Context(), s, t.Logf)) })
	}
}
