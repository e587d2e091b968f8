package remote

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// everyPart is a report that uses every part of its form.
func everyPart() report {
	return report{Probe: 3, Report: share.Report{
		At: time.Hour, Run: 1 << 63, Marks: []share.Mark{{State: share.Settled, At: 5}, {State: share.Opened, At: time.Hour}},
		Lead: 7, Used: 1 << 40, Tickets: []time.Duration{time.Hour - 5, time.Hour - 3, time.Hour},
		Requests: []byte("what loadgen writes"), Tempo: share.Tempo{Sum: 9, N: 2, Moved: 4, Pairs: 1, Sheds: true},
	}}
}

// TestReports: reports are the same behind the wire, between messages of gob, and with an End.
func TestReports(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	from, to := newLink(a), newLink(b)
	last := everyPart()
	last.End = &share.End{Ended: "requests", Used: 5}
	reports := []report{everyPart(), {Probe: 1}, last, everyPart()}
	go func() {
		for i := range reports {
			_ = from.report(&reports[i])
			_ = from.send(up{Done: true})
		}
		a.Close()
	}()
	for i := range reports {
		u, err := to.receive()
		require.NoError(t, err)
		assert.Equal(t, &reports[i], u.Report)
		u, err = to.receive()
		require.NoError(t, err)
		assert.Equal(t, up{Done: true}, u)
	}
	_, err := to.receive()
	assert.Error(t, err, "the connection has ended")
}

// FuzzReport: no bytes make the reader fail otherwise than by an error, nor ask for more memory
// than they are.
func FuzzReport(f *testing.F) {
	r := everyPart()
	f.Add(appendReport(nil, &r))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readReport(b)
		assert.LessOrEqual(t, len(r.Marks)+len(r.Tickets)+len(r.Requests), len(b))
		if err != nil {
			return
		}
		again, err := readReport(appendReport(nil, r))
		require.NoError(t, err)
		assert.Equal(t, r, again)
	})
}
