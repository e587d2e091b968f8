package report_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata/derived")

// formula is a server without noise: latencies in ms as functions of concurrency
// and lengths.
type formula struct {
	ttft, itl func(c, isl, osl float64) float64
}

func (f formula) measure(c, isl, osl int) (ttft, itl, e2e float64) {
	ttft, itl = f.ttft(float64(c), float64(isl), float64(osl)), f.itl(float64(c), float64(isl), float64(osl))
	return ttft, itl, ttft + float64(osl-1)*itl
}

// TestDerivedFinding holds the findings of derived results to goldens, in full.
func TestDerivedFinding(t *testing.T) {
	slow.Test(t, slow.Pure)
	flat := func(v float64) func(c, isl, osl float64) float64 {
		return func(_, _, _ float64) float64 { return v }
	}
	loaded := func(c, _, _ float64) float64 { return 5 + 0.1*c }
	prefill := func(c, isl, _ float64) float64 { return 12 + 0.05*isl + 0.5*(c-1) }
	limit := 60.0
	ms := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name, recipe, why string
		server            formula
		in                recipes.Inputs
	}{
		{"knee", "concurrency-ramp", "latency leaves the floor", formula{prefill, loaded}, recipes.Inputs{}},
		{"knee_none", "concurrency-ramp", "latency does not move", formula{flat(20), flat(5)}, recipes.Inputs{Steps: new(3)}},
		{"knee_with_sla", "concurrency-ramp", "a further limit has its own line", formula{prefill, loaded},
			recipes.Inputs{Limits: []sla.Limit{{Metric: "time_to_first_token", Stat: "p95", Op: sla.LT, Threshold: 100}}}},
		{"fit_linear", "prefill-ttft-curve", "a line", formula{prefill, loaded}, recipes.Inputs{}},
		{"fit_quadratic", "prefill-ttft-curve", "attention's square, too bent for a line's r²",
			formula{func(_, isl, _ float64) float64 { return 40 + 1e-5*(isl-9000)*(isl-9000) }, loaded}, recipes.Inputs{}},
		{"fit_low_confidence", "prefill-ttft-curve", "points that no curve goes through",
			formula{func(_, isl, _ float64) float64 { return 30 + 20*math.Sin(isl) }, loaded}, recipes.Inputs{}},
		{"fit_none", "prefill-ttft-curve", "nothing to fit", formula{flat(math.NaN()), loaded}, recipes.Inputs{}},
		{"surface", "decode-itl-curve", "the grid, with a hole", formula{prefill, func(c, _, osl float64) float64 {
			if c == 200 && osl == 1024 {
				return math.NaN()
			}
			return 5 + 0.1*c + osl/1000
		}}, recipes.Inputs{}},
		{"frontier", "pareto-sweep", "three shapes", formula{prefill, loaded},
			recipes.Inputs{Pairs: new("128/128,512/256,2048/32"), ConcurrencyList: []int{1, 8, 64}}},
		{"breach", "max-concurrency-under-sla", "a boundary inside the grid", formula{prefill, loaded},
			recipes.Inputs{TTFT: &limit, Style: recipes.Grid}},
		{"breach_none", "max-concurrency-under-sla", "the whole grid passes", formula{flat(20), loaded},
			recipes.Inputs{TTFT: &limit, Style: recipes.Grid, Steps: new(3)}},
		{"breach_all", "max-concurrency-under-sla", "none of it does", formula{flat(200), loaded},
			recipes.Inputs{TTFT: &limit, Style: recipes.Grid, Steps: new(3)}},
		{"breach_throughput", "max-throughput-ttft-sla", "with an objective, and no best point", formula{flat(200), loaded},
			recipes.Inputs{TTFT: &limit, Style: recipes.Grid, Steps: new(3)}},
		{"breach_not_monotone", "max-concurrency-under-sla", "a bump", formula{func(c, _, _ float64) float64 {
			if c == 19 {
				return 70
			}
			return 20
		}, loaded}, recipes.Inputs{TTFT: &limit, Style: recipes.Grid}},
		{"goodput", "max-goodput-under-slo", "good requests", formula{prefill, loaded},
			recipes.Inputs{TTFT: ms(200), ITL: ms(50), E2E: ms(9000), Attainment: ms(0.8), Style: recipes.Monotonic}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := recipes.Lookup(tt.recipe)
			require.NoError(t, err)
			out, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: prober{tt.server}, Inputs: tt.in})
			require.NoError(t, err)
			out.Wall = 90 * time.Second // the clock is no part of the text
			var b bytes.Buffer
			require.NoError(t, report.Expansion(&b, out))
			require.NoError(t, report.Finding(&b, out))
			require.NoError(t, report.History(io.Discard, out))
			for line := range bytes.Lines(b.Bytes()) {
				assert.LessOrEqual(t, utf8.RuneCount(bytes.TrimRight(line, "\n")), 92, "%s", line)
			}
			path := filepath.Join("testdata", "derived", tt.name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
				require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), b.String(), tt.why)
		})
	}
}

type prober struct{ formula }

// Probe measures by the formula: p95 is 1.25 times the average, p99 1.5 times.
func (p prober) Probe(_ context.Context, l loadgen.Load, _ loadgen.Decider) (*loadgen.Measurement, error) {
	ttft, itl, e2e := p.measure(l.Concurrency, l.ISL, l.OSL)
	spread := func(v float64) loadgen.Metric {
		m := loadgen.Metric{Unit: "ms", Stats: map[string]float64{"avg": v, "p50": v, "p95": 1.25 * v, "p99": 1.5 * v}}
		if math.IsNaN(v) {
			m.Stats = nil
		}
		return m
	}
	one := func(unit string, v float64) loadgen.Metric {
		return loadgen.Metric{Unit: unit, Stats: map[string]float64{"avg": v}}
	}
	rate := 1000 * float64(l.Concurrency) / e2e
	m := &loadgen.Measurement{Load: l, Metrics: map[string]loadgen.Metric{
		"time_to_first_token": spread(ttft), "inter_token_latency": spread(itl), "request_latency": spread(e2e),
		"output_token_throughput": one("tokens/sec", rate*float64(l.OSL)), "request_throughput": one("requests/sec", rate),
		"completed_request_count": one("requests", 300), "error_request_count": one("requests", 0), "request_error_rate": one("%", 0),
	}}
	if limit, ok := l.SLO["time_to_first_token"]; ok {
		share := min(1, limit/(2*ttft))
		m.Metrics["good_request_fraction"], m.Metrics["goodput"] = one("ratio", share), one("requests/sec", share*rate)
	}
	return m, nil
}
