package simserver

import (
	"syscall"
	"time"
)

// maxPause bounds one sleep, so that a server with long steps still closes
// promptly.
const maxPause = 20 * time.Millisecond

// pause sleeps for about d, at most maxPause, by the system's own timer.
//
// Note: time.Sleep was tried first. An idle Go program waits in epoll_wait, whose
// timeout is in whole milliseconds, so that a step ends half a millisecond late on
// average, which adds to every TTFT. nanosleep is late by less than a tenth of that. A
// sleep that a signal interrupts returns early; the driver looks at the clock again.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(min(d, maxPause)))
	_ = syscall.Nanosleep(&ts, nil)
}
