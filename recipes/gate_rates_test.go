package recipes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/surfaces"
)

// Each case of a gate's error rates has so many runs here, and a baseline is shared
// by so many gates. The command internal/experiments/gaterates makes the tables of
// docs/gate.md.
const (
	gateRuns   = 100
	gateShared = 10
)

// gated runs the gates on p01, with independent requests and in blocks, and holds
// them to what docs/gate.md promises.
func gated(t *testing.T, rates func(surfaces.Surface, bool) (*surfaces.Gates, error)) {
	t.Helper()
	all := surfaces.Named(loadSurfaces(t), "p01")
	require.Len(t, all, 1, "the rates are promised of p01")
	var table strings.Builder
	table.WriteString(surfaces.GateHead)
	for _, blocks := range []bool{false, true} {
		g, err := rates(all[0], blocks)
		require.NoError(t, err)
		table.WriteString(g.Rows())
		assert.Empty(t, g.Check())
		t.Logf("%s, %s: a baseline takes %d requests; %.0f%% of them are vague", g.Surface.Name, g.Kind, g.Baseline, 100*g.Vague)
	}
	t.Logf("%d runs a case\n%s", gateRuns, table.String())
}

// TestGateRates measures a capacity gate's error rates: a baseline, itself a search
// with noise, and then the same server, or one that lost a tenth of its capacity,
// compared with it.
func TestGateRates(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	gated(t, func(s surfaces.Surface, blocks bool) (*surfaces.Gates, error) {
		return surfaces.GateRates(s, blocks, gateRuns, gateShared)
	})
}

// TestFixedGateRates measures the error rates of a fixed load's gate, at the
// surface's boundary.
func TestFixedGateRates(t *testing.T) {
	slow.Test(t, slow.Pure)
	t.Parallel()
	gated(t, func(s surfaces.Surface, blocks bool) (*surfaces.Gates, error) {
		return surfaces.FixedGateRates(s, blocks, gateRuns)
	})
}
