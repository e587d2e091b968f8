package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSlices: a probe that is cut into slices leaves AIPerf's two files of them, and a chart.
func TestSlices(t *testing.T) {
	t.Parallel()
	dir := &Dir{Path: t.TempDir(), Slice: 500 * time.Millisecond}
	sim{fixed: 8, dir: dir, model: simserver.Model{Step: 20 * time.Millisecond, MaxBatch: 4},
		change: func(s *recipes.Spec) { s.Workload.OSL = 16 }}.run(t)
	files, err := filepath.Glob(filepath.Join(dir.Path, "*", "profile_export_aiperf_timeslices.*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	raw, err := os.ReadFile(files[1])
	require.NoError(t, err)
	var file struct {
		Timeslices []map[string]any
		Input      map[string]any `json:"input_config"`
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	require.Greater(t, len(file.Timeslices), 4)
	measured := 0
	for i, s := range file.Timeslices {
		assert.EqualValues(t, i, s["timeslice_index"])
		// Between two parts of the window no request starts that is measured.
		if ttft, ok := s["time_to_first_token"].(map[string]any); ok {
			measured++
			assert.Equal(t, "ms", ttft["unit"])
			assert.Contains(t, ttft, "p95")
		}
	}
	assert.Greater(t, measured, 2)
	assert.Contains(t, file.Input, "endpoint")
	csv := strings.ReplaceAll(read(t, dir.Path, strings.TrimPrefix(files[0], dir.Path)), "\r", "")
	assert.Regexp(t, "^Timeslice,Metric,Unit,Stat,Value\n", csv)
	assert.Regexp(t, `(?m)^0,Time to First Token,ms,p95,[\d.]+$`, csv)
	chart := read(t, dir.Path, "plots/timeline.svg")
	for _, curve := range []string{"TTFT p95", "output throughput", "requests waiting"} {
		assert.Contains(t, chart, curve)
	}

	plain := &Dir{Path: t.TempDir()}
	sim{fixed: 2, dir: plain}.run(t)
	assert.NoFileExists(t, filepath.Join(plain.Path, "plots", "timeline.svg"), "nothing is cut unless it is asked for")
}
