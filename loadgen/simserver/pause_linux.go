package simserver

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxPause bounds one sleep, so that a server with long steps still closes
// promptly.
const maxPause = 20 * time.Millisecond

// newPause returns what sleeps for about a time, at most maxPause, by the system's own timer, and
// what frees that. pause is nil if the system has no more of them.
//
// Note: time.Sleep was tried first. An idle Go program waits in epoll_wait, whose
// timeout is in whole milliseconds, so that a step ends half a millisecond late on
// average, which adds to every TTFT. A timer that epoll_wait waits for as for a socket is late by
// less than a tenth of that. So is nanosleep, but it takes a thread of its own at every step: a
// request and its answer then took 505 µs of processor time, and 392 without.
func newPause() (pause func(time.Duration), free func()) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, func() {}
	}
	timer, count := os.NewFile(uintptr(fd), "timer"), make([]byte, 8)
	pause = func(d time.Duration) {
		once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(min(max(d, 1), maxPause)))}
		if unix.TimerfdSettime(fd, 0, &once, nil) == nil {
			_, _ = timer.Read(count)
		}
	}
	return pause, func() { _ = timer.Close() }
}
