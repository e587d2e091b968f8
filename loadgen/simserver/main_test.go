package simserver

import (
	"testing"

	"github.com/aiperf-go/aiperf/internal/turn"
	"go.uber.org/goleak"
)

// No server leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(turn.M{M: m}) }
