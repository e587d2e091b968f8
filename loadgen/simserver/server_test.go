package simserver

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Close ends what is in flight, twice is as good as once, and nothing of the
// server is left.
func TestClose(t *testing.T) {
	for name, start := range map[string]func(Model) *Server{"TCP": New, "in memory": NewInMemory} {
		s := start(Model{Step: time.Hour})
		idle, err := s.Client().Get(s.URL + "/health")
		require.NoError(t, err, name)
		idle.Body.Close()
		resp, err := s.Client().Post(s.URL+chatPath, "", strings.NewReader(body(1, 1)))
		require.NoError(t, err, name)
		var wg sync.WaitGroup
		wg.Go(s.Close)
		wg.Go(s.Close)
		_, err = io.ReadAll(resp.Body)
		assert.Error(t, err, "%s: the stream is cut", name)
		resp.Body.Close()
		wg.Wait()
		s.Close()
		_, err = s.Dial(t.Context(), "tcp", "")
		assert.Error(t, err, name)
		st := s.Stats()
		assert.EqualValues(t, 1, st.Cancelled, name)
		assert.Zero(t, st.InFlight, name)
		goleak.VerifyNone(t)
	}
}

// When Close returns, no handler runs any more.
func TestCloseWaits(t *testing.T) {
	// On one processor the handlers get to run only when Close waits for them.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := New(Model{Step: time.Hour})
	const n = 50
	for range n {
		resp, err := s.Client().Post(s.URL+chatPath, "", strings.NewReader(body(1, 1)))
		require.NoError(t, err)
		defer resp.Body.Close()
	}
	assert.Equal(t, n, s.Stats().InFlight)
	s.Close()
	assert.Zero(t, s.Stats().InFlight)
	assert.EqualValues(t, n, s.Stats().Cancelled)
}

// A stream's headers go out when the request is taken up, with the role or not.
func TestHeadersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: time.Second})
		defer s.Close()
		epoch := time.Now()
		resp, err := s.Client().Post(s.URL+completionPath, "",
			strings.NewReader(`{"model":"simulated","stream":true,"max_tokens":1,"prompt":"a"}`))
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Zero(t, time.Since(epoch))
		list, err := events(resp.Body)
		require.NoError(t, err)
		assert.Len(t, list, 3)
		assert.Equal(t, time.Second, list[0].at.Sub(epoch))
	})
}

// The zero Model serves.
func TestZeroModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{})
		defer s.Close()
		epoch := time.Now()
		at, err := stream(t.Context(), s, epoch, 100, 3)
		require.NoError(t, err)
		assert.Equal(t, []time.Duration{6 * ms, 11050 * us, 16100 * us}, at, "5 ms + 100·10 µs, then twice 5 ms + 50 µs")
	})
}

// Dial reaches the server whatever the address.
func TestDial(t *testing.T) {
	for _, start := range []func(Model) *Server{New, NewInMemory} {
		s := start(fast)
		conn, err := s.Dial(t.Context(), "tcp", "elsewhere:1")
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET /version HTTP/1.0\r\n\r\n")
		require.NoError(t, err)
		b, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Contains(t, string(b), version)
		conn.Close()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			_, err = s.Dial(ctx, "tcp", "")
			assert.Error(t, err, "the context is done")
		}
		s.Close()
	}
}

// Refusals over HTTP, and room that comes back when a client leaves.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms, KVTokens: 100, MaxQueue: 2})
		defer s.Close()
		epoch := time.Now()
		ctx, leave := context.WithCancel(t.Context())
		status := func(isl, osl int) int {
			req, err := http.NewRequest("POST", s.URL+chatPath, strings.NewReader(body(isl, osl)))
			require.NoError(t, err)
			resp, err := s.Client().Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			if resp.StatusCode != 200 {
				assert.Contains(t, string(b), `{"error":{`)
			}
			assert.Equal(t, resp.StatusCode == 429, resp.Header.Get("Retry-After") != "")
			return resp.StatusCode
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			at, err := stream(ctx, s, epoch, 10, 50) // 60 of 100, until its client leaves
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, []time.Duration{10 * ms, 20 * ms, 30 * ms}, at)
		})
		time.Sleep(5 * ms)
		assert.Equal(t, 503, status(40, 1), "41 do not fit beside 60")
		assert.Equal(t, 5*ms, time.Since(epoch), "a refusal takes no time")
		wg.Go(func() { assert.Equal(t, 200, status(1, 1)) })
		wg.Go(func() { assert.Equal(t, 200, status(1, 1)) })
		synctest.Wait()
		assert.Equal(t, 429, status(1, 1), "two wait already")
		time.Sleep(30 * ms)
		leave()
		synctest.Wait()
		assert.Equal(t, 503, status(40, 1), "the room is free when the next step starts, at 40 ms")
		time.Sleep(5 * ms)
		assert.Equal(t, 200, status(40, 1))
		assert.Equal(t, 50*ms, time.Since(epoch), "alone: the other sequence is gone and the engine slept")
		wg.Wait()

		st := s.Stats()
		assert.EqualValues(t, 3, st.Refused)
		assert.EqualValues(t, 1, st.Cancelled)
		assert.EqualValues(t, 3, st.Completed)
		assert.EqualValues(t, 10+1+1+40, st.PromptTokens)
		assert.EqualValues(t, 3+1+1+1, st.OutputTokens)
	})
}

// The counters of in-flight requests, to the nanosecond.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms})
		defer s.Close()
		epoch := time.Now()
		var wg sync.WaitGroup
		for i, osl := range []int{4, 2, 1} { // 0 to 40 ms; 11 to 40; 12 to 30
			wg.Go(func() {
				if i > 0 {
					time.Sleep(time.Duration(10+i) * ms)
				}
				_, err := stream(t.Context(), s, epoch, 1, osl)
				assert.NoError(t, err)
			})
		}
		before := s.Stats()
		time.Sleep(20 * ms)
		mid := s.Stats()
		assert.Equal(t, 3, mid.InFlight)
		assert.Equal(t, 3, mid.MaxInFlight)
		assert.Equal(t, (20+9+8)*ms, mid.InFlightTime)
		assert.InDelta(t, 37.0/20, mid.MeanInFlight(before), 1e-12)
		assert.Zero(t, mid.MeanInFlight(mid), "no time between")

		wg.Wait()
		synctest.Wait()
		s.ResetMax()
		time.Sleep(60 * ms)
		after := s.Stats()
		assert.Equal(t, 100*ms, after.At.Sub(before.At))
		assert.Equal(t, (40+29+18)*ms, after.InFlightTime)
		assert.InDelta(t, 0.87, after.MeanInFlight(before), 1e-12)
		assert.Zero(t, after.InFlight)
		assert.Zero(t, after.MaxInFlight, "since ResetMax")
		assert.EqualValues(t, 3, after.Completed)
	})
}

// A driver whose sleeps are too long is late by that much, once, not more with
// every step; and one that oversleeps whole steps catches up.
func TestOvershootDoesNotAddUp(t *testing.T) {
	for _, tt := range []struct {
		why       string
		overshoot time.Duration
		want      []time.Duration
	}{
		{"each a millisecond late", ms, []time.Duration{11 * ms, 21 * ms, 31 * ms, 41 * ms}},
		{"25 late: at 35 ms three are due; the last at 40 comes 25 late too", 25 * ms, []time.Duration{35 * ms, 35 * ms, 35 * ms, 65 * ms}},
	} {
		synctest.Test(t, func(t *testing.T) {
			stop := make(chan struct{})
			d := newDriver(Model{Step: 10 * ms}, func(left time.Duration) { time.Sleep(left + tt.overshoot) }, stop)
			var wg sync.WaitGroup
			wg.Go(d.run)
			s, err := d.submit(1, 4, nil)
			require.NoError(t, err)
			var at []time.Duration
			for range 4 {
				<-s.tokens
				at = append(at, time.Since(d.epoch))
			}
			assert.Equal(t, tt.want, at, tt.why)
			close(stop)
			wg.Wait()
		})
	}
}

// A client that leaves while the driver is late leaves when it does, not at the
// start of a step that is overdue.
func TestLateCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver(Model{Step: 10 * ms}, nil, nil) // nobody drives it
		s, err := d.submit(1, 9, nil)
		require.NoError(t, err)
		time.Sleep(15 * ms)
		d.cancel(s)
		d.eng.advance(time.Second)
		assert.Len(t, s.tokens, 2, "the step from 10 to 20 ms has it still")
	})
}

// Over a socket the clock is real, so only one side can be asserted: nothing
// comes early.
func TestNothingComesEarly(t *testing.T) {
	s := New(Model{Step: 2 * ms})
	defer s.Close()
	epoch := time.Now()
	at, err := stream(t.Context(), s, epoch, 1, 20)
	require.NoError(t, err)
	require.Len(t, at, 20)
	for i, d := range at {
		assert.GreaterOrEqual(t, d, time.Duration(i+1)*2*ms)
	}
}

func TestColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewInMemory(Model{Step: 10 * ms, ColdStart: 40 * time.Second})
		defer s.Close()
		for _, want := range []time.Duration{40*time.Second + 10*ms, 10 * ms} {
			epoch := time.Now()
			at, err := stream(t.Context(), s, epoch, 1, 1)
			require.NoError(t, err)
			assert.Equal(t, []time.Duration{want}, at)
		}
	})
}

// One token of one stream through engine, HTTP and a real socket.
func BenchmarkToken(b *testing.B) {
	s := New(Model{Step: minStep})
	defer s.Close()
	resp, err := s.Client().Post(s.URL+chatPath, "", strings.NewReader(body(1, min(b.N, maxOutput))))
	require.NoError(b, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b, err)
}

// One simulated token, at a concurrency of 64.
func BenchmarkSimulate(b *testing.B) {
	const osl = 16
	Model{}.Simulate(Clients{Concurrency: 64, ISL: 64, OSL: osl, Requests: max(b.N/osl, 1)})
}
