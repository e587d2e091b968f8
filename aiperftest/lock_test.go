package aiperftest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// alone gives the test a cache directory of its own, and returns it.
func alone(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", dir)
	return dir
}

// TestTurns: two runs on one endpoint never overlap, whatever its address is
// written like, and the one that waits says for whom.
func TestTurns(t *testing.T) {
	cache := alone(t)
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	names := []string{"TestOne", "TestTwo"}
	urls := []string{srv.URL + "/v1", strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)}
	var fakes [2]*fakeT
	var wg sync.WaitGroup
	for i := range fakes {
		wg.Go(func() {
			fakes[i] = run(t, names[i], func(ft aiperftest.T) {
				aiperftest.Run(ft, recipes.Fixed(3), aiperftest.Endpoint(urls[i]), aiperftest.Tokens(8, 4), aiperftest.Requests(60),
					aiperftest.ReportOnly())
			})
		})
	}
	wg.Wait()
	assert.Empty(t, fakes[0].errs)
	assert.Empty(t, fakes[1].errs)
	assert.LessOrEqual(t, srv.Stats().MaxInFlight, 3)
	waits := 0
	for i, f := range fakes {
		waits += strings.Count(f.transcript(), "log: waiting for "+names[1-i]+", which measures the same endpoint\n")
	}
	assert.Equal(t, 1, waits)
	left, err := os.ReadDir(filepath.Join(cache, "aiperf"))
	require.NoError(t, err)
	for _, e := range left {
		assert.NotContains(t, e.Name(), ".lock")
	}
}

// TestTurnGivenBack: a run that ends its test, or whose test panics, does not
// keep the endpoint.
func TestTurnGivenBack(t *testing.T) {
	alone(t)
	srv := simserver.New(simserver.Model{Step: time.Millisecond, APIKey: "k"})
	defer srv.Close()
	small := aiperftest.Options{aiperftest.Endpoint(srv.URL), aiperftest.Tokens(8, 4), aiperftest.Requests(20), aiperftest.ReportOnly()}
	f := run(t, "TestUnauthorized", func(ft aiperftest.T) { aiperftest.Run(ft, recipes.Fixed(1), small) })
	require.True(t, f.failed, "FailNow leaves by Goexit")
	require.Panics(t, func() {
		aiperftest.Run(panicky{&fakeT{TB: t, name: "TestPanicky"}}, recipes.Fixed(1), small, aiperftest.APIKey("k"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f = run(t, "TestNext", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(1), small, aiperftest.APIKey("k"), aiperftest.Context(ctx))
	})
	assert.Empty(t, f.errs)
	assert.NotContains(t, f.transcript(), "waiting for")
}

type panicky struct{ *fakeT }

func (panicky) Logf(string, ...any) { panic("a log that is gone") }

// TestTurnNeverCame: a run that waits in vain ends with its context, and says
// what to do.
func TestTurnNeverCame(t *testing.T) {
	alone(t)
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	on := aiperftest.Options{aiperftest.Endpoint(srv.URL), aiperftest.Tokens(8, 4)}
	first, stop := context.WithCancel(t.Context())
	began := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		run(t, "TestLong", func(ft aiperftest.T) {
			aiperftest.Run(firstLog{ft, began}, recipes.Fixed(1), on, aiperftest.Requests(1_000_000), aiperftest.Context(first))
		})
	})
	<-began // what the recipe expanded to: it has the endpoint
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	f := run(t, "TestLate", func(ft aiperftest.T) { aiperftest.Run(ft, recipes.Fixed(1), on, aiperftest.Context(ctx)) })
	stop()
	wg.Wait()
	assert.True(t, f.failed)
	assert.Contains(t, f.logs, "waiting for TestLong, which measures the same endpoint")
	require.Len(t, f.errs, 1)
	assert.Contains(t, unfolded(f.errs[0]), "wait for another run to leave endpoint "+srv.URL+": "+assert.AnError.Error())
	assert.Contains(t, unfolded(f.errs[0]), "go test -p 1")
}

// firstLog tells when a run has begun.
type firstLog struct {
	aiperftest.T
	began chan struct{}
}

func (s firstLog) Logf(format string, args ...any) {
	if strings.Contains(fmt.Sprintf(format, args...), "measure 1 point") {
		close(s.began)
	}
	s.T.Logf(format, args...)
}
