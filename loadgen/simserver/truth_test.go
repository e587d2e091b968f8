package simserver

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The boundaries that the catalogue states are those of the engine, and the
// models are fit for a search over HTTP. With -v it prints the truths:
//
//	go test ./loadgen/simserver -run TestTruth -v
func TestTruth(t *testing.T) {
	for _, s := range Catalogue() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			cliff := s.Model.KVTokens > 0
			b := s.Truth()
			assert.Equal(t, s.Boundary, b)

			ok := func(traces []Trace) bool { return s.Limit.Holds(traces, s.OSL) }
			other := Clients{ISL: s.ISL, OSL: s.OSL, Turnaround: ms, Seed: 7}
			near := max(1, b*8/10) // that the limit holds below is known
			assert.InDelta(t, b, s.Model.Boundary(other, near, 1000, ok), 0.05*float64(b), "the boundary depends on the clients")

			at := func(c int) []Trace {
				return s.Model.Simulate(Clients{Concurrency: c, ISL: s.ISL, OSL: s.OSL})
			}
			traces := at(b)
			mean := meanLatency(traces)
			// Beside its tokens a request has a role, a finish, a usage and a [DONE].
			events := float64(b*(s.OSL+4)) / mean.Seconds()
			lo, hi := int(math.Floor(0.85*float64(b))), int(math.Ceil(1.15*float64(b)))
			value := s.Limit.Quantile(traces, s.OSL)
			grows := float64(s.Limit.Quantile(at(hi), s.OSL)) / float64(s.Limit.Quantile(at(lo), s.OSL))
			slope := math.Log(grows) / math.Log(float64(hi)/float64(lo))
			t.Logf("%-12s isl %3d osl %2d  %s p%g < %v: boundary %d\n    at it p%g %.2f ms, exceeded by %.2f %%, at %d by %.2f %%; "+
				"slope %.2f from %d to %d; requests %.0f ms (alone %.0f ms), %.0f events/s",
				s.Name, s.ISL, s.OSL, s.Limit.Metric, s.Limit.Percentile, s.Limit.Threshold, b,
				s.Limit.Percentile, value.Seconds()*1e3, 100*s.Limit.Exceeded(traces, s.OSL), b+1, 100*s.Limit.Exceeded(at(b+1), s.OSL),
				slope, lo, hi, mean.Seconds()*1e3, meanLatency(at(1)).Seconds()*1e3, events)

			assert.LessOrEqual(t, events, 6000.0, "events a second")
			assert.True(t, mean >= 40*ms && mean <= 250*ms, "requests last %v", mean)
			if s.Limit.Metric == TTFT && !cliff {
				assert.GreaterOrEqual(t, value, 25*ms, "a client's overhead would matter")
			}
			if !cliff {
				assert.GreaterOrEqual(t, slope, 0.7, "the boundary is hard to tell")
			} else {
				assert.Greater(t, s.Limit.Exceeded(at(b+1), s.OSL), 0.5, "no cliff")
			}
			assert.Greater(t, s.Limit.Exceeded(at(hi), s.OSL), 0.05, "15 %% above the boundary the limit holds again")
		})
	}
}

func meanLatency(traces []Trace) (mean time.Duration) {
	n := 0
	for _, t := range traces {
		if !t.Refused {
			mean += t.Last - t.Arrived
			n++
		}
	}
	return mean / time.Duration(max(n, 1))
}

func TestLookup(t *testing.T) {
	s, err := Lookup("chat")
	require.NoError(t, err)
	assert.Equal(t, "chat", s.Name)
	_, err = Lookup("chatt")
	assert.ErrorContains(t, err, `"chatt"; known are long-prompt, chat, `)
}

// Quantities that can be worked out by hand.
func TestSimulate(t *testing.T) {
	m := Model{Step: 10 * ms}
	for _, tt := range []struct {
		why        string
		c          Clients
		ttft, last time.Duration
	}{
		{"one client finds the engine asleep: a step for the prompt, one a token after",
			Clients{Concurrency: 1, ISL: 5, OSL: 4}, 10 * ms, 40 * ms},
		{"the turnaround of one client does not matter",
			Clients{Concurrency: 1, ISL: 5, OSL: 4, Turnaround: 3 * ms}, 10 * ms, 40 * ms},
		{"of many, one that sends 0.3 ms into a step waits for the next",
			Clients{Concurrency: 40, ISL: 5, OSL: 4}, 19700 * us, 49700 * us},
		{"and 1 ms later, a millisecond less",
			Clients{Concurrency: 40, ISL: 5, OSL: 4, Turnaround: 1300 * us}, 18700 * us, 48700 * us},
	} {
		traces := m.Simulate(tt.c)
		require.Len(t, traces, defaultRequests, tt.why)
		for i, x := range traces {
			require.Equal(t, tt.ttft, x.First-x.Arrived, "%s: request %d", tt.why, i)
			require.Equal(t, tt.last, x.Last-x.Arrived, "%s: request %d", tt.why, i)
		}
	}
}

// The truth is that of a warm server.
func TestSimulateIsWarm(t *testing.T) {
	c := Clients{Concurrency: 3, ISL: 5, OSL: 4, Requests: 20}
	assert.Equal(t, Model{Step: ms}.Simulate(c), Model{Step: ms, ColdStart: time.Minute}.Simulate(c))
}

func TestLimit(t *testing.T) {
	var traces []Trace
	for i := 1; i <= 99; i++ {
		at := time.Duration(i) * ms
		traces = append(traces, Trace{Arrived: time.Second, First: time.Second + at, Last: time.Second + 11*at})
	}
	traces = append(traces, Trace{Arrived: time.Second, Refused: true})
	const osl = 11
	for _, tt := range []struct {
		why      string
		limit    Limit
		exceeded float64
		holds    bool
		quantile time.Duration
	}{
		{"96…99 and the refused one: 5 % is not below 5 %", Limit{TTFT, 95, 96 * ms}, 0.05, false, 94100 * us},
		{"97…99 and the refused one", Limit{TTFT, 95, 96*ms + 1}, 0.04, true, 94100 * us},
		{"(last − first)/(osl − 1) is the TTFT here", Limit{ITL, 50, 41 * ms}, 0.60, false, 50 * ms},
		{"ITL at its median", Limit{ITL, 50, 52 * ms}, 0.49, true, 50 * ms},
		{"request latency is 11 times as long; even one of 100 is 1 %", Limit{RequestLatency, 99, 1090 * ms}, 0.01, false, 1078220 * us},
	} {
		assert.InDelta(t, tt.exceeded, tt.limit.Exceeded(traces, osl), 1e-12, tt.why)
		assert.Equal(t, tt.holds, tt.limit.Holds(traces, osl), tt.why)
		assert.InDelta(t, tt.quantile, tt.limit.Quantile(traces, osl), 2, tt.why)
	}
	assert.Zero(t, Limit{TTFT, 95, ms}.Quantile(nil, osl), "nothing measured")
}

// The boundary is the end of the prefix that passes, whatever comes after it.
func TestBoundary(t *testing.T) {
	c := Clients{ISL: 1, OSL: 1, Requests: 3}
	m := Model{Step: ms}
	for _, tt := range []struct {
		why          string
		lo, hi, fail int
		want         int
	}{
		{"fails at 4, would pass at 5 again", 1, 9, 4, 3},
		{"never fails", 1, 9, 99, 9},
		{"fails at once", 1, 9, 1, 0},
		{"fails at once, from 3", 3, 9, 3, 2},
	} {
		n := tt.lo - 1
		got := m.Boundary(c, tt.lo, tt.hi, func(traces []Trace) bool { n++; return len(traces) == 3 && n != tt.fail })
		assert.Equal(t, tt.want, got, tt.why)
	}
}
