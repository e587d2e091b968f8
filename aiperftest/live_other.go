//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package aiperftest

// terminal returns none: what other systems have in place of /dev/tty and of
// process groups is too different to be had without trying it there.
func terminal() (screen, bool) { return screen{}, false }
