package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// priced is a server with two GPUs that cost 2.5 an hour each.
func priced(limits ...string) sim {
	return sim{
		fixed: 6, model: simserver.Model{MaxBatch: 16, GPUs: 2},
		change: func(s *recipes.Spec) {
			s.Target.GPUs, s.Target.Price = 2, 2.5
			for _, text := range limits {
				if l, err := sla.ParseLimit(text); err == nil {
					s.Inputs.Limits = append(s.Inputs.Limits, l)
				}
			}
		},
	}
}

// glob reads the only file of a run that a pattern names.
func glob(t *testing.T, dir, name string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", name))
	require.NoError(t, err)
	require.Len(t, files, 1, name)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return raw
}

// TestGPUs: what GPUs take and cost stands in the table, in the finding, and in bench.txt, and
// limits may be on it.
func TestGPUs(t *testing.T) {
	o, dir := priced("joules_per_token < 2", "gpu_power p95 < 700W", "cost < 1000").run(t)
	assert.Equal(t, recipes.Met, o.Verdict)
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	text := strings.Join(strings.Fields(b.String()), " ")
	assert.Regexp(t, `joules_per_token < 2 J/tok [\d.]+ J/tok`, text)
	assert.Regexp(t, `gpu_power p95 < 700 W \d+ W`, text)
	assert.Regexp(t, `cost < 1000 [\d.]+ [\d.]+% (headroom|below)|cost < 1000 [\d.]+`, text)
	assert.Regexp(t, `GPUs at concurrency 6 \(2 × simulated\): \d+ W each \(max \d+ W\), [\d.]+% busy, [\d.]+ GB used; `+
		`[\d.]+ J an output token, [\d.]+ tok/s a GPU`, text)
	assert.Regexp(t, `cost at concurrency 6: [\d.]+ per million output tokens, [\d.]+ per million tokens \(2 GPUs, 2.5 an hour each\)`, text)
	b.Reset()
	require.NoError(t, Probes(&b, o))
	assert.Regexp(t, `joules_per_token +gpu_power p95 +cost +waiting +tok/s/GPU +SLA`, b.String(), "what a limit is on has a column already")
	raw, err := os.ReadFile(filepath.Join(dir, "bench.txt"))
	require.NoError(t, err)
	for _, unit := range []string{"W/gpu", "tok/s/gpu", "J/tok", "cost/Mtok-out", "cost/Mtok"} {
		assert.Contains(t, string(raw), " "+unit)
	}
	b.Reset()
	require.NoError(t, Log{Alone: true}.Finding(&b, o))
	assert.Contains(t, b.String(), "cost at concurrency 6: ", "in the short form as well")

	missed, _ := priced("joules_per_token < 0.0001").run(t)
	assert.Equal(t, recipes.Missed, missed.Verdict)
}

// TestNoGPUs: nothing of GPUs is said without them, and a cost needs a price alone beside their
// number.
func TestNoGPUs(t *testing.T) {
	o, dir := sim{fixed: 2}.run(t)
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	require.NoError(t, Probes(&b, o))
	assert.NotContains(t, b.String(), "GPU")
	assert.NotContains(t, b.String(), "cost")
	files, err := filepath.Glob(filepath.Join(dir, "*", "gpu_telemetry_export.jsonl"))
	require.NoError(t, err)
	assert.Empty(t, files)
	assert.NotContains(t, string(glob(t, dir, "profile_export_aiperf.json")), "telemetry_data")

	o, _ = sim{fixed: 2, change: func(s *recipes.Spec) { s.Target.GPUs, s.Target.Price = 4, 2 }}.run(t)
	b.Reset()
	require.NoError(t, Finding(&b, o))
	assert.Regexp(t, `GPUs at concurrency 2 \(4 GPUs\): [\d.]+ tok/s a GPU`, b.String())
	assert.Contains(t, strings.Join(strings.Fields(b.String()), " "), "(4 GPUs, 2 an hour each)")
}

// TestGPUExport holds AIPerf's forms against the measurement.
func TestGPUExport(t *testing.T) {
	o, dir := priced().run(t)
	m := o.Probes[0].Trials[0]
	stat := func(tag loadgen.Tag, stat string) float64 {
		v, ok := m.Stat(tag, stat)
		require.True(t, ok, "%s %s", tag, stat)
		return v
	}
	type metric struct {
		Unit          string
		Avg, Max, P95 float64
		Count         int
	}
	raw := glob(t, dir, "profile_export_aiperf.json")
	var blocks map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &blocks))
	for tag, want := range map[string]metric{
		"nvidia_total_gpu_energy":        {Unit: "J", Avg: stat(loadgen.TagGPUEnergy, "avg")},
		"nvidia_energy_per_output_token": {Unit: "mJ/token", Avg: 1000 * stat(loadgen.TagJoules, "avg")},
		"nvidia_energy_per_total_token":  {Unit: "mJ/token", Avg: 1000 * stat(loadgen.TagTotalJoules, "avg")},
		"nvidia_output_tokens_per_joule": {Unit: "tokens/J", Avg: 1 / stat(loadgen.TagJoules, "avg")},
		"nvidia_total_gpu_power":         {Unit: "W", Avg: 2 * stat(loadgen.TagGPUPower, "avg")},
	} {
		var got metric
		require.NoError(t, json.Unmarshal(blocks[tag], &got), tag)
		assert.Equal(t, want.Unit, got.Unit, tag)
		assert.InEpsilon(t, want.Avg, got.Avg, 1e-9, tag)
	}
	assert.NotContains(t, blocks, "nvidia_goodput_per_watt", "nothing says which request is good")
	var telemetry struct {
		Summary struct {
			Pages []string `json:"endpoints_successful"`
		}
		Endpoints map[string]struct {
			GPUs map[string]struct {
				Index    int    `json:"gpu_index"`
				Name     string `json:"gpu_name"`
				UUID     string `json:"gpu_uuid"`
				Platform string
				Host     string `json:"hostname"`
				Pod      *string
				Metrics  map[string]metric
			}
		}
	}
	require.NoError(t, json.Unmarshal(blocks["telemetry_data"], &telemetry))
	require.Len(t, telemetry.Summary.Pages, 1)
	page := strings.TrimSuffix(strings.TrimPrefix(telemetry.Summary.Pages[0], "http://"), "/metrics")
	require.Len(t, telemetry.Endpoints[page].GPUs, 2)
	gpu := telemetry.Endpoints[page].GPUs["gpu_1"]
	assert.Equal(t, []any{1, "simulated", "GPU-00000001", "nvidia", "simserver"}, []any{gpu.Index, gpu.Name, gpu.UUID, gpu.Platform, gpu.Host})
	assert.Equal(t, "MJ", gpu.Metrics["nvidia_energy_consumption"].Unit)
	assert.InEpsilon(t, stat(loadgen.TagGPUEnergy, "avg")/2, 1e6*gpu.Metrics["nvidia_energy_consumption"].Avg, 1e-6)
	assert.Equal(t, stat(loadgen.TagGPUPower, "p95"), gpu.Metrics["nvidia_power_usage"].P95)
	assert.Positive(t, gpu.Metrics["nvidia_memory_used"].Count)

	table := strings.Split(strings.ReplaceAll(string(glob(t, dir, "profile_export_aiperf.csv")), "\r", ""), "\n")
	head := slices.IndexFunc(table, func(line string) bool { return strings.HasPrefix(line, "Endpoint,GPU_Index,") })
	require.Positive(t, head)
	assert.Equal(t, "Endpoint,GPU_Index,GPU_Name,GPU_UUID,Platform,Metric,avg,min,max,sum,p1,p5,p10,p25,p50,p75,p90,p95,p99,std,Hostname",
		table[head])
	assert.Equal(t, []string{"", ""}, table[head-2:head])
	assert.Contains(t, table[head+1], page+",0,simulated,GPU-00000000,nvidia,NVIDIA GPU Power Usage (W),")
	assert.True(t, strings.HasSuffix(table[head+1], ",simserver"))

	lines := 0
	for s := bufio.NewScanner(bytes.NewReader(glob(t, dir, "gpu_telemetry_export.jsonl"))); s.Scan(); lines++ {
		var line struct {
			At   int64              `json:"timestamp_ns"`
			UUID string             `json:"gpu_uuid"`
			Data map[string]float64 `json:"telemetry_data"`
		}
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		assert.Positive(t, line.At)
		assert.Len(t, line.Data, 4)
	}
	assert.Equal(t, 2*len(m.Server.Series[0].Samples), lines)

	var config struct {
		Cfg struct {
			GPU struct {
				Enabled bool
				URLs    []string
			} `json:"gpu_telemetry"`
		}
		Command string `json:"cli_command"`
	}
	require.NoError(t, json.Unmarshal(glob(t, dir, "run_config.json"), &config))
	assert.True(t, config.Cfg.GPU.Enabled)
	assert.Equal(t, telemetry.Summary.Pages, config.Cfg.GPU.URLs)
	assert.Contains(t, config.Command, "--gpu-telemetry '"+telemetry.Summary.Pages[0]+"'")
}

// TestGPUChart: a sweep over shapes has a curve a shape, and a ring around what no other point
// beats.
func TestGPUChart(t *testing.T) {
	t.Parallel()
	s := standard["pareto"]
	s.model = simserver.Model{MaxBatch: 16, GPUs: 2}
	s.change = priced().change
	s.dir = &Dir{Path: t.TempDir()}
	o, dir := s.run(t)
	c, ok := viewOf(o).gpuChart()
	require.True(t, ok)
	var names []string
	for _, s := range c.Series {
		names = append(names, s.Name)
	}
	assert.Equal(t, []string{"32 in / 8 out", "64 in / 16 out", "Pareto-optimal"}, names)
	p := o.Probes[0]
	x, _ := p.Stat(loadgen.TagPerUser, "avg")
	y, _ := p.Stat(loadgen.TagPerGPU, "avg")
	rate, _ := p.Stat(loadgen.TagTokenRate, "avg")
	assert.InEpsilon(t, rate/2, y, 1e-9)
	found := false
	for _, q := range c.Series[0].Points {
		found = found || q.X == x && q.Y == y
	}
	assert.True(t, found, "a point of the first probe")
	assert.FileExists(t, filepath.Join(dir, "plots", "gpu_pareto.svg"))
	var b bytes.Buffer
	require.NoError(t, Finding(&b, o))
	assert.Contains(t, b.String(), "lowest cost at ")

	_, ok = viewOf(runOutcome(t, "pareto")).gpuChart()
	assert.False(t, ok, "without GPUs")
}
