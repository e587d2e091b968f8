package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSoakFiles: the finding, the pages and the profile of a schedule of rates say how each of
// its stages went, in requests a second, and the schedule itself is a file that AIPerf reads.
func TestSoakFiles(t *testing.T) {
	o, dir := sim{recipe: "soak", change: func(s *recipes.Spec) {
		s.Workload.Requests, s.Workload.Window, s.Workload.Arrival = 0, 0, "constant"
		s.Workload.Workload = loadgen.Workload{Stages: laws.Stages{{From: 5, To: 20, Over: 10 * time.Second}, {Over: 5 * time.Second}}}
	}}.run(t)
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	text := strings.Join(strings.Fields(b.String()), " ")
	assert.Contains(t, text, "soak: measured at 15 requests/s on average")
	first, second := "stage 1, 5 to 20 requests/s over 10s: 12.5 requests/s offered, 12.5 served, 0% failed, send lag p99 0ms",
		"stage 2, 20 requests/s for 5s: 20 requests/s offered, 20 served, 0% failed, send lag p99 0ms"
	assert.Contains(t, text, first)
	assert.Contains(t, text, second)
	assert.NotContains(t, text, "concurrency")
	for _, name := range []string{"summary.md", "report.html"} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(page), first, name)
	}

	runs, err := filepath.Glob(filepath.Join(dir, "*", "rate_series.json"))
	require.NoError(t, err)
	require.Len(t, runs, 1)
	var series struct {
		Points []struct {
			At   float64 `json:"time_s"`
			Rate float64 `json:"qps"`
		}
	}
	raw, err := os.ReadFile(runs[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &series))
	require.Len(t, series.Points, 3)
	assert.Equal(t, 10.0, series.Points[1].At)
	assert.Equal(t, 20.0, series.Points[2].Rate)
	var profile struct {
		Stages []struct {
			From, To, Seconds float64
			Count             struct{ Avg float64 } `json:"completed_request_count"`
			Lag               struct{ Max float64 } `json:"schedule_lag"`
		}
	}
	raw, err = os.ReadFile(filepath.Join(filepath.Dir(runs[0]), "profile_export_aiperf.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &profile))
	require.Len(t, profile.Stages, 2)
	assert.Equal(t, []float64{5, 20, 10, 125}, []float64{profile.Stages[0].From, profile.Stages[0].To, profile.Stages[0].Seconds,
		profile.Stages[0].Count.Avg})
	assert.Equal(t, 100.0, profile.Stages[1].Count.Avg)
	assert.Zero(t, profile.Stages[1].Lag.Max)
}
