package aiperftest_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/remote"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// workers starts n workers in this process and returns their addresses.
func workers(t *testing.T, n int, keys *remote.Keys) (addrs []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() { cancel(); serving.Wait() })
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addrs = append(addrs, l.Addr().String())
		serving.Go(func() { assert.NoError(t, remote.Serve(ctx, l, remote.Options{Keys: keys, Name: "w", Node: "rack7"})) })
	}
	return addrs
}

// TestWorkers: the same test runs over workers, by an option or by the environment, and what it
// leaves says so.
func TestWorkers(t *testing.T) {
	client, worker, err := remote.NewKeys(time.Hour)
	require.NoError(t, err)
	keys := filepath.Join(t.TempDir(), "client")
	require.NoError(t, client.Write(keys))
	t.Setenv("AIPERF_WORKER_KEYS", keys)
	addrs := workers(t, 3, worker)
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	small := aiperftest.Options{aiperftest.Endpoint(srv.URL), aiperftest.Tokens(8, 4), aiperftest.Requests(24), aiperftest.Charts(false),
		aiperftest.ReportOnly(), aiperftest.ErrorRate(0.1)}
	for name, opts := range map[string]aiperftest.Options{
		"by an option":       {aiperftest.Workers(addrs...)},
		"by the environment": {},
	} {
		t.Run(name, func(t *testing.T) {
			if len(opts) == 0 {
				t.Setenv("AIPERF_WORKERS", strings.Join(addrs, ", "))
			}
			dir := t.TempDir()
			f := run(t, "TestX", func(ft aiperftest.T) {
				aiperftest.Run(ft, recipes.Fixed(6), small, opts, aiperftest.Artifacts(dir))
			})
			require.NotNil(t, f.out, f.transcript())
			assert.Equal(t, 24, f.out.Probes[0].Requests(), f.transcript())
			assert.Contains(t, unfolded(f.transcript()), "the load comes from 3 workers on 1 host")
			b, err := os.ReadFile(filepath.Join(dir, "search_history.json"))
			require.NoError(t, err)
			assert.Contains(t, string(b), "the load comes from 3 workers on 1 host")
			assert.Contains(t, string(b), `"worker": "worker `)
		})
	}
	// Both endpoints of a comparison are loaded by the same workers.
	f := run(t, "TestX", func(ft aiperftest.T) {
		aiperftest.Compare(ft, recipes.Fixed(2), srv.URL, srv.URL+"/v1", aiperftest.Tokens(8, 2), aiperftest.Requests(4), aiperftest.Trials(7),
			aiperftest.Charts(false), aiperftest.ReportOnly(), aiperftest.Workers(addrs[:2]...))
	})
	assert.Contains(t, unfolded(f.transcript()), "the load comes from 2 workers on 1 host")
	require.NotNil(t, f.out, f.transcript())
	assert.NoError(t, f.out.Err)
}

// TestSpread: whatever a Spread returns carries the load, and its error ends the test.
func TestSpread(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	asked := 0
	f := run(t, "TestX", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Endpoint(srv.URL), aiperftest.Tokens(8, 2), aiperftest.Requests(6),
			aiperftest.ReportOnly(), aiperftest.Charts(false),
			aiperftest.Spread(func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) {
				asked++
				assert.NotNil(t, o.Plan)
				assert.Regexp(t, `^TestX of process \d+ on .`, o.Spec.Who)
				return loadgen.New(o.Spec.Target)
			}))
	})
	assert.Equal(t, 1, asked)
	require.NotNil(t, f.out, f.transcript())
	assert.Equal(t, 6, f.out.Probes[0].Requests())
	f = run(t, "TestX", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Endpoint(srv.URL),
			aiperftest.Spread(func(context.Context, *recipes.Outcome) (recipes.Prober, error) { return nil, os.ErrPermission }))
	})
	assert.True(t, f.failed)
	assert.Contains(t, unfolded(f.transcript()), "permission denied")
}

// TestSpreadBy: a variable alone lets others carry the load of a run on an endpoint. What the test
// itself says comes first, and a run without an endpoint has nothing to spread.
func TestSpreadBy(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond})
	defer srv.Close()
	asked := map[string]int{}
	by := func(name string) aiperftest.Option {
		return aiperftest.Spread(func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) {
			asked[name]++
			return loadgen.New(o.Spec.Target)
		})
	}
	aiperftest.SpreadBy("AIPERF_TEST_SPREAD", by)
	small := aiperftest.Options{aiperftest.Tokens(8, 2), aiperftest.Requests(6), aiperftest.ReportOnly(), aiperftest.Charts(false)}
	on := func(opts ...aiperftest.Option) {
		f := run(t, "TestX", func(ft aiperftest.T) { aiperftest.Run(ft, recipes.Fixed(2), append(opts, small)...) })
		require.NotNil(t, f.out, f.transcript())
	}
	on(aiperftest.Endpoint(srv.URL))
	assert.Empty(t, asked, "the variable is not set")
	t.Setenv("AIPERF_TEST_SPREAD", "some")
	on(aiperftest.Endpoint(srv.URL))
	on(aiperftest.Endpoint(srv.URL), by("the test"))
	on(aiperftest.Simulated(simserver.Model{}))
	assert.Equal(t, map[string]int{"some": 1, "the test": 1}, asked)
}
