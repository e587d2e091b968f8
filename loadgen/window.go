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
	finished
)

// window decides which requests are measured. It is told of every start and
// every end and knows no clock of its own.
//
// The measured cohort is the requests that start while the window is open. Load
// is kept at its level until each of them has ended, so none is censored and
// short ones are not favoured; percentiles and ratios are over the cohort. Rates
// count what arrives between open and close.
//
// Note: AIPerf and others measure from the first request to the last. That mixes
// the opening burst and the closing drain, when fewer than c requests are in
// flight, into every number.
type window struct {
	requests int           // cohort size that closes the window
	most     time.Duration // length that closes it at the latest
	turnover int           // ends, after the level was reached, that open it
	// parts is the number of parts that the window is open in, at least 1. Between two
	// of them the slots' phases are drawn anew; part counts those that are over.
	parts, part int
	each        int    // requests of a part, but for the last, which has the rest
	spans       []span // of the parts that are over

	phase       phase
	settled     int
	inFlight    int
	cohort      int
	open        time.Duration // of the part that is open, or was last
	closeSerial uint64        // requests with a smaller serial started before the close
	pending     int           // of those, still in flight
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

// start records that the request with the given serial starts at now, and
// returns its index in the cohort or −1. reached says whether, with it, the
// level is reached.
func (w *window) start(now time.Duration, serial uint64, reached bool) int {
	if (w.phase == ramping || w.phase == rephasing) && reached {
		w.phase, w.settled = settling, 0
	}
	if w.phase == settling && w.settled >= w.turnover {
		w.phase, w.open = measuring, now
	}
	// The start that would be one too many closes the window just before
	// itself: a window of n starts then spans n whole intervals, and rates have
	// no fence-post error.
	switch {
	case w.phase != measuring:
	case w.cohort == w.requests || w.measured(now) >= w.most:
		w.shut(now, serial)
	case w.part+1 < w.parts && w.cohort >= w.each*(w.part+1):
		w.spans = append(w.spans, span{w.open, now})
		w.part++
		w.phase = rephasing
	}
	w.inFlight++
	if w.phase != measuring {
		return -1
	}
	w.cohort++
	return w.cohort - 1
}

// shut closes the window at now; requests from serial on are not awaited.
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
