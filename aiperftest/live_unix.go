//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package aiperftest

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminal returns the controlling terminal of the process. Its width is 0 while
// another job has the foreground: a test in the background must not draw over
// what is typed, and is stopped for it where the terminal has tostop set.
func terminal() (screen, bool) {
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return screen{}, false
	}
	fd := int(tty.Fd())
	return screen{tty, func() int {
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
			return 0
		}
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err != nil || size.Col == 0 { // a terminal that does not know its size
			return 80
		}
		return int(size.Col)
	}}, true
}
