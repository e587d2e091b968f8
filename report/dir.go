package report

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Dir writes an outcome's files under one directory, in AIPerf's layout.
type Dir struct {
	Path     string
	Again    string // the command that does the run once more, for summary.md and report.html; empty: it is not said
	NoCharts bool   // draws no charts

	storage storage // nil: the disk
	written int     // probes whose files are on disk
	lost    int     // files that could not be written
	causes  map[string]bool
}

// Update writes what is new since the last call: the exports of probes that
// have ended, the aggregates of their points, and search_history.json; once the
// run has ended also the sweep's aggregate, what handlers derived, bench.txt,
// charts, report.html and summary.md; of a run that measured nothing the last two
// say why. Each file appears whole or not at all.
//
// A file that cannot be written keeps none of the others from being tried. The
// error names each cause once in the life of a Dir, and at the end how many
// files are missing: a full disk is not news at every probe.
func (d *Dir) Update(o *recipes.Outcome) error {
	if o.Plan == nil {
		return nil
	}
	b := &batch{dir: d}
	for ; d.written < len(o.Probes); d.written++ {
		i := d.written
		for trial := range o.Probes[i].Trials {
			b.probe(o, i, trial)
		}
		if len(o.Probes[i].Trials) > 0 {
			dir := aggregateDir(o, i)
			b.file(filepath.Join(dir, "profile_export_aiperf_aggregate.json"), func(w io.Writer) error { return PointAggregate(w, o, i) })
			b.file(filepath.Join(dir, "profile_export_aiperf_aggregate.csv"), func(w io.Writer) error { return PointAggregateCSV(w, o, i) })
		}
	}
	ended := o.Reason != ""
	switch {
	case ended && len(o.Probes) > 0:
		b.sweep(o)
	case ended:
		b.pages(o)
	}
	b.write()
	// Last: a probe that it names has its files.
	b.file("search_history.json", func(w io.Writer) error { return History(w, o) })
	b.write()
	return b.err(ended)
}

// probe writes the files of one trial.
func (b *batch) probe(o *recipes.Outcome, i, trial int) {
	dir := probeDir(o, i, trial)
	for _, f := range []struct {
		name  string
		write func(io.Writer, *recipes.Outcome, int, int) error
	}{
		{"profile_export_aiperf.json", Profile},
		{"profile_export_aiperf.csv", ProfileCSV},
		{"profile_export.jsonl", Records},
		{"run_config.json", RunConfig},
		{"inputs.json", InputsFile},
	} {
		b.file(filepath.Join(dir, f.name), func(w io.Writer) error { return f.write(w, o, i, trial) })
	}
}

// sweep writes what is known once a run has ended.
func (b *batch) sweep(o *recipes.Outcome) {
	const dir = "sweep_aggregate"
	b.file(filepath.Join(dir, "profile_export_aiperf_sweep.json"), func(w io.Writer) error { return Sweep(w, o) })
	b.file(filepath.Join(dir, "profile_export_aiperf_sweep.csv"), func(w io.Writer) error { return SweepCSV(w, o) })
	for name, raw := range o.Derived {
		b.file(filepath.Join(dir, Safe(name)), func(w io.Writer) error { return writeJSON(w, raw) })
	}
	b.file("bench.txt", func(w io.Writer) error { return bench.Write(w, o) })
	b.pages(o)
}

// batch is one Update's files.
type batch struct {
	dir   *Dir
	files []file
	errs  []error
}

type file struct {
	name  string
	write func(io.Writer) error
}

// file adds a file to the next write.
func (b *batch) file(name string, write func(io.Writer) error) {
	b.files = append(b.files, file{name, write})
}

// write writes the files that were added, side by side: the next probe waits for
// their syncs, and a disk does several in the time of one.
func (b *batch) write() {
	s := b.dir.storage
	if s == nil {
		s = disk{}
	}
	errs := make([]error, len(b.files))
	var wg sync.WaitGroup
	for i, f := range b.files {
		wg.Go(func() { errs[i] = writeFile(s, filepath.Join(b.dir.Path, f.name), f.write) })
	}
	wg.Wait()
	b.files = nil
	for _, err := range errs {
		b.failed(err)
	}
}

// failed keeps an error whose cause is news.
func (b *batch) failed(err error) {
	if err == nil {
		return
	}
	b.dir.lost++
	cause := err.Error()
	var f *fileError
	if errors.As(err, &f) {
		cause = f.cause().Error()
	}
	if b.dir.causes[cause] {
		return
	}
	if b.dir.causes == nil {
		b.dir.causes = map[string]bool{}
	}
	b.dir.causes[cause] = true
	b.errs = append(b.errs, err)
}

// err says what could not be written that has not been said.
func (b *batch) err(ended bool) error {
	if ended && b.dir.lost > len(b.dir.causes) {
		b.errs = append(b.errs, fmt.Errorf("%s are missing", plural(b.dir.lost, "file")))
		b.dir.lost = 0
	}
	if len(b.errs) == 0 {
		return nil
	}
	return &writeError{b.dir.Path, b.errs}
}

// writeError is what went wrong below one directory, on one line.
type writeError struct {
	dir  string
	errs []error
}

func (e *writeError) Unwrap() []error { return e.errs }

func (e *writeError) Error() string {
	var parts []string
	for _, err := range e.errs {
		parts = append(parts, err.Error())
	}
	return fmt.Sprintf("write artifacts to %q: %s; make room there or choose another folder", e.dir, strings.Join(parts, "; "))
}
