//go:build unix

package turn

import (
	"os"
	"syscall"
)

// lock waits for the file's lock, which the kernel takes back when the process ends. A
// process that the tests start closes the descriptor when it runs another program, so
// that it does not keep the lock.
func lock(f *os.File) (release func()) {
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX) != nil {
		return func() {}
	}
	return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
}
