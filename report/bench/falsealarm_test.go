package bench

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of false alarms in docs/gate.md")

// drifting is a server whose latencies all move together: their logarithm is an
// Ornstein-Uhlenbeck process of standard deviation sd, which forgets itself in memory
// seconds. stall is added to a measurement that a stall of half a second, each ten
// seconds, falls into.
type drifting struct {
	name       string
	sd, memory float64
	stall      float64
}

// series are six metrics of n measurements of some seconds each, one after the other. Each
// metric has noise of 2% of its own.
func (d drifting) series(rng *rand.Rand, n int, seconds float64) []Series {
	const metrics, step = 6, 0.1
	out := make([]Series, metrics)
	for k := range out {
		out[k] = Series{Unit: fmt.Sprintf("m%d-ns", k)}
	}
	x, phase := d.sd*rng.NormFloat64(), 10*rng.Float64()
	now := 0.0
	for range n {
		mean, parts, stalled := 0.0, 0.0, 0.0
		for t := 0.0; t < seconds; t += step {
			if d.memory > 0 {
				keep := math.Exp(-step / d.memory)
				x = keep*x + d.sd*math.Sqrt(1-keep*keep)*rng.NormFloat64()
			}
			if math.Mod(now+phase, 10) < 0.5 {
				stalled++
			}
			mean, parts, now = mean+x, parts+1, now+step
		}
		for k := range out {
			v := math.Exp(mean/parts+0.02*rng.NormFloat64()) * (1 + d.stall*stalled/parts)
			out[k].Values = append(out[k].Values, 1e6*v)
		}
	}
	return out
}

// TestFalseAlarms measures how often the gate of a fixed load fails on an unchanged server
// whose latencies hang together in time, and holds docs/gate.md to it.
func TestFalseAlarms(t *testing.T) {
	const runs, page, begin, end = 1000, "../../docs/gate.md", "<!-- false alarms: begin -->\n", "<!-- false alarms: end -->"
	rows := "\n| latencies | measurements of 2 s | of 10 s | of 60 s |\n|---|---|---|---|\n"
	for _, d := range []drifting{
		{name: "independent"},
		{name: "drift together, sd 30%, over 2 s", sd: 0.3, memory: 2},
		{name: "drift together, sd 30%, over 10 s", sd: 0.3, memory: 10},
		{name: "drift together, sd 10%, over 10 s", sd: 0.1, memory: 10},
		{name: "a stall of 0.5 s each 10 s that triples them", stall: 3},
	} {
		row := "| " + d.name
		for _, seconds := range []float64{2, 10, 60} {
			failed := 0
			rng := rand.New(rand.NewPCG(7, uint64(seconds)))
			for range runs {
				old, now := d.series(rng, 10, seconds), d.series(rng, TrialsFor(10, 6), seconds)
				for _, c := range Compare(old, now, 0.05).Changes {
					if c.Fails {
						failed++
						break
					}
				}
			}
			if d.memory == 0 || seconds >= 6*d.memory {
				assert.LessOrEqual(t, failed, runs/100, "%s, measurements of %v s: 1%% is promised", d.name, seconds)
			}
			row += fmt.Sprintf(" | %.1f%%", 100*float64(failed)/runs)
		}
		t.Log(row)
		rows += row + " |\n"
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "the page has no line %q", begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the page has no line %q", end)
	want := before + begin + rows + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o666))
		return
	}
	assert.Equal(t, want, string(b), "write it with: go test ./report/bench -run TestFalseAlarms -update")
}
