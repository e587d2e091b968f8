package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/surfaces"
)

// TestRun runs few gates, and refuses what makes no sense.
func TestRun(t *testing.T) {
	slow.Test(t, slow.Pure)
	assert.NoError(t, run(surfaces.Dir(), []string{"p02"}, 4, 2))
	assert.ErrorContains(t, run(surfaces.Dir(), []string{"q"}, 4, 2), `has a name that starts with one of ["q"]`)
	assert.ErrorContains(t, run(surfaces.Dir(), []string{"p02"}, 1, 2), "-runs 1 with -shared 2")
}
