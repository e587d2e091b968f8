package memory

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// TestConn: a connection does what package net asks of one.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := pipe(addr("here"))
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

// TestKept: a write returns before anybody reads, as long as there is room, and what was
// written before an end is read behind it.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe(addr("here"))
		n, err := a.Write(make([]byte, room-1))
		require.NoError(t, err)
		require.Equal(t, room-1, n)

		began := time.Now()
		require.NoError(t, a.SetWriteDeadline(began.Add(3*time.Second)))
		n, err = a.Write([]byte("xyz"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 1, n, "there was room for one byte")
		assert.Equal(t, 3*time.Second, time.Since(began))

		require.NoError(t, a.SetWriteDeadline(time.Time{}))
		rest := make(chan error, 1)
		go func() {
			_, err := a.Write([]byte("yz"))
			rest <- errors.Join(err, a.Close())
		}()
		synctest.Wait()
		assert.Empty(t, rest, "it waits for room")
		all, err := io.ReadAll(b)
		require.NoError(t, err)
		assert.NoError(t, <-rest)
		assert.Len(t, all, room+2)
		assert.Equal(t, "xyz", string(all[room-1:]))

		_, err = b.Write([]byte("x"))
		assert.ErrorIs(t, err, io.ErrClosedPipe, "nobody will read it")
	})
}
