// Package report turns an outcome into bytes: text for a test's log, files for
// people and tools. It measures and decides nothing.
//
// Every format is a function of an [io.Writer] and an outcome:
//
//	Expansion    what the recipe expanded to, before the first probe
//	ProbeLine    one line as a probe ends
//	Finding      the answer, first line complete alone
//	Summary      summary.md, what a CI job shows; StepSummary appends it to the job's page
//	History      search_history.json
//	Profile      profile_export_aiperf.json of one measurement; ProfileCSV the same as a table
//	Records      profile_export.jsonl, a line a request
//	RunConfig    run_config.json, what was asked for
//	InputsFile   inputs.json, the requests' payloads
//	PointAggregate, PointAggregateCSV  a point's statistics over its trials
//	Sweep, SweepCSV                    all points, the best and the frontier
//	Bench        bench.txt, for benchstat
//
// [Dir] writes them as files, each whole or not at all, in AIPerf's layout: its
// Update is made to be a recipes.Spec's Observe. Texts that others had a hand in
// pass [Redact] before they are written or printed.
package report
