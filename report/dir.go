package report

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
	"github.com/aiperf-go/aiperf/report/llmd"
	"github.com/aiperf-go/aiperf/report/plot"
)

// Dir writes an outcome's files under one directory, in AIPerf's layout. It remembers
// what it has written, so that one Dir belongs to one run:
//
//	artifacts/
//	    search_history.json
//	    search_iter_0000/profile_runs/run_0001/profile_export_aiperf.json
//	    …
//	    aggregate/concurrency_16/profile_export_aiperf_aggregate.json
//	    sweep_aggregate/profile_export_aiperf_sweep.json
//	    plots/search_trace.svg
//	    bench.txt  report.html  summary.md
//	    history.html
//
// A Dir is not safe for concurrent use.
type Dir struct {
	// Path is the directory. It is made, with the folders to it, by the first file.
	Path string
	// Again is the command that does the run once more, for summary.md and
	// report.html. If it is empty, the page does not say one.
	Again string
	// NoCharts leaves the charts out.
	NoCharts bool
	// Slice cuts the time of each probe into parts of this length, with files and a chart of
	// them. 0 means that there are none.
	Slice time.Duration
	// LLMD writes llm-d's benchmark report of each trial, version 0.2, beside its profile.
	LLMD bool

	// timelines has what the chart of slices needs, by the index of the probe.
	timelines map[int]timeline

	// storage is what files are written with; nil is the disk.
	storage storage
	// written is how many probes have had their files written.
	written int
	// lost counts the files that could not be written, and causes has why.
	lost   int
	causes map[string]bool
}

// Update writes what is new since the last call: the exports of probes that
// have ended, the aggregates of their points, and search_history.json. Once the
// run has ended it also writes the sweep's aggregate, what handlers derived,
// bench.txt, charts, report.html and summary.md, and history.html of a run that is one of a
// history; of a run that measured nothing report.html and summary.md say why. Each file appears whole or not at all. Before the outcome
// has a plan nothing is written.
//
// A file that cannot be written keeps none of the others from being tried. The
// error names each cause once in the life of a Dir, and at the end how many
// files are missing: a full disk is not news at every probe.
func (d *Dir) Update(o *recipes.Outcome) error {
	if o.Plan == nil {
		return nil
	}
	v := viewOf(o)
	b := &batch{dir: d}
	// The requests of an earlier run's probes are not in its history: their files stand
	// where it wrote them, and nothing here could write them again.
	d.written = max(d.written, o.Resumed)
	for ; d.written < len(v.probes); d.written++ {
		b.probe(v, d.written)
	}
	// A run that measured nothing has no sweep, and pages that say why.
	switch {
	case v.ended() && len(v.probes) > 0:
		b.sweep(v)
	case v.ended():
		b.pages(v)
	}
	b.write()
	// Last: a probe that it names has its files.
	b.file("search_history.json", v.history)
	b.write()
	return b.err(v.ended())
}

// probe adds the files of one probe: those of each trial, and the aggregate of its
// point.
func (b *batch) probe(v *view, i int) {
	trials := len(v.probes[i].Trials)
	for trial := range trials {
		dir := v.probeDir(i, trial)
		for _, f := range []struct {
			name  string
			write func(w io.Writer, i, trial int) error
		}{
			{"profile_export_aiperf.json", v.profile},
			{"profile_export_aiperf.csv", v.profileCSV},
			{"profile_export.jsonl", v.records},
			{"run_config.json", v.runConfig},
			{"inputs.json", v.inputsFile},
		} {
			b.file(filepath.Join(dir, f.name), func(w io.Writer) error { return f.write(w, i, trial) })
		}
		if len(v.probes[i].Trials[trial].Load.Workload.Stages) > 0 {
			b.file(filepath.Join(dir, rateSeriesName), func(w io.Writer) error { return v.rateSeriesFile(w, i, trial) })
		}
		if b.dir.LLMD {
			// The identity of the trial is that of its profile, so that both can be found by it.
			t := llmd.Trial{Outcome: v.Outcome, Probe: i, Trial: trial, ID: v.benchmarkID(i, trial), Run: v.sweepID()}
			t.Tool, t.Version, _ = strings.Cut(library(), " ")
			b.file(filepath.Join(dir, llmd.Name), t.Write)
		}
		if parts := v.probes[i].Trials[trial].Slices(b.dir.Slice); len(parts) > 0 {
			const name = "profile_export_aiperf_timeslices"
			b.file(filepath.Join(dir, name+".json"), func(w io.Writer) error { return v.slicesJSON(w, i, trial, parts) })
			b.file(filepath.Join(dir, name+".csv"), func(w io.Writer) error { return slicesCSV(w, parts) })
			if b.dir.timelines == nil {
				b.dir.timelines = map[int]timeline{}
			}
			b.dir.timelines[i] = timelineOf(parts, b.dir.Slice)
		}
		m := v.probes[i].Trials[trial]
		if slices.ContainsFunc(m.Server.Series, func(s servermetrics.Series) bool { return !onlyGPUs(s) }) {
			b.file(filepath.Join(dir, "server_metrics_export.json"), func(w io.Writer) error { return v.serverMetrics(w, i, trial) })
		}
		if len(m.Server.Window.GPUs) > 0 && len(m.Server.Series) > 0 {
			b.file(filepath.Join(dir, "gpu_telemetry_export.jsonl"), func(w io.Writer) error { return v.gpuRecords(w, i, trial) })
		}
	}
	if trials > 0 && !v.visitedBefore(i) {
		dir := v.aggregateDir(i)
		b.file(filepath.Join(dir, "profile_export_aiperf_aggregate.json"), func(w io.Writer) error { return v.pointAggregate(w, i) })
		b.file(filepath.Join(dir, "profile_export_aiperf_aggregate.csv"), func(w io.Writer) error { return v.pointAggregateCSV(w, i) })
	}
}

// sweep adds what is known once a run has ended.
func (b *batch) sweep(v *view) {
	const dir = "sweep_aggregate"
	b.file(filepath.Join(dir, "profile_export_aiperf_sweep.json"), v.sweepJSON)
	b.file(filepath.Join(dir, "profile_export_aiperf_sweep.csv"), v.sweepCSV)
	for name, raw := range v.Derived {
		b.file(filepath.Join(dir, Safe(name)), func(w io.Writer) error { return writeJSON(w, raw) })
	}
	b.file("bench.txt", func(w io.Writer) error { return bench.Write(w, v.Outcome) })
	b.pages(v)
}

// pages adds what a finished run is looked at by: the charts as PNG and SVG, unless
// they are turned off, summary.md and report.html, and of a run that is one of a history the
// charts of that, and history.html. The two pages share no chart: one is about this run, and the
// other about how it stands to the others.
func (b *batch) pages(v *view) {
	b.file("summary.md", func(w io.Writer) error { return v.summary(w, b.dir.Again) })
	var charts []plot.Chart
	if !b.dir.NoCharts {
		charts = v.charts()
		if c, ok := v.timelineChart(b.dir.timelines); ok {
			charts = append(charts, c)
		}
	}
	var trend []plot.Chart
	if v.trend != nil {
		if !b.dir.NoCharts {
			trend = v.pastCharts()
		}
		b.file("history.html", func(w io.Writer) error { return v.historyHTML(w, trend) })
	}
	for _, c := range slices.Concat(charts, trend) {
		name := filepath.Join("plots", Safe(c.Name))
		b.file(name+".svg", c.SVG)
		b.file(name+".png", c.PNG)
	}
	b.file("report.html", func(w io.Writer) error { return v.html(w, b.dir.Again, charts) })
}

// batch is one Update's files: those that are still to be written, and the errors
// that are news.
type batch struct {
	dir   *Dir
	files []file
	errs  []error
}

// file is one of them: its name below the directory, and what writes it.
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

// failed counts a file that is missing, and keeps its error when the cause is news.
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

// err says what could not be written that has not been said, and at the end of a run
// how many files are missing; nil when there is nothing to say.
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

// Unwrap returns the errors of the single files.
func (e *writeError) Unwrap() []error { return e.errs }

// Error says which directory it was, why, and what to do about it.
func (e *writeError) Error() string {
	var parts []string
	for _, err := range e.errs {
		parts = append(parts, err.Error())
	}
	return fmt.Sprintf("write artifacts to %q: %s; make room there or choose another folder", e.dir, strings.Join(parts, "; "))
}
