package loadgen

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// TestFreshConnections: a connection that was opened ahead is handed out for as long as no
// server has closed it for want of a request, and a new one after that. nginx sends
// nothing before it closes such a connection, so the request would be lost.
func TestFreshConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		d := newDialer(Target{Timeout: time.Hour, Dial: func(context.Context, string, string) (net.Conn, error) {
			dials++
			c, _ := net.Pipe()
			return c, nil
		}}, &endpoint{base: mustParse(t, "http://h:80")})
		take := func() {
			c, err := d.take(t.Context(), "tcp", "h:80")
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
		for range 3 {
			d.ahead(t.Context(), 1)
		}
		time.Sleep(freshMost - time.Millisecond)
		take()
		assert.Equal(t, 3, dials, "one of those that were opened ahead")
		time.Sleep(time.Millisecond)
		take()
		assert.Equal(t, 4, dials, "both others are too old")
		assert.Zero(t, d.vacant(0), "and they are closed")
		d.ahead(t.Context(), 1)
		take()
		assert.Equal(t, 5, dials, "what is opened later is handed out")
	})
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

// fickle is a connection to a server that closes it behind each answer without saying so,
// which the client learns only while it writes the next request.
type fickle struct {
	net.Conn
	answered, begun atomic.Bool
}

func (c *fickle) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.HasSuffix(b[:n], []byte("0\r\n\r\n")) {
		c.answered.Store(true)
	}
	return n, err
}

// Write takes the beginning of a second request that is longer than net/http's buffer, and
// nothing of a shorter one.
func (c *fickle) Write(b []byte) (int, error) {
	if !c.answered.Load() {
		return c.Conn.Write(b)
	}
	if len(b) < 4096 || c.begun.Swap(true) {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return len(b), nil
}

// TestServerThatCloses: of a server that closes each kept connection no request is lost,
// though net/http gives up those that were half written, and only the first few are sent
// twice.
func TestServerThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simserver.NewInMemory(simserver.Model{})
		defer s.Close()
		g, err := New(Target{URL: s.URL, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := s.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &fickle{Conn: c}, nil
		}})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		m, err := g.Probe(t.Context(), Load{Concurrency: 2, ISL: 2000, OSL: 4, Requests: 60}, nil)
		require.NoError(t, err)
		replayed := 0
		for _, q := range m.Requests {
			assert.Nil(t, q.Failure)
			replayed += min(q.Replays, 1)
		}
		assert.GreaterOrEqual(t, len(m.Requests), 60)
		assert.LessOrEqual(t, replayed, 5)
		assert.True(t, g.ends[0].closing.is())
	})
}

// TestClosing: what a server must do before it is taken for one that closes connections.
func TestClosing(t *testing.T) {
	for _, tt := range []struct {
		lost, kept int
		is         bool
		why        string
	}{
		{3, 3, false, "a restart loses a few at once"},
		{4, 4, true, "every one"},
		{4, 41, false, "one in a while, as after a hundred requests"},
		{10, 100, true, "a tenth"},
	} {
		var c closing
		for i := range tt.kept {
			c.note(i < tt.lost)
		}
		assert.Equal(t, tt.is, c.is(), tt.why)
	}
}
