package loadgen

import "time"

// phase is where a probe stands.
type phase uint8

const (
	ramping   phase = iota // slots are added or retired until the level is reached
	rephasing              // between two parts of the window: every slot waits anew before its next request
	settling               // the level is reached; the first turnover is discarded
	measuring              // the window is open: what starts now is measured
	draining               // the window is closed; load goes on until all that started before has ended
	finished               // nothing is followed any more
)

// window decides which requests are measured. It is told of every start and of every
// end, and has no clock of its own, so that a test can tell it any history.
//
// The measured cohort is the requests that start while the window is open. The load is
// kept at its level until each of them has ended, so that none is censored and short
// ones are not favoured. Percentiles and shares are over the cohort. Rates count what
// arrives between open and close.
//
// Note: the cohort is not the requests that end in the window, nor those that start
// and end in it. Both leave out long requests more often than short ones; the tests
// show the bias. AIPerf and others measure from the first request to the last. That
// mixes the opening burst and the closing drain, in which fewer than c requests are in
// flight, into every number.
type window struct {
	// requests is the cohort size that closes the window once it has been open for least, and most
	// the length that closes it at the latest.
	requests    int
	least, most time.Duration
	// turnover is the number of requests that must end, after the level was reached,
	// before the window opens. orderly is as many as it waits for while that takes no longer
	// than settleTime; 0 to wait for no more.
	turnover, orderly int
	// held says that the window does not open by itself.
	held bool
	// parts is the number of parts that the window is open in, at least 1. Between two
	// of them the phases of the slots are drawn anew. part counts those that are over,
	// began is the cohort at the beginning of the one that is open, size the number of
	// slots, and spans are the times of those that are over.
	parts, part int
	began, size int
	spans       []span

	phase phase
	// settled counts the ends since the level was reached, which was at the time reached.
	settled int
	reached time.Duration
	// inFlight and cohort count the requests in flight and in the cohort.
	inFlight int
	cohort   int
	// open is when the part that is open, or was last, opened.
	open time.Duration
	// closeSerial is the serial of the first request that started after the close,
	// and pending how many with a smaller serial are still in flight.
	closeSerial uint64
	pending     int
}

// span is a part of a window, from open to close.
type span struct{ open, close time.Duration }

// measured is how long the window has been open by now, all its parts together.
func (w *window) measured(now time.Duration) (length time.Duration) {
	for _, s := range w.spans {
		length += s.close - s.open
	}
	if w.phase == measuring {
		length += now - w.open
	}
	return length
}

// start records that the request with the given serial starts at now, and returns its
// index in the cohort, or −1 if it is not measured. reached says that the level is
// reached with this request.
func (w *window) start(now time.Duration, serial uint64, reached bool) int {
	if (w.phase == ramping || w.phase == rephasing) && reached {
		w.phase, w.settled, w.reached = settling, 0, now
	}
	if w.settles(now) && !w.held {
		w.phase, w.open = measuring, now
	}
	// The start that would be one too many closes the window just before itself, and so does
	// the first behind the least length, where the requests are enough earlier. A window of n
	// starts then spans n whole intervals; closed by its n-th start, it would span n−1, and
	// every rate would be too high by 1/n.
	switch {
	case w.phase != measuring:
	case w.cohort >= w.requests && w.measured(now) >= w.least || w.measured(now) >= w.most:
		w.shut(now, serial)
	case w.part+1 < w.parts && w.cohort-w.began >= w.share() && now-w.open >= w.least/time.Duration(w.parts):
		w.spans = append(w.spans, span{w.open, now})
		w.part++
		w.began, w.phase = w.cohort, rephasing
	}
	w.inFlight++
	if w.phase != measuring {
		return -1
	}
	w.cohort++
	return w.cohort - 1
}

// Clients that come together are put apart by a server that takes so many prompts a step: phases
// that were drawn at random put themselves in order, one client after another. Of an engine of six
// prompts a step, 5.6% of the requests of the third round exceed a limit that 0.4% of those of the
// seventh do.
const (
	// settleTurns is after how many turnovers phases are taken to be in order, and settleTime how
	// long they are waited for at most: a probe of requests that take seconds is long enough.
	// With three turnovers in 0.6 s searches of that engine answered 6% too low, and with six in
	// 1.2 s no better than with five in a second.
	settleTurns = 5
	settleTime  = time.Second
)

// settles reports that the level was reached, and that the window may open at now.
func (w *window) settles(now time.Duration) bool {
	return w.phase == settling && w.settled >= w.turnover && (w.settled >= w.orderly || now-w.reached >= settleTime)
}

// divide sets in how many parts the window of a closed loop with so many slots is open.
func (w *window) divide(slots int, work *workload) {
	w.parts, w.size = 1, slots
	if slots > 1 && !work.talks() { // the turns of a conversation differ, and so do their times
		w.parts = max(1, min(patterns, w.requests/slots))
	}
}

// share is how many requests the part that is open has: an equal share of what is left, in
// whole turnovers. The rates of a pattern that repeats are exact then, whatever it is.
func (w *window) share() int {
	return max((w.requests-w.began)/(w.parts-w.part)/w.size, 1) * w.size
}

// shut closes the window at now. Requests with the given serial or a larger one are
// not followed. It does nothing unless the window is open.
func (w *window) shut(now time.Duration, serial uint64) {
	switch {
	case w.phase == measuring:
		w.spans = append(w.spans, span{w.open, now})
	case len(w.spans) == 0 || w.phase > measuring:
		return
	}
	w.phase, w.closeSerial, w.pending = draining, serial, w.inFlight
	if w.pending == 0 {
		w.phase = finished
	}
}

// end records that the request with the given serial has ended.
func (w *window) end(serial uint64) {
	w.inFlight--
	switch w.phase {
	case settling:
		w.settled++
	case draining:
		if serial < w.closeSerial {
			w.pending--
		}
		if w.pending == 0 {
			w.phase = finished
		}
	}
}
