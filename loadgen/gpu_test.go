package loadgen_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// powered is a server with two GPUs, whose batch is never full in these tests.
var powered = simserver.Model{Step: 10 * time.Millisecond, PerSeq: 200 * time.Microsecond, MaxBatch: 16, GPUs: 2, Idle: 100, Peak: 700}

// setup changes the target of a probe of a server.
type setup func(*testing.T, *loadgen.Target, *simserver.Server)

// gpus sets the number of GPUs.
func gpus(n int) setup {
	return func(_ *testing.T, to *loadgen.Target, _ *simserver.Server) { to.GPUs = n }
}

// probed runs a probe in a bubble against powered, as target asks.
func probed(t *testing.T, target setup, load loadgen.Load, f func(*simserver.Server, *loadgen.Measurement)) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(powered)
		defer srv.Close()
		to := loadgen.Target{URL: srv.URL, Dial: srv.Dial}
		if target != nil {
			target(t, &to, srv)
		}
		g, err := loadgen.New(to)
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		m, err := g.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		f(srv, m)
	})
}

// watts matches the power of the first GPU on a page.
var watts = regexp.MustCompile(`DCGM_FI_DEV_POWER_USAGE\{gpu="0"[^}]*\} (\S+)`)

// TestGPUEnergy holds the energy of a probe against the integral of the power that is read by
// hand every 5 ms, and what follows from it against the rates.
func TestGPUEnergy(t *testing.T) {
	load := loadgen.Load{Concurrency: 6, ISL: 100, OSL: 40, Requests: 60}
	type reading struct {
		at    time.Duration // since the bubble's beginning, as the generator's times are
		watts float64
	}
	var all []reading
	var done chan struct{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	probed(t, func(_ *testing.T, to *loadgen.Target, srv *simserver.Server) {
		to.GPUs, to.Price = 2, 3
		began := time.Now()
		done = make(chan struct{})
		go func() {
			defer close(done)
			for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
				resp, err := srv.Client().Get(srv.URL + "/metrics")
				if err != nil {
					return
				}
				raw, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if m := watts.FindSubmatch(raw); m != nil {
					v, _ := strconv.ParseFloat(string(m[1]), 64)
					all = append(all, reading{time.Since(began), v})
				}
			}
		}()
	}, load, func(_ *simserver.Server, m *loadgen.Measurement) {
		stop()
		<-done
		require.Empty(t, m.Warnings)
		truth := 0.0
		for _, span := range m.Server.Window.Spans {
			for i := 1; i < len(all); i++ {
				from, to := max(all[i-1].at, span.From), min(all[i].at, span.To)
				truth += 2 * all[i-1].watts * max(to-from, 0).Seconds()
			}
		}
		energy := stat(t, m, loadgen.TagGPUEnergy, "avg")
		require.Greater(t, truth, 1000.0)
		t.Logf("energy %.1f J by the counter, %.1f J by the integral: %+.2f%%", energy, truth, 100*(energy/truth-1))
		assert.InEpsilon(t, truth, energy, 0.01)

		mean := energy / m.Server.Window.Length().Seconds()
		out, both := stat(t, m, loadgen.TagTokenRate, "avg"), stat(t, m, loadgen.TagTotalRate, "avg")
		assert.InEpsilon(t, mean/out, stat(t, m, loadgen.TagJoules, "avg"), 1e-9, "joules of an output token")
		assert.InEpsilon(t, mean/both, stat(t, m, loadgen.TagTotalJoules, "avg"), 1e-9)
		assert.InEpsilon(t, out/2, stat(t, m, loadgen.TagPerGPU, "avg"), 1e-9)
		assert.InEpsilon(t, both/2, stat(t, m, loadgen.TagTotalPerGPU, "avg"), 1e-9)
		assert.InEpsilon(t, 6/(out*3600)*1e6, stat(t, m, loadgen.TagCost, "avg"), 1e-9, "two GPUs of 3 an hour")
		assert.InEpsilon(t, 6/(both*3600)*1e6, stat(t, m, loadgen.TagTotalCost, "avg"), 1e-9)
		assert.InDelta(t, mean/2, stat(t, m, loadgen.TagGPUPower, "avg"), 30, "one GPU's, at the samples")
		assert.Equal(t, 100.0, stat(t, m, loadgen.TagGPUUse, "p95"))
		assert.InDelta(t, 1.048576e-3*(10240+6*140), stat(t, m, loadgen.TagGPUMemory, "max"), 0.01, "in GB")
		relative := m.Metrics[loadgen.TagTokenRate].SE["avg"] / out
		assert.InDelta(t, relative, m.Metrics[loadgen.TagCost].SE["avg"]/stat(t, m, loadgen.TagCost, "avg"), 1e-9)

		parts := m.Slices(time.Second)
		require.NotEmpty(t, parts)
		assert.InDelta(t, mean/2, stat(t, parts[0], loadgen.TagGPUPower, "avg"), 60)
		assert.Positive(t, stat(t, parts[0], loadgen.TagCost, "avg"))
	})
}

// TestGPUCount: how many GPUs are counted, and what is said of those that cannot be told.
func TestGPUCount(t *testing.T) {
	load := loadgen.Load{Concurrency: 4, ISL: 50, OSL: 16, Requests: 40}
	probed(t, nil, load, func(_ *simserver.Server, m *loadgen.Measurement) {
		assert.Equal(t, 2.0, stat(t, m, loadgen.TagGPUs, "avg"), "both worked")
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], loadgen.ErrGPUs)
		assert.ErrorContains(t, m.Warnings[0],
			"the pages of metrics show 2, and nothing says which are the server's; the 2 that worked are counted")
		_, ok := m.Stat(loadgen.TagCost, "avg")
		assert.False(t, ok, "without a price")
	})
	both := 0.0
	probed(t, gpus(2), load, func(_ *simserver.Server, m *loadgen.Measurement) {
		assert.Empty(t, m.Warnings)
		both = stat(t, m, loadgen.TagJoules, "avg")
	})
	probed(t, gpus(1), load, func(_ *simserver.Server, m *loadgen.Measurement) {
		assert.Empty(t, m.Warnings)
		assert.InEpsilon(t, both/2, stat(t, m, loadgen.TagJoules, "avg"), 0.01, "one of them is the server's")
	})
	probed(t, gpus(4), load, func(_ *simserver.Server, m *loadgen.Measurement) {
		require.Len(t, m.Warnings, 1)
		assert.ErrorContains(t, m.Warnings[0], "the pages of metrics show 2 of 4, and energy and power are theirs alone")
	})
	probed(t, func(_ *testing.T, to *loadgen.Target, _ *simserver.Server) {
		to.Metrics, to.GPUs, to.Price = []string{}, 4, 2
	}, load,
		func(_ *simserver.Server, m *loadgen.Measurement) {
			assert.Empty(t, m.Warnings)
			assert.InEpsilon(t, 8/(stat(t, m, loadgen.TagTokenRate, "avg")*3600)*1e6, stat(t, m, loadgen.TagCost, "avg"), 1e-9,
				"costs need no page of metrics")
			_, ok := m.Stat(loadgen.TagJoules, "avg")
			assert.False(t, ok)
		})
	for _, target := range []loadgen.Target{{URL: "http://x", GPUs: -1}, {URL: "http://x", Price: -2}} {
		_, err := loadgen.New(target)
		assert.Error(t, err)
	}
}

// TestVectorCost: an API without output tokens has the cost of its prompts.
func TestVectorCost(t *testing.T) {
	probed(t, func(_ *testing.T, to *loadgen.Target, _ *simserver.Server) {
		to.GPUs, to.Price, to.Protocol = 2, 3, "embeddings"
	},
		loadgen.Load{Concurrency: 4, ISL: 100, Requests: 60}, func(_ *simserver.Server, m *loadgen.Measurement) {
			rate := stat(t, m, loadgen.TagInputRate, "avg")
			assert.InEpsilon(t, 6/(rate*3600)*1e6, stat(t, m, loadgen.TagTotalCost, "avg"), 1e-9)
			assert.InEpsilon(t, rate/2, stat(t, m, loadgen.TagTotalPerGPU, "avg"), 1e-9)
			_, ok := m.Stat(loadgen.TagCost, "avg")
			assert.False(t, ok)
		})
}

// TestExporterPage: the page of an exporter stands beside the server's own, and the power that
// it has gives the energy if it counts none.
func TestExporterPage(t *testing.T) {
	load := loadgen.Load{Concurrency: 6, ISL: 100, OSL: 40, Requests: 120}
	want := 0.0
	var p *pipes
	probed(t, gpus(2), load, func(_ *simserver.Server, m *loadgen.Measurement) {
		want = stat(t, m, loadgen.TagJoules, "avg")
	})
	probed(t, func(t *testing.T, to *loadgen.Target, srv *simserver.Server) {
		p = pages(t, func(w http.ResponseWriter, r *http.Request) {
			resp, err := srv.Client().Get(srv.URL + "/metrics")
			if err != nil {
				return
			}
			defer resp.Body.Close()
			raw, _ := io.ReadAll(resp.Body)
			for line := range strings.Lines(string(raw)) {
				if strings.Contains(line, "DCGM") && !strings.Contains(line, "ENERGY") {
					_, _ = io.WriteString(w, line)
				}
			}
		})
		to.GPUs, to.Metrics = 2, []string{"http://node:9400"}
		to.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "node") {
				return p.Dial(ctx, network, addr)
			}
			return srv.Dial(ctx, network, addr)
		}
	}, load, func(_ *simserver.Server, m *loadgen.Measurement) {
		assert.Empty(t, m.Warnings)
		assert.InEpsilon(t, want, stat(t, m, loadgen.TagJoules, "avg"), 0.1, "by the power once a second")
		assert.Equal(t, 6.0, stat(t, m, loadgen.TagRunning, "max"), "the server's own page is read as well")
		assert.Equal(t, "vLLM", m.Server.Window.Server)
		p.Close()
	})
}
