package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile makes the file at path, and the folders to it, with what write
// writes. It writes to a temporary file in the same folder, syncs it and renames
// it: a reader, or a crash, never sees half a file. On an error the temporary
// file is gone, and what was at path before is still there. The error names path and
// wraps the cause.
func WriteFile(path string, write func(io.Writer) error) error {
	return writeFile(disk{}, path, write)
}

// storage is what a file is written with: the disk, or one that a test has made
// fail.
type storage interface {
	MkdirAll(dir string) error
	CreateTemp(dir string) (tempFile, error)
	Rename(from, to string) error
	Remove(name string) error
}

// tempFile is a file under its temporary name.
type tempFile interface {
	io.WriteCloser
	Name() string
	Chmod(fs.FileMode) error
	Sync() error
}

// disk is the operating system's.
type disk struct{}

// The methods of disk are the calls of package os with permissions that the user's
// umask narrows.

func (disk) MkdirAll(dir string) error               { return os.MkdirAll(dir, 0o777) }
func (disk) CreateTemp(dir string) (tempFile, error) { return os.CreateTemp(dir, ".tmp-*") }
func (disk) Rename(from, to string) error            { return os.Rename(from, to) }
func (disk) Remove(name string) error                { return os.Remove(name) }

// writeFile is WriteFile on any storage. Each step that can fail says what it was
// doing; whichever it is, the temporary file goes.
func writeFile(s storage, path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := s.MkdirAll(dir); err != nil {
		return &fileError{path, "make its folder", err}
	}
	f, err := s.CreateTemp(dir)
	if err != nil {
		return &fileError{path, "create", err}
	}
	closed := false
	defer func() {
		if err == nil {
			return
		}
		if !closed {
			f.Close()
		}
		s.Remove(f.Name())
	}()
	b := bufio.NewWriter(f)
	if err := write(b); err != nil {
		return &fileError{path, "write", err}
	}
	if err := b.Flush(); err != nil {
		return &fileError{path, "write", err}
	}
	if err := f.Chmod(0o644); err != nil { // a temporary file is its owner's alone
		return &fileError{path, "set the permissions of", err}
	}
	if err := f.Sync(); err != nil {
		return &fileError{path, "write", err}
	}
	closed = true
	if err := f.Close(); err != nil {
		return &fileError{path, "write", err}
	}
	if err := s.Rename(f.Name(), path); err != nil {
		return &fileError{path, "put in place", err}
	}
	return nil
}

// fileError is what went wrong with one file. It names the file that was wanted, not
// the temporary one.
type fileError struct {
	path, doing string
	err         error
}

// Error says what was attempted, with which file, and why it failed.
func (e *fileError) Error() string { return fmt.Sprintf("%s %q: %v", e.doing, e.path, e.cause()) }

// Unwrap returns the operating system's error.
func (e *fileError) Unwrap() error { return e.err }

// cause is the reason without the names of calls and temporary files, which
// differ each time. A path stays where it is what stands in the way.
func (e *fileError) cause() error {
	var link *os.LinkError
	if errors.As(e.err, &link) {
		return link.Err
	}
	var p *fs.PathError
	if errors.As(e.err, &p) {
		if p.Op == "mkdir" && p.Path != filepath.Dir(e.path) {
			return fmt.Errorf("%q: %w", p.Path, p.Err)
		}
		return p.Err
	}
	return e.err
}
