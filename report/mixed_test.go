package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// mixedLoad is a workload of everything but a mix.
var mixedLoad = loadgen.Workload{
	ISL: laws.Normal(64, 10), OSL: laws.Uniform(4, 12), System: 32,
	Prefixes: []laws.Prefix{{Groups: 4, Tokens: 48, Share: 1}},
}

// mixedText is how it is described.
const mixedText = "normal 64±10/uniform 4 to 12 tokens in/out, a system prompt of 32 tokens, 4 prefixes of 48 tokens for 100%"

// TestMixedFiles: every text and every file says what the requests were like.
func TestMixedFiles(t *testing.T) {
	o, dir := sim{fixed: 4, model: simserver.Model{PrefixCache: 10_000},
		change: func(s *recipes.Spec) { s.Workload.Workload = mixedLoad }}.run(t)
	file := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(b)
	}
	var expanded bytes.Buffer
	require.NoError(t, Expansion(&expanded, o))
	assert.Contains(t, strings.Join(strings.Fields(expanded.String()), " "), mixedText)
	assert.Contains(t, file("summary.md"), mixedText)
	assert.Contains(t, file("report.html"), mixedText)
	assert.Contains(t, file("bench.txt"), "workload: "+mixedText+" #"+mixedLoad.Sum()+"\n")
	assert.NotContains(t, file("bench.txt"), "isl:")

	matches, err := filepath.Glob(filepath.Join(dir, "*", "inputs.json"))
	require.NoError(t, err)
	if len(matches) == 0 {
		matches = []string{filepath.Join(dir, "inputs.json")}
	}
	b, err := os.ReadFile(matches[0])
	require.NoError(t, err)
	var inputs struct {
		Data    []json.RawMessage
		Prompts struct{ Workload loadgen.Workload }
	}
	require.NoError(t, json.Unmarshal(b, &inputs))
	assert.True(t, mixedLoad.Same(inputs.Prompts.Workload))

	b, err = os.ReadFile(filepath.Join(filepath.Dir(matches[0]), "run_config.json"))
	require.NoError(t, err)
	var config struct {
		Command string `json:"cli_command"`
		Cfg     struct {
			Datasets []struct {
				Prompts struct {
					ISL, OSL struct{ Mean, Stddev float64 }
				}
				Shared struct {
					Groups int `json:"pool_size"`
					Length int
				} `json:"prefix_prompts"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(b, &config))
	assert.Contains(t, config.Command, "--num-prefix-prompts 4 --prefix-prompt-length 80 --isl 64 --isl-stddev 10 --osl 8 --osl-stddev 3 ")
	assert.Contains(t, config.Command, " # without the system prompt that the prefixes share, the form of the laws of lengths")
	lengths := config.Cfg.Datasets[0].Prompts
	assert.InDelta(t, 64, lengths.ISL.Mean, 0.2)
	assert.Equal(t, 4, config.Cfg.Datasets[0].Shared.Groups)
	assert.Equal(t, 32+48, config.Cfg.Datasets[0].Shared.Length)
	assert.InDelta(t, 10, lengths.ISL.Stddev, 0.2)
	assert.InDelta(t, 8, lengths.OSL.Mean, 0.1)
}

// TestMixedBench: benchmark lines of another workload answer another question.
func TestMixedBench(t *testing.T) {
	o, dir := sim{fixed: 4, change: func(s *recipes.Spec) { s.Workload.Workload = mixedLoad }}.run(t)
	mixed, err := bench.ReadFile(filepath.Join(dir, "bench.txt"))
	require.NoError(t, err)
	assert.Empty(t, mixed.Differs(o))
	plain, dir := sim{fixed: 4}.run(t)
	assert.Equal(t, "its workload was "+mixedText+" #"+mixedLoad.Sum()+" and is of fixed lengths now", mixed.Differs(plain))
	fixed, err := bench.ReadFile(filepath.Join(dir, "bench.txt"))
	require.NoError(t, err)
	assert.Equal(t, "its workload was of fixed lengths and is "+mixedText+" #"+mixedLoad.Sum()+" now", fixed.Differs(o))
	assert.Empty(t, fixed.Differs(plain))
}
