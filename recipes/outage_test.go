package recipes_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// away is a prober whose first probe has failures at the places that fails says.
type away struct {
	host
	fails   func(i int) *loadgen.Failure
	probes  int
	readies int
	gone    error // what Ready says
}

func (a *away) Ready(context.Context) error {
	if a.readies++; a.readies > 1 { // behind the first probe
		return a.gone
	}
	return nil
}

func (a *away) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	m, err := a.host.Probe(ctx, l, d)
	a.probes++
	for i := range m.Requests {
		q := &m.Requests[i]
		for _, at := range []*time.Duration{&q.Start, &q.End, &q.EOF} {
			*at += time.Duration(i) * 10 * time.Millisecond
		}
		for k := range q.Chunks {
			q.Chunks[k] += time.Duration(i) * 10 * time.Millisecond
		}
		if a.probes == 1 {
			q.Failure = a.fails(i)
		}
	}
	return m, err
}

// TestOutage checks which probes are measured anew: those in which everything failed for a
// time, and nothing before or behind it.
func TestOutage(t *testing.T) {
	between := func(from, to int, f loadgen.Failure) func(int) *loadgen.Failure {
		return func(i int) *loadgen.Failure {
			if i >= from && i < to {
				return &f
			}
			return nil
		}
	}
	unavailable := loadgen.Failure{Kind: loadgen.FailedStatus, Status: 503, Message: "no worker"}
	for _, tt := range []struct {
		why    string
		fails  func(int) *loadgen.Failure
		gone   error
		repeat bool
	}{
		{"a restart behind a gateway", between(10, 20, unavailable), nil, true},
		{"at the end of the probe", between(40, 60, unavailable), nil, true},
		{"at its beginning", between(0, 5, unavailable), nil, true},
		{"connections that are refused", between(10, 14, loadgen.Failure{Kind: loadgen.FailedDial, Message: "refused"}), nil, true},
		{"connections that break", between(10, 14, loadgen.Failure{Kind: loadgen.FailedBroken, Message: "reset"}), nil, true},
		{"two failures are no outage", between(10, 12, unavailable), nil, false},
		{"a limit is none", between(10, 20, loadgen.Failure{Kind: loadgen.FailedShed, Status: 429, Message: "slow down"}), nil, false},
		{"a prompt that is too long is none", between(10, 20, loadgen.Failure{Kind: loadgen.FailedStatus, Status: 400, Message: "long"}),
			nil, false},
		{"others succeed meanwhile", func(i int) *loadgen.Failure {
			if i > 10 && i < 30 && i%2 == 0 {
				return &unavailable
			}
			return nil
		}, nil, false},
		{"it comes and goes", func(i int) *loadgen.Failure {
			if i%20 < 5 {
				return &unavailable
			}
			return nil
		}, nil, false},
		{"it does not come back", between(40, 60, unavailable), context.DeadlineExceeded, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &away{fails: tt.fails, gone: tt.gone}
				out, err := recipes.Run(t.Context(), recipes.Fixed(4), recipes.Spec{Prober: a, Workload: loadgen.Load{ISL: 64, OSL: 8, Requests: 60}})
				require.NoError(t, err)
				if !tt.repeat {
					assert.Equal(t, 1, a.probes)
					return
				}
				assert.Equal(t, 2, a.probes)
				assert.Equal(t, 2, a.readies+a.asked, "the run begins by asking once")
				require.Len(t, out.Warnings, 1)
				assert.ErrorContains(t, out.Warnings[0], "repeated a probe that could not be measured: ")
				assert.ErrorContains(t, out.Warnings[0], "failed one after the other, within ")
				assert.Equal(t, recipes.Met, out.Verdict)
			})
		})
	}
}
