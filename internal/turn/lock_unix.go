//go:build unix

package turn

import (
	"os"
	"syscall"
	"time"
)

// lock waits, within patience, for the file's lock, which the kernel takes back when the process ends. A
// process that the tests start closes the descriptor when it runs another program, so
// that it does not keep the lock.
func lock(f *os.File) (release func()) {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Since(begin) > patience {
			return func() {}
		}
	}
	return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
}
