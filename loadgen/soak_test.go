package loadgen

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// ledger counts every request that a generator sent, measured or not.
type ledger struct {
	mu    sync.Mutex
	kinds map[FailureKind]int   // "" is valid
	turns map[time.Duration]int // how many more are in flight from then on
}

// atOnce is the largest number of requests that were in flight by the client's own times. A
// server's books say more, by what the client has given up and the server has not yet noticed.
func (l *ledger) atOnce() (most int) {
	now := 0
	for _, at := range slices.Sorted(maps.Keys(l.turns)) {
		now += l.turns[at]
		most = max(most, now)
	}
	return most
}

func (l *ledger) enter(rec *record) {
	q := rec.parse(true)
	kind := FailureKind("")
	if q.Failure != nil {
		kind = q.Failure.Kind
	}
	l.mu.Lock()
	l.kinds[kind]++
	l.turns[q.Start]++
	l.turns[q.EOF]--
	l.mu.Unlock()
}

// footprint is what must not grow: the heap behind a collection, goroutines, and
// open files where the system tells.
type footprint struct {
	heap       uint64
	goroutines int
	files      int
}

func foot() footprint {
	runtime.GC()
	runtime.GC() // a pool's items outlive the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd")
	return footprint{m.HeapAlloc, runtime.NumGoroutine(), len(fds)}
}

// TestSoak keeps 200 streams up, probe after probe, on a server that fails one
// request in twenty in every way it knows: memory, goroutines and open files stay
// flat, every request that was sent is valid, failed or cancelled, and the
// server's books say the same. AIPERF_SOAK says how long it runs, for example 30m; the
// default is five seconds.
func TestSoak(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("AIPERF_SOAK"))
	if os.Getenv("AIPERF_SOAK") == "" {
		long, err = 5*time.Second, nil
	}
	require.NoError(t, err, "AIPERF_SOAK must be a duration, for example 30m")
	const streams = 200
	requests, osl, patience := 2*streams, 8, time.Second
	if long > time.Minute {
		requests, osl, patience = 10*streams, 16, 2*time.Second
	}

	srv := simserver.New(simserver.Model{Step: 40 * time.Millisecond, PerSeq: time.Nanosecond, PerPromptToken: time.Nanosecond,
		Chunk: 1 << 14, Seed: 8, Faults: simserver.Faults{
			Status: map[int]float64{429: 0.005, 500: 0.005, 503: 0.005},
			Stall:  0.005, Cut: 0.01, Malformed: 0.01, ErrorEvent: 0.01, After: 3,
		}})
	defer srv.Close()
	g, err := New(Target{URL: srv.URL, IdleTimeout: patience})
	require.NoError(t, err)
	defer g.Close()
	for g.Ready(t.Context()) != nil { // its inferences, too, may be hit
		require.NoError(t, t.Context().Err())
	}
	before := srv.Stats()
	sent := &ledger{kinds: map[FailureKind]int{}, turns: map[time.Duration]int{}}
	g.inspect, g.dropped = sent.enter, sent.enter

	var feet []footprint
	measured := 0
	for begun, i := time.Now(), 0; time.Since(begun) < long || len(feet) < 3; i++ {
		m, err := g.Probe(t.Context(), Load{Concurrency: streams, ISL: 40, OSL: osl, Requests: requests, Seed: uint64(i)}, nil)
		require.NoError(t, err)
		require.Equal(t, EndedRequests, m.Ended)
		require.Len(t, m.Requests, requests)
		measured += len(m.Requests)
		feet = append(feet, foot())
	}
	require.NoError(t, g.Close())
	srv.Close()
	after := srv.Stats()

	total, cancelled := 0, sent.kinds[FailedCancelled]
	for _, n := range sent.kinds {
		total += n
	}
	valid := sent.kinds[""]
	failed := total - valid - cancelled
	t.Logf("%d requests in %d probes (%d measured): %d valid, %d failed, %d cancelled at the end; %v", total, len(feet), measured, valid,
		failed, cancelled, sent.kinds)
	assert.EqualValues(t, g.books.serial, total, "sent = valid + failed + cancelled")
	assert.LessOrEqual(t, cancelled, streams, "only what was in flight at the end is cancelled")
	dials := sent.kinds[FailedDial] // a machine so busy that a dial takes a second
	delete(sent.kinds, FailedDial)
	assert.Equal(t, []FailureKind{"", FailedBroken, FailedCancelled, FailedError, FailedIdle, FailedMalformed, FailedShed, FailedStatus},
		slices.Sorted(maps.Keys(sent.kinds)), "every kind of fault came, and no other")

	// What the client gave up, at the end or since nothing came, may be in any of
	// the server's columns; what it gave up at the end, in none.
	idle := sent.kinds[FailedIdle]
	books := func(what string, server int64, least, most int) {
		assert.GreaterOrEqual(t, int(server), least, what)
		assert.LessOrEqual(t, int(server), most, what)
	}
	started, completed := after.Started-before.Started, after.Completed-before.Completed
	books("started", started, total-cancelled-dials, total-dials)
	books("completed", completed, valid, valid+cancelled+idle)
	books("failed", after.Failed-before.Failed, failed-idle-dials, failed-dials+cancelled)
	assert.Zero(t, after.InFlight)
	assert.GreaterOrEqual(t, after.MaxInFlight, streams)
	assert.Equal(t, streams, sent.atOnce(), "a slot has one request in flight, whatever becomes of it")
	assert.Equal(t, after.Started, after.Completed+after.Failed+after.Cancelled+after.Rejected+after.Refused)
	t.Logf("the server: %d started, %d completed, %d failed, %d cancelled", started, completed, after.Failed-before.Failed,
		after.Cancelled-before.Cancelled)

	third := max(len(feet)/3, 1)
	first, last := worst(feet[:third]), worst(feet[len(feet)-third:])
	t.Logf("heap %.1f → %.1f MB, goroutines %d → %d, open files %d → %d (the worst of the first and the last third)",
		float64(first.heap)/1e6, float64(last.heap)/1e6, first.goroutines, last.goroutines, first.files, last.files)
	assert.LessOrEqual(t, float64(last.heap), 1.25*float64(first.heap)+10e6, "flat memory: 50 KB a stream for what happens to be in flight")
	assert.LessOrEqual(t, last.goroutines, first.goroutines+streams, "flat goroutines: five a stream, or so")
	assert.LessOrEqual(t, last.files, first.files+streams/2, "flat open files")
}

func worst(feet []footprint) (w footprint) {
	for _, f := range feet {
		w = footprint{max(w.heap, f.heap), max(w.goroutines, f.goroutines), max(w.files, f.files)}
	}
	return w
}
