package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
)

// Dir writes an outcome's files under one directory, in AIPerf's layout.
type Dir struct {
	Path    string
	written int // probes whose files are on disk
}

// Update writes what is new since the last call: the exports of probes that
// have ended, and search_history.json. Each file appears whole or not at all.
func (d *Dir) Update(o *recipes.Outcome) error {
	if o.Plan == nil {
		return nil
	}
	d.written = max(d.written, o.Resumed) // what an earlier run wrote stays
	var errs []error
	for ; d.written < len(o.Probes); d.written++ {
		i := d.written
		for trial := range o.Probes[i].Trials {
			dir := probeDir(o, i, trial)
			errs = append(errs,
				d.file(filepath.Join(dir, "profile_export_aiperf.json"), func(w io.Writer) error { return Profile(w, o, i, trial) }),
				d.file(filepath.Join(dir, "profile_export.jsonl"), func(w io.Writer) error { return Records(w, o, i, trial) }))
		}
	}
	errs = append(errs, d.file("search_history.json", func(w io.Writer) error { return History(w, o) }))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write artifacts to %s: %w", d.Path, err)
	}
	return nil
}

// probeDir is where one trial's files go.
func probeDir(o *recipes.Outcome, i, trial int) string {
	if o.Plan.Search != nil {
		return filepath.Join(fmt.Sprintf("search_iter_%04d", i), "profile_runs", fmt.Sprintf("run_%04d", trial+1))
	}
	var parts []string
	for k, path := range paths(o.Plan) {
		parts = append(parts, Safe(leaf(path))+"_"+Safe(digits(o.Probes[i].Step.At[k])))
	}
	point := strings.Join(parts, "__")
	if o.Spec.Trials > 1 {
		return filepath.Join("profile_runs", fmt.Sprintf("trial_%04d", trial+1), point)
	}
	return point
}

func (d *Dir) file(name string, write func(io.Writer) error) error {
	return WriteFile(filepath.Join(d.Path, name), write)
}

// WriteFile makes the file at path, and the folders to it, with what write
// writes. It writes to a temporary file in the same folder, syncs it and renames
// it: a reader, or a crash, never sees half a file.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Safe makes a path element of a user's text: letters, digits, dot, underscore
// and dash stay, all else becomes an underscore; never empty, never dots alone.
func Safe(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, s)
	if strings.Trim(s, ".") == "" {
		return "_" + strings.ReplaceAll(s, ".", "_")
	}
	return s
}
