package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// search is a search for the largest concurrency with a p95 TTFT of 12.6 ms.
func search(t *testing.T, target loadgen.Target, spread func(context.Context, *recipes.Outcome) (recipes.Prober, error)) *recipes.Outcome {
	t.Helper()
	recipe, err := recipes.Lookup("max-concurrency-under-sla")
	require.NoError(t, err)
	o, err := recipes.Run(t.Context(), recipe, recipes.Spec{
		Target: target, Spread: spread,
		Inputs:   recipes.Inputs{TTFT: new(12.6), Concurrency: recipes.Bounds{Min: new(1), Max: new(16)}},
		Workload: loadgen.Load{ISL: 60, OSL: 6, Requests: 40, Seed: 1},
	})
	require.NoError(t, err)
	return o
}

// TestRecipe: a recipe over one worker takes the same steps to the same answer as over none,
// bit for bit. Over four it comes to the same boundary, also if one of them is lost on the way.
func TestRecipe(t *testing.T) {
	slow.Test(t, slow.Instant)
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{})
		defer srv.Close()
		over := func(f *fleet) *recipes.Outcome {
			got := search(t, f.Target, func(_ context.Context, o *recipes.Outcome) (recipes.Prober, error) {
				f.Pool.Target = o.Spec.Target
				return f.Pool, nil
			})
			assert.Contains(t, got.Spec.Note, "the load comes from "+got.Where)
			assert.Regexp(t, `^[14] workers? on [12] hosts?$`, got.Where)
			return got
		}
		var want *recipes.Outcome
		byLuck(t, func(luck assert.TestingT) {
			want = search(t, loadgen.Target{URL: srv.URL, Metrics: []string{}, SamePrompts: true, Dial: srv.Dial}, nil)
			got := over(newFleet(t, 1, nil))
			if !assert.Len(luck, got.Probes, len(want.Probes)) {
				return
			}
			for i := range want.Probes { // in words, since what is not known is NaN
				assert.Equal(luck, fmt.Sprint(want.Probes[i].Observed), fmt.Sprint(got.Probes[i].Observed))
				assert.Equal(luck, want.Probes[i].Trials[0].Wall, got.Probes[i].Trials[0].Wall)
			}
			assert.Equal(luck, fmt.Sprint(want.Boundary), fmt.Sprint(got.Boundary))
		})

		f := newFleet(t, 4, nil)
		lose := new(atomic.Bool)
		var once sync.Once
		f.via = func(i int, c net.Conn) net.Conn {
			if i == 2 {
				once.Do(func() { c = severed{c, lose} })
			}
			return c
		}
		time.AfterFunc(5*time.Second, func() { lose.Store(true) })
		got := over(f)
		assert.InDelta(t, want.Boundary.Safe, got.Boundary.Safe, 2)
		again := (*WorkerError)(nil)
		assert.ErrorAs(t, errors.Join(got.Warnings...), &again, "the probe of the lost worker was repeated")
	})
}
