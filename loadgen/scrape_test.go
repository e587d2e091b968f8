package loadgen_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// simulated runs f in a bubble with a generator of a simulated server.
func simulated(t *testing.T, model simserver.Model, f func(*testing.T, *simserver.Server, *loadgen.Generator)) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(model)
		defer srv.Close()
		g, err := loadgen.New(loadgen.Target{URL: srv.URL, Dial: srv.Dial})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		f(t, srv, g)
	})
}

// byHand scrapes a server as anybody does.
func byHand(t *testing.T, srv *simserver.Server) servermetrics.Page {
	resp, err := srv.Client().Get(srv.URL + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	page, err := servermetrics.Parse(raw)
	require.NoError(t, err)
	return page
}

// stat is a statistic that must be there.
func stat(t *testing.T, m *loadgen.Measurement, tag loadgen.Tag, name string) float64 {
	t.Helper()
	v, ok := m.Stat(tag, name)
	require.True(t, ok, "%s %s", tag, name)
	return v
}

// TestServerMetrics holds what is joined to a probe against the client's own numbers: without
// a network both see the same.
func TestServerMetrics(t *testing.T) {
	model := simserver.Model{Step: 10 * time.Millisecond, PerSeq: 100 * time.Microsecond, MaxBatch: 8, PerPromptToken: 20 * time.Microsecond}
	simulated(t, model, func(t *testing.T, srv *simserver.Server, g *loadgen.Generator) {
		before := byHand(t, srv)
		m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 12, ISL: 100, OSL: 32, Requests: 120}, nil)
		require.NoError(t, err)
		g.Rest()
		after := byHand(t, srv)
		assert.Empty(t, m.Warnings)
		assert.Equal(t, 8.0, stat(t, m, loadgen.TagRunning, "max"), "the batch is full")
		assert.InDelta(t, 4, stat(t, m, loadgen.TagWaiting, "avg"), 1.5, "12 in flight and 8 in the batch")
		assert.Zero(t, stat(t, m, loadgen.TagPreemptions, "avg"))
		for _, pair := range [][2]loadgen.Tag{
			{loadgen.TagTTFT, loadgen.TagServerTTFT}, {loadgen.TagITL, loadgen.TagServerITL}, {loadgen.TagLatency, loadgen.TagServerE2E},
		} {
			assert.InEpsilon(t, stat(t, m, pair[0], "avg"), stat(t, m, pair[1], "avg"), 0.02, "%s, of nearly the same requests", pair[1])
		}
		ttft := stat(t, m, loadgen.TagQueueTime, "avg") + stat(t, m, loadgen.TagPrefillTime, "avg")
		assert.InEpsilon(t, stat(t, m, loadgen.TagServerTTFT, "avg"), ttft, 0.05, "a first token waits, and is prefilled")
		assert.InDelta(t, m.Server.Received, stat(t, m, loadgen.TagServerOutput, "avg"), 1e-6, "the tokens are ours, to the last")

		first, last := m.Server.Series[0].Samples[0].Page, m.Server.Series[0].Samples[len(m.Server.Series[0].Samples)-1].Page
		for _, q := range []servermetrics.Quantity{servermetrics.PromptTokens, servermetrics.GenerationTokens} {
			assert.LessOrEqual(t, before.Values[q], first.Values[q], "the window lies between the pages that were read by hand")
			assert.GreaterOrEqual(t, after.Values[q], last.Values[q])
			counted := 0.0
			for _, span := range m.Server.Window.Spans {
				for _, s := range m.Server.Series[0].Samples {
					switch s.At {
					case span.From:
						counted -= s.Page.Values[q]
					case span.To:
						counted += s.Page.Values[q]
					}
				}
			}
			assert.Equal(t, counted, m.Server.Window.Counters[q], "the differences of its parts")
		}
		assert.Equal(t, []string{"http://" + strings.TrimPrefix(srv.URL, "http://") + "/metrics"}, []string{m.Server.Series[0].Name})
	})
}

// TestScrapeDisturbsNothing: latencies and rates are the same with and without the reading of
// metrics. Which of two requests that are due at one time goes first is left to chance.
func TestScrapeDisturbsNothing(t *testing.T) {
	tags := []loadgen.Tag{loadgen.TagTTFT, loadgen.TagITL, loadgen.TagLatency, loadgen.TagTokenRate, loadgen.TagReqRate}
	means := func(metrics []string) (out []float64) {
		synctest.Test(t, func(t *testing.T) {
			srv := simserver.NewInMemory(simserver.Model{Step: 10 * time.Millisecond, PerSeq: 100 * time.Microsecond, MaxBatch: 8})
			defer srv.Close()
			g, err := loadgen.New(loadgen.Target{URL: srv.URL, Dial: srv.Dial, Metrics: metrics})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Ready(t.Context()))
			m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 12, ISL: 50, OSL: 16, Requests: 200, Seed: 3}, nil)
			require.NoError(t, err)
			assert.Equal(t, metrics == nil, m.Server.Window.Has())
			for _, tag := range tags {
				out = append(out, stat(t, m, tag, "avg"))
			}
		})
		return out
	}
	with, without := means(nil), means([]string{})
	for i, tag := range tags {
		assert.InEpsilon(t, without[i], with[i], 0.02, tag)
	}
}

// TestForeign: tokens that somebody else asks for are told of.
func TestForeign(t *testing.T) {
	simulated(t, simserver.Model{}, func(t *testing.T, srv *simserver.Server, g *loadgen.Generator) {
		other, err := loadgen.New(loadgen.Target{URL: srv.URL, Dial: srv.Dial})
		require.NoError(t, err)
		defer other.Close()
		require.NoError(t, other.Ready(t.Context()))
		load := loadgen.Load{Concurrency: 4, ISL: 50, OSL: 16, Requests: 80}
		_, err = other.Probe(t.Context(), load, nil) // its load goes on
		require.NoError(t, err)
		m, err := g.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], loadgen.ErrForeign)
		assert.ErrorContains(t, m.Warnings[0], "somebody else is using the server")
	})
}

// pages is a server of metrics beside a simulated one, in a bubble.
func pages(t *testing.T, h http.HandlerFunc) *pipes {
	p := newPipes()
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(p) }()
	t.Cleanup(func() { s.Close() })
	return p
}

// TestNamedPages: pages that the user names stand in for the endpoint's own, and get no
// secrets of it.
func TestNamedPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		p := pages(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Empty(t, r.Header.Get("Authorization"))
			assert.Equal(t, "/metrics", r.URL.Path)
			n := asked.Add(1)
			if n%4 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, "vllm:num_requests_waiting 2\nvllm:kv_cache_usage_perc 0.5\n")
		})
		srv := simserver.NewInMemory(simserver.Model{APIKey: "secret"})
		defer srv.Close()
		target := loadgen.Target{URL: srv.URL, APIKey: "secret",
			Metrics: []string{"http://replica-0:9000", "http://replica-1:9000/", "http://nowhere:9000"},
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				switch {
				case strings.HasPrefix(addr, "replica"):
					return p.Dial(ctx, network, addr)
				case strings.HasPrefix(addr, "nowhere"):
					return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
				}
				return srv.Dial(ctx, network, addr)
			}}
		g, err := loadgen.New(target)
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		require.Len(t, g.Server().Notes, 1)
		assert.ErrorContains(t, g.Server().Notes[0], "cannot read the server's metrics at http://nowhere:9000/metrics")
		m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 4, OSL: 64, Requests: 200}, nil)
		require.NoError(t, err)
		assert.Equal(t, 4.0, stat(t, m, loadgen.TagWaiting, "avg"), "two replicas with two each")
		assert.Equal(t, 50.0, stat(t, m, loadgen.TagKVCache, "max"), "in percent")
		assert.Len(t, m.Server.Series, 2)
		require.NotEmpty(t, m.Warnings)
		assert.ErrorIs(t, m.Warnings[0], loadgen.ErrScrape)
		p.Close()
	})
}

// TestPagesRedacted: the credentials of a page's URL are secrets, and so is what a page that
// cannot be read quotes of them.
func TestPagesRedacted(t *testing.T) {
	target := loadgen.Target{URL: "http://server", Metrics: []string{"http://user:page-secret@replica/metrics?token=query-secret-1"}}
	assert.NotRegexp(t, "page-secret|query-secret", target.Redact("cannot read page-secret, query-secret-1"))
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := pages(t, func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked > 1 {
				_, _ = io.WriteString(w, "vllm:num_requests_waiting page-secret\n")
				return
			}
			_, _ = io.WriteString(w, "vllm:num_requests_waiting 2\n")
		})
		srv := simserver.NewInMemory(simserver.Model{})
		defer srv.Close()
		target.URL = srv.URL
		target.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "replica") {
				return p.Dial(ctx, network, addr)
			}
			return srv.Dial(ctx, network, addr)
		}
		g, err := loadgen.New(target)
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 2, OSL: 8, Requests: 20}, nil)
		require.NoError(t, err)
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], loadgen.ErrScrape)
		assert.ErrorContains(t, m.Warnings[0], "3 of 3 readings of http://***@replica/metrics failed")
		assert.NotContains(t, m.Warnings[0].Error(), "page-secret")
		p.Close()
	})
}

// TestNoPages: a server without a page costs and says nothing, nor does one whose page is not
// wanted.
func TestNoPages(t *testing.T) {
	for _, test := range []struct {
		why     string
		page    string
		metrics []string
	}{
		{why: "it has none"},
		{why: "it has another program's", page: "# TYPE nginx_connections gauge\nnginx_connections 3\n"},
		{why: "none is asked for", page: "vllm:num_requests_waiting 2\n", metrics: []string{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{ttft: 10 * time.Millisecond, itl: time.Millisecond, tokens: 8}
			p := newPipes()
			front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.HasSuffix(r.URL.Path, "metrics"):
					s.ServeHTTP(w, r)
				case test.page != "":
					_, _ = io.WriteString(w, test.page)
				default:
					http.NotFound(w, r)
				}
			})}
			go func() { _ = front.Serve(p) }()
			defer front.Close()
			defer time.Sleep(time.Second) // for the answers that are given up
			g, err := loadgen.New(loadgen.Target{URL: "http://server", Model: "m", Dial: p.Dial, Metrics: test.metrics})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Ready(t.Context()))
			m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 2, OSL: 8, Requests: 20}, nil)
			require.NoError(t, err)
			assert.Empty(t, m.Server.Series, test.why)
			assert.NotContains(t, m.Metrics, loadgen.TagWaiting, test.why)
			for _, w := range append(m.Warnings, g.Server().Notes...) {
				assert.NotContains(t, w.Error(), "metrics", test.why)
			}
		})
	}
}
