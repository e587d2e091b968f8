package loadgen_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// crew is a leader and the generators that it leads, in one process and without a wire.
type crew struct {
	leader *loadgen.Generator
	hands  []*loadgen.Generator
}

// newCrew makes n generators of a target that are ready.
func newCrew(t *testing.T, target loadgen.Target, n int) *crew {
	t.Helper()
	c := &crew{}
	var err error
	c.leader, err = loadgen.New(target)
	require.NoError(t, err)
	for i := range n {
		time.Sleep(time.Duration(i) * time.Millisecond) // their clocks differ
		g, err := loadgen.New(target)
		require.NoError(t, err)
		require.NoError(t, g.Ready(t.Context()))
		if i > 0 {
			g.Adopt(t.Context(), c.hands[0].Facts(), false)
		}
		c.hands = append(c.hands, g)
	}
	c.leader.Adopt(t.Context(), c.hands[0].Facts(), true)
	return c
}

func (c *crew) close() {
	for _, g := range c.hands {
		_ = g.Close()
	}
	_ = c.leader.Close()
}

// probe measures the load with all.
func (c *crew) probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	lead, err := c.leader.Lead(l, d, len(c.hands))
	if err != nil {
		return nil, err
	}
	defer lead.Stop()
	type told struct {
		rank int
		r    share.Report
		err  error
	}
	reports := make(chan told)
	var wg sync.WaitGroup
	defer wg.Wait()
	var orders []chan share.Order
	var names []string
	for rank, part := range lead.Parts() {
		mine := make(chan share.Order, 16)
		orders, names = append(orders, mine), append(names, fmt.Sprint(rank))
		wg.Go(func() {
			say := func(r share.Report) error { reports <- told{rank, r, nil}; return nil }
			if err := c.hands[rank].Share(ctx, l, part, mine, say); err != nil {
				reports <- told{rank, share.Report{}, err}
			}
		})
	}
	for _, g := range c.hands[len(orders):] {
		g.Rest()
	}
	for !lead.Done() {
		var due <-chan time.Time
		if in, ok := lead.Due(); ok {
			due = time.After(in)
		}
		select {
		case m := <-reports:
			if m.err != nil {
				return nil, m.err
			}
			offset := c.leader.Elapsed() - c.hands[m.rank].Elapsed()
			if err := lead.Told(m.rank, m.r, offset); err != nil {
				return nil, err
			}
		case <-due:
			lead.Expire()
		}
		for rank := range orders {
			for _, o := range lead.Orders(rank) {
				orders[rank] <- o
			}
		}
	}
	return lead.Measurement(names)
}

// sameStats fails if two measurements differ in a bit of a statistic.
func sameStats(t *testing.T, want, got *loadgen.Measurement) {
	t.Helper()
	for tag, metric := range want.Metrics {
		for name, v := range metric.Stats {
			w := got.Metrics[tag].Stats[name]
			assert.Equal(t, math.Float64bits(v), math.Float64bits(w), "%s %s: %v, not %v", tag, name, w, v)
		}
		for name, v := range metric.SE {
			assert.Equal(t, math.Float64bits(v), math.Float64bits(got.Metrics[tag].SE[name]), "standard error of %s %s", tag, name)
		}
	}
	assert.Len(t, got.Metrics, len(want.Metrics))
	assert.Equal(t, want.Window, got.Window)
	assert.Equal(t, want.Ramp, got.Ramp)
	assert.Equal(t, want.Ended, got.Ended)
	assert.Equal(t, fmt.Sprint(want.Warnings), fmt.Sprint(got.Warnings))
}

// TestShares: a load in several shares is the load of one generator. Of one share it is the
// same measurement, bit for bit.
func TestShares(t *testing.T) {
	loads := map[string][]loadgen.Load{
		"closed":  {{Concurrency: 5, ISL: 100, OSL: 16, Requests: 60}, {Concurrency: 12, ISL: 100, OSL: 16, Requests: 120}},
		"one":     {{Concurrency: 1, ISL: 100, OSL: 16, Requests: 10}},
		"open":    {{Rate: 12, Arrival: "poisson", ISL: 100, OSL: 16, Requests: 120}, {Rate: 16, ISL: 100, OSL: 16, Requests: 120}},
		"short":   {{Concurrency: 5, ISL: 100, OSL: 16, Requests: 600, Window: 3 * time.Second}},
		"limited": {{Rate: 12, Arrival: "poisson", MostInFlight: 3, ISL: 100, OSL: 16, Requests: 100}},
	}
	for name, series := range loads {
		for _, n := range []int{1, 2, 4, 7} {
			t.Run(fmt.Sprintf("%s over %d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					run := func(n int) (all []*loadgen.Measurement) {
						srv := simserver.NewInMemory(simserver.Model{})
						defer srv.Close()
						target := loadgen.Target{URL: srv.URL, Dial: srv.Dial, SamePrompts: true, Metrics: []string{}}
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if n == 0 {
							g, err := loadgen.New(target)
							require.NoError(t, err)
							defer g.Close()
							require.NoError(t, g.Ready(ctx))
							for _, l := range series {
								m, err := g.Probe(ctx, l, nil)
								require.NoError(t, err)
								all = append(all, m)
							}
							return all
						}
						c := newCrew(t, target, n)
						defer c.close()
						for _, l := range series {
							m, err := c.probe(ctx, l, nil)
							require.NoError(t, err)
							all = append(all, m)
						}
						return all
					}
					want, got := run(0), run(n)
					for i := range want {
						a, _ := want[i].Stat(loadgen.TagTokenRate, "avg")
						b, _ := got[i].Stat(loadgen.TagTokenRate, "avg")
						if n == 1 {
							sameStats(t, want[i], got[i])
						}
						assert.InEpsilon(t, a, b, 0.05)
						assert.Len(t, got[i].Requests, len(want[i].Requests))
						assert.True(t, slices.IsSortedFunc(got[i].Requests, func(a, b loadgen.Request) int { return a.Index - b.Index }))
					}
				})
			})
		}
	}
}
