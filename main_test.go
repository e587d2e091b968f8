package aiperf_test

import (
	"os"
	"testing"

	"github.com/aiperf-go/aiperf/internal/turn"
)

func TestMain(m *testing.M) { os.Exit(turn.M{M: m, Parallel: 4}.Run()) }
