//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package aiperftest

import (
	"errors"
	"os"
	"syscall"
)

// tryLock returns the file at path, made and locked, or errLocked.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	// The holder removes the file before it unlocks it. A lock on a file that is
	// no longer at path excludes nobody.
	mine, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
	}
	f.Close()
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil, errLocked // try again
	}
	return nil, err
}
