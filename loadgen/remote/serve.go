package remote

import (
	"context"
	"net"
	"time"
)

// Options are those of a worker. The zero Options is a worker without keys.
type Options struct {
	// Keys are the worker's. If it is nil, the listener must be that of a loopback address or of
	// no network at all, unless Open is set.
	Keys *Keys
	// Open lets a worker without keys listen on any address: whoever reaches it can aim it.
	Open bool
	// Name and Node are what the worker calls itself and where it runs, for messages. They are
	// the host's name if they are empty.
	Name, Node string
	// Orphan is how long the worker waits for a pool, at its beginning and between two of them,
	// until Serve returns nil. 0 means for ever.
	Orphan time.Duration
	// Log, if not nil, is told in one line whenever a pool has come, left or been refused.
	Log func(text string)
	// Dial opens connections to the endpoint. If it is nil, a net.Dialer does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Serve is a worker: it serves the pools that connect to l, one run after another, until ctx
// ends or Orphan is over, and closes l. The load of a pool ends with its connection. The
// error is the listener's, nil at a planned end.
func Serve(ctx context.Context, l net.Listener, o Options) error { return errUnfinished }
