package servermetrics_test

import (
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// gpuAt is a sample of one GPU. NaN is what the exporter does not have.
func gpuAt(seconds, power, joules float64) servermetrics.Sample {
	return servermetrics.Sample{At: time.Duration(seconds * float64(time.Second)), Page: servermetrics.Page{GPUs: []servermetrics.GPU{
		{Device: &servermetrics.Device{Platform: "nvidia"}, Power: power, Energy: joules, Utilization: 90, Memory: math.NaN()},
	}}}
}

// TestEnergy: what a GPU takes in a window, by its counter and by its power.
func TestEnergy(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		why     string
		samples []servermetrics.Sample
		joules  float64
		counted bool
	}{
		{"the counter's difference, whatever the power is",
			[]servermetrics.Sample{gpuAt(0, 1, 1000), gpuAt(1, 1, 1300), gpuAt(2, 1, 1700)}, 700, true},
		{"the integral of the power: 250 J and 300 J",
			[]servermetrics.Sample{gpuAt(0, 200, nan), gpuAt(1, 300, nan), gpuAt(2, 300, nan)}, 550, false},
		{"a reading without power is passed over",
			[]servermetrics.Sample{gpuAt(0, 200, nan), gpuAt(1, nan, nan), gpuAt(2, 400, nan)}, 600, false},
		{"a counter that was reset counts from 0",
			[]servermetrics.Sample{gpuAt(0, 1, 1000), gpuAt(1, 1, 1300), gpuAt(2, 1, 100)}, 400, true},
		{"a counter that the last reading lacks",
			[]servermetrics.Sample{gpuAt(0, 1, 1000), gpuAt(1, 1, 1300), gpuAt(2, 1, nan)}, 600, true},
		{"a counter that stands still is none", []servermetrics.Sample{gpuAt(0, 100, 7), gpuAt(1, 100, 7)}, 100, false},
		{"neither is known", []servermetrics.Sample{gpuAt(0, nan, nan), gpuAt(1, nan, nan)}, nan, false},
	} {
		w := servermetrics.Summarize(test.samples)
		require.Len(t, w.GPUs, 1, test.why)
		g := w.GPUs[0]
		if math.IsNaN(test.joules) {
			assert.True(t, math.IsNaN(g.Energy), test.why)
			assert.Nil(t, w.Stats(servermetrics.GPUEnergy), test.why)
			continue
		}
		assert.InDelta(t, test.joules, g.Energy, 1e-9, test.why)
		assert.Equal(t, test.counted, g.Counted, test.why)
		assert.InDelta(t, test.joules, w.Stats(servermetrics.GPUEnergy)["sum"], 1e-9, test.why)
	}
}

// TestSlowExporter: an exporter reads its GPUs at times of its own, and repeats what it read.
func TestSlowExporter(t *testing.T) {
	energy := func(every time.Duration, length time.Duration) (g servermetrics.GPUWindow, s servermetrics.Series) {
		var began atomic.Pointer[time.Time]
		now := time.Now()
		began.Store(&now)
		s = watched(t, length, func(*http.Request) (*http.Response, error) {
			read := time.Since(*began.Load())
			if every > 0 {
				read = read.Truncate(every)
			}
			// 300 W, and 600 W from 100 s on.
			joules := 5000 + 300*read.Seconds() + 300*max(read.Seconds()-100, 0)
			return reply(200, fmt.Sprintf("DCGM_FI_DEV_POWER_USAGE{gpu=\"0\"} 450\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"} %f\n",
				1000*joules)), nil
		}, func(*servermetrics.Watch) {
			now := time.Now()
			began.Store(&now)
		})
		return servermetrics.Summarize(s.Samples).GPUs[0], s
	}
	g, s := energy(0, 90*time.Second)
	assert.InDelta(t, 27000, g.Energy, 1e-6)
	assert.Zero(t, s.Refreshed)
	g, s = energy(30*time.Second, 300*time.Second)
	assert.InEpsilon(t, 30000+200*600, g.Energy, 0.01, "30 kJ at 300 W, and 120 kJ at 600 W")
	assert.Equal(t, 30*time.Second, s.Refreshed)
	assert.True(t, g.Counted)
	part := servermetrics.Summarize(s.Samples[40:46])
	assert.InEpsilon(t, 5*300, part.GPUs[0].Energy, 0.01, "a part that is shorter than the time between two readings")
	g, s = energy(30*time.Second, 45*time.Second)
	assert.Equal(t, 45*time.Second, s.Refreshed, "or more seldom")
	assert.InDelta(t, 45*450, g.Energy, 1e-6, "one change says nothing, and the power at the samples stands for it")
	assert.False(t, g.Counted)
	g, s = energy(1500*time.Millisecond, 60*time.Second)
	assert.InEpsilon(t, 60*300, g.Energy, 0.03)
	assert.Zero(t, s.Refreshed, "it reads about as often as it is asked")
}

// TestGPUWindows: parts of a window follow each other, and pages lie side by side.
func TestGPUWindows(t *testing.T) {
	one := servermetrics.Summarize([]servermetrics.Sample{gpuAt(0, 200, 0), gpuAt(1, 200, 200)})
	two := servermetrics.Summarize([]servermetrics.Sample{gpuAt(5, 400, 1000), gpuAt(6, 400, 1400)})
	all := servermetrics.Chain(one, two)
	require.Len(t, all.GPUs, 1)
	joules, length, ok := all.Energy()
	assert.True(t, ok)
	assert.Equal(t, 600.0, joules, "without what lies between the parts")
	assert.Equal(t, 2*time.Second, length)
	assert.Equal(t, 300.0, all.Stats(servermetrics.GPUPower)["avg"])
	assert.Len(t, one.GPUs[0].Power, 2, "the parts are left as they are")

	other := gpuAt(1, 100, 50)
	other.Page.GPUs[0].Device = &servermetrics.Device{Platform: "nvidia", Index: 1}
	first := other
	first.At, first.Page.GPUs = 0, []servermetrics.GPU{other.Page.GPUs[0]}
	first.Page.GPUs[0].Energy = 1e-3
	side := servermetrics.Merge(one, servermetrics.Summarize([]servermetrics.Sample{first, other}), one)
	require.Len(t, side.GPUs, 2, "a page that is named twice counts once")
	joules, _, _ = side.Energy()
	assert.InDelta(t, 250, joules, 0.01)
	assert.Equal(t, 200.0, side.Stats(servermetrics.GPUPower)["max"], "a percentile of power is one of single GPUs")
	assert.Equal(t, 150.0, side.Stats(servermetrics.GPUPower)["avg"])
}

// TestMine: which of a node's GPUs are a server's.
func TestMine(t *testing.T) {
	gpu := func(index int, pod string, utilization, joules float64) servermetrics.GPUWindow {
		return servermetrics.GPUWindow{Device: &servermetrics.Device{Index: index, Pod: pod, Namespace: "x"},
			Utilization: []float64{utilization}, Energy: joules}
	}
	for _, test := range []struct {
		why   string
		all   []servermetrics.GPUWindow
		n     int
		hosts []string
		mine  []int
		told  bool
	}{
		{"the only one", []servermetrics.GPUWindow{gpu(0, "", 90, 1)}, 0, nil, []int{0}, true},
		{"those that worked, which may be somebody else's",
			[]servermetrics.GPUWindow{gpu(0, "", 90, 1), gpu(1, "", 0, 1), gpu(2, "", 5, 1)}, 0, nil, []int{0, 2}, false},
		{"none has a utilization, as on an MI210", []servermetrics.GPUWindow{gpu(0, "", 0, 1), gpu(1, "", 0, 1)}, 0, nil, []int{0, 1}, false},
		{"the only pod", []servermetrics.GPUWindow{gpu(0, "a-1", 90, 1), gpu(1, "", 90, 1), gpu(2, "a-1", 0, 1)}, 0, nil, []int{0, 2}, true},
		{"the pods of the service's name",
			[]servermetrics.GPUWindow{gpu(0, "a-1", 90, 1), gpu(1, "b-1", 90, 1), gpu(2, "a-2", 90, 1)}, 0,
			[]string{"a.default.svc"}, []int{0, 2}, true},
		{"several pods, and nothing tells which", []servermetrics.GPUWindow{gpu(0, "a-1", 90, 1), gpu(1, "b-1", 90, 1)}, 0,
			[]string{"127.0.0.1"}, []int{0, 1}, false},
		{"two are said: those that took the most", []servermetrics.GPUWindow{gpu(0, "", 90, 9), gpu(1, "", 99, 1), gpu(2, "", 90, 8)}, 2,
			nil, []int{0, 2}, true},
		{"as many as are said", []servermetrics.GPUWindow{gpu(0, "", 0, 9), gpu(1, "", 99, 1)}, 2, nil, []int{0, 1}, true},
	} {
		mine, told := servermetrics.Mine(test.all, test.n, test.hosts)
		var got []int
		for _, g := range mine {
			got = append(got, g.Device.Index)
		}
		assert.Equal(t, test.mine, got, test.why)
		assert.Equal(t, test.told, told, test.why)
	}
}
