package loadgen

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestRoom: a load for which the process has no connections is refused before it is sent, since
// what fails in this process is no failure of the server's.
func TestRoom(t *testing.T) {
	g, err := New(Target{URL: "http://127.0.0.1:9", Others: []string{"http://127.0.0.2:9"}})
	require.NoError(t, err)
	defer g.Close()
	for name, tt := range map[string]struct {
		room room
		load Load
		part share.Part
		want string
	}{
		"room":    {room: room{files: 100, ports: 50}, load: Load{Concurrency: 100}},
		"unknown": {load: Load{Concurrency: 1 << 20}},
		"files": {room: room{files: 99, ports: 500}, load: Load{Concurrency: 100},
			want: "Load.Concurrency is 100, for which one process needs 100 connections at once, and the limit on open files (ulimit -n) " +
				"has room for 99; raise it, or spread the load over at least 2 workers"},
		"ports of two addresses": {room: room{files: 500, ports: 40}, load: Load{Concurrency: 81},
			want: "Load.Concurrency is 81, for which one process needs 81 connections at once, and the range of local ports " +
				"(net.ipv4.ip_local_port_range) has room for 80; raise it, or spread the load over at least 2 workers"},
		"a rate": {room: room{files: 20}, load: Load{Rate: 1e6}},
		"a rate with a cap": {room: room{files: 20}, load: Load{Rate: 5, MostInFlight: 50},
			want: "Load.MostInFlight is 50, for which one process needs 50 connections at once, and the limit on open files (ulimit -n) " +
				"has room for 20; raise it, or spread the load over at least 3 workers"},
		"a worker": {room: room{files: 30}, load: Load{Concurrency: 100}, part: share.Part{Rank: 1, Of: 3, Active: 3},
			want: "Load.Concurrency is 100, for which one process needs 33 connections at once, and the limit on open files (ulimit -n) " +
				"has room for 30; raise it, or spread the load over at least 4 workers"},
		"enough workers": {room: room{files: 30}, load: Load{Concurrency: 100}, part: share.Part{Rank: 1, Of: 4, Active: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			g.room = func() room { return tt.room }
			if tt.part.Of == 0 {
				tt.part = share.Whole
			}
			p, err := g.newProbe(tt.load, tt.part)
			require.NoError(t, err)
			err = g.fits(p)
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, tt.want)
			var typed *TargetError
			assert.ErrorAs(t, err, &typed)
		})
	}
	own := roomOfProcess()
	assert.GreaterOrEqual(t, own.files, 0)
	assert.GreaterOrEqual(t, own.ports, 0)
}

// TestRoomOfProbe: both ways of carrying out a probe ask for room; connections that the caller opens
// are the caller's.
func TestRoomOfProbe(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	g, err := New(Target{URL: srv.URL})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	g.room = func() room { return room{files: 4} }
	l := Load{Concurrency: 5, ISL: 8, OSL: 1, Requests: 10}
	_, err = g.Probe(t.Context(), l, nil)
	assert.ErrorContains(t, err, "has room for 4")
	err = g.Share(t.Context(), l, share.Whole, nil, nil)
	assert.ErrorContains(t, err, "has room for 4")
	l.Concurrency = 4
	m, err := g.Probe(t.Context(), l, nil)
	require.NoError(t, err)
	assert.Len(t, m.Requests, 10)

	synctest.Test(t, func(t *testing.T) {
		far := simserver.NewInMemory(simserver.Model{})
		defer far.Close()
		g, err := New(Target{URL: far.URL, Dial: far.Dial})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		g.room = func() room { return room{files: 4} }
		_, err = g.Probe(t.Context(), Load{Concurrency: 5, ISL: 8, OSL: 1, Requests: 10}, nil)
		assert.NoError(t, err)
	})
}
