package loadgen

import (
	"context"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
