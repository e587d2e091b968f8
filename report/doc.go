// Package report turns the outcome of a run into bytes: text for a test's log, and
// files for people and for tools. It measures nothing and decides nothing.
//
// A test needs little of it:
//
//	files := &report.Dir{Path: "artifacts", Again: "go test -run=TestCapacity"}
//	out, err := recipes.Run(ctx, recipe, recipes.Spec{
//		Target:  loadgen.Target{URL: "http://127.0.0.1:8000"},
//		Observe: files.Update,
//	})
//	if err != nil {
//		return err
//	}
//	return report.Finding(os.Stdout, out)
//
// # While a run goes on
//
// The messages come in this order, and each is complete alone:
//
//  1. Expansion says what the recipe expanded to, before the first probe.
//  2. ProbeLine says what one probe saw, and how it stands to the limits.
//  3. Progress is one line on how far the run has come, for a terminal.
//  4. Finding is the answer. Its first line, which Headline returns alone, is all
//     that a CI page shows; the limits, want and got, follow it, then the probes
//     when the answer is not a plain yes.
//
// # Files
//
// Dir writes the files of a run below one directory, in AIPerf's layout, each whole
// or not at all. Its Update is made to be the Observe of a recipes.Spec:
//
//	profile_export_aiperf.json, .csv   the metrics of one trial
//	profile_export.jsonl               its requests, one a line
//	server_metrics_export.json         what its server said of itself, if it did
//	gpu_telemetry_export.jsonl         what its GPUs took, one of them and one second a line
//	profile_export_aiperf_timeslices.* the metrics of parts of its time, if it was cut
//	run_config.json, inputs.json       what was asked for, and the payloads
//	aggregate/…                        a point over its trials
//	search_history.json                the search, as History writes and ReadHistory reads it
//	sweep_aggregate/…                  all points, the best, the frontier, what was derived
//	bench.txt                          for benchstat; see package report/bench
//	plots/…, report.html, summary.md   to be looked at
//	benchmark_report_v0.2,_….yaml      llm-d's form of a trial, if asked for; see package llmd
//	history.html                       the run among those before it, if it has a history
//
// StepSummary appends summary.md to the page of the CI job. WriteFile and Safe are
// for others who keep files beside these.
//
// # Many runs
//
// A run that was held against those before it (recipes.Outcome.Trend, a *history.Trend of
// package report/history) says so in its finding, in summary.md and on its page, and has
// history.html with charts of them all. That package has the file of the runs and the rule; what
// is here draws them.
//
// # How it is built
//
// An outcome is data, and formats ask the same questions of it: where was this
// probe, how does it stand to the limits, which one is shown beside them, what is
// its statistic, what must not be printed. The answers are in one place, the view,
// which each message builds once, and Dir once for all files of an update:
//
//	numbers, JSON, CSV, tables, text   how values are written; they know no outcome
//	metrics, readings, standings       what one metric, one limit, one verdict is called
//	probe, view, layout                an outcome, ready to be written
//	lines, tables, trend, finding      messages
//	charts                             what package report/plot draws
//	profiles, records, history, sweep  AIPerf's files
//	summary, page, page of a history   what is made of all the above
//	Dir                                which file is written when
//
// A file of this package uses only files that stand before it in that list; a test
// holds them to it.
//
// # Numbers and secrets
//
// Numbers in text have three significant digits and their unit (412ms, 2.91s, 0.4%);
// numbers in files have all their digits, and null where nothing was measured.
// Texts that a server or a user had a hand in pass loadgen.Target.Redact before they
// are written, and are escaped for the format that they go into.
package report
