package simserver

import (
	"testing"

	"go.uber.org/goleak"
)

// No server leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
