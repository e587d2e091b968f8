package loadgen

import (
	"context"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// stepped returns t with its wall clock moved by whole seconds and its monotonic
// reading as it was: what a reading taken before a step of the system's clock is
// to those taken after it. Package time offers no way to make one.
func stepped(t *testing.T, at time.Time, seconds int64) time.Time {
	f, ok := reflect.TypeFor[time.Time]().FieldByName("wall")
	require.True(t, ok && f.Type.Kind() == reflect.Uint64, "time.Time is laid out in another way")
	was := at
	wall := (*uint64)(unsafe.Add(unsafe.Pointer(&at), f.Offset))
	require.NotZero(t, *wall>>63, "no monotonic reading")
	*wall += uint64(seconds) << 30
	require.Equal(t, time.Duration(seconds)*time.Second, at.Round(0).Sub(was.Round(0)), "the step")
	require.Zero(t, at.Sub(was), "the monotonic clock does not step")
	return at
}

// TestClockStep checks that a step of the system's clock in the middle of a search,
// by an hour forwards or backwards, changes no number.
func TestClockStep(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	for _, seconds := range []int64{3600, -3600} {
		g, err := New(Target{URL: srv.URL})
		require.NoError(t, err)
		require.NoError(t, g.Ready(context.Background()))
		g.epoch = stepped(t, g.epoch, seconds)
		m, err := g.Probe(t.Context(), Load{Concurrency: 4, ISL: 20, OSL: 4, Requests: 60}, nil)
		require.NoError(t, err)
		assert.Empty(t, m.Failures)
		assert.Less(t, m.Wall, time.Minute)
		assert.Positive(t, m.Wall)
		for _, tag := range []string{TagTTFT, TagITL, TagLatency} {
			for _, stat := range []string{"min", "max"} {
				v, ok := m.Stat(tag, stat)
				assert.True(t, ok && v >= 0 && v < 60_000, "%s %s is %v ms after a step of %d s", tag, stat, v, seconds)
			}
		}
		require.NoError(t, g.Close())
	}
}
