package loadgen

import "time"

// Ended says why a probe ended.
type Ended = string

// The ways in which a probe ends.
const (
	EndedRequests Ended = "requests" // the window has all its requests
	EndedTime     Ended = "time"     // the window has reached its length
	EndedDecided  Ended = "decided"  // the Decider has seen enough
	EndedFailures Ended = "failures" // many requests in a row have failed, and none has succeeded
	EndedOverload Ended = "overload" // the server does not keep up with the rate of an open loop
)

// stage is how far a probe has come. The slots, the probe's timer and its collector
// all move it on, so it belongs to the books, and only their methods touch it while
// the probe runs.
type stage struct {
	window window
	// timer fires when the current phase has lasted too long. Until the window
	// opens, it bounds the transition; from then on, the window's length.
	timer *time.Timer
	// done is closed when the window is finished.
	done chan struct{}
	// ended is why the window closed; empty while it has not.
	ended Ended
	// err is why the probe could not be measured: the last of the dials that all
	// failed. It is nil otherwise.
	err error
	// running holds the starts of the requests that a cut left in flight.
	running []time.Duration
	// skipped counts the requests of an open loop that were due and not sent.
	skipped int
	// mark, if not nil, is called when a part of the window opens or closes. It must not wait.
	mark func()
	// held is how long the last request of the window waited because too many were in flight.
	held time.Duration
	// led is what is said to whoever leads several generators; nil if there is nobody.
	led *led
}

// start records a request that starts at now, as window.start does.
func (st *stage) start(now time.Duration, serial uint64, reached bool) (index int) {
	was := st.window.phase
	index = st.window.start(now, serial, reached)
	st.changed(was)
	return index
}

// end records the end of a request, as window.end does.
func (st *stage) end(serial uint64) {
	was := st.window.phase
	st.window.end(serial)
	st.changed(was)
}

// expire closes an open window at now, and opens one that has not opened yet.
// Requests with a serial below the given one are followed to their end.
func (st *stage) expire(now time.Duration, serial uint64) {
	was := st.window.phase
	if was < measuring && len(st.window.spans) == 0 {
		st.window.phase, st.window.open = measuring, now
	} else {
		st.window.shut(now, serial)
	}
	st.changed(was)
}

// cut finishes the window at now. The requests in flight are not followed to their
// end; their starts are kept, since they count towards the mean in flight.
func (st *stage) cut(now time.Duration, why Ended, flying map[*slot]time.Duration) {
	was := st.window.phase
	if was == finished {
		return
	}
	if was == measuring {
		st.window.spans = append(st.window.spans, span{st.window.open, now})
	}
	for _, start := range flying {
		st.running = append(st.running, start)
	}
	st.window.phase, st.ended = finished, why
	st.changed(was)
}

// fail finishes the window without a measurement.
func (st *stage) fail(err error) {
	if was := st.window.phase; was != finished {
		st.err = err
		st.window.phase = finished
		st.changed(was)
	}
}

// changed does what a change of phase brings with it. was is the phase before.
func (st *stage) changed(was phase) {
	now := st.window.phase
	if st.mark != nil && was != now && (was == measuring || now == measuring) {
		st.mark()
	}
	if was < measuring && now == measuring {
		st.timer.Reset(st.window.most - st.window.measured(st.window.open))
	}
	if was < draining && now >= draining && st.ended == "" {
		st.ended = EndedRequests
		if st.window.cohort < st.window.requests {
			st.ended = EndedTime
		}
	}
	if was != finished && now == finished {
		close(st.done)
	}
}
