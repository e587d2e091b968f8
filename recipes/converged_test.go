package recipes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen"
)

// TestSameLaw holds the p-values against those of SciPy's ks_2samp, exact and asymptotic,
// which are 2% apart for samples of this size.
func TestSameLaw(t *testing.T) {
	values := func(n int, f func(i float64) float64) (vs []float64) {
		for i := range n {
			vs = append(vs, f(float64(i+1)))
		}
		return vs
	}
	x := values(100, func(i float64) float64 { return i })
	for _, tt := range []struct {
		name  string
		y     []float64
		p, by float64
	}{
		{"the same", values(100, func(i float64) float64 { return i + 0.5 }), 1, 1e-9},
		{"shifted by 15", values(100, func(i float64) float64 { return i + 15 }), 0.201, 0.012},
		{"another scale", values(60, func(i float64) float64 { return 1.4 * i }), 0.241, 0.006},
		{"the lowest fifth", values(21, func(i float64) float64 { return i + 12 }), 4.6e-8, 1e-7},
		{"too few to tell", []float64{1}, 0, 0},
	} {
		assert.InDelta(t, tt.p, sameLaw(x, tt.y), tt.by, tt.name)
	}
}

// TestCriteria: each criterion ends the trials when it is met, and not before.
func TestCriteria(t *testing.T) {
	trial := func(ms ...int) *loadgen.Measurement {
		m := &loadgen.Measurement{Metrics: map[string]loadgen.Metric{}}
		sum := 0.0
		for _, v := range ms {
			end := time.Second + time.Duration(v)*time.Millisecond
			m.Requests = append(m.Requests, loadgen.Request{Start: time.Second, End: end, EOF: end})
			sum += float64(v)
		}
		m.Metrics[loadgen.TagLatency] = loadgen.Metric{Stats: map[string]float64{"avg": sum / float64(len(ms))}}
		return m
	}
	steady := []*loadgen.Measurement{trial(90, 100, 110), trial(91, 101, 111), trial(89, 99, 109)}
	moved := []*loadgen.Measurement{trial(90, 100, 110, 120, 130, 140), trial(91, 101, 111, 121, 131, 141),
		trial(190, 200, 210, 220, 230, 240)}
	for _, c := range []Convergence{
		{Metric: "e2e", Stat: "avg"},
		{Metric: "e2e", Stat: "avg", Criterion: "ci_width", Within: 0.05},
		{Metric: "e2e", Stat: "avg", Criterion: "cv"},
		{Metric: "e2e", Criterion: "distribution"},
	} {
		assert.False(t, c.wantsMore(&Probe{Trials: steady}, 1), "%+v", c)
		assert.True(t, c.wantsMore(&Probe{Trials: steady[:2]}, 1), "%+v: two trials tell nothing", c)
		assert.True(t, c.wantsMore(&Probe{Trials: moved}, 1), "%+v", c)
	}
	p := &Plan{Grid: []Axis{{Path: PathConcurrency, Values: []float64{1}}}}
	for _, tt := range []struct {
		c    Convergence
		says string
	}{
		{Convergence{Metric: "e2e", Stat: "avg", Criterion: "cvv"}, `criterion "cvv" is unknown`},
		{Convergence{Metric: "throughput", Criterion: "distribution"}, "one number a trial"},
		{Convergence{Metric: "e2e", Stat: "p98"}, "p98"},
	} {
		assert.ErrorContains(t, tt.c.validate(p), tt.says)
	}
}
