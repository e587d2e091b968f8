package sla

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Few requests that are all good do not speak against a limit, and prove nothing.
func TestFewGoodRequests(t *testing.T) {
	for n := 1; n <= 60; n++ {
		p := tally{allowed: 0.05, n: n, inflation: 1}.pass(LT)
		assert.Greater(t, p, 0.5, "%d requests", n)
		assert.Less(t, p, 0.99, "%d requests", n)
		if n <= 4 {
			assert.Less(t, tally{allowed: 0.05, n: n, bad: 1, inflation: 1}.pass(LT), 0.5, "%d requests", n)
		}
	}
}
