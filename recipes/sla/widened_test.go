package sla_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// TestWidened: a scatter from visit to visit is added to a reading's interval in
// quadrature, whatever the interval was made of. The standard error of the margin may be
// far smaller than an interval that counts requests.
func TestWidened(t *testing.T) {
	ttft, err := sla.ParseLimit("ttft p95 < 200ms")
	require.NoError(t, err)
	r := sla.Reading{Limit: ttft, Value: 186, Lo: 186 / 1.03, Hi: 186 * 1.03, Pass: 0.999, Margin: math.Log(186.0 / 200), MarginSE: 0.001}
	w := r.Widened(0, 0.025, 0.98)
	half := math.Hypot(math.Log(1.03), 1.96*0.025)
	assert.InDelta(t, 186*math.Exp(-half), w.Lo, 1e-9)
	assert.InDelta(t, 186*math.Exp(half), w.Hi, 1e-9)
	assert.InDelta(t, math.Hypot(0.001, 0.025), w.MarginSE, 1e-12)
	assert.Equal(t, 0.98, w.Pass)
	up := r.Widened(0.1, 0.025, 0.6)
	assert.InDelta(t, w.Hi*math.Exp(0.1), up.Hi, 1e-9, "the value of a long time lies above that of the visit")
	assert.InDelta(t, w.Lo, up.Lo, 1e-9)
	assert.Equal(t, r, r.Widened(0, 0, 0.999), "no scatter changes nothing")

	good, err := sla.ParseLimit("good >= 95%")
	require.NoError(t, err)
	g := sla.Reading{Limit: good, Value: 0.98, Lo: 0.97, Hi: 0.99, Pass: 0.999, Margin: math.Log(0.02 / 0.05), MarginSE: 0.2}
	g = g.Widened(0, 0.3, 0.9)
	assert.InDelta(t, 1-0.02*math.Exp(math.Hypot(math.Log(1.5), 1.96*0.3)), g.Lo, 1e-9)
	assert.InDelta(t, 1-0.02*math.Exp(-math.Hypot(math.Log(2), 1.96*0.3)), g.Hi, 1e-9)
}
